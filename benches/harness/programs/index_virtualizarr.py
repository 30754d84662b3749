"""Indexes a file with VirtualiZarr and prints seconds (imports not counted) and the number of chunks as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr import open_virtual_dataset
from virtualizarr.parsers import HDFParser


def main() -> None:
    """Indexes the file named on the command line."""
    url = Path(sys.argv[1]).resolve().as_uri()
    registry = ObjectStoreRegistry({"file://": LocalStore()})

    begin = time.perf_counter()
    dataset = open_virtual_dataset(url=url, registry=registry, parser=HDFParser(), loadable_variables=[])
    seconds = time.perf_counter() - begin

    n_chunks = sum(variable.data.manifest.shape_chunk_grid[0] * variable.data.manifest.shape_chunk_grid[1]
                   for variable in dataset.variables.values() if variable.ndim == 2)
    print(json.dumps({"seconds": seconds, "n_chunks": n_chunks}))


if __name__ == "__main__":
    main()
