"""Stored chunks that pass through: raw bytes of 12.8 kB and of 4 MiB, in random order, page cache warm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..bench import Bench
from ..data import LARGE, SMALL
from ..load import Load, random_keys
from ..report import AtLeast, Better, Row
from ..rounds import alternate
from ..servers import Server

TITLE = "Chunks, random order, page cache warm"
DATA = {"served"}

SIZES = {SMALL: "12.8 kB", LARGE: "4 MiB"}
BATCH_REQUESTS = 200
"""Below this many answers in a round the slowest hundredth is chance, and is not reported."""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields requests/s, MB/s and the 99th percentile for every chunk size and number of connections."""
    for dataset in SIZES:
        keys = bench.keys(dataset)
        for connections in bench.effort.connections:
            yield from _rows(bench, dataset, keys, connections)


def _rows(bench: Bench, dataset: str, keys: Path, connections: int) -> Iterator[Row]:
    def load(server: Server) -> Load:
        seconds = bench.effort.slow_seconds if server.name == "xpublish" else bench.effort.seconds
        return random_keys(bench.tools.wrk, server.port, keys, connections, seconds)

    loads, notes = alternate(bench.fleet, bench.effort.rounds, load)
    what = f"{SIZES[dataset]}, {connections} connection{'s' if connections > 1 else ''}"
    rates = {name: [load.requests_per_second for load in rounds] for name, rounds in loads.items()}
    flows = {name: [load.megabytes_per_second for load in rounds] for name, rounds in loads.items()}
    slowest = {
        name: [load.p99_ms for load in rounds]
        for name, rounds in loads.items()
        if all(load.n_requests >= BATCH_REQUESTS for load in rounds)
    }
    rate_targets, flow_targets = _targets(dataset)
    yield Row(what, "requests/s", Better.HIGHER, rates, rate_targets, notes)
    yield Row(what, "MB/s", Better.HIGHER, flows, flow_targets)
    yield Row(what, "p99 ms", Better.LOWER, slowest)


def _targets(dataset: str) -> tuple[Sequence[AtLeast], Sequence[AtLeast]]:
    """Targets for requests/s and for MB/s: small chunks are about requests, large ones about bytes."""
    if dataset == SMALL:
        return [AtLeast(1.0, "nginx"), AtLeast(20.0, "xpublish")], []
    return [], [AtLeast(0.8, "nginx")]
