"""What a user waits for: `xr.open_dataset(url, engine="zarr")` and a result, in a new process each time."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..bench import Bench
from ..data import MODEL, SMALL
from ..processes import run
from ..report import Better, Row
from ..rounds import MeasurementError, alternate
from ..servers import Server
from ..setup import PROGRAMS

TITLE = "End user, xarray with zarr-python 3"
DATA = {"served"}

READ_LIMIT = 600.0
RESULTS = (
    ("time mean, 80 deflated chunks", MODEL, "mean"),
    ("series of one pixel, 20 deflated chunks", MODEL, "series"),
    ("series of one pixel, 4,000 raw chunks", SMALL, "series"),
)


def measure(bench: Bench) -> Iterator[Row]:
    """Yields seconds for opening and reading; all servers must lead to the very same values."""
    for what, dataset, result in RESULTS:
        digests: set[str] = set()

        def seconds(server: Server, dataset: str = dataset, result: str = result) -> tuple[float, float]:
            address = f"{server.url}/datasets/{dataset}/zarr"
            answer = json.loads(run([bench.tools.clients, PROGRAMS / "read_zarr.py", address, result], READ_LIMIT))
            digests.add(answer["digest"])
            return answer["open_seconds"], answer["seconds"]

        found, notes = alternate(bench.fleet, bench.effort.rounds, seconds)
        if len(digests) != 1:
            raise MeasurementError(f"the servers lead to different values: {what}")
        totals = {name: [total for _, total in rounds] for name, rounds in found.items()}
        yield Row(what, "s", Better.LOWER, totals, notes=notes)
        if result == "mean":
            opening = {name: [opened for opened, _ in rounds] for name, rounds in found.items()}
            yield Row("of that, opening", "s", Better.LOWER, opening)
