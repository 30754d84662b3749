"""Opens a Zarr address with xarray and computes one result, as a user does; prints seconds and a digest as JSON.

    python read_zarr.py URL {mean,series}

`mean` is the mean of `t2m` over time, `series` its values at one pixel over all times. Importing the libraries is
not counted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
import warnings

import numpy as np
import xarray as xr


def main() -> None:
    """Reads, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("result", choices=("mean", "series"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    begin = time.perf_counter()
    dataset = xr.open_dataset(options.url, engine="zarr")
    opened = time.perf_counter()
    t2m = dataset["t2m"]
    if options.result == "mean":
        values = t2m.mean("time").values
    else:
        values = t2m.isel(y=t2m.sizes["y"] // 2, x=t2m.sizes["x"] // 2).values
    end = time.perf_counter()

    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    print(json.dumps({"open_seconds": opened - begin, "seconds": end - begin, "digest": digest}))


if __name__ == "__main__":
    main()
