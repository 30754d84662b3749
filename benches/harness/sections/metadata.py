"""Requests a second for the documents that every client asks for first."""

from __future__ import annotations

from collections.abc import Iterator

from ..bench import Bench
from ..data import SMALL
from ..load import random_keys
from ..report import Better, Row
from ..rounds import alternate
from ..servers import Server

TITLE = "Metadata documents, 16 connections"
DATA = {"served"}

CONNECTIONS = 16


def measure(bench: Bench) -> Iterator[Row]:
    """Yields a row for the consolidated v2 document and one for the v3 root, which xpublish 0.4 does not have."""
    yield _row(bench, f"/datasets/{SMALL}/zarr/.zmetadata", bench.fleet)
    without_xpublish = {name: server for name, server in bench.fleet.items() if name != "xpublish"}
    yield _row(bench, f"/datasets/{SMALL}/zarr-v3/zarr.json", without_xpublish)


def _row(bench: Bench, path: str, contenders: dict[str, Server]) -> Row:
    keys = bench.place / f"{path.rpartition('/')[2]}-keys.txt"
    keys.write_text(f"{path}\n")

    def requests_per_second(server: Server) -> float:
        load = random_keys(bench.tools.wrk, server.port, keys, CONNECTIONS, bench.effort.seconds)
        return load.requests_per_second

    figures, notes = alternate(contenders, bench.effort.rounds, requests_per_second)
    return Row(f"`{path.rpartition('/')[2]}`", "requests/s", Better.HIGHER, figures, notes=notes)
