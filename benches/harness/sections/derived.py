"""Chunks that have to be decoded and encoded again, each asked for once: nothing is cached yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .. import servers
from ..bench import Bench
from ..data import PACKED, VARIABLE, warm
from ..export import variable_keys
from ..load import Load, every_key_once
from ..report import AtLeast, Better, Row
from ..rounds import PRODUCT, alternate
from ..servers import Server

TITLE = "Derived chunks (LZF, 256 × 1 MiB decoded), every chunk once, caches cold"
DATA = {"packed"}

CONNECTIONS = 16
DECODED_MB = 256 * 512 * 512 * 4 / 1e6


def measure(bench: Bench) -> Iterator[Row]:
    """Yields decoded MB/s and CPU seconds per decoded GB.

    Servers are started anew, with empty state, before each load. The chunk sizes that they choose may
    differ, so the figure is what arrived when decoded, not what was sent.
    """
    warm(bench.data.packed)
    starters: dict[str, Callable[[], Server]] = {
        PRODUCT: lambda: _product(bench),
        "xpublish": lambda: servers.xpublish(bench.tools, [bench.data.packed / "packed.h5"], bench.folder("derived")),
    }
    loads, notes = alternate(starters, bench.effort.rounds, _load)
    rates = {name: [DECODED_MB / load.seconds for load, _ in rounds] for name, rounds in loads.items()}
    costs = {name: [spent / (DECODED_MB / 1e3) for _, spent in rounds] for name, rounds in loads.items()}
    what = f"all chunks once, {CONNECTIONS} connections"
    yield Row(what, "decoded MB/s", Better.HIGHER, rates, [AtLeast(5.0, "xpublish")], notes)
    yield Row(what, "CPU s/GB decoded", Better.LOWER, costs)


def _product(bench: Bench) -> Server:
    folder = bench.folder("derived")
    return servers.thermocline(bench.tools, bench.data.packed, folder, folder / "state")


def _load(start: Callable[[], Server]) -> tuple[Load, float]:
    with start() as server:
        server.wait_for(f"/datasets/{PACKED}/zarr/.zmetadata")
        keys = variable_keys(server, PACKED, VARIABLE)
        before = server.cpu_seconds()
        load = every_key_once(server.port, keys, CONNECTIONS)
        return load, server.cpu_seconds() - before
