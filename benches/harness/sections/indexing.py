"""Listing the chunks of a file: 20,000 and 1,000,000 of them, B-tree version 1, page cache warm."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import servers
from ..bench import Bench
from ..data import VARIABLE, warm
from ..load import get
from ..processes import run
from ..report import AtLeast, AtMost, Better, Row
from ..rounds import PRODUCT, MeasurementError, alternate
from ..setup import PROGRAMS

TITLE = "Indexing"
DATA = {"chunks"}

LIMITS_MS = {20_000: 20.0, 1_000_000: 500.0}
"""Chunks in a file, and the milliseconds that the product may take for them."""

PEERS = {"kerchunk": "index_kerchunk.py", "virtualizarr": "index_virtualizarr.py"}

ONCE_FROM = 1_000_000
"""From so many chunks on the peers run only once: they take half a minute, and the ratios are far from the targets."""

OWN_TIME = re.compile(r"\b(?:in|took) (\d+(?:\.\d+)?)\s*(µs|ms|s)\b")
MILLISECONDS = {"µs": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Indexed:
    """What indexing one file took, in milliseconds."""

    own: float
    """As the program itself measured it, its process started."""
    process: float
    """From the start of the process to its end."""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields own time and process time beside the peers, then the product's time with sampled verification."""
    warm(bench.data.root / "chunks")
    for n_chunks, limit_ms in LIMITS_MS.items():
        yield from _rows(bench, n_chunks, limit_ms)


def _rows(bench: Bench, n_chunks: int, limit_ms: float) -> Iterator[Row]:
    file = bench.data.chunks(n_chunks)
    _check_product(bench, file, n_chunks)
    product: dict[str, Callable[[], Indexed]] = {PRODUCT: lambda: _product(bench, file, "off")}
    peers = {name: (lambda program=program: _peer(bench, program, file, n_chunks)) for name, program in PEERS.items()}
    if n_chunks < ONCE_FROM:
        found, notes = alternate(product | peers, bench.effort.rounds, lambda index: index())
    else:
        once, notes = alternate(peers, 1, lambda index: index())
        rounds, _ = alternate(product, bench.effort.rounds, lambda index: index())
        found = rounds | once
    verified = [_product(bench, file, "sample") for _ in range(bench.effort.rounds)]

    own = {name: [indexed.own for indexed in figures] for name, figures in found.items()}
    process = {name: [indexed.process for indexed in figures] for name, figures in found.items()}
    targets = [AtMost(limit_ms), *(AtLeast(10.0, name) for name in PEERS)]
    yield Row(f"{n_chunks:,} chunks, own time", "ms", Better.LOWER, own, targets, notes)
    yield Row(f"{n_chunks:,} chunks, whole process", "ms", Better.LOWER, process)
    sampled = {PRODUCT: [indexed.own for indexed in verified]}
    yield Row(f"{n_chunks:,} chunks, own time with sampled verification", "ms", Better.LOWER, sampled)


def _check_product(bench: Bench, file: Path, n_chunks: int) -> None:
    """Raises `MeasurementError` unless the product found every chunk: it is asked by way of its report."""
    folder = bench.folder("report")
    with servers.thermocline(bench.tools, file, folder, folder / "state") as server:
        path = f"/datasets/{file.stem}/report"
        server.wait_for(path)
        found = json.loads(get(server.port, path)[1])["variables"][VARIABLE]["n_chunks"]
    if found != n_chunks:
        raise MeasurementError(f"thermocline found {found} chunks, expected {n_chunks}")


def _product(bench: Bench, file: Path, verify: str) -> Indexed:
    command = [bench.tools.thermocline, "index", file, "--state", bench.folder("state"), "--verify", verify]
    begin = time.monotonic()
    output = run(command, limit=bench.effort.peer_limit)
    process = (time.monotonic() - begin) * 1e3
    if not output.strip().splitlines()[-1].startswith("1 indexed"):
        raise MeasurementError(f"`thermocline index` did not index {file.name}: {output.strip()[-200:]}")
    return Indexed(own=own_milliseconds(output), process=process)


def own_milliseconds(output: str) -> float:
    """The time that `thermocline index` printed for the one file it indexed."""
    found = OWN_TIME.search(output.strip().splitlines()[-1])
    if not found:
        raise MeasurementError(f"`thermocline index` printed no time: {output.strip()[-200:]}")
    return float(found[1]) * MILLISECONDS[found[2]]


def _peer(bench: Bench, program: str, file: Path, n_chunks: int) -> Indexed:
    begin = time.monotonic()
    output = run([bench.tools.clients, PROGRAMS / program, file], limit=bench.effort.peer_limit)
    process = (time.monotonic() - begin) * 1e3
    result = json.loads(output)
    if result["n_chunks"] != n_chunks:
        raise MeasurementError(f"found {result['n_chunks']} chunks, expected {n_chunks}")
    return Indexed(own=result["seconds"] * 1e3, process=process)
