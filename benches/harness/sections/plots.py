"""Plots: a picture of a large field beside matplotlib's, grids that need a search structure, and a hundred pictures at once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from .. import servers
from ..bench import Bench
from ..data import warm
from ..load import get, random_keys
from ..processes import run
from ..report import AtLeast, AtMost, Better, Row
from ..rounds import PRODUCT, MeasurementError, alternate
from ..servers import Server
from ..setup import PROGRAMS

TITLE = "Plots of 1600 × 900 pixels with coast, colour bar and text, PNG"
DATA = {"plots"}

SIZE = "width=1600&height=900"
N_PICTURES = 5
N_AT_ONCE = 100
CONNECTIONS = 4
DRAW_LIMIT = 300.0

_salt = count(1)


def measure(bench: Bench) -> Iterator[Row]:
    """Yields times of single pictures, then what a hundred at once cost, and what the serving of chunks loses by them."""
    warm(bench.data.plots)
    with _server(bench) as server:
        yield _regular(bench, server)
        for dataset, variable, what in GRIDS:
            yield _kept_grid(bench, server, dataset, variable, what)
        yield from _at_once(bench, server)
    for dataset, variable, what in GRIDS:
        yield _first(bench, dataset, variable, what)


GRIDS = (("tripolar", "sst", "curvilinear, 1442 × 1021"), ("icon", "tas", "ICON, 1,310,720 triangles"))


def _server(bench: Bench) -> Server:
    """A server whose index knows all datasets."""
    state = bench.folder("state")
    run([bench.tools.thermocline, "index", bench.data.plots, "--state", state, "--verify", "off"], limit=DRAW_LIMIT)
    server = servers.thermocline(bench.tools, bench.data.plots, bench.folder("plots"), state)
    server.wait_for("/ready")
    return server


def _regular(bench: Bench, server: Server) -> Row:
    """A global field of 3600 × 1800 values; another range each time, so that no kept picture can answer."""
    _draw(server, "regular", "t2m", "isel=time=0")

    def seconds(contender: str) -> float:
        if contender == PRODUCT:
            return min(_draw(server, "regular", "t2m", f"isel=time=0&vmax={300 + next(_salt) * 1e-6}") for _ in range(N_PICTURES)) * 1e3
        return min(_matplotlib(bench, "regular", "t2m", "lon", "lat")) * 1e3

    figures, notes = alternate({PRODUCT: PRODUCT, "pcolormesh": "pcolormesh"}, bench.effort.rounds, seconds)
    return Row("regular, 3600 × 1800", "ms", Better.LOWER, figures, [AtMost(80.0), AtLeast(20.0, "pcolormesh")], notes)


def _kept_grid(bench: Bench, server: Server, dataset: str, variable: str, what: str) -> Row:
    """A picture once the grid and its search structure are kept."""
    _draw(server, dataset, variable, "isel=time=0")
    times = [min(_draw(server, dataset, variable, f"isel=time=0&vmax={300 + next(_salt) * 1e-6}") for _ in range(N_PICTURES)) * 1e3
             for _ in range(bench.effort.rounds)]
    return Row(f"{what}, grid kept", "ms", Better.LOWER, {PRODUCT: times}, [AtMost(150.0)])


def _first(bench: Bench, dataset: str, variable: str, what: str) -> Row:
    """The first picture of a server that has only indexed the dataset."""
    times = []
    for _ in range(bench.effort.rounds):
        with _server(bench) as server:
            server.wait_for(f"/datasets/{dataset}/zarr/.zmetadata")
            times.append(_draw(server, dataset, variable, "isel=time=0"))
    return Row(f"{what}, first time", "s", Better.LOWER, {PRODUCT: times}, [AtMost(2.0)])


def _at_once(bench: Bench, server: Server) -> Iterator[Row]:
    """A hundred pictures of different times, alone and then with the serving of chunks beside them."""
    keys = bench.place / "plot-keys.txt"
    keys.write_text("".join(f"/datasets/regular/zarr/t2m/{step}.0.0\n" for step in range(4)))
    # Of steps that nothing has drawn: the hundred have to read theirs too.
    single = min(_draw(server, "regular", "t2m", f"isel=time={step}&vmin={200 + next(_salt) * 1e-6}") for step in range(20, 23))

    def chunks() -> float:
        return random_keys(bench.tools.wrk, server.port, keys, CONNECTIONS, bench.effort.seconds).requests_per_second

    def draw(k: int) -> float:
        return _draw(server, "regular", "t2m", f"isel=time={k % 24}&vmin={200 + next(_salt) * 1e-6}")

    alone, beside, slowest, total = [], [], [], []
    for _ in range(bench.effort.rounds):
        with _drawing(draw) as load:
            pass
        slowest.append(max(load()[0]) / single)
        alone.append(chunks())
        with _drawing(draw) as load:
            beside.append(chunks())
        total.append(load()[1])
    yield Row(f"{N_AT_ONCE} at once: the slowest", "times a single one", Better.LOWER, {PRODUCT: slowest}, [AtMost(100.0)])
    yield Row(f"{N_AT_ONCE} at once, beside chunks: all", "s", Better.LOWER, {PRODUCT: total})
    figures = {PRODUCT: beside, "alone": alone}
    yield Row(f"chunks beside {N_AT_ONCE} plots, {CONNECTIONS} connections", "requests/s", Better.HIGHER, figures, [AtLeast(0.7, "alone")])
    yield Row("resident memory at most", "MB", Better.LOWER, {PRODUCT: [server.memory().peak]})


class _drawing:
    """Draws in the background while its block runs; afterwards tells the seconds of each picture, and of all."""

    def __init__(self, draw: Callable[[int], float]) -> None:
        self.draw, self.times, self.took, self.failed = draw, [], 0.0, []
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Callable[[], tuple[list[float], float]]:
        self.thread.start()
        return self.result

    def __exit__(self, *_: object) -> None:
        self.thread.join()

    def result(self) -> tuple[list[float], float]:
        """What it took; raises what went wrong."""
        if self.failed:
            raise MeasurementError(str(self.failed[0]))
        return self.times, self.took

    def _run(self) -> None:
        begin = time.perf_counter()
        try:
            with ThreadPoolExecutor(N_AT_ONCE) as pool:
                self.times = list(pool.map(self.draw, range(N_AT_ONCE)))
        except (MeasurementError, OSError) as error:
            self.failed.append(error)
        self.took = time.perf_counter() - begin


def _draw(server: Server, dataset: str, variable: str, options: str) -> float:
    """Seconds of one picture."""
    begin = time.perf_counter()
    status, body = get(server.port, f"/datasets/{dataset}/plot/{variable}.png?{SIZE}&{options}")
    seconds = time.perf_counter() - begin
    if status != 200:
        raise MeasurementError(f"{status} on a plot of {dataset}: {body[:200].decode(errors='replace')}")
    return seconds


def _matplotlib(bench: Bench, dataset: str, variable: str, x: str, y: str) -> list[float]:
    """Seconds of some pictures, by matplotlib."""
    file: Path = bench.data.plots / f"{dataset}.nc"
    command = [bench.tools.clients, PROGRAMS / "draw_matplotlib.py", file, variable, x, y, "2"]
    return json.loads(run(command, limit=DRAW_LIMIT))
