"""What surrounds the numbers: forms, lists, limits, jobs, sharing, memory, bytes that stay the same.

    python check_service.py --binary target/release/thermocline FIELDS MORE [--only SECTION…]

FIELDS and MORE are the folders of make_fields.py and make_more_fields.py. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import requests

import service_forms
from asking import Client
from common import Report, Server, metrics, resident_mb

TIMEOUT = 120
MEMORY_MB = 700
MEAN = "/datasets/daily_noleap/groupby/tas/time.month/mean"
PATHS = [MEAN, "/datasets/daily_noleap/groupby/pr/time.dayofyear/quantile/q=0.1,0.5", "/datasets/daily_standard/groupby/sst/time.season/var", "/datasets/types_noleap/groupby/t2m/time.month,zone/std",
         "/datasets/tiles_noleap/groupby/noise/time.month/median", "/datasets/types_noleap/groupby/prof/time.year/sum", "/datasets/daily_julian/groupby/tas/time/mean/freq=QS-DEC",
         "/datasets/types_noleap/groupby/soil/basin/prod", "/datasets/daily_360_day/groupby/pr/time.month/mean/anomaly=1", "/datasets/daily_noleap/groupby/tas/time.month/mean/over=lat,lon/weights=coslat"]


def read_bytes(base: str) -> float:
    """Bytes that were read from objects so far."""
    return sum(value for name, value in metrics(base).items() if name.startswith("thermocline_read_bytes_total"))


def settings(**more: str) -> str:
    """The section of the plugin."""
    return "[plugins.groupby]\n" + "".join(f"{key} = {value}\n" for key, value in more.items())


def bodies(base: str, forms: tuple[str, ...] = ("json", "nc", "csv")) -> dict[str, tuple[str | None, bytes]]:
    """Tag and bytes of every path in every form; a status that is not 200 stands for itself."""
    found = {}
    for path in PATHS:
        for form in forms:
            got = requests.get(f"{base}{path}?f={form}", timeout=TIMEOUT)
            found[f"{path}?f={form}"] = (got.headers.get("ETag"), got.content if got.status_code == 200 else str(got.status_code).encode())
        for key in ("zarr.json", ".zmetadata"):
            found[f"{path} {key}"] = (None, requests.get(f"{base}{path}/zarr/{key}", timeout=TIMEOUT).content)
    return found


def check_stable(binary: str, folder: Path, fields: Path, more: Path, report: Report) -> None:
    """The same bytes from another process, on one core, with memory for a few cells only, and chunk by chunk."""
    ways = {"first": "", "again": "", "tiles": settings(memory_bytes='"64 KiB"', memory='"0 B"'), "one at a time": settings(max_concurrent="1")}
    seen = {}
    for name, config in ways.items():
        with Server(binary, folder / f"stable-{name.replace(' ', '-')}", [str(fields)], config) as server:
            if name == "tiles":
                one_core(server.process.pid)
            seen[name] = bodies(server.base)
    for name in list(ways)[1:]:
        for key, value in seen["first"].items():
            def test(name=name, key=key, value=value) -> str | None:
                if value[1].isdigit():
                    return f"status {value[1].decode()}"
                return None if seen[name][key] == value else f"{len(seen[name][key][1])} bytes {seen[name][key][1][:60]!r}, first {len(value[1])} bytes"

            report.claim(f"same bytes, {name}", key, test)


def one_core(pid: int) -> None:
    """Lets a process and its threads run on one core only."""
    import os

    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {0})


LIMITS = [
    ("max_result_bytes", '"1 KiB"', MEAN, 413), ("max_groups", "11", MEAN, 413), ("max_groups", "12", MEAN, 200), ("max_read_bytes", '"1 KiB"', MEAN, 413),
]


def check_limits(binary: str, folder: Path, fields: Path, more: Path, report: Report) -> None:
    """Beyond a limit: 413 with the estimate and what narrows it; nothing was read."""
    for n, (key, value, path, wanted) in enumerate(LIMITS):
        with Server(binary, folder / f"limits{n}", [str(fields)], settings(**{key: value})) as server:
            def test() -> str | None:
                before = read_bytes(server.base)
                got = requests.get(server.base + path, timeout=TIMEOUT)
                if got.status_code != wanted:
                    return f"status {got.status_code}, expected {wanted} {got.text[:150]}"
                if wanted == 200:
                    return None
                body = got.json()
                if set(body.get("estimate", {})) < {"read_bytes_online", "read_bytes_nearline", "n_recalls", "result_bytes", "groups", "memory_bytes"}:
                    return f"no estimate in {str(body)[:200]}"
                if read_bytes(server.base) != before or not body.get("detail"):
                    return f"{read_bytes(server.base) - before} bytes read, detail {body.get('detail')!r}"
                return None

            report.claim("limits", f"{key} = {value}", test)
            if key == "max_result_bytes":
                report.claim("limits", "the lazy group is still there", lambda: None if (s := requests.get(f"{server.base}{path}/zarr/tas/0.0.0", timeout=TIMEOUT).status_code) == 200 else f"status {s}")
    with Server(binary, folder / "limits-chunk", [str(fields)], settings(max_chunk_bytes='"64 B"')) as server:
        report.claim("limits", "max_chunk_bytes", lambda: None if (s := requests.get(f"{server.base}{MEAN}/zarr/tas/0.0.0", timeout=TIMEOUT).status_code) in (200, 413) else f"status {s}")


def wait_for(base: str, got: requests.Response, longest: float = 60) -> dict:
    """The document of a job when it has ended."""
    end = time.monotonic() + longest
    while time.monotonic() < end:
        # The server may be another process than the one that answered.
        job = requests.get(base + urlsplit(got.headers["Location"]).path, timeout=TIMEOUT).json()
        if job.get("state") in ("succeeded", "failed", "cancelled"):
            return job
        time.sleep(0.1)
    return {"state": "endless"}


def check_jobs(binary: str, folder: Path, fields: Path, more: Path, report: Report) -> None:
    """What reads much becomes a job: one for all who ask, kept over the end of the process, however it ends."""
    config, state = settings(sync_read_bytes='"1 KiB"'), folder / "jobs"
    path = f"{MEAN}/skipna=0"
    with Server(binary, state, [str(fields)], config) as server:
        base = server.base

        def accepted() -> str | None:
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: requests.get(base + path, timeout=TIMEOUT, allow_redirects=False), range(8)))
            waiting = [a for a in answers if a.status_code == 202]
            if not waiting or {a.status_code for a in answers} - {200, 202}:
                return f"statuses {[a.status_code for a in answers]} {answers[0].text[:100]}"
            locations = {a.headers.get("Location") for a in waiting}
            if len(locations) != 1 or not waiting[0].headers.get("Retry-After"):
                return f"locations {locations}, Retry-After {waiting[0].headers.get('Retry-After')}"
            document = waiting[0].json()
            if "state" not in document:
                return f"no document of a job: {str(document)[:150]}"
            job = wait_for(base, waiting[0])
            if job["state"] != "succeeded":
                return str(job)[:300]
            done = requests.get(base + path, timeout=TIMEOUT)
            return None if done.status_code == 200 and done.json()["dims"]["month"] == 12 else f"status {done.status_code}"

        def waits() -> str | None:
            got = requests.get(f"{base}{MEAN}/lat=-30:30", headers={"Prefer": "wait=30"}, timeout=TIMEOUT, allow_redirects=False)
            return None if got.status_code == 200 else f"status {got.status_code} {got.text[:100]}"

        def listed() -> str | None:
            text = requests.get(f"{base}/datasets/daily_noleap/groupby", headers={"Accept": "application/json"}, timeout=TIMEOUT).text
            return None if "time.month/mean" in text else f"the kept result is not in {text[:200]}"

        def refused() -> str | None:
            statuses = {p: requests.get(base + p, timeout=TIMEOUT, allow_redirects=False).status_code for p in (f"{MEAN}?colour=red", "/datasets/types_noleap/groupby/elsewhere/time.month/mean")}
            return None if set(statuses.values()) == {400} else f"{statuses}"

        def overflow() -> str | None:
            """A job that cannot end well says so, and the first address too, for as long as it is asked."""
            address = f"{base}/datasets/types_noleap/groupby/big/time.month/sum"
            got = requests.get(address, timeout=TIMEOUT, allow_redirects=False)
            if got.status_code == 202:
                job = wait_for(base, got)
                return None if job["state"] == "failed" and "64" in str(job) else str(job)[:200]
            return None if got.status_code == 422 else f"status {got.status_code}"

        for name, test in (("eight who ask have one job", accepted), ("Prefer: wait", waits), ("kept results are listed", listed), ("mistakes are no jobs", refused), ("a job that fails", overflow)):
            report.claim("jobs", name, test)
        expected = requests.get(base + path + "?f=nc", timeout=TIMEOUT).content
        unfinished = requests.get(f"{base}/datasets/tiles_noleap/groupby/noise/time.day/median", timeout=TIMEOUT, allow_redirects=False)
        server.process.kill()
        server.process.wait(10)
    with Server(binary, state, [str(fields)], config) as server:
        def survived() -> str | None:
            got = requests.get(server.base + path + "?f=nc", timeout=TIMEOUT, allow_redirects=False)
            return None if got.status_code == 200 and got.content == expected else f"status {got.status_code}, {len(got.content)} bytes, before {len(expected)}"

        def taken_up() -> str | None:
            if unfinished.status_code != 202:
                return f"status {unfinished.status_code} before"
            job = wait_for(server.base, unfinished)
            got = requests.get(f"{server.base}/datasets/tiles_noleap/groupby/noise/time.day/median", headers={"Prefer": "wait=50"}, timeout=TIMEOUT, allow_redirects=False)
            return None if got.status_code == 200 and job["state"] in ("succeeded", "cancelled", "failed") else f"status {got.status_code}, job {str(job)[:150]}"

        report.claim("jobs", "kept over kill -9", survived)
        report.claim("jobs", "a job that kill -9 ended", taken_up)


def check_load(binary: str, folder: Path, fields: Path, more: Path, report: Report) -> None:
    """Many at once: one computation for the same request, bounded memory, and none for those who have gone."""
    config = settings(sync_read_bytes='"64 GiB"')
    with Server(binary, folder / "load", [str(fields), str(more / "huge.json")], config) as server:
        base = server.base
        band = "/datasets/huge/groupby/tas/time.month/{}/lat=-54:-45/lon=0:45"

        def once() -> str | None:
            path = band.format("max")
            estimate = requests.get(f"{base}{path}?f=estimate", timeout=TIMEOUT).json()["read_bytes_online"]
            before = read_bytes(base)
            with ThreadPoolExecutor(12) as pool:
                answers = list(pool.map(lambda _: requests.get(f"{base}{path}?f=nc", timeout=TIMEOUT), range(12)))
            counted = read_bytes(base) - before
            same = len({a.content for a in answers}) == 1 and {a.status_code for a in answers} == {200}
            return None if same and counted == estimate else f"statuses {[a.status_code for a in answers]}, {counted:.0f} bytes read for {estimate}"

        def gone() -> str | None:
            path = f"{base}/datasets/huge/groupby/tas/time.month/mean?f=nc"
            estimate = requests.get(path.replace("f=nc", "f=estimate"), timeout=TIMEOUT).json()["read_bytes_online"]
            try:
                requests.get(path, timeout=(5, 1.5))
                return "it was done within 1.5 s"
            except requests.Timeout:
                pass
            end, last = time.monotonic() + 20, read_bytes(base)
            while time.monotonic() < end:
                time.sleep(1)
                now = read_bytes(base)
                if now == last:
                    return None if now < 0.5 * estimate else f"{now:.0f} bytes were read"
                last = now
            return "it reads on after 20 s"

        def many() -> str | None:
            paths = [f"/datasets/{d}/groupby/{v}/time.{p}/{a}" for d in ("daily_noleap", "daily_standard") for v in ("tas", "pr", "sst") for p in ("month", "dayofyear") for a in ("mean", "var", "median", "max")]
            with ThreadPoolExecutor(16) as pool:
                statuses = list(pool.map(lambda p: requests.get(base + p, timeout=TIMEOUT).status_code, paths))
            return None if set(statuses) == {200} else f"statuses {sorted(set(statuses))}"

        report.claim("load", "twelve who ask, one computation", once)
        report.claim("load", "who has gone is not computed for", gone)
        report.claim("load", "48 results in 16 threads", many)
        _, most = resident_mb(server.process.pid)
        report.claim("load", f"at most {MEMORY_MB} MB", lambda: None if most < MEMORY_MB else f"{most:.0f} MB")


def check_forms(binary: str, folder: Path, fields: Path, more: Path, report: Report) -> None:
    """Pages, lists, Arrow, links, pictures."""
    with Server(binary, folder / "forms", [str(fields)]) as server:
        service_forms.check(Client(server.base), fields, report)


SECTIONS = {"forms": check_forms, "limits": check_limits, "jobs": check_jobs, "load": check_load, "stable": check_stable}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", type=Path)
    parser.add_argument("more", type=Path)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", action="append", choices=list(SECTIONS))
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.only or SECTIONS:
            SECTIONS[name](args.binary, Path(scratch), args.fields, args.more, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
