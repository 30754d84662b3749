"""Makes the data that are measured, always the same bytes of the same values.

    python make_data.py FOLDER {served,packed,one,many,chunks,plots,groupby}…

What exists is kept. A file has its name only when it is complete.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import plot_grids

N_SMALL_STEPS = 4000
N_MANY = 1000


def main() -> None:
    """Makes the kinds of data named on the command line."""
    makers = {"served": served, "packed": packed, "one": one, "many": many, "chunks": chunks, "plots": plots, "groupby": groupby}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("kinds", nargs="+", choices=sorted(makers))
    options = parser.parse_args()
    for kind in options.kinds:
        makers[kind](options.folder)


def served(folder: Path) -> None:
    """What all servers serve.

    - `small`: 4,000 raw chunks of 12.8 kB (f8, 40 × 40), one a step
    - `large`: 64 raw chunks of 4 MiB (f4, 1024 × 1024), one a step
    - `model`: 80 chunks of about 1.5 MB before shuffle and deflate, as models write them
    """
    complete(folder / "served/small.nc", lambda path: field(path, "f8", (N_SMALL_STEPS, 40, 40), (1, 40, 40)))
    complete(folder / "served/large.nc", lambda path: field(path, "f4", (64, 1024, 1024), (1, 1024, 1024)))
    model = {"zlib": True, "complevel": 4, "shuffle": True}
    complete(folder / "served/model.nc", lambda path: field(path, "f4", (480, 180, 360), (24, 90, 180), **model))


def packed(folder: Path) -> None:
    """256 chunks of 1 MiB that no Zarr client can decode: compressed with LZF."""
    complete(folder / "packed/packed.h5", lzf_field)


def one(folder: Path) -> None:
    """One small dataset."""
    complete(folder / "one/dataset.nc", lambda path: field(path, "f4", (24, 18, 36), (1, 18, 36)))


def many(folder: Path) -> None:
    """A thousand small datasets."""
    one(folder)
    for number in range(N_MANY):
        complete(folder / f"many/dataset-{number:04}.nc", lambda path: shutil.copy(folder / "one/dataset.nc", path))


def chunks(folder: Path) -> None:
    """Variables of 20,000 and 1,000,000 tiny chunks, indexed by B-trees of version 1 as HDF5 1.8 writes them."""
    complete(folder / "chunks/deflated-20000.h5", lambda path: tiny_chunks(path, (100, 200)))
    complete(folder / "chunks/deflated-1000000.h5", lambda path: tiny_chunks(path, (1000, 1000)))


def plots(folder: Path) -> None:
    """Fields of which pictures are drawn: 3600 × 1800 values, a tripolar ocean grid, 1.3 million triangles of ICON."""
    complete(folder / "plots/regular.nc", regular)
    complete(folder / "plots/tripolar.nc", lambda path: plot_grids.tripolar(path, 4))
    complete(folder / "plots/icon.nc", lambda path: plot_grids.icon(path, 4))


def groupby(folder: Path) -> None:
    """The reanalysis-like field of the checks of groupby: two years of days."""
    sys.path.append(str(Path(__file__).resolve().parents[3] / "tests" / "groupby"))
    from make_fields import write_large

    def make(path: Path) -> None:
        write_large(path.parent, 730)
        (path.parent / "era5_like.nc").rename(path)

    complete(folder / "groupby/era5_like.nc", make)


def regular(path: Path) -> None:
    """Writes 24 steps of a global field in one deflated chunk each, as reanalyses come."""
    shape = (24, 1800, 3600)
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        for name, length in zip(("time", "lat", "lon"), shape, strict=True):
            file.createDimension(name, length)
        coordinate(file, "time", np.arange(shape[0]), "hours since 2000-01-01", "time")
        coordinate(file, "lat", np.arange(1800) * 0.1 - 89.95, "degrees_north", "latitude")
        coordinate(file, "lon", np.arange(3600) * 0.1 + 0.05, "degrees_east", "longitude")
        t2m = file.createVariable("t2m", "f4", ("time", "lat", "lon"), chunksizes=(1, 450, 900), fill_value=False, zlib=True, complevel=1, shuffle=True)
        t2m.units, t2m.standard_name, t2m.long_name = "K", "air_temperature", "2 metre temperature"
        for step in range(shape[0]):
            t2m[step] = temperatures(step, shape[1:])


def complete(path: Path, make: Callable[[Path], object]) -> None:
    """Makes `path` under another name first, unless it exists."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.parent / f".{path.name}.part"
    make(unfinished)
    unfinished.rename(path)


def field(path: Path, dtype: str, shape: tuple[int, int, int], chunk: tuple[int, int, int], **filters: object) -> None:
    """Writes a NetCDF-4 file with `t2m` over (time, y, x) and its coordinates."""
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.title = "made for measuring"
        for name, length in zip(("time", "y", "x"), shape, strict=True):
            file.createDimension(name, length)
        coordinate(file, "time", np.arange(shape[0]), "hours since 2000-01-01", "time")
        coordinate(file, "y", np.linspace(-90, 90, shape[1]), "degrees_north", "latitude")
        coordinate(file, "x", np.linspace(0, 360, shape[2], endpoint=False), "degrees_east", "longitude")
        t2m = file.createVariable("t2m", dtype, ("time", "y", "x"), chunksizes=chunk, fill_value=False, **filters)
        t2m.units, t2m.standard_name = "K", "air_temperature"
        for begin in range(0, shape[0], chunk[0]):
            end = min(begin + chunk[0], shape[0])
            t2m[begin:end] = np.stack([temperatures(step, shape[1:]) for step in range(begin, end)])


def coordinate(file: netCDF4.Dataset, name: str, values: np.ndarray, units: str, standard_name: str) -> None:
    """Writes a coordinate variable."""
    variable = file.createVariable(name, "f8", (name,), fill_value=False)
    variable.units, variable.standard_name = units, standard_name
    variable[:] = values


def lzf_field(path: Path) -> None:
    """Writes `t2m` with LZF chunks and dimension scales."""
    shape, chunk = (256, 512, 512), (1, 512, 512)
    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        t2m = file.create_dataset("t2m", shape, "f4", chunks=chunk, compression="lzf", shuffle=True)
        for axis, name in enumerate(("time", "y", "x")):
            file[name] = np.arange(shape[axis], dtype="f8")
            file[name].make_scale(name)
            t2m.dims[axis].attach_scale(file[name])
        for step in range(shape[0]):
            t2m[step] = temperatures(step, shape[1:])


def tiny_chunks(path: Path, grid: tuple[int, int]) -> None:
    """Writes `t2m` of `grid` deflated chunks of 4 × 4 values.

    No two neighbours have the same stored size: an index that is kept as runs of equal chunks gains nothing.
    """
    random = np.random.default_rng(0)
    distinct = [np.where(np.arange(16) < n, random.normal(size=16), n).astype("f4") for n in range(1, 17)]
    stored = [zlib.compress(values.tobytes(), 1) for values in distinct]
    choice = random.integers(len(stored), size=grid)
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        shape = (4 * grid[0], 4 * grid[1])
        t2m = file.create_dataset("t2m", shape, "f4", chunks=(4, 4), compression="gzip", compression_opts=1)
        for row in range(grid[0]):
            for column in range(grid[1]):
                t2m.id.write_direct_chunk((4 * row, 4 * column), stored[choice[row, column]])


def temperatures(step: int, shape: tuple[int, ...]) -> np.ndarray:
    """A smooth field with weather in it, in K to a hundredth: it compresses as model output does."""
    random = np.random.default_rng(step)
    y = np.linspace(-np.pi / 2, np.pi / 2, shape[0])[:, None]
    x = np.linspace(0, 2 * np.pi, shape[1])[None, :]
    waves = 8 * np.sin(3 * x + step / 10) * np.cos(2 * y) + random.normal(scale=0.2, size=shape)
    return np.round(255 + 40 * np.cos(y) + waves, 2)


if __name__ == "__main__":
    main()
