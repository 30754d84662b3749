"""Starts the server over generated files and lets every check of groupby ask it.

    python run.py --binary target/release/thermocline --fields DIR [--fuzz target/debug/groupby-fuzz] [--files tests/data/files]
                  [--envs ENVS] [--all] [--only NAME]...

DIR is what `make_fields.py --large`, `make_more_fields.py --huge` wrote into `DIR/fields` and `DIR/more`. Checks (`--only`): groupby,
cdo, more, http, lazy, jobs, cold, huge, command, fuzz, and with `--all` selftest; `--all` also asks for every case, demands the
figures of speed and fuzzes a million requests. A check that could not run counts as failed, but for that of CDO where there is
none: this is said. The last line is "N passed, N failed".
"""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import Checks, Server, parser, run

HERE = Path(__file__).resolve().parent


class Groupby(Checks):
    """All checks of groupby over one set of files."""

    feature, scripts, timeout = "groupby", HERE, 1800

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
            self.not_checked("there is no CDO here (Debian: cdo), so that nothing was compared with it")

    def all(self) -> None:
        """Everything that was asked for. Most of the time data on tape are waited for: meanwhile the others run."""
        with ThreadPoolExecutor(1) as beside:
            cold = None
            if self.wants("cold"):
                cold = beside.submit(self.said, "data on tape", self.python("check_cold.py", "--binary", self.args.binary, str(self.args.fields / "fields")), 600)
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
            self.fuzz([*self.args.fields.glob("fields/*.nc"), *self.args.fields.glob("more/*.nc")])
        if self.wants("selftest"):
            self.script("the checks themselves", "selftest.py")


def main() -> int:
    words = parser(__doc__, "--fields", "groupby-fuzz")
    words.add_argument("--files", type=Path, default=HERE.parent / "data" / "files", help="the real files")
    words.add_argument("--envs", type=Path, default=Path.home() / ".cache" / "thermocline-tests" / "envs", help="environments of clients")
    return run(Groupby, words.parse_args())


if __name__ == "__main__":
    sys.exit(main())
