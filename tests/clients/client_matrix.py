"""Makes every documented client call against a server and compares all values with the truth.

    python client_matrix.py --server URL --dataset matrix --truth DIR [--groups groups] [--envs .venvs]
                            [--only TEXT] [--env z3] [--jobs 2] [--timeout 90] [--json FILE]

Each cell of the matrix is one call in one client environment (built by `setup`), in its own process.
An environment works through its rows in turn; `--jobs` environments run at the same time.
    ok         all values, dimensions and attributes equal the truth
    FAIL       an error or a difference; listed below the table
    cannot     the client is known not to manage this, whatever the server does; reasons below the table
    (ok)       a call listed as `cannot` that works: take it off the list
    -          the client has no such call
    optional   the server does not offer it and need not
Exit code 0 only when no cell is FAIL and at least one is ok.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from compare import Truth, check_raw

HERE = Path(__file__).resolve().parent
PYTHONS = ("z2old", "z2", "z30", "z3")
COLUMNS = (*PYTHONS, "js", "gdal")
V3_ONLY = {"z2old": "zarr 2 knows no v3", "z2": "zarr 2 knows no v3"}
ASYNC = {"cache": {"asynchronous": True}, "storage": {"http": {"asynchronous": True}}}


@dataclass(frozen=True)
class Row:
    """One call, the environments that have it, and those that cannot do it with the reason."""

    title: str
    call: str
    path: str
    envs: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    cannot: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


ZARR3, KERCHUNK = ("z30", "z3"), ("z2", "z30", "z3")
HOST_PATHS = "object_store lists paths relative to the host, not to the store's URL"
NO_SIMPLECACHE = "fsspec's synchronous cache cannot run in zarr 3's event loop; the asynchronous form can"
RAISES_404 = "fsspec before 2025 raises in its cache when a chunk is absent (404); works where the server sends a fill chunk"
SCALARS = "fsspec 2023.6 cannot read 0-d arrays from parquet references"
NO_V3 = "GDAL 3.6 reads Zarr v3 only as it was before its last drafts"
NO_DECODER = "GDAL 3.6 has no shuffle filter (3.8 has)"
ROWS = (
    Row("open_zarr(U)", "open_zarr", "zarr", PYTHONS),
    Row("open_zarr(U, consolidated=True)", "open_zarr", "zarr", PYTHONS, {"consolidated": True}),
    Row("open_zarr(U, consolidated=False)", "open_zarr", "zarr", PYTHONS, {"consolidated": False}),
    Row("open_zarr(U, chunks=None)", "open_zarr", "zarr", PYTHONS, {"chunks": None}),
    Row("open_zarr(U + '/')", "open_zarr_slash", "zarr", PYTHONS),
    Row("open_dataset(U, engine='zarr')", "open_dataset", "zarr", PYTHONS),
    Row("open_dataset(U, engine='zarr', chunks='auto')", "open_dataset", "zarr", PYTHONS, {"chunks": "auto"}),
    Row("open_dataset(U, …, consolidated=True)", "open_dataset", "zarr", PYTHONS, {"chunks": {}, "consolidated": True}),
    Row("open_zarr(U, zarr_format=2)", "open_zarr", "zarr", ZARR3, {"zarr_format": 2}),
    Row("open_zarr(U, zarr_format=3)", "open_zarr", "zarr", ZARR3, {"zarr_format": 3}),
    Row("open_zarr(U, zarr_format=2, consolidated=False)", "open_zarr", "zarr", ZARR3, {"zarr_format": 2, "consolidated": False}),
    Row("open_zarr(U, zarr_format=3, consolidated=False)", "open_zarr", "zarr", ZARR3, {"zarr_format": 3, "consolidated": False}),
    Row("open_zarr(fsspec.get_mapper(U))", "open_mapper", "zarr", PYTHONS, {"consolidated": True}, {"z30": "zarr 3.0 takes no mappings"}),
    Row("open_zarr(U) of zarr-v2", "open_zarr", "zarr-v2", PYTHONS),
    Row("open_zarr(U, consolidated=False) of zarr-v2", "open_zarr", "zarr-v2", PYTHONS, {"consolidated": False}),
    Row("open_zarr(U) of zarr-v3", "open_zarr", "zarr-v3", PYTHONS, cannot=V3_ONLY),
    Row("open_zarr(U, consolidated=False) of zarr-v3", "open_zarr", "zarr-v3", ZARR3, {"consolidated": False}),
    Row("open_zarr(U) of zarr-core", "open_zarr", "zarr-core", ZARR3),
    Row("open_zarr(U) of kerchunk", "open_zarr", "kerchunk", PYTHONS),
    Row("open_dataset(U, engine='zarr') of kerchunk", "open_dataset", "kerchunk", PYTHONS, {"consolidated": True}),
    Row("simplecache::U of kerchunk (DKRZ)", "simplecache", "kerchunk", PYTHONS, cannot=dict.fromkeys(ZARR3, NO_SIMPLECACHE), more={"whole_only": True}),
    Row("simplecache::U, arrays with chunks never written", "simplecache", "kerchunk", ("z2old", "z2"), cannot=dict.fromkeys(("z2old", "z2"), RAISES_404)),
    Row("simplecache::U, zarr_format=2, asynchronous (DKRZ)", "simplecache", "kerchunk", ZARR3, {"zarr_format": 2}, more=ASYNC),
    Row("simplecache::U, asynchronous, of zarr", "simplecache", "zarr", ZARR3, more=ASYNC),
    Row("open_zarr(U, group='ocean/deep')", "open_subgroup", "zarr", PYTHONS),
    Row("open_zarr(U, group=…, zarr_format=3)", "open_subgroup", "zarr", ZARR3, {"zarr_format": 3}),
    Row("open_datatree(U, engine='zarr')", "open_datatree", "zarr", ZARR3),
    Row("open_datatree of zarr-v2", "open_datatree", "zarr-v2", ZARR3),
    Row("open_groups(U, engine='zarr')", "open_groups", "zarr", ZARR3),
    Row("zarr.open(U)", "zarr_open", "zarr", PYTHONS),
    Row("zarr.open_group(U)", "zarr_open_group", "zarr", PYTHONS),
    Row("zarr.open_group(U) of zarr-v2", "zarr_open_group", "zarr-v2", PYTHONS),
    Row("zarr.open_group(U) of zarr-v3", "zarr_open_group", "zarr-v3", ZARR3),
    Row("zarr.open_consolidated(U)", "zarr_open_consolidated", "zarr", PYTHONS),
    Row("zarr.open_array(U/v)", "zarr_open_array", "zarr", PYTHONS),
    Row("zarr.open_array(U/v) of zarr-v2", "zarr_open_array", "zarr-v2", PYTHONS),
    Row("zarr.open_array(U/v) of kerchunk", "zarr_open_array", "kerchunk", PYTHONS),
    Row("fs.ls(U)", "fs_ls", "zarr", PYTHONS),
    Row("fs.isdir(U), fs.exists", "fs_isdir", "zarr", PYTHONS),
    Row("fs.find(U)", "fs_find", "zarr", PYTHONS),
    Row("fs.info, cat_file(start, end), open().seek", "fs_info_range", "zarr", PYTHONS),
    Row("open_dataset(kerchunk, engine='kerchunk')", "engine_kerchunk", "kerchunk", KERCHUNK),
    Row("  …, chunks='auto' (Cloudify's README)", "engine_kerchunk", "kerchunk", KERCHUNK, {"chunks": "auto"}),
    Row("open_dataset(kerchunk.json, engine='kerchunk')", "engine_kerchunk", "kerchunk.json", KERCHUNK),
    Row("open_dataset('reference://', fo=kerchunk)", "reference_filesystem", "kerchunk", PYTHONS),
    Row("open_dataset('reference://', fo=kerchunk.json)", "reference_filesystem", "kerchunk.json", PYTHONS),
    Row("open_dataset(kerchunk.parq, engine='kerchunk')", "engine_kerchunk", "kerchunk.parq", KERCHUNK),
    Row("open_dataset('reference://', fo=kerchunk.parq)", "reference_filesystem", "kerchunk.parq", PYTHONS, cannot={"z2old": SCALARS}),
    Row("obstore: open_zarr(ObjectStore(HTTPStore))", "obstore_open", "zarr", ("z3",)),
    Row("obstore: …, consolidated=False", "obstore_open", "zarr-v3", ("z3",), {"consolidated": False}, {"z3": HOST_PATHS}),
    Row("obstore: …, consolidated=False, store at the root", "obstore_from_root", "zarr-v3", ("z3",), {"consolidated": False}),
    Row("obstore: …, zarr_format=2", "obstore_open", "zarr", ("z3",), {"zarr_format": 2}),
    Row("obstore: … of zarr-v2", "obstore_open", "zarr-v2", ("z3",), {"zarr_format": 2}),
    Row("obstore: … of zarr-v3", "obstore_open", "zarr-v3", ("z3",)),
    Row("obstore: … of zarr-core", "obstore_open", "zarr-core", ("z3",)),
    Row("obstore: … of kerchunk", "obstore_open", "kerchunk", ("z3",)),
    Row("obstore: list_with_delimiter()", "obstore_list", "zarr", ("z3",)),
    Row("NetCDF file: download, netcdf4", "netcdf_download", "objects/0", ("z2", "z3")),
    Row("NetCDF file: by ranges, h5py", "netcdf_ranges", "objects/0", ("z2", "z3")),
    Row("zarrita: open group", "group", "zarr", ("js",)),
    Row("zarrita: every array of zarr", "plain", "zarr", ("js",)),
    Row("zarrita: every array of zarr-v2", "plain", "zarr-v2", ("js",)),
    Row("zarrita: every array of zarr-v3", "plain", "zarr-v3", ("js",)),
    Row("zarrita: every array of zarr-core", "plain", "zarr-core", ("js",)),
    Row("zarrita: every array of kerchunk", "plain", "kerchunk", ("js",)),
    Row("zarrita: withConsolidatedMetadata, v2", "consolidated", "zarr-v2", ("js",)),
    Row("zarrita: withConsolidatedMetadata, v3", "consolidated", "zarr-v3", ("js",)),
    Row("zarrita: getRange offset and suffix", "ranges", "zarr", ("js",)),
    Row("GDAL: multidimensional read of zarr", "gdal_multidim", "zarr", ("gdal",)),
    Row("GDAL: multidimensional read of zarr-v2", "gdal_multidim", "zarr-v2", ("gdal",)),
    Row("GDAL: multidimensional read of zarr-v3", "gdal_multidim", "zarr-v3", ("gdal",), cannot={"gdal": NO_V3}),
    Row("GDAL: multidimensional read of zarr-core", "gdal_multidim", "zarr-core", ("gdal",), cannot={"gdal": NO_V3}),
    Row("GDAL: multidimensional read of kerchunk", "gdal_multidim", "kerchunk", ("gdal",)),
    Row("GDAL: arrays with the shuffle filter", "gdal_shuffle", "zarr-v2", ("gdal",), cannot={"gdal": NO_DECODER}),
    Row("GDAL: raster read (gdal.Open)", "gdal_classic", "zarr-v2", ("gdal",)),
)


@dataclass
class Cell:
    row: Row
    env: str
    problems: list[str]

    @property
    def verdict(self) -> str:
        if self.problems == ["NOT OFFERED"]:
            return "optional"
        if self.env in self.row.cannot:
            return "cannot" if self.problems else "(ok)"
        return "FAIL" if self.problems else "ok"


class Runner:
    """Makes the calls of one environment, one after the other, each in a process of its own."""

    def __init__(self, options: argparse.Namespace, env: str) -> None:
        self.options, self.env, self.truth = options, env, Truth(options.truth, options.dataset)
        self.common = {"server": options.server.rstrip("/"), "dataset": options.dataset, "groups": options.groups,
                       "truth": str(Path(options.truth).resolve())}
        self.python: subprocess.Popen | None = None

    def command(self, row: Row, spec: dict[str, Any]) -> list[str]:
        if self.env == "gdal":
            return ["/usr/bin/python3", str(HERE / "gdal_probe.py"), json.dumps(spec)]
        url = f"{self.common['server']}/datasets/{self.common['dataset']}/{row.path}"
        paths = ["tas/0.0.0"] if row.call == "ranges" else list(self.truth.variables)
        return ["node", str(HERE / "js" / "probe.mjs"), url, row.call, *paths]

    def run(self, row: Row, spec: dict[str, Any]) -> str:
        """What the probe prints."""
        if self.env not in PYTHONS:
            cwd = self.options.envs / "js" if self.env == "js" else HERE
            done = subprocess.run(self.command(row, spec), cwd=cwd, capture_output=True, text=True, timeout=self.options.timeout)
            return done.stdout.strip().splitlines()[-1]
        if self.python is None:
            command = [str(self.options.envs / self.env / "bin" / "python"), str(HERE / "client_probe.py"), str(self.options.timeout)]
            self.python = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        watchdog = Timer(self.options.timeout + 60, self.python.kill)  # the probe keeps the time-out itself; imports may hang
        watchdog.start()
        try:
            self.python.stdin.write(json.dumps(spec) + "\n")
            self.python.stdin.flush()
            return self.python.stdout.readline()
        finally:
            watchdog.cancel()

    def answer(self, row: Row) -> dict[str, Any]:
        spec = {**self.common, "call": row.call, "path": row.path, "options": row.options, **row.more}
        try:
            return json.loads(self.run(row, spec))
        except subprocess.TimeoutExpired:
            return {"problems": [f"no result after {self.options.timeout:g} s"]}
        except (IndexError, ValueError):
            self.python = None
            return {"problems": ["the client died without an answer"]}
        except OSError as error:
            self.python = None
            return {"problems": [f"cannot start the client ({error}); run setup"]}

    def cells(self, rows: list[Row]) -> tuple[str, list[Cell]]:
        """The environment's versions and its column of the matrix."""
        found = self.answer(Row("", "versions", "", (self.env,)))
        versions = " ".join(f"{k} {v}" for k, v in found.get("versions", {}).items()) or f"missing: {found.get('problems')}"
        cells = []
        for row in (r for r in rows if self.env in r.envs):
            answer = self.answer(row)
            cells.append(Cell(row, self.env, answer["problems"] if "problems" in answer else judge_js(row, answer, self.truth)))
        if self.python:
            self.python.kill()
            self.python.wait(10)
        return versions, cells


def js_array(found: dict[str, Any], expected: np.ndarray) -> np.ndarray:
    if "error" in found:
        raise ValueError(found["error"])
    if "texts" in found:
        return np.array(found["texts"], dtype=object).reshape(found["shape"])
    dtype = {"bool": "i1"}.get(found["dtype"], found["dtype"])
    return np.frombuffer(base64.b64decode(found["base64"]), np.dtype(dtype).newbyteorder("<")).reshape(found["shape"])


def judge_js(row: Row, answer: dict[str, Any], truth: Truth) -> list[str]:
    """Problems in what `js/probe.mjs` printed."""
    if "error" in answer:
        return [answer["error"]]
    if row.call == "group":
        wrong = {k: answer["attrs"].get(k) for k, v in truth.notes["attrs"]["/"].items() if answer["attrs"].get(k) != v}
        return [f"attributes {wrong}"] if wrong else []
    if row.call == "ranges":
        return [f"getRange differs: {name}" for name, same in answer["ranges"].items() if not same]
    problems = check_raw(truth, lambda p: js_array(answer["arrays"][p], truth.raw(p)))
    missing = sorted(set(truth.variables) - {p.strip("/") for p in answer.get("contents", truth.variables)})
    return problems + ([f"contents() lacks {missing}"] if missing else [])


def print_matrix(rows: list[Row], cells: list[Cell], columns: list[str]) -> None:
    found = {(c.row.title, c.env): c.verdict for c in cells}
    width = max(len(r.title) for r in rows)
    print(f"{'call':{width}}  " + "".join(f"{c:10}" for c in columns))
    for row in rows:
        print(f"{row.title:{width}}  " + "".join(f"{found.get((row.title, c), '-'):10}" for c in columns))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--dataset", default="matrix")
    parser.add_argument("--groups", default="groups", help="id of the dataset that has groups")
    parser.add_argument("--truth", required=True, type=Path)
    parser.add_argument("--envs", type=Path, default=HERE / ".venvs")
    parser.add_argument("--only", default="", help="rows whose title contains this")
    parser.add_argument("--env", action="append", choices=COLUMNS, help="only these environments")
    parser.add_argument("--jobs", type=int, default=2, help="environments at a time")
    parser.add_argument("--timeout", type=float, default=90)
    parser.add_argument("--json", type=Path, help="also write the cells here")
    options = parser.parse_args()
    options.envs = options.envs.resolve()
    columns = options.env or list(COLUMNS)
    rows = [r for r in ROWS if options.only in r.title]
    with ThreadPoolExecutor(options.jobs) as pool:
        done = list(pool.map(lambda env: Runner(options, env).cells(rows), columns))
    for env, (versions, _) in zip(columns, done, strict=True):
        print(f"{env:6} {versions}")
    cells = [cell for _, column in done for cell in column]
    print()
    print_matrix(rows, cells, columns)
    print()
    for cell in cells:
        if cell.verdict == "FAIL":
            print(f"FAIL    {cell.env:6} {cell.row.title}")
            print("".join(f"        {p}\n" for p in cell.problems[:6]), end="")
        elif cell.verdict in ("cannot", "(ok)"):
            print(f"{cell.verdict:8}{cell.env:6} {cell.row.title}: {cell.row.cannot[cell.env]}")
    if options.json:
        options.json.write_text(json.dumps([{"row": c.row.title, "env": c.env, "verdict": c.verdict, "problems": c.problems} for c in cells], indent=1))
    count = {v: sum(c.verdict == v for c in cells) for v in ("ok", "FAIL", "cannot", "(ok)", "optional")}
    print("\n" + ", ".join(f"{n} {v}" for v, n in count.items()))
    print(f"{count['ok']} passed, {count['FAIL']} failed")
    return 1 if count["FAIL"] or not count["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
