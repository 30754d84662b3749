#!/usr/bin/env python3
"""Compare selections with xarray: which positions of which dimensions they take.

    check_xarray.py [--bridge target/debug/select-bridge] [--seed N] [-n N]

The bridge is built by `cargo build -p thermocline-tests --bin select-bridge`. The script writes NetCDF files with
coordinates of every kind (float32 and float64, ascending, descending, unsorted, with duplicates and missing values,
integers, packed, texts, times of several calendars), asks xarray and the bridge the same random questions, and
compares positions. Where xarray raises KeyError, the answer must be an error; where they are meant to differ, what is
expected is computed from the values that xarray decodes:

- a partial date must hold exactly one step, and is an error where xarray selects several;
- `lo:hi` are values on descending coordinates too: xarray is asked with its ends swapped;
- ranges of unsorted coordinates, boxes and ranges of two-dimensional coordinates, half-open paths: by numpy.

The last line is `N passed, N failed`; the exit code is 0 only if none failed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from pandas.errors import InvalidIndexError

warnings.simplefilter("ignore")
REPOSITORY = Path(__file__).resolve().parents[2]


def write(folder: Path) -> None:
    """One file for each index coordinate `x` with the variable `v(x)`, and grids for boxes."""
    rng = np.random.default_rng(5)
    floats = np.round(np.cumsum(rng.uniform(0.1, 3, 60)), 1)
    plain: dict[str, tuple[str, object, dict[str, object]]] = {
        "f8": ("f8", floats, {}),
        "f4": ("f4", floats / 10, {}),
        "f4_tenths": ("f4", np.arange(-20, 20) / 10, {}),
        "f8_down": ("f8", floats[::-1], {}),
        "f4_down": ("f4", np.arange(90, -91, -2.5), {"units": "degrees_north"}),
        "i4": ("i4", np.cumsum(rng.integers(1, 6, 50)) - 40, {}),
        "i8_large": ("i8", 2**53 + np.arange(9), {}),
        "u1_down": ("u1", np.arange(250, 3, -7), {}),
        "packed": ("i2", np.arange(-100, 100, 5), {"scale_factor": np.float32(0.01), "add_offset": np.float32(3)}),
        "packed_scale": ("i2", np.arange(-100, 100, 5), {"scale_factor": np.float32(0.1)}),
        "packed_wide": ("i2", np.arange(-100, 100, 5), {"scale_factor": 0.1, "add_offset": 7.25}),
        "filled": ("i2", [3, 5, 7, -99, 9, 11], {"_FillValue": np.int16(-99)}),
        "filled_whole": ("i4", [3, 5, 7, 8, 9, 11], {"_FillValue": np.int32(-99)}),
        "twice": ("f8", [1, 2, 2, 3, 3, 3, 4], {}),
        "unsorted": ("f8", [3, 1, 4, 1.5, 9, 2.5], {}),
        "with_nan": ("f8", [1, 2, np.nan, 4], {}),
        "one": ("f8", [5], {}),
        "one_i": ("i4", [5], {}),
        "hourly": ("i4", np.arange(0, 24 * 40), {"units": "hours since 2000-02-10"}),
        "six_hourly": ("f8", np.arange(0, 90, 0.25), {"units": "days since 1999-12-01 00:00:00"}),
        "daily_noon": ("f4", np.arange(0, 800) + 0.5, {"units": "days since 2000-01-01", "calendar": "standard"}),
        "daily_down": ("i4", np.arange(800, 0, -1), {"units": "days since 2000-01-01"}),
        "noleap": ("f8", np.arange(0, 800) + 0.5, {"units": "days since 1999-01-01", "calendar": "noleap"}),
        "months_360": ("f8", np.arange(0, 60) * 30 + 15.0, {"units": "days since 1850-01-01", "calendar": "360_day"}),
        "julian": ("i4", np.arange(0, 900, 7), {"units": "days since 0800-01-01", "calendar": "julian"}),
        "filled_time": ("i4", [0, 6, -1, 12], {"units": "hours since 2000-01-01", "_FillValue": np.int32(-1)}),
    }
    for name, (dtype, values, attrs) in plain.items():
        values = np.asarray(values).astype(dtype)
        with netCDF4.Dataset(folder / f"{name}.nc", "w") as file:
            file.set_auto_maskandscale(False)
            file.createDimension("x", len(values))
            attrs = dict(attrs)
            x = file.createVariable("x", dtype, ("x",), fill_value=attrs.pop("_FillValue", None))
            x.set_auto_maskandscale(False)
            x.setncatts(attrs)
            x[:] = values
            file.createVariable("v", "i4", ("x",), chunksizes=(min(4, len(values)),))[:] = np.arange(len(values))
    with netCDF4.Dataset(folder / "text.nc", "w") as file:
        words = ["r10", "r1", "a:b", "x::y", "ä", "Z"]
        file.createDimension("x", len(words))
        file.createVariable("x", str, ("x",))[:] = np.array(words, dtype=object)
        file.createVariable("v", "i4", ("x",))[:] = np.arange(len(words))
    with netCDF4.Dataset(folder / "chars.nc", "w") as file:
        file.createDimension("x", 4)
        file.createDimension("width", 3)
        file.createVariable("x", "S1", ("x", "width"))[:] = netCDF4.stringtochar(np.array(["aa", "bbb", "c", "dd"], "S3"))
        file.createVariable("v", "i4", ("x",))[:] = np.arange(4)
    grids(folder, rng)


def grids(folder: Path, rng: np.random.Generator) -> None:
    """Coordinates for boxes: along dimensions, over two, over cells."""
    with netCDF4.Dataset(folder / "globe.nc", "w") as file:
        for name, values, units in (("lat", np.arange(88, -90, -4), "degrees_north"), ("lon", np.arange(0, 360, 5), "degrees_east")):
            file.createDimension(name, len(values))
            variable = file.createVariable(name, "f4", (name,))
            variable.units = units
            variable[:] = values
        file.createVariable("v", "i4", ("lat", "lon"))[:] = 0
    with netCDF4.Dataset(folder / "curved.nc", "w") as file:
        file.createDimension("y", 14)
        file.createDimension("x", 17)
        y, x = np.meshgrid(np.arange(14.0), np.arange(17.0), indexing="ij")
        for name, values in (("latitude", y * 5 - x - 20), ("longitude", (x * 6 + y + 140 + 180) % 360 - 180)):
            variable = file.createVariable(f"grid_{name}_t", "f8", ("y", "x"))
            variable.standard_name = name
            variable[:] = values
        v = file.createVariable("v", "i4", ("y", "x"))
        v.coordinates = "grid_latitude_t grid_longitude_t"
        v[:] = 0
    with netCDF4.Dataset(folder / "cells.nc", "w") as file:
        file.createDimension("cell", 300)
        for name, long, values in (("clat", "latitude", rng.uniform(-1.5, 1.5, 300)), ("clon", "longitude", rng.uniform(-3.1, 3.1, 300))):
            variable = file.createVariable(name, "f8", ("cell",))
            variable.standard_name, variable.units = long, "radian"
            variable[:] = values
        v = file.createVariable("v", "i4", ("cell",))
        v.coordinates = "clat clon"
        v[:] = 0


class Questions:
    """Questions for the bridge, each with what is right."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.dice = folder, random.Random(seed)
        self.asked: list[tuple[dict[str, object], object]] = []

    def ask(self, dataset: str, right: object, *query: tuple[str, str], path: str = "") -> None:
        self.asked.append(({"dataset": Path(dataset).stem, "variables": ["v"], "query": query, "path": path}, right))

    def positions(self, ds: xr.Dataset, **selection: object) -> object:
        """What xarray takes of `x`: positions and whether the dimension is dropped; None for an error."""
        options = {name: selection.pop(name) for name in ("method", "tolerance") if name in selection}
        try:
            found = ds.v.sel(selection, **options).values
        except (KeyError, ValueError, TypeError, IndexError, InvalidIndexError):
            return None
        if found.size == 0:
            return None
        return np.atleast_1d(found).tolist(), found.ndim == 0

    def index(self, name: str, n: int) -> None:
        """Random questions about one index coordinate."""
        ds = xr.open_dataset(self.folder / f"{name}.nc", use_cftime=None)
        index = ds.indexes["x"]
        is_time = np.issubdtype(ds.x.dtype, np.datetime64) or ds.x.dtype == object and not isinstance(index[0], str)
        is_text = not is_time and ds.x.dtype.kind in "OSUT"
        if name == "chars":
            ds = ds.assign_coords(x=[value.decode() if isinstance(value, bytes) else value for value in ds.x.values])
            index = ds.indexes["x"]
        for _ in range(n):
            self.slices(f"{name}.nc", len(index))
            if is_time:
                self.times(f"{name}.nc", ds)
            elif is_text:
                self.texts(f"{name}.nc", ds)
            else:
                self.numbers(f"{name}.nc", ds)

    def slices(self, dataset: str, n: int) -> None:
        def number() -> int | None:
            return self.dice.choice([None, self.dice.randint(-n - 3, n + 3)])

        if self.dice.random() < 0.3:
            at = self.dice.randint(-n - 2, n + 2)
            right = ([range(n)[at]], True) if -n <= at < n else None
            self.ask(dataset, right, ("isel", f"x={at}"))
            return
        start, stop, step = number(), number(), self.dice.choice([None, 1, 2, 3, -1, -2, 7, -50])
        found = list(range(n))[slice(start, stop, step)]
        parts = ["" if part is None else str(part) for part in (start, stop, step)]
        self.ask(dataset, (found, False) if found else None, ("isel", "x=" + ":".join(parts[: 2 if step is None else 3])))

    def label(self, values: np.ndarray) -> float:
        """A label, or a number near one, written as people write numbers."""
        value = float(self.dice.choice([value for value in values.tolist() if not math.isnan(value)]))
        shifted = value + self.dice.choice([0, 0, 0, 0.05, -0.05, 0.5, -0.5, 1, -1, 2.5, 300, -300])
        return float(f"{shifted:.6g}") if abs(shifted) < 1e6 else int(value) + self.dice.choice([0, 1, -1])

    def numbers(self, dataset: str, ds: xr.Dataset) -> None:
        index, values = ds.indexes["x"], ds.x.values
        is_sorted = index.is_monotonic_increasing or index.is_monotonic_decreasing
        value = self.label(values)
        text = repr(value) if self.dice.random() < 0.5 or value % 1 else str(int(value))
        kind = self.dice.randrange(4)
        if kind == 0:
            self.ask(dataset, self.positions(ds, x=value), ("x", text))
        elif kind == 1:
            method = self.dice.choice(["nearest", "pad", "ffill", "backfill", "bfill"])
            tolerance = self.dice.choice([None, 0, 0.25, 0.5, 1.0, 2])
            right = self.positions(ds, x=value, method=method, tolerance=tolerance)
            head = method if tolerance is None else f"{method}({tolerance})"
            self.ask(dataset, right, ("sel", f"x={head}::{text}"))
        elif kind == 2:
            lo, hi = sorted([value, self.label(values)])
            ends = [end if self.dice.random() < 0.85 else None for end in (lo, hi)]
            if is_sorted:
                low, high = ends if index.is_monotonic_increasing else ends[::-1]
                right = self.positions(ds, x=slice(low, high))
            else:
                low, high = (-math.inf if ends[0] is None else lo, math.inf if ends[1] is None else hi)
                right = among((values >= low) & (values <= high))
            self.ask(dataset, right, ("x", ":".join("" if end is None else repr(end) for end in ends)))
        else:
            lo, hi = sorted([value, self.label(values)])
            cast = values.dtype.type if values.dtype.kind == "f" else float
            exact = values.dtype.kind in "iu"
            self.ask(
                dataset,
                among((values >= (lo if exact else cast(lo))) & (values < (hi if exact else cast(hi)))),
                path=f"x/{lo!r}_{hi!r}",
            )

    def texts(self, dataset: str, ds: xr.Dataset) -> None:
        value = self.dice.choice([*ds.x.values.tolist(), "nothing", "r"])
        query = f"exact::{value}" if "::" in value or self.dice.random() < 0.3 else value
        if ":" in query and "::" not in query and value not in ds.x.values:
            return
        self.ask(dataset, self.positions(ds, x=value), ("x", query))

    def date(self, ds: xr.Dataset) -> str:
        """A date of some precision, near a step."""
        known = [value for value in ds.indexes["x"] if value == value]
        step = self.dice.choice(known)
        if self.dice.random() < 0.2:
            step = step + (known[-1] - known[0]) / self.dice.choice([-3, 2, 7, 500])
        return step.isoformat()[: self.dice.choice([4, 7, 10, 13, 16, 19])]

    def times(self, dataset: str, ds: xr.Dataset) -> None:
        index, text = ds.indexes["x"], self.date(ds)
        kind = self.dice.randrange(3)
        if kind == 0:
            if index.is_monotonic_increasing or index.is_monotonic_decreasing:
                ascending = ds if index.is_monotonic_increasing else ds.isel(x=slice(None, None, -1))
                right = self.positions(ascending, x=slice(text, text))
            else:
                right = by_text(ds, text, text)
            # One step is what a date names, however xarray would have it.
            right = (right[0], True) if right and len(right[0]) == 1 else None
            self.ask(dataset, right, ("x", text))
        elif kind == 1:
            lo, hi = sorted([text, self.date(ds)])
            ends = [end if self.dice.random() < 0.85 else None for end in (lo, hi)]
            if index.is_monotonic_increasing:
                right = self.positions(ds, x=slice(*ends))
            elif index.is_monotonic_decreasing:
                found = self.positions(ds.isel(x=slice(None, None, -1)), x=slice(*ends))
                right = found and (sorted(found[0]), False)
            else:
                right = by_text(ds, *ends)
            self.ask(dataset, right, ("x", ":".join(end or "" for end in ends)))
        else:
            method = self.dice.choice(["nearest", "pad", "backfill"])
            number, unit, seconds = self.dice.choice([(None, "", 0), (3, "h", 10800), (30, "min", 1800), (2, "D", 172800), (1, "s", 1)])
            try:
                at = instant(index, text)
            except ValueError:
                return
            right = nearest(index, at, method, seconds if number else None)
            self.ask(dataset, right, ("x", f"{method}{f'({number}{unit})' if number else ''}::{text}"))

    def boxes(self, name: str, n: int) -> None:
        ds = xr.open_dataset(self.folder / f"{name}.nc").load()
        lat_name, lon_name = {"globe": ("lat", "lon"), "curved": ("grid_latitude_t", "grid_longitude_t"), "cells": ("clat", "clon")}[name]
        lat, lon = ds[lat_name].astype("f8"), ds[lon_name].astype("f8")
        if lat.attrs.get("units") == "radian":
            lat, lon = lat * 180 / np.pi, lon * 180 / np.pi
        for _ in range(n):
            south, north = sorted(self.dice.randint(-90, 90) for _ in range(2))
            west = self.dice.randint(-180, 360)
            width = min(self.dice.randint(0, 380), 720 - west)
            east = west + width
            if width < 360 and east > 180 and west <= 180 and self.dice.random() < 0.6:
                east -= 360
            inside = (lat >= south) & (lat <= north) & ((((lon - west) % 360) <= width) | (width >= 360))
            inside = inside.transpose(*ds.v.dims)
            self.ask(f"{name}.nc", cells(ds.v.dims, inside.values), ("bbox", f"{west},{south},{east},{north}"))
            if name != "globe":
                lo, hi = sorted([south, north])
                raw = ds[lat_name]
                right = cells(ds.v.dims, ((raw >= lo / 60) & (raw <= hi / 60)).values)
                self.ask(f"{name}.nc", right, (lat_name, f"{lo / 60!r}:{hi / 60!r}"))


def instant(index: object, text: str) -> object:
    """The instant that a date begins with."""
    if hasattr(index, "date_type"):
        date, _, clock = text.partition("T")
        parts = [*date.split("-"), *(clock.split(":") if clock else [])]
        return index.date_type(*map(int, [*parts, *["1"] * (3 - len(parts))]))
    return np.datetime64(text, "us")


def nearest(index: object, at: object, method: str, tolerance: float | None) -> object:
    """What `get_indexer` of pandas finds, which CFTimeIndex does not offer with a tolerance as a text."""
    if not (index.is_monotonic_increasing or index.is_monotonic_decreasing) or not index.is_unique:
        return None
    if hasattr(index, "date_type"):
        gaps = [(value - at).total_seconds() for value in index]
    else:
        gaps = [float((value - at) / np.timedelta64(1, "us")) / 1e6 for value in index.values.astype("datetime64[us]")]
    forward = 1 if index.is_monotonic_increasing else -1
    before = [at for at, gap in enumerate(gaps) if gap * forward <= 0]
    after = [at for at, gap in enumerate(gaps) if gap * forward >= 0]
    left, right = (before[-1] if before else None, after[0] if after else None)
    if method == "nearest":
        options = [option for option in (left, right) if option is not None]
        # Of two as near the later instant.
        found = min(options, key=lambda option: (abs(gaps[option]), -gaps[option]))
    else:
        found = left if method == "pad" else right
    if found is None or tolerance is not None and abs(gaps[found]) > tolerance:
        return None
    return [found], True


def by_text(ds: xr.Dataset, lo: str | None, hi: str | None) -> object:
    """A range of dates by their texts, where the index is unsorted or some are missing."""
    texts = [value.isoformat() if value == value else None for value in ds.indexes["x"]]
    return among(np.array([
        text is not None and (lo is None or text[: len(lo)] >= lo) and (hi is None or text[: len(hi)] <= hi) for text in texts
    ]))


def among(mask: np.ndarray) -> object:
    found = np.flatnonzero(mask).tolist()
    return (found, False) if found else None


def cells(dims: tuple[str, ...], inside: np.ndarray) -> object:
    found = np.flatnonzero(inside).tolist()
    return {"dims": dims, "shape": inside.shape, "cells": found} if found else None


def judge(right: object, answer: dict[str, object]) -> str | None:
    """What is wrong with an answer."""
    if right is None:
        return None if "error" in answer else f"expected an error, got {str(answer)[:200]}"
    if "error" in answer:
        return f"expected {str(right)[:200]}, got {answer['error']}"
    if isinstance(right, tuple):
        found = answer["dims"].get("x"), "x" in answer["single"]
        return None if found == right else f"expected {str(right)[:200]}, got {str(found)[:200]}"
    inside = np.ones(right["shape"], bool)
    for axis, dim in enumerate(right["dims"]):
        if dim in answer["dims"]:
            along = np.isin(np.arange(right["shape"][axis]), answer["dims"][dim])
            inside &= along.reshape([-1 if at == axis else 1 for at in range(inside.ndim)])
    for mask in answer["masks"]:
        assert tuple(mask["dims"]) == tuple(right["dims"])
        inside &= np.isin(np.arange(inside.size).reshape(inside.shape), mask["cells"])
    found = np.flatnonzero(inside).tolist()
    return None if found == right["cells"] else f"expected {len(right['cells'])} cells, got {len(found)}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bridge", default=str(REPOSITORY / "target/debug/select-bridge"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-n", type=int, default=150, help="questions of each kind for each coordinate")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        folder.mkdir()
        write(folder)
        questions = Questions(folder, options.seed)
        for path in sorted(folder.iterdir()):
            if path.stem in ("globe", "curved", "cells"):
                questions.boxes(path.stem, options.n)
            else:
                questions.index(path.stem, options.n)
        lines = "".join(json.dumps(question) + "\n" for question, _ in questions.asked)
        bridge = subprocess.run([options.bridge, str(folder), str(Path(scratch) / "state")], input=lines, capture_output=True, text=True)
    answers = [json.loads(line) for line in bridge.stdout.splitlines()]
    if bridge.returncode or len(answers) != len(questions.asked):
        print(bridge.stderr[-2000:], f"{len(answers)} answers to {len(questions.asked)} questions", sep="\n")
    wrong = [
        (question, reason)
        for (question, right), answer in zip(questions.asked, answers)
        if (reason := judge(right, answer))
    ]
    for question, reason in wrong[:20]:
        print(question["dataset"], question["query"], question["path"], "--", reason)
    n_failed = len(wrong) + len(questions.asked) - len(answers)
    print(f"{len(questions.asked) - n_failed} passed, {n_failed} failed")
    return int(n_failed > 0 or bridge.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
