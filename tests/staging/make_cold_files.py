"""Writes a small dataset whose time steps lie in files of their own, to be made cold.

    python make_cold_files.py DIR

writes into DIR:
  files/f0.nc .. f3.nc   variables t (zlib) and u (not compressed), float32, (time=1, y, x), chunks (1, 64, 64)
  files/fails.nc         a file that recalls are told to fail for
  truth.npy              the values of both variables over all steps: no NaN, no zero, so that fill values and stubs show
  references(DIR, base)  kerchunk references that join f0..f3 into one dataset, coordinates inline
"""
from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import h5py
import numpy as np

STEPS, SIDE, CHUNK = 4, 128, 64


def truth() -> np.ndarray:
    return np.arange(1, STEPS * SIDE * SIDE + 1, dtype="f4").reshape(STEPS, SIDE, SIDE)


def write(path: Path, values: np.ndarray, first: int) -> None:
    """One netCDF-4 file of `values`, whose first dimension is time."""
    with h5py.File(path, "w", libver=("earliest", "v110"), track_order=True) as file:
        coordinates = {"time": np.arange(first, first + len(values), dtype="f8"),
                       "y": np.arange(SIDE, dtype="f8"), "x": np.arange(SIDE, dtype="f8")}
        for name, numbers in coordinates.items():
            file.create_dataset(name, data=numbers).make_scale(name)
        for name, compression in (("t", 4), ("u", None)):
            variable = file.create_dataset(name, data=values, chunks=(1, CHUNK, CHUNK), compression=compression, fillvalue=np.float32("nan"))
            for axis, dimension in enumerate(coordinates):
                variable.dims[axis].attach_scale(file[dimension])


def references(files: Path, base: str) -> dict:
    """References into `base`/f{i}.nc, read from the files in `files`."""
    grid = {"zarr_format": 2, "order": "C", "filters": None}
    refs: dict[str, object] = {".zgroup": json.dumps({"zarr_format": 2}), ".zattrs": "{}"}
    for name, codec in (("t", {"id": "zlib", "level": 4}), ("u", None)):
        refs[f"{name}/.zarray"] = json.dumps({**grid, "shape": [STEPS, SIDE, SIDE], "chunks": [1, CHUNK, CHUNK], "dtype": "<f4",
                                              "compressor": codec, "fill_value": "NaN"})
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": ["time", "y", "x"]})
    for name, size in (("time", STEPS), ("y", SIDE), ("x", SIDE)):
        refs[f"{name}/.zarray"] = json.dumps({**grid, "shape": [size], "chunks": [size], "dtype": "<f8", "compressor": None, "fill_value": None})
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": [name]})
        refs[f"{name}/0"] = "base64:" + base64.b64encode(np.arange(size, dtype="<f8").tobytes()).decode()
    for step in range(STEPS):
        with h5py.File(files / f"f{step}.nc") as file:
            for name in ("t", "u"):
                stored = file[name].id
                for chunk in map(stored.get_chunk_info, range(stored.get_num_chunks())):
                    _, j, k = (offset // CHUNK for offset in chunk.chunk_offset)
                    refs[f"{name}/{step}.{j}.{k}"] = [f"{base}/f{step}.nc", chunk.byte_offset, chunk.size]
    return {"version": 1, "refs": refs}


def build(folder: Path) -> None:
    (folder / "files").mkdir(parents=True, exist_ok=True)
    values = truth()
    np.save(folder / "truth.npy", values)
    for step in range(STEPS):
        write(folder / "files" / f"f{step}.nc", values[step:step + 1], step)
    write(folder / "files" / "fails.nc", values[:1], 0)
    (folder / "files" / "a=b&c+d.nc").write_bytes((folder / "files" / "f0.nc").read_bytes())
    (folder / "files" / "sp ace.nc").write_bytes((folder / "files" / "f1.nc").read_bytes())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build(Path(sys.argv[1]))
