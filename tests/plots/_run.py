"""What runs the checks of a feature: each a process of its own, whose last line is counted."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

SUMMARY = re.compile(r"(\d+) passed, (\d+) failed")
SMALL = 1_000_000  # bytes: only smaller files are fuzzed


class Checks:
    """All checks of a feature over one set of files. A feature says what it is called, where its scripts are, what there is."""

    feature: str
    scripts: Path
    timeout: float  # seconds of a script, unless it says otherwise

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder, self.passed, self.failed = args, folder, 0, 0

    def all(self) -> None:
        """Everything that was asked for."""
        raise NotImplementedError

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
        print(f"== {self.feature}: {title}\n{said.strip()}", flush=True)

    def not_checked(self, why: str) -> None:
        """Says that a check was left out, which is no failure."""
        print(f"== {self.feature}: NOT CHECKED: {why}", flush=True)

    def check(self, title: str, command: list[str], timeout: float | None = None) -> None:
        """Runs a check and counts."""
        self.count(*self.said(title, command, timeout))

    def said(self, title: str, command: list[str], timeout: float | None = None) -> tuple[str, str, int]:
        """Runs a check: its title with the time that it took, what it said, its exit status."""
        timeout = timeout or self.timeout
        scratch = {**os.environ, "TMPDIR": str(self.folder), "MPLCONFIGDIR": str(self.folder)}
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=scratch, start_new_session=True)
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # With the servers that it started.
            said, _ = process.communicate()
            return title, f"{said}\nno end after {timeout} s", 1
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return f"{title} ({time.monotonic() - began:.0f} s)", said, process.returncode

    def python(self, name: str, *more: str) -> list[str]:
        """The command of a script of the feature."""
        return [sys.executable, "-W", "ignore", str(self.scripts / name), *more]

    def script(self, title: str, name: str, *more: str) -> None:
        """Runs a script of the feature."""
        self.check(title, self.python(name, *more))

    def fuzz(self, files: Iterable[Path]) -> None:
        """Requests in random words, to those of the files that are small."""
        if not self.args.fuzz:
            self.count("fuzzed requests", "no --fuzz was given", 1)
            return
        small = self.folder / "fuzz"
        small.mkdir()
        for file in files:
            if file.stat().st_size < SMALL:
                shutil.copy2(file, small / file.name)
        self.check("fuzzed requests", [self.args.fuzz, str(small), "1000000" if self.args.all else "20000"], timeout=7200)


def parser(description: str | None, files: str, fuzz: str) -> argparse.ArgumentParser:
    """The command line: `files` is the option that names the folder of the files, `fuzz` the program that asks in random words."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument(files, required=True, type=lambda text: Path(text).resolve())
    parser.add_argument("--fuzz", help=f"the program {fuzz}")
    parser.add_argument("--all", action="store_true", help="everything, at full size")
    parser.add_argument("--only", action="append")
    return parser


def run(checks: type[Checks], args: argparse.Namespace) -> int:
    """Runs what was asked for and prints how many passed and failed: 0 if all passed, and there were any."""
    args.binary = str(Path(args.binary).resolve())
    with tempfile.TemporaryDirectory() as scratch:
        started = checks(args, Path(scratch))
        try:
            started.all()
        except (OSError, subprocess.SubprocessError) as error:
            started.count("a check that could not run", str(error), 1)
    print(f"{started.passed} passed, {started.failed} failed")
    return 0 if started.passed and not started.failed else 1
