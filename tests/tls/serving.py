"""A server for a test, its files, and how claims are counted."""
from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import netCDF4
import numpy as np


class Report:
    """Counts claims; the last line of the output is "N passed, N failed"."""

    def __init__(self, title: str) -> None:
        self.passed = self.failed = 0
        print(title)

    def check(self, claim: str, holds: bool, detail: object = "") -> bool:
        self.passed += bool(holds)
        self.failed += not holds
        shown = "" if holds else f": {detail}"
        print(f"{'ok  ' if holds else 'FAIL'} {claim}{shown}", flush=True)
        return bool(holds)

    def finish(self) -> int:
        print(f"{self.passed} passed, {self.failed} failed")
        return int(self.failed > 0 or self.passed == 0)


def temperatures() -> np.ndarray:
    """What stands in the file, shape (time, lat, lon)."""
    return np.random.default_rng(7).normal(280, 10, (48, 16, 32)).astype("f4")


def write(path: Path) -> None:
    """A file whose chunks are single times."""
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", 48), ("lat", 16), ("lon", 32)):
            file.createDimension(name, size)
        time_of = file.createVariable("time", "f8", ("time",))
        time_of.units, time_of.standard_name = "hours since 2020-01-01", "time"
        time_of[:] = np.arange(48)
        for name, degrees, n in (("lat", "degrees_north", 16), ("lon", "degrees_east", 32)):
            axis = file.createVariable(name, "f8", (name,))
            axis.units, axis.standard_name = degrees, "latitude" if name == "lat" else "longitude"
            axis[:] = np.linspace(-75, 75, n) if name == "lat" else np.linspace(0, 348.75, n)
        field = file.createVariable("t2m", "f4", ("time", "lat", "lon"), chunksizes=(1, 16, 32), zlib=True)
        field.units, field.standard_name = "K", "air_temperature"
        field[:] = temperatures()


class Server:
    """The server over a folder, with a configuration."""

    def __init__(self, binary: Path, folder: Path, config: str) -> None:
        self.folder, self.log = folder, folder / "server.log"
        (folder / "thermocline.toml").write_text(config)
        command = [binary, "serve", folder / "files", "--config", folder / "thermocline.toml", "--listen", "127.0.0.1:0",
                   "--state", folder / "state", "--log", "json"]
        self.process = subprocess.Popen([str(part) for part in command], stdout=self.log.open("w"),
                                        stderr=subprocess.STDOUT)
        self.url = self.address()

    def address(self) -> str:
        """Where it listens; empty if it ended instead."""
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            for line in self.log.read_text().splitlines():
                if '"listening"' in line:
                    found = json.loads(line)
                    return found.get("address") or found["fields"]["address"]
            time.sleep(0.05)
        return ""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


def until(holds, seconds: float = 30) -> bool:
    """True as soon as something holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.2)
    return False
