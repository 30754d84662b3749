"""Grids, kinds, forms, pages and habits of plots that check_plots.py does not look at.

    python check_more.py --binary target/release/thermocline GRIDS MORE [--only SECTION…] [--server URL]

GRIDS and MORE are the folders of make_grids.py and make_more_grids.py --huge. With `--server` a server of both folders is asked
that runs already; what needs its process or a restart is left out then. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from _server import Server
from check_plots import Client, Report
from more_grids import check_grids
from more_http import check_lists, check_page, check_reading, check_stable, check_statuses
from more_kinds import check_kinds

SECTIONS = ["grids", "kinds", "page", "lists", "statuses", "reading", "stable"]


def ask(base: str, report: Report, args: argparse.Namespace, server: Server | None) -> None:
    """All sections that one server can answer."""
    client, wanted = Client(base), args.only or SECTIONS
    if "grids" in wanted:
        check_grids(client, report, args.grids, args.more)
    if "kinds" in wanted:
        check_kinds(client, report, args.grids, args.more)
    for name, check in (("page", check_page), ("lists", check_lists), ("statuses", check_statuses)):
        if name in wanted:
            check(client, report)
    if "reading" in wanted and server:
        check_reading(client, report, server)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grids", type=Path)
    parser.add_argument("more", type=Path)
    parser.add_argument("--binary")
    parser.add_argument("--server", help="a server that runs already")
    parser.add_argument("--only", nargs="*", choices=SECTIONS)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        if args.server:
            ask(args.server, report, args, None)
        elif args.binary:
            with Server(args.binary, Path(scratch) / "more", [str(args.grids), str(args.more)]) as server:
                ask(server.base, report, args, server)
            if "stable" in (args.only or SECTIONS):
                check_stable(report, args.binary, Path(scratch), args.more)
        else:
            parser.error("--binary or --server is needed")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
