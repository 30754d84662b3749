#!/usr/bin/env python3
"""Compare the objects of selections with brute force, over a reference to a thousand files.

    check_objects.py [--bridge target/debug/select-bridge] [--seed N] [-n N] [--files N]

The bridge is built by `cargo build -p thermocline-tests --bin select-bridge`. The script writes an archive of NetCDF-4
files, two steps of time in each, and a kerchunk reference over all of them: `tas` in a chunk for each step and half of
the globe, `pr` in a chunk for each file, `orog` in the first file only, and a part of the chunks left out as if they had
never been written. It asks for the files of random selections. What is right is found by asking every chunk
of every variable whether one of its cells is selected, by the labels that were written.

The last line is `N passed, N failed`; the exit code is 0 only if none failed.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
LAT, LON = np.arange(80.0, -81, -10), np.arange(0.0, 360, 15)
START = datetime(1990, 1, 1)


def write(archive: Path, n_files: int) -> dict[str, object]:
    """The archive, and the reference over it."""
    shape = {"tas": (2, len(LAT), len(LON)), "pr": (2, len(LAT), len(LON)), "orog": (len(LAT), len(LON))}
    chunks = {"tas": (1, 9, len(LON)), "pr": shape["pr"], "orog": shape["orog"]}
    refs: dict[str, object] = {".zgroup": json.dumps({"zarr_format": 2})}
    for name, values, attrs in (
        ("time", np.arange(2 * n_files) * 12.0, {"units": f"hours since {START:%Y-%m-%d}", "calendar": "standard"}),
        ("lat", LAT, {"units": "degrees_north"}),
        ("lon", LON, {"units": "degrees_east"}),
    ):
        refs[f"{name}/.zarray"] = json.dumps(array(values.shape, values.shape, "<f8"))
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": [name], **attrs})
        refs[f"{name}/0"] = "base64:" + base64.b64encode(values.astype("<f8").tobytes()).decode()
    for name, own in shape.items():
        whole = (2 * n_files, *own[1:]) if len(own) == 3 else own
        refs[f"{name}/.zarray"] = json.dumps(array(whole, chunks[name], "<i2"))
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": ["time", "lat", "lon"][3 - len(own):]})
    for number in range(n_files):
        path = archive / f"part{number:04}.nc"
        with h5py.File(path, "w", libver="latest") as file:
            for name in shape if number == 0 else ("tas", "pr"):
                file.create_dataset(name, data=np.full(shape[name], number, "<i2"), chunks=chunks[name])
            for name in file:
                for at in range(file[name].id.get_num_chunks()):
                    info = file[name].id.get_chunk_info(at)
                    index = [start // size for start, size in zip(info.chunk_offset, chunks[name])]
                    if name != "orog":
                        index[0] += number * 2 // chunks[name][0]
                    if not is_absent(name, index):
                        refs[f"{name}/" + ".".join(map(str, index))] = [str(path), info.byte_offset, info.size]
    return {"version": 1, "refs": refs}


def array(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str) -> dict[str, object]:
    return {
        "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype,
        "compressor": None, "filters": None, "fill_value": None, "order": "C",
    }


def is_absent(name: str, index: list[int]) -> bool:
    """True for chunks that the reference leaves out."""
    return name == "tas" and index[0] % 7 == 3 and index[1] == 1


class Selections:
    """Random selections, each with the files that are right."""

    def __init__(self, refs: dict[str, object], n_files: int, seed: int) -> None:
        self.dice, self.dates = random.Random(seed), [START + timedelta(hours=12 * step) for step in range(2 * n_files)]
        self.texts = [date.isoformat() for date in self.dates]
        self.chunks: dict[str, list[tuple[tuple[int, ...], str]]] = {"tas": [], "pr": [], "orog": []}
        for key, reference in refs.items():
            name, _, index = key.partition("/")
            if name in self.chunks and isinstance(reference, list):
                self.chunks[name].append((tuple(map(int, index.split("."))), reference[0]))
        self.asked: list[tuple[dict[str, object], set[str] | None]] = []

    def time(self, query: list[tuple[str, str]]) -> np.ndarray:
        n, dice = len(self.texts), self.dice
        first = dice.randrange(n)
        last = min(n - 1, first + dice.choice([0, 3, 40, n]))
        length = dice.choice([4, 7, 10, 13, 19])
        lo, hi = self.texts[first][:length], self.texts[last][:length]
        kind = dice.randrange(4)
        if kind == 0:
            query.append(("time", f"{lo}:{hi}"))
            return np.array([lo <= text[:length] <= hi for text in self.texts])
        if kind == 1:
            step = dice.choice([1, 2, 9, 300])
            query.append(("isel", f"time={first - n}:{last + 1}:{step}"))
            return np.isin(np.arange(n), np.arange(first, last + 1, step))
        if kind == 2:
            query.append(("time", self.texts[first]))
            return np.arange(n) == first
        query.append(("time", f"nearest::{(self.dates[first] + timedelta(hours=dice.randint(-5, 5))).isoformat()}"))
        return np.arange(n) == first

    def ask(self) -> None:
        dice, query = self.dice, []
        time, lat, lon = np.ones(len(self.texts), bool), np.ones(len(LAT), bool), np.ones(len(LON), bool)
        if dice.random() < 0.9:
            time = self.time(query)
        if dice.random() < 0.3:
            lo, hi = sorted(dice.randint(-90, 90) for _ in range(2))
            query.append(("lat", f"{lo}:{hi}"))
            lat &= (LAT >= lo) & (LAT <= hi)
        if dice.random() < 0.3:
            south, north = sorted(dice.randint(-90, 90) for _ in range(2))
            west, width = dice.randint(-180, 180), dice.randint(0, 359)
            east = west + width - (360 if west + width > 180 else 0)
            query.append(("bbox", f"{west},{south},{east},{north}"))
            lat &= (LAT >= south) & (LAT <= north)
            lon &= (LON - west) % 360 <= width
        names = dice.choice([["tas"], ["pr"], ["orog", "tas"], ["tas", "pr"], []])
        right = self.files(names or list(self.chunks), time, lat, lon) if time.any() and lat.any() and lon.any() else None
        self.asked.append(({"dataset": "reference", "variables": names, "query": query}, right))

    def files(self, names: list[str], time: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> set[str]:
        found = set()
        for name in names:
            axes = [time, lat, lon][3 - len(self.chunks[name][0][0]):]
            sizes = {"tas": (1, 9, len(LON)), "pr": (2, len(LAT), len(LON)), "orog": (len(LAT), len(LON))}[name]
            hit = [[axis[at:at + size].any() for at in range(0, len(axis), size)] for axis, size in zip(axes, sizes)]
            found |= {path for index, path in self.chunks[name] if all(axis[at] for axis, at in zip(hit, index))}
        return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bridge", default=str(REPOSITORY / "target/debug/select-bridge"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-n", type=int, default=2000, help="selections")
    parser.add_argument("--files", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        archive, folder = Path(scratch).resolve() / "archive", Path(scratch) / "data"
        archive.mkdir()
        folder.mkdir()
        reference = write(archive, options.files)
        (folder / "reference.json").write_text(json.dumps(reference))
        selections = Selections(reference["refs"], options.files, options.seed)
        for _ in range(options.n):
            selections.ask()
        lines = "".join(json.dumps(question) + "\n" for question, _ in selections.asked)
        command = [options.bridge, str(folder), str(Path(scratch) / "state"), str(archive)]
        bridge = subprocess.run(command, input=lines, capture_output=True, text=True)
    answers = [json.loads(line) for line in bridge.stdout.splitlines()]
    if bridge.returncode or len(answers) != len(selections.asked):
        print(bridge.stderr[-2000:], f"{len(answers)} answers to {len(selections.asked)} questions", sep="\n")
    n_passed = n_shown = 0
    for (question, right), answer in zip(selections.asked, answers):
        found = answer.get("objects")
        is_right = "error" in answer if right is None else found is not None and sorted(found) == sorted(right)
        n_passed += is_right
        if not is_right and (n_shown := n_shown + 1) <= 20:
            print(question, "-- expected", right and len(right), "files, got", answer.get("error") or len(found))
    print(f"{n_passed} passed, {len(selections.asked) - n_passed} failed")
    return int(n_passed != len(selections.asked) or bridge.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
