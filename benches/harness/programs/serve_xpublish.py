"""Serves NetCDF and HDF5 files with xpublish until it is stopped.

    python serve_xpublish.py FILE… --port PORT

Dataset ids are the file names without extension; chunks are those of the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn
import xarray as xr
import xpublish


def main() -> None:
    """Opens all files and serves them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    app = xpublish.Rest({path.stem: opened(path) for path in options.files}).app
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


def opened(path: Path) -> xr.Dataset:
    """The dataset with the chunks of the file; what is stored raw is sent raw, as the other servers do.

    Left to itself xpublish would compress raw variables with Blosc, and the servers would not send the same bytes.
    """
    engine = "netcdf4" if path.suffix == ".nc" else "h5netcdf"
    dataset = xr.open_dataset(path, engine=engine, chunks={})
    for variable in dataset.variables.values():
        stored = variable.encoding
        if not stored.get("zlib") and stored.get("compression") in (None, "none"):
            stored["compressor"] = None
    return dataset


if __name__ == "__main__":
    main()
