"""Starts the server over generated files and lets every check of plots ask it.

    python run.py --binary target/release/thermocline --grids DIR [--fuzz target/debug/plot-fuzz] [--all] [--only NAME]...

DIR is what `make_grids.py --large` and `make_more_grids.py --huge` wrote into `DIR/grids` and `DIR/more`. Checks (`--only`):
plots, more, browser, cold, load, command, fuzz, and with `--all` selftest; `--all` also demands the figures of speed and fuzzes a
million requests. A check that could not run counts as failed, but for that of a browser where there is none: this is said. The last
line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from _browser import program
from _server import Server

HERE = Path(__file__).resolve().parent
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed")


class Run:
    """All checks over one set of files."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder, self.passed, self.failed = args, folder, 0, 0

    def wants(self, name: str) -> bool:
        """Whether a check was asked for."""
        return name in self.args.only if self.args.only else name != "selftest" or self.args.all

    def count(self, title: str, said: str, status: int) -> None:
        """Counts the last line of a check; prints what it said."""
        found = SUMMARY.fullmatch((said.strip().splitlines() or [""])[-1])
        good, bad = (int(found[1]), int(found[2])) if found else (0, 1)
        if not bad and (status or not good):
            bad = 1
        self.passed, self.failed = self.passed + good, self.failed + bad
        print(f"== plots: {title}\n{said.strip()}", flush=True)

    def check(self, title: str, command: list[str], timeout: float = 900) -> None:
        """Runs a check and counts."""
        scratch = {**os.environ, "TMPDIR": str(self.folder), "MPLCONFIGDIR": str(self.folder)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=scratch, start_new_session=True)
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # With the servers that it started.
            said, _ = process.communicate()
            self.count(title, f"{said}\nno end after {timeout} s", 1)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        else:
            self.count(title, said, process.returncode)

    def script(self, title: str, name: str, *more: str) -> None:
        """Runs a script of this folder."""
        self.check(title, [sys.executable, "-W", "ignore", str(HERE / name), *more])

    def all(self) -> None:
        """Everything that was asked for."""
        grids, more, binary = str(self.args.grids / "grids"), str(self.args.grids / "more"), self.args.binary
        if self.wants("plots"):
            self.script("tables of colours", "make_colormaps.py", "--check")
            with Server(binary, self.folder / "plots", [grids]) as server:
                self.script("pixel by pixel", "check_plots.py", "--server", server.base, grids, "--speed", *(["--figures"] if self.args.all else []))
        if self.wants("more"):
            self.script("grids, kinds, pages", "check_more.py", "--binary", binary, grids, more)
        if self.wants("browser") and (program() or self.args.only):
            self.script("the page in a browser", "check_browser.py", "--binary", binary)
        elif self.wants("browser"):
            print("== plots: NOT CHECKED: there is no browser here (Debian: chromium), so that nobody has looked at the page of a plot", flush=True)
        if self.wants("cold"):
            self.script("data on tape", "check_cold.py", "--binary", binary, more)
        if self.wants("load"):
            self.script("memory and load", "load.py", "--binary", binary, more, *(["--figures"] if self.args.all else []))
        if self.wants("command"):
            self.script("thermocline plot", "check_command.py", "--binary", binary, grids)
        if self.wants("fuzz") and self.args.fuzz:
            small = self.folder / "fuzz"
            small.mkdir()
            for file in [*self.args.grids.glob("grids/*.nc"), *self.args.grids.glob("more/*.nc")]:
                if file.stat().st_size < 1_000_000:
                    shutil.copy2(file, small / file.name)
            self.check("fuzzed requests", [self.args.fuzz, str(small), "1000000" if self.args.all else "20000"], timeout=7200)
        elif self.wants("fuzz"):
            self.count("fuzzed requests", "no --fuzz was given", 1)
        if self.wants("selftest"):
            self.script("the checks themselves", "selftest.py", grids)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--grids", required=True, type=Path)
    parser.add_argument("--fuzz", help="the program plot-fuzz")
    parser.add_argument("--all", action="store_true", help="everything, at full size")
    parser.add_argument("--only", action="append")
    args = parser.parse_args()
    args.binary, args.grids = str(Path(args.binary).resolve()), args.grids.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(args, Path(scratch))
        try:
            run.all()
        except (OSError, subprocess.SubprocessError) as error:
            run.count("a check that could not run", str(error), 1)
    print(f"{run.passed} passed, {run.failed} failed")
    return 0 if run.passed and not run.failed else 1


if __name__ == "__main__":
    sys.exit(main())
