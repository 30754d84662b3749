"""Starts the server over generated files and lets every check of groupby ask it.

    python run.py --binary target/release/thermocline --fields DIR [--fuzz target/debug/groupby-fuzz] [--files tests/data/files]
                  [--envs ENVS] [--all] [--only NAME]...

DIR is what `make_fields.py --large`, `make_more_fields.py --huge` wrote into `DIR/fields` and `DIR/more`. Checks (`--only`): groupby,
cdo, more, http, lazy, jobs, cold, huge, command, fuzz, and with `--all` selftest; `--all` also asks for every case, demands the
figures of speed and fuzzes a million requests. A check that could not run counts as failed, but for that of CDO where there is
none: this is said. The last line is "N passed, N failed".
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
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import Server

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
        print(f"== groupby: {title}\n{said.strip()}", flush=True)

    def check(self, title: str, command: list[str], timeout: float = 1800) -> None:
        """Runs a check and counts."""
        self.count(*self.said(title, command, timeout))

    def said(self, title: str, command: list[str], timeout: float) -> tuple[str, str, int]:
        """Runs a check: its title with the time that it took, what it said, its exit status."""
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": str(self.folder)}, start_new_session=True)
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

    def script(self, title: str, name: str, *more: str) -> None:
        """Runs a script of this folder."""
        self.check(title, python(name, *more))

    def beside_a_server(self, fields: str) -> None:
        """The checks that ask a server that somebody else has started."""
        every = self.args.all
        if self.wants("groupby"):
            with Server(self.args.binary, self.folder / "groupby", [fields]) as server:
                self.script("as xarray and flox have it", "check_groupby.py", "--server", server.base, fields, "--share", "1" if every else "0.02", "--forms", "1" if every else "0.1")
        if self.wants("cdo") and (shutil.which("cdo") or self.args.only):
            with Server(self.args.binary, self.folder / "cdo", [fields]) as server:
                speed = ["--speed", "--figures", "--pid", str(server.process.pid)] if every else ["--share", "0.2"]
                self.script("as CDO has it", "check_cdo.py", "--server", server.base, fields, *speed)
        elif self.wants("cdo"):
            print("== groupby: NOT CHECKED: there is no CDO here (Debian: cdo), so that nothing was compared with it", flush=True)

    def all(self) -> None:
        """Everything that was asked for. Most of the time data on tape are waited for: meanwhile the others run."""
        with ThreadPoolExecutor(1) as beside:
            cold = None
            if self.wants("cold"):
                cold = beside.submit(self.said, "data on tape", python("check_cold.py", "--binary", self.args.binary, str(self.args.fields / "fields")), 600)
            self.one_by_one()
            if cold:
                self.count(*cold.result())

    def one_by_one(self) -> None:
        """All that keep the machine busy."""
        fields, more, binary = str(self.args.fields / "fields"), str(self.args.fields / "more"), self.args.binary
        self.beside_a_server(fields)
        every = ["--all"] if self.args.all else []
        if self.wants("more"):
            self.script("types, names, times, formats", "check_more.py", "--binary", binary, more, "--files", str(self.args.files), *every)
        if self.wants("http"):
            self.script("answers, limits, jobs, what stays the same", "check_service.py", "--binary", binary, fields, more)
        if self.wants("lazy"):
            self.script("lazy Zarr, clients, bytes", "check_lazy.py", "--binary", binary, fields, "--envs", str(self.args.envs), *every)
        if self.wants("huge"):
            self.script("50 GB", "check_huge.py", "--binary", binary, more, *every)
        if self.wants("command"):
            self.script("thermocline groupby", "check_command.py", "--binary", binary, fields)
        if self.wants("fuzz"):
            self.fuzz()
        if self.wants("selftest"):
            self.script("the checks themselves", "selftest.py")

    def fuzz(self) -> None:
        """Requests in random words, to files that are small."""
        if not self.args.fuzz:
            self.count("fuzzed requests", "no --fuzz was given", 1)
            return
        small = self.folder / "fuzz"
        small.mkdir()
        for file in [*self.args.fields.glob("fields/*.nc"), *self.args.fields.glob("more/*.nc")]:
            if file.stat().st_size < 1_000_000:
                shutil.copy2(file, small / file.name)
        self.check("fuzzed requests", [self.args.fuzz, str(small), "1000000" if self.args.all else "20000"], timeout=7200)


def python(name: str, *more: str) -> list[str]:
    """The command of a script of this folder."""
    return [sys.executable, "-W", "ignore", str(HERE / name), *more]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--fields", required=True, type=Path)
    parser.add_argument("--fuzz", help="the program groupby-fuzz")
    parser.add_argument("--files", type=Path, default=HERE.parent / "data" / "files", help="the real files")
    parser.add_argument("--envs", type=Path, default=Path.home() / ".cache" / "thermocline-tests" / "envs", help="environments of clients")
    parser.add_argument("--all", action="store_true", help="everything, at full size")
    parser.add_argument("--only", action="append")
    args = parser.parse_args()
    args.binary, args.fields = str(Path(args.binary).resolve()), args.fields.resolve()
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
