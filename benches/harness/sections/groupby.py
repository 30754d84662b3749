"""Groupby: a monthly climatology beside CDO and xarray, and beside inflating and unshuffling the same bytes; parts, quantiles, memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from .. import servers
from ..bench import Bench
from ..data import warm
from ..load import get
from ..processes import run
from ..report import AtLeast, AtMost, Better, Row
from ..rounds import PRODUCT, MeasurementError, alternate
from ..servers import Server
from ..setup import PROGRAMS, REPOSITORY

TITLE = "Groupby of 730 steps of 361 × 720 values (0.76 GB, shuffled and deflated)"
DATA = {"groupby"}

DATASET, VARIABLE = "era5_like", "t2m"
CHUNK_SHAPE = "10x181x360"
N_THREADS = 2
LIMIT = 300.0

_salt = count(1000)


def measure(bench: Bench) -> Iterator[Row]:
    """Yields times of the climatology in four ways, of other diagnostics, and memory."""
    warm(bench.data.groupby)
    file = bench.data.groupby / f"{DATASET}.nc"
    with _server(bench) as server:
        _ask(server, "time.month/mean")
        yield _climatology(bench, server, file)
        yield _decoding(bench, server, file)
        for what, request in (("variance by month", "time.month/var"), ("yearly sums", "time.year/sum"), ("median by month", "time.month/median"), ("0.9 quantile by month", "time.month/quantile/q=0.9")):
            times = [_ask(server, request, f"lon=0:{next(_salt)}") for _ in range(bench.effort.rounds)]
            yield Row(what, "s", Better.LOWER, {PRODUCT: times})
        yield _again(bench, server)
        yield _chunk(bench, server)
        yield Row("resident memory at most", "MB", Better.LOWER, {PRODUCT: [server.memory().peak]}, [AtMost(1000.0)])


def _server(bench: Bench) -> Server:
    """A server whose index knows the file."""
    state = bench.folder("state")
    run([bench.tools.thermocline, "index", bench.data.groupby, "--state", state, "--verify", "off"], limit=LIMIT)
    server = servers.thermocline(bench.tools, bench.data.groupby, bench.folder("groupby"), state)
    server.wait_for("/ready")
    return server


def _climatology(bench: Bench, server: Server, file: Path) -> Row:
    """A climatology as NetCDF-4; another selection of everything each time, so that no kept result can answer."""
    out = bench.place / "climatology.nc"

    def seconds(contender: str) -> float:
        if contender == PRODUCT:
            return _ask(server, "time.month/mean", f"lon=0:{next(_salt)}")
        if contender == "xarray":
            return min(json.loads(run([bench.tools.clients, PROGRAMS / "climatology_xarray.py", file, VARIABLE, "1"], limit=LIMIT)))
        if shutil.which("cdo") is None:
            raise MeasurementError("cdo is not installed (Debian: cdo)")
        begin = time.perf_counter()
        run(["cdo", "-s", "-O", "ymonmean", file, out], limit=LIMIT)
        return time.perf_counter() - begin

    contenders = {PRODUCT: PRODUCT, "CDO": "CDO", "xarray": "xarray"}
    figures, notes = alternate(contenders, bench.effort.rounds, seconds)
    return Row("monthly climatology", "s", Better.LOWER, figures, [AtLeast(3.0, "CDO"), AtLeast(5.0, "xarray")], [*notes, "xarray: with flox and dask, imports not counted"])


def _decoding(bench: Bench, server: Server, file: Path) -> Row:
    """The climatology beside inflating and unshuffling the same chunks on as many threads, with the same codecs."""
    build = ["cargo", "build", "--release", "--quiet", "--locked", "--package", "thermocline-codec", "--example", "inflate"]
    if subprocess.run(build, cwd=REPOSITORY, check=False).returncode != 0:
        raise MeasurementError("the program that inflates does not build")
    spans = bench.place / "spans.txt"
    spans.write_text("".join(f"{offset} {size}\n" for offset, size in _spans(server)))
    program = REPOSITORY / "target" / "release" / "examples" / "inflate"

    def seconds(contender: str) -> float:
        if contender == PRODUCT:
            return _ask(server, "time.month/mean", f"lon=0:{next(_salt)}")
        return float(run([program, file, spans, CHUNK_SHAPE, str(N_THREADS)], limit=LIMIT))

    figures, notes = alternate({PRODUCT: PRODUCT, "inflating": "inflating"}, bench.effort.rounds, seconds)
    return Row(f"monthly climatology beside inflating and unshuffling, {N_THREADS} threads", "s", Better.LOWER, figures, [AtLeast(0.6, "inflating")], notes)


def _spans(server: Server) -> list[tuple[int, int]]:
    """Where the chunks lie, in file order."""
    status, body = get(server.port, f"/datasets/{DATASET}/kerchunk")
    if status != 200:
        raise MeasurementError(f"{status} on references")
    refs = json.loads(body)["refs"]
    found = [ref[1:3] for key, ref in refs.items() if key.startswith(f"{VARIABLE}/") and isinstance(ref, list) and len(ref) == 3]
    return sorted((int(offset), int(size)) for offset, size in found)


def _again(bench: Bench, server: Server) -> Row:
    """The same request again: a kept result."""
    times = [_ask(server, "time.month/mean") * 1e3 for _ in range(5 * bench.effort.rounds)]
    return Row("monthly climatology, asked again", "ms", Better.LOWER, {PRODUCT: times})


def _chunk(bench: Bench, server: Server) -> Row:
    """One chunk of the lazy Zarr group of a result that nobody asked for."""
    times = []
    for _ in range(bench.effort.rounds):
        base = f"/datasets/{DATASET}/groupby/{VARIABLE}/time.month/mean/lon=0:{next(_salt)}/zarr"
        begin = time.perf_counter()
        for key in (".zmetadata", f"{VARIABLE}/0.0.0"):
            status, body = get(server.port, f"{base}/{key}")
            if status != 200:
                raise MeasurementError(f"{status} on {base}/{key}: {body[:200].decode(errors='replace')}")
        times.append(time.perf_counter() - begin)
    return Row("metadata and the first chunk of a lazy Zarr group", "s", Better.LOWER, {PRODUCT: times})


def _ask(server: Server, request: str, selection: str = "") -> float:
    """Seconds of one result as NetCDF-4."""
    path = f"/datasets/{DATASET}/groupby/{VARIABLE}/{request}{'/' if selection else ''}{selection}?f=nc"
    begin = time.perf_counter()
    status, body = get(server.port, path)
    seconds = time.perf_counter() - begin
    if status != 200:
        raise MeasurementError(f"{status} on {path}: {body[:200].decode(errors='replace')}")
    return seconds
