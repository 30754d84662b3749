"""Indexes a file with kerchunk and prints seconds (imports not counted) and the number of chunks as JSON."""

from __future__ import annotations

import json
import sys
import time

from kerchunk.hdf import SingleHdf5ToZarr


def main() -> None:
    """Indexes the file named on the command line."""
    begin = time.perf_counter()
    # Inlining would read a million chunks beside listing them.
    references = SingleHdf5ToZarr(sys.argv[1], inline_threshold=0).translate()
    seconds = time.perf_counter() - begin
    n_chunks = sum(isinstance(reference, list) for reference in references["refs"].values())
    print(json.dumps({"seconds": seconds, "n_chunks": n_chunks}))


if __name__ == "__main__":
    main()
