"""The lazy Zarr groups of results, opened by the clients of two generations; what they read, counted exactly.

    python check_lazy.py --binary target/release/thermocline FIELDS [--envs ENVS] [--all]

ENVS has the environments z2 and z3 of tests/clients/setup. `--all` opens every case with both clients, otherwise with one of them. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from asking import Client
from common import Report, Server, metrics
from oracle import Case, expected

# Run in the environment of a client: opens a group and prints what xarray sees of it.
PROBE = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np, xarray as xr
ds = xr.open_dataset(sys.argv[1], engine="zarr", chunks=None)
da = ds[sys.argv[2]]
before = dict(dims=list(da.dims), dtype=str(da.dtype), coords=sorted(map(str, ds.coords)))
sel = json.loads(sys.argv[3])
values = da.isel({k: v for k, v in sel.items() if k in da.dims}).values
flat = values.astype("U64") if values.dtype.kind in "OUM" else values
labels = {d: [str(v) for v in ds[d].values] for d in da.dims if d in ds.coords}
print(json.dumps(dict(before, shape=list(values.shape), values=[str(v) for v in np.asarray(flat).ravel().tolist()], labels=labels)))
"""
CASES = [Case("daily_noleap", "tas", "time.month", "mean"), Case("daily_standard", "pr", "time.season", "count"), Case("types_noleap", "t2m", "zone", "max"), Case("types_noleap", "soil", "time.month", "sum"),
         Case("daily_360_day", "sst", "time", "mean", {"freq": "QS-DEC"}), Case("types_noleap", "step", "time.is_leap_year", "any"), Case("daily_julian", "pr", "time.year", "quantile", {"q": "0.1,0.9"})]


def probe(envs: Path, env: str, url: str, var: str, sel: dict[str, int]) -> dict:
    """What a client sees."""
    python = envs / env / "bin" / "python"
    done = subprocess.run([str(python), "-c", PROBE, url, var, json.dumps(sel)], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1][:200])
    return json.loads(done.stdout)


def read_bytes(client: Client) -> int:
    """Bytes that were read from objects so far."""
    return int(sum(value for name, value in metrics(client.base).items() if name.startswith("thermocline_read_bytes_total")))


def check_clients(client: Client, fields: Path, envs: Path, report: Report, every: bool) -> None:
    """Every client sees the dimensions, types, labels and values of xarray's own groupby."""
    for turn, case in enumerate(CASES):
        ds = xr.open_dataset(fields / f"{case.dataset}.nc").load()
        want = expected(ds, case)
        for env in ("z2", "z3") if every else ("z2", "z3")[turn % 2 :][:1]:
            def test(case=case, want=want, env=env) -> str | None:
                got = probe(envs, env, client.base + case.path + "/zarr", case.var, {})
                if got["dims"] != list(want.dims) or got["dtype"] != str(want.dtype):
                    return f"{got['dims']} {got['dtype']}, expected {list(want.dims)} {want.dtype}"
                values = np.array([v == "True" for v in got["values"]] if want.dtype == bool else got["values"], dtype=want.dtype).reshape(got["shape"])
                if values.shape != want.shape or not np.allclose(values.astype("f8"), want.values.astype("f8"), rtol=3e-7, atol=1e-6, equal_nan=True):
                    return f"other values: {values.ravel()[:3]}, expected {want.values.ravel()[:3]}"
                dim = next(d for d in want.dims if d not in ds[case.var].dims or d == "time" or d == case.grouper)
                return None if len(got["labels"][dim]) == want.sizes[dim] else f"labels {got['labels'][dim][:3]}"

            report.claim(f"lazy {env}", case.path.removeprefix("/datasets/"), test)


def chunks_of(index: int, size: int, chunk: int, source: int) -> range:
    """The source chunks along a dimension that a chunk of the result covers."""
    return range(index * chunk // source, -(-min((index + 1) * chunk, size) // source))


def check_counts(client: Client, fields: Path, envs: Path, report: Report) -> None:
    """A cell's series reads the source chunks of its result chunk, each once; opening reads none; asked again, nothing is read."""
    with netCDF4.Dataset(fields / "tiles_noleap.nc") as ds:
        size, source = ds["noise"].shape, ds["noise"].chunking()
    tile = int(np.prod(source)) * 4
    for turn, (env, action) in enumerate((("z3", "mean"), ("z2", "var"), ("z3", "quantile/q=0.77"), ("z2", "median"))):
        path = f"/datasets/tiles_noleap/groupby/noise/time.month/{action}"

        def test(path=path, env=env, turn=turn) -> str | None:
            cell = (7 + 13 * turn, 55 - 9 * turn)
            before = read_bytes(client)
            chunk = client.get(path + "/zarr/noise/.zarray").json()["chunks"]
            probe(envs, env, client.base + path + "/zarr", "noise", {"lat": cell[0], "lon": cell[1]})
            counted = read_bytes(client) - before
            n = [len(chunks_of(c // chunk[k + 1], size[k + 1], chunk[k + 1], source[k + 1])) for k, c in enumerate(cell)]
            want = n[0] * n[1] * tile
            if counted != want:
                return f"{counted} bytes read, expected {want} ({n} tiles of {tile})"
            probe(envs, env, client.base + path + "/zarr", "noise", {"lat": cell[0], "lon": cell[1]})
            return None if read_bytes(client) - before == counted else f"asked again it read {read_bytes(client) - before - counted} bytes more"

        report.claim("counted", path.removeprefix("/datasets/"), test)

    def opening() -> str | None:
        before = read_bytes(client)
        for key in (".zmetadata", "zarr.json", ".zgroup", ".zattrs", "noise/.zarray", "noise/zarr.json", "day/0", "lat/0", "lon/c/0"):
            got = client.get(f"/datasets/tiles_noleap/groupby/noise/time.day/std/zarr/{key}")
            if got.status_code != 200:
                return f"{key}: status {got.status_code}"
        return None if read_bytes(client) == before else f"{read_bytes(client) - before} bytes read"

    def heads() -> str | None:
        before = read_bytes(client)
        path = "/datasets/tiles_noleap/groupby/noise/time.day/std"
        statuses = [client.session.head(client.base + path + tail, timeout=30).status_code for tail in ("", "?f=nc", "?f=csv", "?f=html", "/zarr/noise/0.0.0", "/zarr/noise/c/0/0/0")]
        return None if set(statuses) == {200} and read_bytes(client) == before else f"{statuses}, {read_bytes(client) - before} bytes read"

    def estimate() -> str | None:
        before = read_bytes(client)
        body = client.get("/datasets/tiles_noleap/groupby/noise/time.day/std?f=estimate").json()
        if read_bytes(client) != before:
            return "estimating read"
        client.get("/datasets/tiles_noleap/groupby/noise/time.day/std?f=json")
        counted = read_bytes(client) - before
        good = body["groups"] == 31 and body["result_bytes"] == 31 * size[1] * size[2] * 4 and body["read_bytes_online"] == counted and body["read_bytes_nearline"] == body["n_recalls"] == 0
        return None if good else f"{body}, counted {counted}"

    for name, test in (("metadata and coordinates read nothing", opening), ("HEAD reads nothing", heads), ("the estimate is what is read", estimate)):
        report.claim("counted", name, test)

    def parts() -> str | None:
        """A selection reads the chunks of the selection only."""
        before = read_bytes(client)
        client.body("/datasets/tiles_noleap/groupby/noise/time.month/max?lat=-90:-80&lon=125:230")
        counted = read_bytes(client) - before
        return None if counted == tile else f"{counted} bytes read, expected {tile}"

    report.claim("counted", "a selection reads its own chunks", parts)


def check_keys(client: Client, report: Report) -> None:
    """Keys: those that are there, those that are not, those that are no keys."""
    path = "/datasets/daily_noleap/groupby/tas/time.month/mean/zarr/"
    for key, wanted in (("tas/0.0.0", 200), ("tas/c/0/0/0", 200), ("tas/9.0.0", 404), ("tas/c/0/0/9", 404), ("tas/0.0", 404), ("tas/x", 404), ("nope/0", 404), ("tas/-1.0.0", 404), ("tas/00.0.0", 404),
                        ("tas/18446744073709551616.0.0", 404), ("month/0", 200), ("month/c/0", 200), ("height/0", 200), (".zattrs", 200)):
        report.claim("keys", key, lambda key=key, wanted=wanted: None if (s := client.get(path + key).status_code) == wanted else f"status {s}, expected {wanted}")

    def ranges() -> str | None:
        whole = client.get(path + "tas/0.0.0").content
        part = client.get(path + "tas/0.0.0", headers={"Range": "bytes=8-23"})
        return None if part.status_code == 206 and part.content == whole[8:24] else f"status {part.status_code}"

    def tags() -> str | None:
        got = client.get(path + "tas/0.0.0")
        again = client.get(path + "tas/0.0.0", headers={"If-None-Match": got.headers.get("ETag", "")})
        return None if again.status_code == 304 else f"status {again.status_code} for {got.headers.get('ETag')}"

    report.claim("keys", "ranges of chunks", ranges)
    report.claim("keys", "304 for chunks", tags)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", type=Path)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--envs", type=Path, default=Path.home() / ".cache" / "thermocline-tests" / "envs")
    parser.add_argument("--all", action="store_true", help="every case with every client")
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch, Server(args.binary, Path(scratch) / "lazy", [str(args.fields)]) as server:
        client = Client(server.base)
        check_counts(client, args.fields, args.envs, report)
        check_clients(client, args.fields, args.envs, report, args.all)
        check_keys(client, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
