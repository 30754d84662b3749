"""Groupby of 50 GB: a kerchunk reference that names the chunks of one real file again and again.

    python check_huge.py --binary target/release/thermocline MORE [--all]

MORE is the folder of `make_more_fields.py --huge`. The server has its default settings. Its memory never exceeds 1 GB, what it
reads is at most a factor of two from its estimate, and the values are those that numpy finds in the chunks. `--all` asks for the
climatology of all 50 GB, otherwise it is that of a fifth. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from functools import lru_cache
from pathlib import Path
from urllib.parse import urljoin

import netCDF4
import numpy as np

from asking import Client
from common import Report, Server, metrics, resident_mb
from make_more_fields import HUGE_CHUNK, HUGE_SHAPE

MEMORY_MB = 1000
LONGEST = 900  # seconds until a job has ended
WHOLE = "/datasets/huge/groupby/tas/time.month/mean"
BAND = WHOLE + "/lat=-54:-20"
REGION = "/datasets/huge/groupby/tas/time.month/quantile/lat=30:50/lon=10:40/q=0.9"
MONTH = np.repeat(np.arange(12), [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


class Truth:
    """The chunks, read without the server."""

    def __init__(self, more: Path) -> None:
        self.refs = json.loads((more / "huge.json").read_text())["refs"]

    @lru_cache(maxsize=128)
    def stored(self, href: str, start: int, size: int) -> np.ndarray:
        """One distinct chunk."""
        with open(href, "rb") as file:
            file.seek(start)
            raw = np.frombuffer(zlib.decompress(file.read(size)), "u1")
        return np.ascontiguousarray(raw.reshape(4, -1).T).view("<f4").reshape(HUGE_CHUNK)

    def column(self, i: int, j: int, rows: slice, columns: slice) -> np.ndarray:
        """All steps of a part of the chunks at (i, j)."""
        n = HUGE_SHAPE[0] // HUGE_CHUNK[0]
        return np.concatenate([self.stored(*self.refs[f"tas/{k}.{i}.{j}"])[:, rows, columns] for k in range(n)])

    def bytes_of(self, rows: range, columns: range) -> int:
        """Stored bytes of all chunks of some rows and columns of chunks."""
        n = HUGE_SHAPE[0] // HUGE_CHUNK[0]
        return sum(self.refs[f"tas/{k}.{i}.{j}"][2] for k in range(n) for i in rows for j in columns)


def read_bytes(server: Server) -> float:
    """Bytes that were read from objects so far."""
    return sum(value for name, value in metrics(server.base).items() if name.startswith("thermocline_read_bytes_total"))


def result(client: Client, path: str) -> bytes:
    """The NetCDF form; a job is waited for."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        got = client.get(path + "?f=nc")
        if got.status_code == 200:
            return got.content
        if got.status_code != 202:
            break
        job = client.get(urljoin(path, got.headers["Location"]).removeprefix(client.base)).json()
        if job["state"] in ("failed", "cancelled"):
            raise ValueError(str(job)[:300])
        time.sleep(1)
    raise ValueError(f"{path}: status {got.status_code} {got.text[:200]}")


def compare(got: np.ndarray, want: np.ndarray, limit: float) -> str | None:
    """None when the values agree."""
    worst = float(np.max(np.abs(got - want) / np.abs(want)))
    return None if worst <= limit else f"relative difference {worst:g}"


class Check:
    """What is asked of one server."""

    def __init__(self, server: Server, truth: Truth, report: Report, folder: Path) -> None:
        self.server, self.client, self.truth, self.report, self.folder = server, Client(server.base), truth, report, folder

    def opened(self, path: str, name: str) -> netCDF4.Dataset:
        """A result as a file; also claims what it cost."""
        estimate = self.client.get(path + "?f=estimate").json()
        before, began = read_bytes(self.server), time.monotonic()
        (file := self.folder / "out.nc").write_bytes(result(self.client, path))
        counted, took = read_bytes(self.server) - before, time.monotonic() - began
        _, most = resident_mb(self.server.process.pid)
        print(f"{name}: {took:.1f} s, {counted / 1e9:.2f} GB read, {estimate['read_bytes_online'] / 1e9:.2f} GB estimated, at most {most:.0f} MB resident")
        ratio = counted / estimate["read_bytes_online"]
        self.report.claim(name, "estimate of bytes", lambda: None if 0.5 <= ratio <= 2 else f"{counted:.0f} bytes read, {estimate}")
        self.report.claim(name, f"at most {MEMORY_MB} MB", lambda: None if most < MEMORY_MB else f"{most:.0f} MB")
        return netCDF4.Dataset(file)

    def climatology(self, path: str, rows: range) -> None:
        """The monthly means of some rows of chunks: a part of each column of chunks is compared."""
        with self.opened(path, "climatology") as ds:
            def values(i: int, j: int) -> str | None:
                lat, lon = ds["lat"][:].filled(), ds["lon"][:].filled()
                here = self.truth.column(i, j, slice(0, HUGE_CHUNK[1], 37), slice(0, HUGE_CHUNK[2], 41)).astype("f8")
                want = np.stack([here[np.resize(MONTH, len(here)) == m].mean(axis=0) for m in range(12)])
                all_lat, all_lon = (np.arange(HUGE_SHAPE[1]) + 0.5) * 180 / HUGE_SHAPE[1] - 90, (np.arange(HUGE_SHAPE[2]) + 0.5) * 360 / HUGE_SHAPE[2]
                at_lat = all_lat[i * HUGE_CHUNK[1] : (i + 1) * HUGE_CHUNK[1] : 37]
                keep = (at_lat >= lat.min()) & (at_lat <= lat.max())
                y = np.searchsorted(lat, at_lat[keep])
                x = np.searchsorted(lon, all_lon[j * HUGE_CHUNK[2] : (j + 1) * HUGE_CHUNK[2] : 41])
                got = ds["tas"][:].filled()[:, y][:, :, x]
                return compare(got, want[:, keep], 2.4e-7) if got.size else "nothing to compare"

            for i, j in [(rows[0], 0), (rows[-1], 3), (rows[0], 7)]:
                self.report.claim("climatology", f"values of column {i}, {j}", lambda i=i, j=j: values(i, j))

    def quantile(self) -> None:
        """A quantile of a region as large as a country."""
        with self.opened(REGION, "quantile of a region") as ds:
            def values() -> str | None:
                lat, lon = ds["lat"][:].filled(), ds["lon"][:].filled()
                got = ds["tas"][:].filled()
                i, j = int((lat[0] + 90) * HUGE_SHAPE[1] / 180) // HUGE_CHUNK[1], 0
                first = int((lat[0] + 90) * HUGE_SHAPE[1] / 180) - i * HUGE_CHUNK[1], int(lon[0] * HUGE_SHAPE[2] / 360)
                here = self.truth.column(i, j, slice(first[0], first[0] + 20), slice(first[1], first[1] + 30)).astype("f8")
                month = np.resize(MONTH, len(here))
                want = np.stack([np.quantile(here[month == m], 0.9, axis=0) for m in range(12)])
                return compare(got[:, : want.shape[1], : want.shape[2]], want, 1e-12)

            self.report.claim("quantile of a region", "values", values)

    def refused(self) -> None:
        """The quantile of everything is more than is given without asking again: it says what it would cost."""
        def test() -> str | None:
            got = self.client.get("/datasets/huge/groupby/tas/time.month/quantile/q=0.9")
            text = got.text
            return None if got.status_code == 413 and got.json()["estimate"]["result_bytes"] > 256 << 20 else f"status {got.status_code} {text[:200]}"

        def lazily() -> str | None:
            before = read_bytes(self.server)
            got = self.client.get("/datasets/huge/groupby/tas/time.month/quantile/q=0.9/zarr/.zmetadata")
            return None if got.status_code == 200 and read_bytes(self.server) == before else f"status {got.status_code}, {read_bytes(self.server) - before} bytes"

        self.report.claim("quantile of everything", "413 with an estimate", test)
        self.report.claim("quantile of everything", "its lazy group opens and reads nothing", lazily)

    def series(self) -> None:
        """The lazy series of a cell reads the chunks of its column, each once."""
        def test() -> str | None:
            meta = self.client.get(WHOLE + "/zarr/tas/.zarray").json()
            index = [0, 700 // meta["chunks"][1], 1500 // meta["chunks"][2]]
            rows, columns = (range(index[k] * meta["chunks"][k] // HUGE_CHUNK[k], -(-min((index[k] + 1) * meta["chunks"][k], HUGE_SHAPE[k]) // HUGE_CHUNK[k])) for k in (1, 2))
            before = read_bytes(self.server)
            got = self.client.get(f"{WHOLE}/zarr/tas/" + ".".join(map(str, index)))
            counted, want = read_bytes(self.server) - before, self.truth.bytes_of(rows, columns)
            return None if got.status_code == 200 and counted == want else f"status {got.status_code}, {counted:.0f} bytes read, expected {want} of {len(rows) * len(columns)} columns"

        self.report.claim("lazy chunk", "reads its own chunks once", test)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("more", type=Path)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    report, truth = Report(), Truth(args.more)
    with tempfile.TemporaryDirectory() as scratch, Server(args.binary, Path(scratch) / "huge", [str(args.more / "huge.json")]) as server:
        check = Check(server, truth, report, Path(scratch))
        check.refused()
        check.series()
        check.quantile()
        if args.all:
            check.climatology(WHOLE, range(HUGE_SHAPE[1] // HUGE_CHUNK[1]))
        else:
            check.climatology(BAND, range(1, 2))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
