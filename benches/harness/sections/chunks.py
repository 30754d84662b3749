"""Stored chunks that pass through: raw bytes of 12.8 kB and of 4 MiB, in random order, page cache warm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..bench import Bench
from ..data import LARGE, SMALL
from ..load import Load, random_keys
from ..report import AtLeast, Better, Row
from ..rounds import alternate
from ..servers import Server

TITLE = "Chunks, random order, page cache warm"
DATA = {"served"}

SIZES = {SMALL: "12.8 kB", LARGE: "4 MiB"}
UNKEPT_CONNECTIONS = 16
MIN_REQUESTS = 200
"""Below this many answers in a round the slowest hundredth is chance, and is not reported."""


@dataclass(frozen=True)
class Case:
    """One way of asking."""

    dataset: str
    connections: int
    remark: str = ""

    def __str__(self) -> str:
        plural = "s" if self.connections > 1 else ""
        return f"{SIZES[self.dataset]}, {self.connections} connection{plural}{self.remark}"

    def rate_targets(self) -> Sequence[AtLeast]:
        """Targets for requests/s: small chunks are about requests."""
        return [AtLeast(1.0, "nginx"), AtLeast(20.0, "xpublish")] if self.dataset == SMALL else []

    def flow_targets(self) -> Sequence[AtLeast]:
        """Targets for MB/s: large chunks are about bytes."""
        return [AtLeast(0.8, "nginx")] if self.dataset == LARGE else []


def measure(bench: Bench) -> Iterator[Row]:
    """Yields requests/s, MB/s and the 99th percentile for every chunk size and number of connections.

    The small chunks fit the memory that the product keeps chunks in; a last group shows it without.
    """
    for dataset in SIZES:
        for connections in bench.effort.connections:
            yield from _rows(bench, bench.fleet, Case(dataset, connections))
    unkept = Case(SMALL, UNKEPT_CONNECTIONS, ", none kept in memory")
    yield from _rows(bench, bench.fleet_without_memory, unkept)


def _rows(bench: Bench, fleet: dict[str, Server], case: Case) -> Iterator[Row]:
    keys = bench.keys(case.dataset)

    def load(server: Server) -> Load:
        seconds = bench.effort.slow_seconds if server.name == "xpublish" else bench.effort.seconds
        return random_keys(bench.tools.wrk, server.port, keys, case.connections, seconds)

    loads, notes = alternate(fleet, bench.effort.rounds, load)
    rates = {name: [load.requests_per_second for load in rounds] for name, rounds in loads.items()}
    flows = {name: [load.megabytes_per_second for load in rounds] for name, rounds in loads.items()}
    slowest = {
        name: [load.p99_ms for load in rounds]
        for name, rounds in loads.items()
        if all(load.n_requests >= MIN_REQUESTS for load in rounds)
    }
    rate_targets = [target for target in case.rate_targets() if target.peer in fleet]
    yield Row(str(case), "requests/s", Better.HIGHER, rates, rate_targets, notes)
    yield Row(str(case), "MB/s", Better.HIGHER, flows, case.flow_targets())
    yield Row(str(case), "p99 ms", Better.LOWER, slowest)
