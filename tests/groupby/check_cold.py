"""Groupby of data on tape: numbers become jobs, chunks of lazy groups 503; metadata, HEAD and estimates recall nothing.

    python check_cold.py --binary target/release/thermocline FIELDS

FIELDS is the folder of make_fields.py. Three of its files are indexed while they are online and lie on a simulated tape library
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

from common import Report, Tape

DATASET, OTHER, THIRD = "daily_noleap", "tiles_noleap", "daily_julian"
MEAN = f"/datasets/{DATASET}/groupby/tas/time.month/mean"
ELSE = f"/datasets/{DATASET}/groupby/tas/time.year/max"
TILES = f"/datasets/{OTHER}/groupby/noise/time.month/mean"
TIMEOUT = 60


def recalled(tape: Tape, before: int) -> int:
    """Recalls since; one that was asked for is in the log by now: the library is polled every 0.2 s."""
    time.sleep(0.5)
    return tape.recalls() - before


def finished(tape: Tape, got: requests.Response) -> str | None:
    """Waits for the job that an answer of 202 names."""
    end = time.monotonic() + 60
    state = ""
    while time.monotonic() < end:
        job = requests.get(urljoin(got.url, got.headers["Location"]), timeout=TIMEOUT)
        state = job.json().get("state", "") if job.status_code == 200 else str(job.status_code)
        if state == "succeeded":
            return None
        if state in ("failed", "cancelled"):
            return f"job {job.text[:200]}"
        time.sleep(0.2)
    return f"the job is still {state}"


def check_nothing(tape: Tape, report: Report) -> None:
    """What recalls nothing; the library was never asked before."""
    def nothing(name: str, *requested: tuple[str, str], method: str = "GET") -> None:
        def test() -> str | None:
            for path, accept in requested:
                got = requests.request(method, tape.server.base + path, headers={"Accept": accept}, timeout=TIMEOUT, allow_redirects=False)
                if got.status_code not in (200, 202):
                    return f"{path}: status {got.status_code} {got.text[:100]}"
            n = recalled(tape, 0)
            return f"{n} recalls" if n else None

        report.claim("tape", name, test)

    nothing("what can be grouped recalls nothing", (f"/datasets/{DATASET}/groupby", "application/json"))
    nothing("the page recalls nothing", (MEAN + "?f=html", "text/html"))
    nothing("HEAD recalls nothing", (MEAN, "*/*"), (MEAN + "?f=nc", "*/*"), (TILES + "/zarr/noise/0.0.0", "*/*"), method="HEAD")
    nothing("metadata of lazy groups recall nothing", *((f"{path}/zarr/{key}", "*/*") for path in (MEAN, TILES) for key in (".zmetadata", ".zgroup", "zarr.json", "month/0", "month/c/0", "month/.zarray")))

    def estimate() -> str | None:
        body = tape.get(MEAN + "?f=estimate").json()
        n = recalled(tape, 0)
        good = body["n_recalls"] == 1 and body["read_bytes_nearline"] > 0 and body["read_bytes_online"] == 0
        return None if good and not n else f"{body}, {n} recalls"

    report.claim("tape", "the estimate names recalls and makes none", estimate)


def check_recalls(tape: Tape, report: Report) -> None:
    """Jobs, waiting, chunks."""
    def accepted() -> str | None:
        got = tape.get(MEAN)
        if got.status_code != 202 or not got.headers.get("Location") or not got.headers.get("Retry-After"):
            return f"status {got.status_code} {dict(got.headers)}"
        again = tape.get(MEAN)
        if again.status_code == 202 and again.headers["Location"] != got.headers["Location"]:
            return f"the same request is another job: {got.headers['Location']} and {again.headers['Location']}"
        problem = finished(tape, got)
        if problem:
            return problem
        result = tape.get(MEAN)
        good = result.status_code == 200 and result.headers["Content-Type"].startswith("application/json")
        return None if good and tape.recalls() == 1 else f"status {result.status_code} after {tape.recalls()} recalls"

    def other_forms() -> str | None:
        before = tape.recalls()
        statuses = [tape.get(f"{MEAN}?f={form}").status_code for form in ("nc", "csv", "html", "json")]
        statuses += [tape.get(f"{MEAN}/zarr/tas/{key}").status_code for key in ("0.0.0", "c/0/0/0")]
        return None if set(statuses) == {200} and not recalled(tape, before) else f"{statuses}, {recalled(tape, before)} recalls"

    def chunk() -> str | None:
        """A cold chunk is 503 with Retry-After, or is held until it is there; then it is the chunk."""
        before, end, seen = tape.recalls(), time.monotonic() + 60, []
        while time.monotonic() < end:
            got = tape.get(TILES + "/zarr/noise/0.0.0")
            seen.append(got.status_code)
            if got.status_code == 503 and not got.headers.get("Retry-After"):
                return "503 without Retry-After"
            if got.status_code != 503:
                break
            time.sleep(0.3)
        return None if seen[-1] == 200 and set(seen) <= {200, 503} and recalled(tape, before) == 1 else f"statuses {sorted(set(seen))}, {tape.recalls() - before} recalls"

    def kept() -> str | None:
        """The job lets go of what it recalled, so that it can be made cold: another result needs a recall then, the kept one none."""
        end = time.monotonic() + 10
        while True:
            tape.evict()
            if tape.get(ELSE + "?f=estimate").json()["n_recalls"] == 1:
                break
            if time.monotonic() > end:
                return "the file cannot be made cold: what the job recalled is kept online after its end"
            time.sleep(0.2)
        before = tape.recalls()
        got = tape.get(MEAN)
        n = recalled(tape, before)
        return None if got.status_code == 200 and not n else f"status {got.status_code}, {n} recalls"

    def waits() -> str | None:
        before = tape.recalls()
        got = requests.get(f"{tape.server.base}/datasets/{THIRD}/groupby/pr/time.season/max", headers={"Prefer": "wait=50"}, timeout=TIMEOUT, allow_redirects=False)
        return None if got.status_code == 200 and recalled(tape, before) == 1 else f"status {got.status_code}, {tape.recalls() - before} recalls {got.text[:100]}"

    for name, test in (("202, one job, then the numbers", accepted), ("then every form, without recalls", other_forms), ("a chunk of a lazy group", chunk), ("kept after eviction", kept), ("Prefer: wait", waits)):
        report.claim("tape", name, test)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", type=Path)
    parser.add_argument("--binary", required=True)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        tape = Tape(args.binary, Path(scratch).resolve(), [args.fields / "short_noleap.nc"], [args.fields / f"{name}.nc" for name in (DATASET, OTHER, THIRD)], speed=600)
        with tape.server:
            check_nothing(tape, report)
            check_recalls(tape, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
