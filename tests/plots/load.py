"""A hundred plots at once beside the serving of chunks: memory, waiting, and what chunks lose.

    python load.py --binary target/release/thermocline MORE [--figures]

MORE is the folder of make_more_grids.py --huge. Plots of 100 different times of a variable of 50 GB are asked for at the same time,
then 100 others while clients read chunks over and over. Memory must stay within what the server was given; with `--figures` no plot
of the first may take longer than 100 single ones, and chunks may lose less than 30 % of their rate beside the second. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import requests

from _server import Server, resident_mb
from check_plots import TIMEOUT, Report

N_PLOTS = 100
MEMORY_MB = 1536  # What the whole server may take.
CONFIG = '[state]\nmemory = "512 MiB"\n'
READERS = 2


class Readers:
    """Clients that read chunks one after the other until they are stopped."""

    def __init__(self, base: str) -> None:
        self.base, self.stopped, self.counts, self.failed = base, threading.Event(), [0] * READERS, 0
        self.threads = [threading.Thread(target=self.run, args=(k,)) for k in range(READERS)]

    def run(self, k: int) -> None:
        """One client."""
        session = requests.Session()
        while not self.stopped.is_set():
            got = session.get(f"{self.base}/datasets/steps/zarr-v2/ta/0.0.0.0", timeout=TIMEOUT)
            self.failed += got.status_code != 200
            self.counts[k] += 1

    def __enter__(self) -> Readers:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def rate(self, seconds: float) -> float:
        """Chunks a second during some time from now."""
        before, begin = sum(self.counts), time.perf_counter()
        time.sleep(seconds)
        return (sum(self.counts) - before) / (time.perf_counter() - begin)


def plot(base: str, step: int) -> tuple[float, int]:
    """Seconds and status of one plot."""
    begin = time.perf_counter()
    got = requests.get(f"{base}/datasets/huge/plot/tas.png?isel=time={step}&width=800", timeout=600)
    return time.perf_counter() - begin, got.status_code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("more", type=Path)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--figures", action="store_true")
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch, Server(args.binary, Path(scratch), [str(args.more)], CONFIG) as server:
        plot(server.base, 1999)
        single = min(plot(server.base, step)[0] for step in (1990, 1991, 1992))
        with ThreadPoolExecutor(N_PLOTS) as pool:
            done = list(pool.map(partial(plot, server.base), range(N_PLOTS)))
            with Readers(server.base) as readers:
                readers.rate(0.5)
                alone = readers.rate(2)
                waiting = [pool.submit(plot, server.base, step) for step in range(N_PLOTS, 2 * N_PLOTS)]
                beside = readers.rate(max(1.0, min(4.0, single * N_PLOTS / 2)))
                done_beside = [w.result() for w in waiting]
        now, most = resident_mb(server.process.pid)
        slowest, slowest_beside = (max(seconds for seconds, _ in plots) for plots in (done, done_beside))
        statuses = [status for _, status in done + done_beside]
        print(f"one plot {single * 1e3:.0f} ms; of {N_PLOTS} at once the slowest {slowest:.1f} s, {slowest_beside:.1f} s beside {READERS} readers of chunks; "
              f"chunks/s {alone:.0f} alone, {beside:.0f} beside; resident {now:.0f} MB, at most {most:.0f} MB")
        report.claim("load", "all are drawn", lambda: None if set(statuses) == {200} else f"statuses {sorted(set(statuses))}")
        report.claim("load", "no chunk fails", lambda: f"{readers.failed} failed" if readers.failed else None)
        report.claim("load", f"at most {MEMORY_MB} MB", lambda: f"{most:.0f} MB" if most > MEMORY_MB else None)
        if args.figures:
            report.claim("load", "none over 100 single times", lambda: f"{slowest / single:.0f}" if slowest > 100 * single else None)
            report.claim("load", "chunks lose less than 30 %", lambda: f"{1 - beside / alone:.0%}" if beside < 0.7 * alone else None)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
