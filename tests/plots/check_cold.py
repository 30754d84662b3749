"""Plots of data on tape: pictures become jobs, thumbnails and pages recall nothing.

    python check_cold.py --binary target/release/thermocline MORE

MORE is the folder of make_more_grids.py. Two of its files are indexed while they are online and lie on a simulated tape library
when the server starts; the library's log is the witness of recalls. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import requests

from _server import Server
from check_plots import TIMEOUT, Report

DATASET, OTHER = "steps", "transposed"
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"


class Tape:
    """A server of two files on tape and one on disk."""

    def __init__(self, binary: str, folder: Path, more: Path) -> None:
        self.log = folder / "recalls.log"
        for name, dataset in (("hot", "mpas"), ("archive", DATASET), ("archive", OTHER)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            shutil.copy2(more / f"{dataset}.nc", folder / name / f"{dataset}.nc")
        paths = [str(folder / "hot"), str(folder / "archive")]
        roots = f'[roots.archive]\npath = "{folder}/archive"\n'
        (folder / "index.toml").write_text(roots)
        index = [binary, "index", *paths, "--config", str(folder / "index.toml"), "--state", str(folder / "state")]
        subprocess.run(index, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        operator = f'[tokens.operator]\nhash = "sha256:{digest}"\nscopes = ["read", "stage", "admin"]\n'
        library = f'kind = "simulated"\nspeed = 60\npoll_every = "200ms"\nrecall_log = "{self.log}"\n'
        config = f'{roots}[cold.tape]\nroots = ["archive"]\n{library}[staging]\nanonymous = true\nstaged_files_dir = "{folder}/staged"\n{operator}'
        self.server = Server(binary, folder, paths, config)
        self.url = f"{self.server.base}/datasets/{DATASET}"

    def recalls(self) -> int:
        """Recalls so far, as the library counts them."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET below the dataset, without following anything."""
        return requests.get(f"{self.url}/{path}", headers=headers, timeout=TIMEOUT, allow_redirects=False)

    def evict(self) -> None:
        """Makes everything cold again."""
        requests.post(f"{self.server.base}/objects/evict", json={"all": True}, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=TIMEOUT).raise_for_status()


def check(tape: Tape, report: Report) -> None:
    """All claims, in this order: the first ones need a library that was never asked."""
    def nothing(name: str, *paths: str, accept: str = "*/*") -> None:
        def test() -> str | None:
            for path in paths:
                got = tape.get(path, Accept=accept)
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
        got = requests.head(f"{tape.url}/plot/ta.png?width=310", timeout=TIMEOUT)
        time.sleep(0.5)
        return None if tape.recalls() == 0 and got.status_code in (200, 202) else f"status {got.status_code}, {tape.recalls()} recalls"

    def accepted() -> str | None:
        got = tape.get("plot/ta.png?width=320")
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
        picture = tape.get("plot/ta.png?width=320")
        good = picture.status_code == 200 and picture.headers["Content-Type"] == "image/png"
        return None if good and tape.recalls() == 1 else f"status {picture.status_code} after {tape.recalls()} recalls, job {job.text[:150]}"

    def waits() -> str | None:
        before = tape.recalls()
        got = requests.get(f"{tape.server.base}/datasets/{OTHER}/plot/tas.png?width=330", headers={"Prefer": "wait=50"}, timeout=TIMEOUT, allow_redirects=False)
        return None if got.status_code == 200 and tape.recalls() == before + 1 else f"status {got.status_code}, {tape.recalls() - before} recalls {got.text[:100] if got.status_code != 200 else ''}"

    def kept() -> str | None:
        tape.evict()
        before = tape.recalls()
        got = tape.get("plot/thumbnail.png")
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
        tape = Tape(args.binary, Path(scratch).resolve(), args.more)
        with tape.server:
            check(tape, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
