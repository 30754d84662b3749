#!/usr/bin/env python3
"""Write the format-trap corpus: small files, each with one storage feature that servers get wrong.

    make_corpus.py DIR [--only GLOB]     write the corpus
    make_corpus.py --table               print the table of cases in Markdown

DIR receives

    single/{id}.nc|.h5     one file per case; files that a case refers to are in single/companions/
    corpus.json            the list of cases

With the libraries of requirements.txt each run writes the same bytes, but for the time stamps that HDF5 puts into
netCDF-4's user-defined types (dtype_compound, dtype_enum, dtype_vlen_numbers) and into layout_paged_file.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
from dataclasses import asdict
from pathlib import Path

import cases_cf  # noqa: F401  (importing a module registers its cases)
import cases_hdf5  # noqa: F401
import cases_netcdf  # noqa: F401
import cases_types  # noqa: F401
from common import CASES, Case


def markdown(cases: list[Case]) -> str:
    lines = ["| case | route | trap |", "|---|---|---|"]
    for case in cases:
        marks = {"ok": " Refusing the whole is right too.", "required": " **Must be refused.**"}.get(case.refusal, "")
        if case.may_lack:
            marks += f" May be left out: {', '.join(f'`{name}`' for name in case.may_lack)}."
        lines.append(f"| {case.id} | {case.route} | {case.note.replace('|', '/')}{marks} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--only", default="*", help="glob over case ids")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    chosen = [(case, write) for case, write in CASES if fnmatch.fnmatch(case.id, args.only)]
    cases = [case for case, _ in chosen]
    if args.table:
        print(markdown(cases))
        return
    if not args.directory:
        parser.error("which directory?")

    (args.directory / "single").mkdir(parents=True, exist_ok=True)
    for case, write in chosen:
        write(args.directory / case.path)
    listing = json.dumps([asdict(case) for case in cases], indent=1, ensure_ascii=False)
    (args.directory / "corpus.json").write_text(listing + "\n")
    size = sum(p.stat().st_size for p in args.directory.rglob("*") if p.is_file())
    print(f"{len(cases)} cases, {size / 1e6:.1f} MB in {args.directory}")


if __name__ == "__main__":
    main()
