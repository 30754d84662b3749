"""From the start of the process to the first answer, with one dataset and with a thousand indexed ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from .. import servers
from ..bench import Bench
from ..data import N_MANY
from ..load import get, wait_for
from ..processes import run
from ..report import AtMost, Better, Row
from ..rounds import PRODUCT, MeasurementError

TITLE = "Cold start"
DATA = {"one", "many"}

READY_PAUSE = 0.001
INDEX_LIMIT = 600.0


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the seconds until `/ready` answers 200, and the memory held after the datasets were listed."""
    for source, n_datasets in ((bench.data.one, 1), (bench.data.many, N_MANY)):
        yield from _rows(bench, source, n_datasets)


def _rows(bench: Bench, source: Path, n_datasets: int) -> Iterator[Row]:
    state = bench.folder("state")
    index = [bench.tools.thermocline, "index", source, "--state", state, "--verify", "off"]
    run(index, limit=INDEX_LIMIT)
    starts = [_start(bench, source, state, n_datasets) for _ in range(bench.effort.rounds)]
    what = f"{n_datasets:,} dataset{'s' if n_datasets > 1 else ''}"
    ready = {PRODUCT: [seconds for seconds, _, _ in starts]}
    opened = {PRODUCT: [seconds for _, seconds, _ in starts]}
    resident = {PRODUCT: [megabytes for _, _, megabytes in starts]}
    yield Row(f"exec to `/ready`, {what}", "s", Better.LOWER, ready, [AtMost(1.0)])
    yield Row(f"exec to a dataset's first `.zmetadata`, {what}", "s", Better.LOWER, opened)
    yield Row(f"resident memory, {what}", "MB", Better.LOWER, resident, [AtMost(150.0)] if n_datasets > 1 else [])


def _start(bench: Bench, source: Path, state: Path, n_datasets: int) -> tuple[float, float, float]:
    """Seconds to `/ready`, seconds to the first metadata document, and memory in MB."""
    begin = time.monotonic()
    with servers.thermocline(bench.tools, source, bench.folder("start"), state) as server:
        wait_for(server.port, "/ready", server.process, servers.START_LIMIT, READY_PAUSE)
        ready = time.monotonic() - begin
        ids = json.loads(get(server.port, "/datasets")[1])
        if len(ids) != n_datasets:
            raise MeasurementError(f"ready with {len(ids)} datasets, expected {n_datasets}")
        status, _ = get(server.port, f"/datasets/{ids[-1]}/zarr/.zmetadata")
        if status != 200:
            raise MeasurementError(f"{status} on the metadata of {ids[-1]}")
        opened = time.monotonic() - begin
        return ready, opened, server.memory().resident
