"""Compares with xarray what check_groupby.py leaves out: types, names, times, selections, formats, real files.

    python check_more.py --binary target/release/thermocline MORE [--files FILES] [--all] [--only SECTION…]

MORE is the folder of make_more_fields.py, FILES one of real files. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import more_files
import more_times
import more_values
from asking import Client
from common import Report, Server

SECTIONS: dict[str, Callable] = {
    "values": more_values.check_values, "groupers": more_values.check_groupers, "weights": more_values.check_weights, "selections": more_values.check_selections,
    "lengths": more_values.check_lengths, "names": more_values.check_names, "statuses": more_values.check_statuses,
    "times": more_times.check_ancient, "subdaily": more_times.check_subdaily, "formats": more_files.check_formats,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("more", type=Path)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--files", type=Path, help="a folder of real files")
    parser.add_argument("--all", action="store_true", help="every case of the real files and of resampling")
    parser.add_argument("--only", action="append", choices=[*SECTIONS, "files"])
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        wanted = [name for name in SECTIONS if not args.only or name in args.only]
        if wanted:
            with Server(args.binary, Path(scratch) / "more", [str(args.more)]) as server:
                for name in wanted:
                    SECTIONS[name](Client(server.base), args.more, report, 1.0 if args.all else 0.1)
        if args.files and (not args.only or "files" in args.only):
            with Server(args.binary, Path(scratch) / "files", [str(args.files)]) as server:
                more_files.check_files(Client(server.base), args.files, report, 1.0 if args.all else 0.05)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
