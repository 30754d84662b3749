"""Harvests of many small files: how fast, and that no end of the process loses or doubles anything.

`harvest.py BINARY [--files N] [--kills K] [--min-rate R]` needs h5py and requests. Three parts, each on files that it makes itself:

fast    `thermocline harvest DIR --once` from nothing: files a second; a second run indexes nothing
kill    the same, killed with SIGKILL before anything is indexed and then again and again between the first file and the last: every
        file is in the index once, and what was in the index at any of the kills was not written again afterwards
serve   a server with a harvest in its catalog, killed in the same way while its job runs: each file is one dataset at the end; files
        that come, change, vanish and cannot be read show in datasets, in the job and in its report
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests
from _check import Report, expect, same

PATIENCE = 300


def make_files(folder: Path, n: int) -> None:
    """Small NetCDF-4 files, every one with values of its own."""
    import h5py
    import numpy as np

    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / f"y{2000 + i % 10}" / f"tas_{i:06d}.nc"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.attrs["title"] = f"file {i}"
            for name, values, units in (
                ("time", np.arange(3.0) + 3 * i, "days since 2000-01-01"),
                ("lat", np.linspace(-87.5, 87.5, 36), "degrees_north"),
                ("lon", np.arange(0, 360, 10.0), "degrees_east"),
            ):
                scale = file.create_dataset(name, data=values)
                scale.attrs["units"] = units
                scale.make_scale(name)
            values = (rng.random((3, 36, 36)) * 40 + 250).astype("f4")
            tas = file.create_dataset("tas", data=values, chunks=(1, 36, 36), compression="gzip", shuffle=True)
            tas.attrs["units"] = "K"
            for axis, name in enumerate(("time", "lat", "lon")):
                tas.dims[axis].attach_scale(file[name])


def index_paths(state: Path) -> list[str]:
    """Whatever is there at this moment; unlike pathlib's, this glob bears folders that vanish under it."""
    return glob.glob(f"{state}/index/??/*.index")


def index_files(state: Path) -> dict[str, int]:
    """The files of an index with their inodes: a file that is written again has another one."""
    return {os.path.basename(path): os.stat(path).st_ino for path in index_paths(state)}


class Kills:
    """An index whose writer is killed while it works; files are counted to know when that is."""

    def __init__(self, state: Path, n_files: int, n_kills: int) -> None:
        self.state, self.n_files, self.n_kills = state, n_files, n_kills
        self.seen: dict[str, int] = {}
        self.n_again = self.n_at_work = 0

    def all(self, start: Callable[[], subprocess.Popen]) -> None:
        """Kills the first as soon as it lives, and each other one after it indexed a few files more."""
        for k in range(self.n_kills):
            n_more = 0 if k == 0 else random.randint(1, max(1, self.n_files // (2 * self.n_kills)))
            process = start()
            try:
                self.wait(process, len(self.seen) + n_more)
            finally:
                process.kill()
                process.wait()
            self.look()
            self.n_at_work += 0 < len(self.seen) < self.n_files

    def wait(self, process: subprocess.Popen, n_wanted: int) -> None:
        """Until so many files are indexed, and an instant more, since files may be half written at any time."""
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end and len(index_paths(self.state)) < n_wanted:
            time.sleep(0.002)
        time.sleep(random.random() * 0.005)

    def look(self) -> None:
        """Counts what was written again since the last look."""
        now = index_files(self.state)
        self.n_again += sum(now.get(name) != inode for name, inode in self.seen.items())
        self.seen = now

    def report(self, report: Report, group: str) -> None:
        """Of an index that is complete."""
        n_needed = max(1, self.n_kills // 2)
        print(f"{group}: {self.n_kills} kills, {self.n_at_work} of them between the first file and the last")
        report.case(group, "it was killed at work", lambda: expect(self.n_at_work >= n_needed, f"{self.n_at_work} times, at least {n_needed} are wanted"))
        report.case(group, "nothing is lost or doubled", lambda: same(len(self.seen), self.n_files))
        report.case(group, "nothing is indexed twice", lambda: same(self.n_again, 0))


class Harvest:
    """The command on a folder, with a state of its own."""

    def __init__(self, binary: str, folder: Path, state: Path) -> None:
        self.command = [binary, "harvest", str(folder), "--once", "--state", str(state)]
        self.state = state

    def run(self) -> tuple[int, str]:
        done = subprocess.run(self.command, capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout + done.stderr

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Server:
    """A server with one harvest in its catalog."""

    def __init__(self, binary: str, folder: Path, catalog: Path, state: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = state.parent / "serve.log"
        command = [binary, "serve", "--catalog", str(catalog), "--root", f"archive={folder.parent}", "--state", str(state)]
        self.process = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{port}"], stdout=self.log.open("a"), stderr=subprocess.STDOUT
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=60)

    def is_up(self) -> bool:
        try:
            return self.get("/health").ok
        except requests.ConnectionError:
            return False

    def datasets(self) -> list[str]:
        return self.get("/datasets").json()

    def jobs(self) -> list[dict]:
        """Every harvest, the newest last; their names stand in the log."""
        names = re.findall(r"job accepted.*?job=(\w+) kind=harvest", self.log.read_text())
        return [self.get(f"/jobs/{name}").json() for name in names]


def until(what: str, claim, patience: float = PATIENCE):
    """The first true answer."""
    end = time.time() + patience
    while time.time() < end:
        answer = claim()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {patience} s")


def fast(report: Report, binary: str, folder: Path, n: int, min_rate: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        harvest = Harvest(binary, folder, Path(scratch) / "state")
        began = time.time()
        code, text = harvest.run()
        took = time.time() - began
        rate = n / took
        print(f"{n} files in {took:.1f} s: {rate:.0f} files/s")
        report.case("fast", "all files are indexed", lambda: expect(code == 0 and f"{n} indexed" in text, text))
        report.case("fast", f"at least {min_rate:.0f} files/s", lambda: expect(rate >= min_rate, f"{rate:.0f} files/s"))
        before = index_files(harvest.state)
        report.case("fast", "one index file each", lambda: same(len(before), n))
        began = time.time()
        code, text = harvest.run()
        print(f"again, nothing changed: {time.time() - began:.1f} s")
        report.case("fast", "a second run is content", lambda: expect(code == 0 and f"{n} indexed" in text and " 0 more" in text, text))
        report.case("fast", "nothing is indexed again", lambda: same(index_files(harvest.state), before))


def kill(report: Report, binary: str, folder: Path, n: int, n_kills: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        harvest = Harvest(binary, folder, Path(scratch) / "state")
        kills = Kills(harvest.state, n, n_kills)
        kills.all(harvest.start)
        code, text = harvest.run()
        kills.look()
        report.case("kill", "the last run is content", lambda: expect(code == 0 and f"{n} indexed" in text, text))
        kills.report(report, "kill")


def serve(report: Report, binary: str, folder: Path, n: int, n_kills: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        catalog, state = Path(scratch) / "catalogs", Path(scratch) / "state"
        catalog.mkdir()
        entry = {
            "id": "terra",
            "source": {"prefix": f"{folder.name}/", "root": "archive", "include": ["*.nc"]},
            "every": "2s",
            "keep_missing": "1s",
            "fields": {"year": r"y(\d{4})/"},
            "title": "Terra",
        }
        (catalog / "terra.yaml").write_text(json.dumps({"version": 1, "harvest": [entry]}))
        ids = {f"terra.y{2000 + i % 10}.tas_{i:06d}" for i in range(n)}
        kills = Kills(state, n, n_kills)
        kills.all(lambda: Server(binary, folder, catalog, state).process)
        server = Server(binary, folder, catalog, state)
        try:
            until("the server answers", server.is_up)
            until("everything is a dataset", lambda: set(server.datasets()) == ids)
            until("a harvest ends", lambda: any(job["state"] == "succeeded" for job in server.jobs()))
            until("everything is indexed", lambda: len(index_files(state)) == n)
            kills.look()
            report.case("serve", "every file is a dataset once", lambda: same(len(server.datasets()), n))
            kills.report(report, "serve")
            report.case("serve", "fields are searchable", lambda: searchable(server, n))
            report.case("serve", "what comes, changes and vanishes shows", lambda: follows(server, folder, state, ids))
        finally:
            server.kill()


def searchable(server: Server, n: int) -> None:
    def found() -> bool:
        query = {"filter": "\"attrs:year\" = '2003'", "limit": "1"}
        answer = requests.get(f"{server.url}/stac/search", params=query, timeout=60)
        return answer.ok and answer.json().get("numberMatched") == len(range(3, n, 10))

    until("datasets are found by the field of their names", found)


def follows(server: Server, folder: Path, state: Path, ids: set[str]) -> None:
    first = folder / "y2000" / "tas_000000.nc"
    moved, bad = folder / "y2000" / "tas_new.nc", folder / "y2000" / "bad.nc"
    kept = first.read_bytes()
    n_before = len(index_files(state))
    try:
        first.rename(moved)
        bad.write_bytes(b"this is no NetCDF file")
        wanted = ids - {"terra.y2000.tas_000000"} | {"terra.y2000.tas_new", "terra.y2000.bad"}
        until("the new file is a dataset, and the old one none any more", lambda: set(server.datasets()) == wanted)
        partial = until("a job tells", lambda: [job for job in server.jobs() if job["state"] == "partial"])
        lines = server.get(f"/jobs/{partial[-1]['id']}/result").text.splitlines()
        same([json.loads(line)["href"] for line in lines], [str(bad)], "the report")
        expect(len(index_files(state)) <= n_before + 2, "others were indexed too")
    finally:
        bad.unlink(missing_ok=True)
        moved.unlink(missing_ok=True)
        first.write_bytes(kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--min-rate", type=float, default=0, help="files a second that `fast` has to reach; 500 for a release build")
    parser.add_argument("--only", action="append", help="fast, kill or serve")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    random.seed(args.seed)
    binary = shutil.which(args.binary) or args.binary
    report = Report("harvest", args.only, args.verbose)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "many"
        make_files(folder, args.files)
        if report.wants("fast"):
            fast(report, os.path.abspath(binary), folder, args.files, args.min_rate)
        if report.wants("kill"):
            kill(report, os.path.abspath(binary), folder, args.files, args.kills)
        if report.wants("serve"):
            serve(report, os.path.abspath(binary), folder, args.files, max(3, args.kills // 3))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
