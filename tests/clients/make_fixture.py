"""Writes the fixture that the HTTP checks read, and what its values must be.

    python make_fixture.py DIR

DIR/data/matrix.nc   every dtype, encoding and layout that matters, one flat NetCDF-4 file
DIR/data/groups.nc   a small tree of groups with inherited dimensions
DIR/truth/ID.npz     per variable `raw/PATH` (as stored) and `decoded/PATH` (after CF decoding)
DIR/truth/ID.json    per variable its dimensions and some attributes, global attributes, groups

Serve DIR/data, give DIR/truth to the checks. The expected values are the arrays that were written,
never what a server or a library read back. The script ends by reading both files with netCDF4 and
exits 1 if the library does not give the raw values back, 0 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

N_TIME, N_LAT, N_LON, N_STATION = 10, 36, 72, 6
CHUNKS_3D, CHUNKS_2D = (4, 20, 40), (20, 40)
PACKED = dict(zlib=True, complevel=4, shuffle=True)
NETCDF_FILL = {"i4": -2147483647, "f4": np.float32(9.969209968386869e36)}
INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


class Fixture:
    """One NetCDF-4 file being written, together with its expected values."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, netCDF4.Dataset(path, "w", format="NETCDF4")
        self.arrays: dict[str, np.ndarray] = {}
        self.variables: dict[str, dict[str, Any]] = {}
        self.attrs: dict[str, dict[str, Any]] = {}

    def group(self, path: str) -> netCDF4.Dataset:
        return self.file[path] if path.strip("/") else self.file

    def expect(self, path: str, raw: np.ndarray, decoded: np.ndarray, dims: tuple, attrs: dict, **notes: Any) -> None:
        self.arrays[f"raw/{path}"], self.arrays[f"decoded/{path}"] = raw, decoded
        self.variables[path] = {"dims": list(dims), "attrs": attrs, **notes}

    def add(self, path: str, dims: tuple, raw: Any, decoded: Any = None, attrs: dict | None = None,
            skip: tuple | None = None, datatype: Any = None, **options: Any) -> None:
        """Creates a variable, writes `raw` chunk by chunk (the chunk at index `skip` never) and notes what to expect."""
        raw, attrs = np.asarray(raw), attrs or {}
        parent, _, name = path.rpartition("/")
        variable = self.group(parent).createVariable(name, raw.dtype if datatype is None else datatype, dims, **options)
        variable.set_auto_maskandscale(False)
        variable.set_auto_chartostring(False)
        variable.setncatts(attrs)
        if skip is None:
            variable[...] = raw
        else:
            chunks = options["chunksizes"]
            hole = tuple(slice(i * c, (i + 1) * c) for i, c in zip(skip, chunks))
            for index in np.ndindex(*(-(-n // c) for n, c in zip(raw.shape, chunks))):
                part = tuple(slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, chunks, raw.shape))
                if index != skip:
                    variable[part] = raw[part]
            raw = raw.copy()
            raw[hole] = options.get("fill_value", NETCDF_FILL.get(raw.dtype.str[1:]))
        shown = {k: v for k, v in attrs.items() if isinstance(v, (str, int, float))}
        self.expect(path, raw, raw if decoded is None else np.asarray(decoded), dims, shown,
                    **({"missing_chunk": list(skip)} if skip else {}))

    def close(self, truth: Path) -> None:
        self.file.close()
        np.savez_compressed(truth / f"{self.path.stem}.npz", **self.arrays)
        text = {"file": self.path.name, "variables": self.variables, "attrs": self.attrs}
        (truth / f"{self.path.stem}.json").write_text(json.dumps(text, indent=1, ensure_ascii=False))


def masked(raw: np.ndarray, fill: Any) -> np.ndarray:
    return np.where(raw == fill, np.nan, raw).astype(raw.dtype)


def write_matrix(path: Path, truth: Path) -> None:
    rng, fixture = np.random.default_rng(20), Fixture(path)
    file, add = fixture.file, fixture.add
    for name, size in dict(time=None, lat=N_LAT, lon=N_LON, station=N_STATION, bnds=2, strlen=4).items():
        file.createDimension(name, size)
    title = {"title": "Fixture for the HTTP checks, °C and 水", "Conventions": "CF-1.11", "empty": ""}
    file.setncatts({**title, "one_float": np.float32(1.5), "integers": np.array([1, 2, 3], "i4"),
                    "not_a_number": np.float64("nan"), "limits": np.array([-np.inf, np.inf])})
    fixture.attrs["/"] = title

    hours = 87660.0 + 6 * np.arange(N_TIME)
    epoch = np.datetime64("1990-01-01T00", "ns")
    instants = epoch + (hours * 3600).astype("i8").astype("m8[s]")
    add("time", ("time",), hours, instants, dict(units="hours since 1990-01-01", calendar="proleptic_gregorian",
        standard_name="time", axis="T", bounds="time_bnds"), chunksizes=(1,))
    bounds = np.stack([hours, hours + 6], axis=1)
    add("time_bnds", ("time", "bnds"), bounds, epoch + (bounds * 3600).astype("i8").astype("m8[s]"), chunksizes=(1, 2))
    add("lat", ("lat",), np.linspace(-87.5, 87.5, N_LAT), attrs=dict(units="degrees_north", standard_name="latitude"))
    add("lon", ("lon",), np.arange(0, 360, 5.0), attrs=dict(units="degrees_east", standard_name="longitude"))
    add("height", (), np.float64(2.0), attrs=dict(units="m", standard_name="height"))
    add("crs", (), np.int32(0), attrs=dict(grid_mapping_name="latitude_longitude"))

    shape, grid = (N_TIME, N_LAT, N_LON), (N_LAT, N_LON)
    space = ("time", "lat", "lon")
    field = (280 + 10 * rng.random(shape)).astype("f4")
    field[0, 0, 0] = field[-1, -1, -1] = 1e20
    field[:4, 20:, 40:] = 1e20  # a chunk that is written and all fill
    expected = field.copy()
    expected[4:8, :20, :40] = 1e20  # a chunk that is never written
    add("tas", space, field, masked(expected, np.float32(1e20)), dict(units="K", long_name="air temperature",
        standard_name="air_temperature", grid_mapping="crs", coordinates="height", cell_methods="time: mean"),
        skip=(1, 0, 0), fill_value=np.float32(1e20), chunksizes=CHUNKS_3D, **PACKED)

    counts = rng.integers(-3000, 3000, shape).astype("i2")
    counts[1, 2, 3] = -32768
    unpacked = np.where(counts == -32768, np.nan, counts * 0.01 + 280.0)
    add("packed", space, counts, unpacked, dict(units="K", scale_factor=0.01, add_offset=280.0),
        fill_value=np.int16(-32768), chunksizes=CHUNKS_3D, **PACKED)
    add("record", space, rng.random(shape).astype("f4"), chunksizes=(1, *grid), **PACKED)
    add("holes", space, rng.integers(-5, 5, shape).astype("i4"), skip=(0, 1, 1), chunksizes=CHUNKS_3D, **PACKED)
    zeros = rng.integers(0, 2, grid).astype("i4")
    zeros[:20, :40] = 0  # all zero, and zero is a value, not "missing"
    add("zeros", ("lat", "lon"), zeros, chunksizes=CHUNKS_2D, **PACKED)
    runoff = rng.random(grid).astype("f4")
    runoff[::3] = -999
    add("runoff", ("lat", "lon"), runoff, masked(runoff, np.float32(-999)), dict(missing_value=np.float32(-999)),
        chunksizes=CHUNKS_2D, **PACKED)

    for code in INTEGERS:
        bound = np.iinfo(code)
        values = rng.integers(bound.min, bound.max, grid, dtype=code, endpoint=True)
        values[0, :2] = bound.min, bound.max
        add(f"num_{code}", ("lat", "lon"), values, chunksizes=CHUNKS_2D, **PACKED)
    doubles = rng.standard_normal(grid)
    doubles[0, :4] = np.nan, np.inf, -np.inf, -0.0
    add("num_f8", ("lat", "lon"), doubles, chunksizes=CHUNKS_2D, **PACKED)
    add("big_f4", ("lat", "lon"), rng.random(grid).astype(">f4"), endian="big", chunksizes=CHUNKS_2D, **PACKED)
    add("big_i4", ("lat", "lon"), rng.integers(-9, 9, grid).astype(">i4"), endian="big")
    add("contiguous", ("lat", "lon"), rng.random(grid).astype("f4"), contiguous=True)
    add("deflated", ("lat", "lon"), rng.random(grid), chunksizes=CHUNKS_2D, zlib=True, complevel=1, shuffle=False)
    add("checked", ("lat", "lon"), rng.random(grid), chunksizes=CHUNKS_2D, fletcher32=True, **PACKED)

    add("flag", ("lat", "lon"), rng.integers(0, 5, grid).astype("i1"), chunksizes=CHUNKS_2D, **PACKED,
        attrs=dict(flag_values=np.arange(5, dtype="i1"), flag_meanings="a b c d e"))
    mask = (rng.random(grid) > 0.5).astype("i1")
    add("mask", ("lat", "lon"), mask, mask.astype(bool), dict(dtype="bool"), chunksizes=CHUNKS_2D, **PACKED)
    truth_type = file.createEnumType(np.int8, "boolean", {"FALSE": 0, "TRUE": 1})
    land = (rng.random(grid) > 0.3).astype("i1")
    add("land", ("lat", "lon"), land, land.astype(bool), datatype=truth_type, chunksizes=CHUNKS_2D, **PACKED)
    lag = np.arange(N_TIME, dtype="i8") * 7 - 3
    add("lag", ("time",), lag, (lag * 3600).astype("m8[s]").astype("m8[ns]"),
        dict(units="hours", dtype="timedelta64[ns]"), chunksizes=(4,))
    labels = np.array([f"S{i:02d}" + ("x" if i % 2 else "") for i in range(N_STATION)], "S4")
    letters = labels.view("S1").reshape(N_STATION, 4)
    add("code", ("station", "strlen"), letters, labels.astype("U4"))
    names = np.array(["Zürich", "", "Nuuk", "東京", "São Paulo", "x" * 40], object)
    add("name", ("station",), names.astype(str), names.astype(str), datatype=str)
    fixture.close(truth)


def write_groups(path: Path, truth: Path) -> None:
    rng, fixture = np.random.default_rng(21), Fixture(path)
    file, add = fixture.file, fixture.add
    file.createDimension("x", 8)
    file.createGroup("ocean/deep").createDimension("z", 5)
    file["ocean"].createDimension("y", 6)
    file.createGroup("atmos")
    for group, title in {"/": "root", "ocean": "sea", "ocean/deep": "deep sea"}.items():
        fixture.group(group).setncatts({"title": title})
        fixture.attrs["/" + group.strip("/")] = {"title": title}
    add("x", ("x",), np.arange(8) * 2.0, attrs=dict(units="m"))
    add("depth", ("x",), rng.random(8).astype("f4"))
    add("ocean/sst", ("y", "x"), rng.random((6, 8)).astype("f4"), chunksizes=(4, 4), **PACKED)
    add("ocean/deep/salinity", ("z", "x"), rng.random((5, 8)), chunksizes=(5, 4), **PACKED)
    add("atmos/cloud", ("x",), rng.integers(0, 9, 8).astype("i2"))
    fixture.close(truth)


def library_disagrees(path: Path, truth: Path) -> list[str]:
    """Names of the variables that netCDF4 does not read back as written."""
    expected, wrong = np.load(truth / f"{path.stem}.npz"), []
    with netCDF4.Dataset(path) as file:
        for key in (k for k in expected.files if k.startswith("raw/")):
            variable = file[key[4:]]
            variable.set_auto_maskandscale(False)
            variable.set_auto_chartostring(False)
            got = np.asarray(variable[...])
            same = np.array_equal(got.astype(str), expected[key].astype(str)) if got.dtype.kind in "OSU" else \
                np.array_equal(got, expected[key], equal_nan=got.dtype.kind == "f")
            wrong += [] if same else [key]
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path)
    root = parser.parse_args().directory
    data, truth = root / "data", root / "truth"
    data.mkdir(parents=True, exist_ok=True)
    truth.mkdir(exist_ok=True)
    wrong = []
    for name, write in dict(matrix=write_matrix, groups=write_groups).items():
        path = data / f"{name}.nc"
        write(path, truth)
        wrong += [f"{name}: {key}" for key in library_disagrees(path, truth)]
        print(f"{path}  {path.stat().st_size} bytes")
    print(f"FAIL: netCDF4 reads back something else: {wrong}" if wrong else "OK: fixture written and read back")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
