"""What a server spends: CPU seconds for a gigabyte sent, and memory after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..bench import Bench
from ..data import LARGE, SMALL
from ..load import random_keys
from ..report import Better, Row
from ..rounds import MeasurementError, alternate
from ..servers import Server

TITLE = "CPU and memory, 16 connections"
DATA = {"served"}

CONNECTIONS = 16
SIZES = {SMALL: "12.8 kB", LARGE: "4 MiB"}


def measure(bench: Bench) -> Iterator[Row]:
    """Yields CPU seconds per GB for both chunk sizes, then memory held now and at most.

    Memory is that of servers which have done all the sections before this one as well.
    """
    for dataset, size in SIZES.items():
        keys = bench.keys(dataset)
        figures, notes = alternate(
            bench.fleet, bench.effort.rounds, lambda server, keys=keys: _cpu_seconds_per_gb(bench, server, keys)
        )
        yield Row(f"{size} chunks", "CPU s/GB", Better.LOWER, figures, notes=notes)
    memory = {name: server.memory() for name, server in bench.fleet.items()}
    resident = {name: [held.resident] for name, held in memory.items()}
    peak = {name: [held.peak] for name, held in memory.items()}
    yield Row("resident memory (VmRSS)", "MB", Better.LOWER, resident)
    yield Row("resident memory at most (VmHWM)", "MB", Better.LOWER, peak)


def _cpu_seconds_per_gb(bench: Bench, server: Server, keys: Path) -> float:
    before = server.cpu_seconds()
    load = random_keys(bench.tools.wrk, server.port, keys, CONNECTIONS, bench.effort.seconds)
    spent = server.cpu_seconds() - before
    if spent <= 0:
        raise MeasurementError("no CPU time was seen")
    return spent / (load.n_bytes / 1e9)
