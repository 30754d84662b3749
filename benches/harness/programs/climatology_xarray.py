"""The monthly climatology of a variable as xarray, flox and dask compute it; prints seconds.

    python climatology_xarray.py FILE VARIABLE N

N times; each time the file is opened anew. Importing the libraries is not counted.
"""

from __future__ import annotations

import argparse
import json
import time

import flox  # noqa: F401  (xarray uses it where it is)
import xarray as xr


def main() -> None:
    """Computes, and prints what each time took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("variable")
    parser.add_argument("n", type=int)
    options = parser.parse_args()
    print(json.dumps([compute(options) for _ in range(options.n)]))


def compute(options: argparse.Namespace) -> float:
    """Seconds of one climatology."""
    begin = time.perf_counter()
    with xr.open_dataset(options.file, chunks={"time": 60}) as dataset:
        dataset[options.variable].groupby("time.month").mean().compute()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
