"""The registry of cases and the small helpers that all case modules share."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field as default
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (before netCDF4, whose own filters would win otherwise)
import netCDF4
import numpy as np

DIMS = ("time", "lat", "lon")


@dataclass
class Case:
    """One entry of corpus.json; README.md explains the fields."""

    id: str
    path: str
    route: str  # the cheapest exact way: ranges, inline, derived, refused
    note: str
    refusal: str = "wrong"  # is refusing the whole dataset "wrong", "ok" or "required"?
    may_lack: list[str] = default(default_factory=list)  # variables that may be left out with a reason
    truth: str | None = None  # a file that holds the truth, where the library misreads the case's own


Writer = Callable[[Path], None]
CASES: list[tuple[Case, Writer]] = []


def add(case: Case, write: Writer) -> None:
    if any(case.id == known.id for known, _ in CASES):
        raise ValueError(f"case {case.id} exists twice")
    CASES.append((case, write))


def single(file: str, route: str, refusal: str = "wrong", may_lack: str = "", truth: str | None = None):
    """Register the writer of one file; its docstring is the case's note."""

    def register(write: Writer) -> Writer:
        ident = file.rpartition(".")[0]
        add(Case(ident, f"single/{file}", route, note(write), refusal, may_lack.split(), truth=truth), write)
        return write

    return register


def note(write: Writer) -> str:
    return " ".join((write.__doc__ or "").split())


def field(shape, dtype="<f4", seed: int = 1) -> np.ndarray:
    """Reproducible data in any numeric dtype; integers use their whole range."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)
    return (rng.standard_normal(shape) * 100).astype(dtype)


def ramp(shape, dtype="<i4") -> np.ndarray:
    """0, 1, 2 … in C order: data that every compressor can shrink."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


# HDF5


def h5(path: Path, **options) -> h5py.File:
    return h5py.File(path, "w", **options)


def own_scales(group: h5py.Group) -> None:
    """Give every axis of every dataset in ``group`` a scale of its own, so that only the case's feature is tested."""
    for ds in [d for d in group.values() if isinstance(d, h5py.Dataset) and d.shape]:
        for axis, size in enumerate(ds.shape):
            name = f"{ds.name.rpartition('/')[2]}_{axis}"
            scale = group.create_dataset(name, data=np.arange(1, size + 1, dtype="<f8"))
            scale.make_scale(name)
            ds.dims[axis].attach_scale(scale)


def plist(chunks=None, filters=()) -> h5py.h5p.PropDCID:
    """A dataset creation property list; ``filters`` are (id, flags, values) in the order of writing."""
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_obj_track_times(False)
    if chunks:
        dcpl.set_chunk(chunks)
    for ident, flags, values in filters:
        dcpl.set_filter(ident, flags, values)
    return dcpl


def low_level(group: h5py.Group, name: str, shape, dtype: h5py.h5t.TypeID, dcpl=None) -> h5py.Dataset:
    """Create a dataset through the low-level API, for types and property lists that h5py does not offer."""
    space = h5py.h5s.create(h5py.h5s.NULL) if shape is None else h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), dtype, space, dcpl or plist()))


def write_as(ds: h5py.Dataset, data: np.ndarray, memory_type: h5py.h5t.TypeID | None = None) -> None:
    """Write through a memory type of choice, for file types that numpy cannot express."""
    ds.id.write(h5py.h5s.ALL, h5py.h5s.ALL, data, mtype=memory_type or h5py.h5t.py_create(data.dtype))


def dont_filter_partial_chunks(dcpl: h5py.h5p.PropDCID) -> None:
    """H5Pset_chunk_opts(dcpl, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) in the HDF5 library that h5py has loaded."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    library = next(line.split()[-1] for line in maps if "h5py" in line and "/libhdf5-" in line)
    call = ctypes.CDLL(library).H5Pset_chunk_opts
    call.argtypes = [ctypes.c_int64, ctypes.c_uint]
    if call(dcpl.id, 0x0002) < 0:
        raise RuntimeError("H5Pset_chunk_opts failed")


def companion(path: Path, role: str) -> Path:
    """The place of a file that the case refers to; out of the way of ``serve single/``."""
    folder = path.parent / "companions"
    folder.mkdir(exist_ok=True)
    return folder / f"{path.stem}_{role}"


# netCDF


def nc(path: Path, fmt: str = "NETCDF4") -> netCDF4.Dataset:
    return netCDF4.Dataset(path, "w", format=fmt)


def variable(group, name: str, dtype, dims=(), data=None, attrs: dict | None = None, **options) -> netCDF4.Variable:
    """Create a variable that is written exactly as given: no masking, scaling or joining of characters."""
    v = group.createVariable(name, dtype, dims, **options)
    v.set_auto_maskandscale(False)
    v.set_auto_chartostring(False)
    v.setncatts(attrs or {})
    if data is not None:
        v[...] = data
    return v


def grid(f, nt=None, times=None, ny=6, nx=8, units="days since 2000-01-01", calendar="standard", time_dtype="f8"):
    """CF coordinates time (unlimited), lat and lon."""
    for name, size in zip(DIMS, (None, ny, nx)):
        f.createDimension(name, size)
    times = np.arange(nt or 0) if times is None else times
    attrs = {"units": units, "calendar": calendar, "standard_name": "time", "axis": "T"}
    time = variable(f, "time", time_dtype, ("time",), attrs=attrs)
    if len(times):
        time[:] = times
    variable(f, "lat", "f8", ("lat",), np.linspace(-50, 50, ny), {"units": "degrees_north", "standard_name": "latitude"})
    variable(f, "lon", "f8", ("lon",), np.linspace(0, 350, nx), {"units": "degrees_east", "standard_name": "longitude"})
    f.Conventions = "CF-1.8"


def chars(words: list[str], width: int) -> np.ndarray:
    """Words as a (words, width) array of bytes, null-padded."""
    joined = b"".join(w.encode().ljust(width, b"\0") for w in words)
    return np.frombuffer(joined, "S1").reshape(len(words), width)
