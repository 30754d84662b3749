"""Starts the server over generated files and lets every check of plots ask it.

    python run.py --binary target/release/thermocline --grids DIR [--fuzz target/debug/plot-fuzz] [--all] [--only NAME]...

DIR is what `make_grids.py --large` and `make_more_grids.py --huge` wrote into `DIR/grids` and `DIR/more`. Checks (`--only`):
plots, more, browser, cold, load, command, fuzz, and with `--all` selftest; `--all` also demands the figures of speed and fuzzes a
million requests. A check that could not run counts as failed, but for that of a browser where there is none: this is said. The last
line is "N passed, N failed".
"""

from __future__ import annotations

import sys
from pathlib import Path

from _browser import program
from _run import Checks, parser, run
from _server import Server


class Plots(Checks):
    """All checks of plots over one set of files."""

    feature, scripts, timeout = "plots", Path(__file__).resolve().parent, 900

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
            self.not_checked("there is no browser here (Debian: chromium), so that nobody has looked at the page of a plot")
        if self.wants("cold"):
            self.script("data on tape", "check_cold.py", "--binary", binary, more)
        if self.wants("load"):
            self.script("memory and load", "load.py", "--binary", binary, more, *(["--figures"] if self.args.all else []))
        if self.wants("command"):
            self.script("thermocline plot", "check_command.py", "--binary", binary, grids)
        if self.wants("fuzz"):
            self.fuzz([*self.args.grids.glob("grids/*.nc"), *self.args.grids.glob("more/*.nc")])
        if self.wants("selftest"):
            self.script("the checks themselves", "selftest.py", grids)


def main() -> int:
    return run(Plots, parser(__doc__, "--grids", "plot-fuzz").parse_args())


if __name__ == "__main__":
    sys.exit(main())
