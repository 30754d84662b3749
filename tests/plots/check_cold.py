"""Plots of data on tape: pictures become jobs, thumbnails and pages recall nothing.

    python check_cold.py --binary target/release/thermocline MORE

MORE is the folder of make_more_grids.py. Two of its files are indexed while they are online and lie on a simulated tape library
when the server starts; the library's log is the witness of recalls. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import requests

from _tape import Tape
from check_plots import TIMEOUT, Report

DATASET, OTHER = "steps", "transposed"
BELOW = f"/datasets/{DATASET}"


def check(tape: Tape, report: Report) -> None:
    """All claims, in this order: the first ones need a library that was never asked."""
    def nothing(name: str, *paths: str, accept: str = "*/*") -> None:
        def test() -> str | None:
            for path in paths:
                got = tape.get(f"{BELOW}/{path}", Accept=accept)
                if got.status_code not in (200, 202):
                    return f"{path}: status {got.status_code} {got.text[:100]}"
            time.sleep(0.5)  # A recall that was asked for would be in the log by now: the library is polled every 0.2 s.
            return None if tape.recalls() == 0 else f"{tape.recalls()} recalls"

        report.claim("tape", name, test)

    nothing("thumbnails recall nothing", "plot/thumbnail.png", "plot/thumbnail.png")
    nothing("what can be plotted recalls nothing", "plot", "stac", "")
    nothing("the page recalls nothing", "plot/ta?cmap=magma", accept="text/html")
    nothing("legends recall nothing", "legend/ta.png?vmin=0&vmax=1")

    def head() -> str | None:
        got = requests.head(f"{tape.server.base}{BELOW}/plot/ta.png?width=310", timeout=TIMEOUT)
        time.sleep(0.5)
        return None if tape.recalls() == 0 and got.status_code in (200, 202) else f"status {got.status_code}, {tape.recalls()} recalls"

    def accepted() -> str | None:
        got = tape.get(f"{BELOW}/plot/ta.png?width=320")
        if got.status_code != 202 or not got.headers.get("Location") or not got.headers.get("Retry-After"):
            return f"status {got.status_code} {dict(got.headers)}"
        if "image" in got.headers["Content-Type"]:
            return "an answer of 202 that looks like a picture"
        end = time.monotonic() + 60
        while time.monotonic() < end:
            job = requests.get(urljoin(got.url, got.headers["Location"]), timeout=TIMEOUT)
            if job.status_code == 200 and job.json()["state"] in ("succeeded", "failed", "cancelled"):
                break
            time.sleep(0.2)
        picture = tape.get(f"{BELOW}/plot/ta.png?width=320")
        good = picture.status_code == 200 and picture.headers["Content-Type"] == "image/png"
        return None if good and tape.recalls() == 1 else f"status {picture.status_code} after {tape.recalls()} recalls, job {job.text[:150]}"

    def waits() -> str | None:
        before = tape.recalls()
        got = requests.get(f"{tape.server.base}/datasets/{OTHER}/plot/tas.png?width=330", headers={"Prefer": "wait=50"}, timeout=TIMEOUT, allow_redirects=False)
        return None if got.status_code == 200 and tape.recalls() == before + 1 else f"status {got.status_code}, {tape.recalls() - before} recalls {got.text[:100] if got.status_code != 200 else ''}"

    def kept() -> str | None:
        tape.evict()
        before = tape.recalls()
        got = tape.get(f"{BELOW}/plot/thumbnail.png")
        time.sleep(0.5)
        return None if got.status_code == 200 and tape.recalls() == before else f"status {got.status_code}, {tape.recalls() - before} recalls"

    for name, test in (("HEAD recalls nothing", head), ("202, a job, then the picture", accepted), ("Prefer: wait", waits), ("thumbnails after eviction", kept)):
        report.claim("tape", name, test)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("more", type=Path)
    parser.add_argument("--binary", required=True)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        tape = Tape(args.binary, Path(scratch).resolve(), [args.more / "mpas.nc"], [args.more / f"{name}.nc" for name in (DATASET, OTHER)])
        with tape.server:
            check(tape, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
