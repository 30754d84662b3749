"""`thermocline plot` draws the bytes that the server sends, and says what is wrong.

    python check_command.py --binary target/release/thermocline GRIDS

The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from _server import Server
from check_plots import TIMEOUT, Report

SAME = [
    ("ascending", "tas", "png", []), ("ascending", "tas", "png", ["frame=none", "width=300", "height=150", "proj=robinson"]),
    ("tripolar", "sst", "webp", ["proj=northpolar", "cmap=cmo.thermal", "width=400"]), ("series", "index", "svg", ["kind=line", "width=500"]),
    ("missing", "cube", "png", ["sel=time=2001-02-01", "isel=lev=1", "extent=-20,50,-30,75", "vmin=-1"]), ("icon", "tas", "json", []),
]
WRONG = [
    (["ascending.nc", "nope"], 1, "nope"), (["ascending.nc", "tas", "--cmap", "beige"], 2, "beige"), (["ascending.nc", "tas", "--colour", "red"], 2, "colour"),
    (["ascending.nc", "tas", "--vmin", "2", "--vmax", "1"], 2, "vmin"), (["missing.nc", "cube", "--sel", "lev=517"], 2, "lev"), (["nowhere.nc", "tas"], 1, "nowhere"),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grids", type=Path)
    parser.add_argument("--binary", required=True)
    args = parser.parse_args()
    report = Report()

    def run(folder: Path, words: list[str], output: str) -> subprocess.CompletedProcess[bytes]:
        command = [args.binary, "plot", str(args.grids / words[0]), *words[1:], "-o", output, "--state", str(folder / "state")]
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False, cwd=folder)

    with tempfile.TemporaryDirectory() as scratch, Server(args.binary, Path(scratch) / "server", [str(args.grids)]) as server:
        folder = Path(scratch)
        for dataset, var, form, options in SAME:
            def same(dataset=dataset, var=var, form=form, options=options) -> str | None:
                words = [w for option in options for w in (f"--{option.split('=')[0]}", option.split("=", 1)[1])]
                done = run(folder, [f"{dataset}.nc", var, *words], f"out.{form}")
                if done.returncode:
                    return f"exit status {done.returncode}: {done.stderr.decode()[-200:]}"
                got = requests.get(f"{server.base}/datasets/{dataset}/plot/{var}.{form}?{'&'.join(options)}", timeout=TIMEOUT)
                here = (folder / f"out.{form}").read_bytes()
                if form == "json":  # What was read depends on what is kept.
                    return None if here[:1] == b"{" and got.status_code == 200 else here[:80].decode(errors="replace")
                return None if got.status_code == 200 and here == got.content else f"{len(here)} bytes, the server ({got.status_code}) sends {len(got.content)}"

            report.claim("as the server", f"{dataset} {var}.{form} {' '.join(options)}", same)
        for words, status, text in WRONG:
            def wrong(words=words, status=status, text=text) -> str | None:
                done = run(folder, words, "wrong.png")
                said = done.stderr.decode()
                if done.returncode != status or text not in said:
                    return f"exit status {done.returncode}: {said[-200:]}"
                return "a file was written" if (folder / "wrong.png").exists() else None

            report.claim("mistakes", " ".join(words), wrong)

        def stdout() -> str | None:
            done = run(folder, ["ascending.nc", "tas", "--width", "200"], "-")
            return None if done.returncode == 0 and done.stdout[:4] == b"\x89PNG" else f"exit status {done.returncode}: {done.stderr.decode()[-200:]}"

        def ending() -> str | None:
            done = run(folder, ["ascending.nc", "tas"], "out.jpeg")
            return None if done.returncode == 2 and "jpeg" in done.stderr.decode() and "webp" in done.stderr.decode() else done.stderr.decode()[-200:]

        report.claim("output", "standard output", stdout)
        report.claim("output", "unknown ending", ending)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
