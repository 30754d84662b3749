"""Writes files of types, names, times and formats that make_fields.py leaves out.

    python make_more_fields.py DIR [--huge]     2 MB in 20 datasets; --huge: also a variable of 50 GB that is 180 MB on disk

Every file is made from a fixed seed. The exit code is 0 when all files were written.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path

import cftime
import h5py
import netCDF4
import numpy as np
import xarray as xr

NT, NY, NX = 48, 3, 4
CALENDARS = ["standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian"]
# Steps in minutes and starts of subdaily times: odd ones on purpose.
STEPS = [(1, "2000-02-28T22:58:30"), (7, "1999-12-30T23:01:00"), (10, "2004-02-28T12:00:00"), (90, "2000-02-27T01:30:00"), (180, "1999-11-29T03:00:00"),
         (360, "2003-12-05T00:00:00"), (420, "2001-06-15T05:00:00"), (720, "1996-02-20T12:00:00"), (1440, "2000-02-10T18:00:00"), (2160, "1999-12-01T00:00:00")]
HUGE_SHAPE, HUGE_CHUNK = (3650, 1200, 2880), (10, 240, 360)
N_DISTINCT = 64


def netcdf(path: Path, **dims: int | None) -> netCDF4.Dataset:
    """A new file with dimensions."""
    ds = netCDF4.Dataset(path, "w")
    for name, size in dims.items():
        ds.createDimension(name, size)
    return ds


def put(ds: netCDF4.Dataset | netCDF4.Group, name: str, dims: tuple[str, ...], values: np.ndarray, kind: object = None, *, fill: object = None,
        chunks: tuple[int, ...] | None = None, endian: str = "native", **attrs: object) -> netCDF4.Variable:
    """A variable whose values are stored as they are."""
    values = np.asarray(values)
    extra = {"chunksizes": chunks, "zlib": True, "shuffle": True} if chunks else {}
    var = ds.createVariable(name, kind or values.dtype, dims, fill_value=fill, endian=endian, **extra)
    if kind is not str:
        var.set_auto_maskandscale(False)
        var.set_auto_chartostring(False)
    var.setncatts(attrs)
    if values.size:
        var[...] = values
    return var


def frame(ds: netCDF4.Dataset, calendar: str = "standard") -> None:
    """Four years of months on a small grid, with coordinates to group by."""
    dates = [cftime.datetime(2000 + i // 12, i % 12 + 1, 16, 12, calendar=calendar) for i in range(NT)]
    units = "hours since 1990-01-01"
    put(ds, "time", ("time",), cftime.date2num(dates, units, calendar).astype("f8"), units=units, calendar=calendar, standard_name="time", axis="T", bounds="time_bnds")
    starts = np.array([cftime.date2num(cftime.datetime(2000 + i // 12, i % 12 + 1, 1, calendar=calendar), units, calendar) for i in range(NT + 1)][:NT], float)
    put(ds, "time_bnds", ("time", "bnds"), np.stack([starts, starts + 700], 1))
    put(ds, "y", ("y",), np.array([-60.0, 10.0, 45.0]), units="degrees_north", standard_name="latitude")
    put(ds, "x", ("x",), np.arange(NX) * 90.0, units="degrees_east", standard_name="longitude")


def values(folder: Path) -> None:
    """Every kind of value: infinities, nothing valid, nothing written, integers near their ends, booleans, times, texts."""
    rng = np.random.default_rng(31)
    ds = netcdf(folder / "values.nc", time=NT, y=NY, x=NX, bnds=2, strlen=8)
    frame(ds)
    shape, cube, at = (NT, NY, NX), ("time", "y", "x"), "scalar region where kind"
    base = rng.normal(280, 5, shape)
    inf = base.astype("f4")
    inf[3, 0, 0], inf[5, 0, 1], inf[7, 0, 1], inf[8, 1, 1] = np.inf, -np.inf, np.inf, np.nan
    put(ds, "inf", cube, inf, chunks=(7, 2, 3), units="K", coordinates=at)
    put(ds, "inf8", cube, inf.astype("f8"), chunks=(48, 1, 1), units="K", coordinates=at)
    put(ds, "void", cube, np.full(shape, np.nan, "f4"), chunks=(10, 3, 4), units="K", coordinates=at)
    put(ds, "void_filled", cube, np.full(shape, -1, "i2"), fill=np.int16(-1), units="1", coordinates=at)
    written = put(ds, "never", cube, np.zeros(0), "f4", fill=np.float32(-5), chunks=(6, 2, 2), units="K", coordinates=at)
    written[12:18, 0:2, 2:4] = base[12:18, 0:2, 2:4]
    written = put(ds, "never_filled", cube, np.zeros(0), "f4", chunks=(6, 2, 2), units="K", coordinates=at)
    written[0:6] = base[0:6]
    put(ds, "never_at_all", cube, np.zeros(0), "i4", chunks=(12, 2, 2), coordinates=at)
    cancel = rng.integers(2**61, 2**62, shape)
    cancel[1::2] *= -1
    cancel[:, 0, 0] = 2**53 + 1
    put(ds, "cancel", cube, cancel, "i8", chunks=(5, 3, 4), units="1", coordinates=at)
    put(ds, "unsigned", cube, rng.integers(2**63, 2**64 - 1, shape, dtype="u8"), units="1", coordinates=at)
    for kind in ("i1", "i2", "i4", "u2", "u4"):
        limits = np.iinfo(kind)
        put(ds, f"ends_{kind}", cube, rng.choice(np.array([limits.min, limits.max, 0, 1], kind), shape), coordinates=at)
    put(ds, "flag", cube, rng.integers(0, 2, shape).astype("i1"), dtype="bool", coordinates=at)
    put(ds, "wrapped", cube, rng.integers(-128, 128, shape).astype("i1"), fill=np.int8(-1), _Unsigned="true", scale_factor=0.5, add_offset=10.0, coordinates=at)
    put(ds, "packed4", cube, rng.integers(-3000, 3000, shape).astype("i2"), fill=np.int16(-3000), scale_factor=np.float32(0.1), coordinates=at, chunks=(11, 3, 3))
    two = put(ds, "two_fills", cube, np.where(rng.random(shape) < 0.2, -99.0, base), "f4", fill=np.float32(-99), coordinates=at)
    two.missing_value = np.float32(-99)
    put(ds, "big_f4", cube, base, ">f4", endian="big", coordinates=at)
    put(ds, "big_i2", cube, rng.integers(-9, 9, shape), ">i2", endian="big", scale_factor=0.25, coordinates=at, chunks=(48, 3, 2))
    put(ds, "tiny", cube, base * 1e-300, "f8", coordinates=at)
    put(ds, "large", cube, base * 1e36, "f4", coordinates=at)
    put(ds, "offset", cube, 1e9 + rng.normal(0, 1e-3, shape), "f8", coordinates=at)
    put(ds, "when", cube, np.round(rng.uniform(0, 9000, shape)), "f8", units="days since 2000-01-01", calendar="standard", coordinates=at)
    put(ds, "line", ("time",), rng.normal(0, 1, NT), units="1")
    put(ds, "text", ("time",), np.array([f"wört {i % 5}" for i in range(NT)], object), str)
    put(ds, "plane", ("y", "x"), rng.normal(0, 1, (NY, NX)), units="1", coordinates="region where")
    put(ds, "region", ("y", "x"), np.where(np.arange(12).reshape(NY, NX) == 7, -1, np.arange(12).reshape(NY, NX) % 3), "i4", fill=np.int32(-1))
    put(ds, "where", ("y", "x"), np.array([["a", "é", "Z", "a"], ["", "a", "b", "é"], ["b", "b", "Z", "~"]], object), str)
    letters = np.zeros((NX, 8), "S1")
    for i, word in enumerate(("sea", "land", "sea", "ice")):
        letters[i, : len(word)] = list(word)
    put(ds, "kind", ("x", "strlen"), letters, "S1", _Encoding="utf-8")
    put(ds, "scalar", (), np.array(2.0), units="m")
    put(ds, "share", ("y", "x"), rng.uniform(0.5, 2, (NY, NX)), units="m2")
    put(ds, "zero_weight", ("time",), np.where(np.arange(NT) % 12 == 4, 0.0, 1.0))
    ds.close()


def lengths(folder: Path) -> None:
    """Dimensions of one and of no position; a variable of many dimensions."""
    rng = np.random.default_rng(5)
    ds = netcdf(folder / "lengths.nc", time=None, one=1, none=None, a=2, b=3, c=2, d=2)
    put(ds, "time", ("time",), np.arange(5.0) * 20, units="days since 2000-01-01")
    put(ds, "one", ("one",), np.array([3.0]))
    put(ds, "a", ("a",), np.array([1, 1]), "i4")
    put(ds, "single", ("time", "one"), rng.normal(0, 1, (5, 1)), "f4")
    put(ds, "step", ("one",), np.array([4]), "i2")
    put(ds, "empty", ("none", "a"), np.zeros((0, 2)), "f4")
    put(ds, "none", ("none",), np.zeros(0), "f8", units="days since 2000-01-01")
    put(ds, "many", ("time", "a", "b", "c", "d", "one"), rng.normal(0, 1, (5, 2, 3, 2, 2, 1)), "f8", chunks=(2, 1, 2, 1, 2, 1))
    ds.close()


def ancient(folder: Path) -> None:
    """Times before 1582, across it, in far years, in years below 1, and with fractions."""
    def one(name: str, calendar: str, units: str, numbers: np.ndarray) -> None:
        ds = netcdf(folder / f"{name}.nc", time=numbers.size)
        put(ds, "time", ("time",), numbers, units=units, calendar=calendar)
        put(ds, "v", ("time",), np.random.default_rng(numbers.size).normal(0, 1, numbers.size), "f8", units="1")
        ds.close()

    one("reform", "standard", "days since 1582-01-01", np.arange(-800.0, 800.0, 13))
    one("reform_julian", "julian", "days since 1582-01-01", np.arange(-800.0, 800.0, 13))
    one("reform_proleptic", "proleptic_gregorian", "days since 1582-01-01", np.arange(-800.0, 800.0, 13))
    one("far", "noleap", "days since 0001-01-01", 365.0 * 9000 + np.arange(0, 900.0, 9))
    one("below_one", "noleap", "days since 0000-01-01", np.arange(-2000.0, 900.0, 31))
    one("below_one_360", "360_day", "days since 0001-01-01", np.arange(-2000.0, 900.0, 30.25))
    one("micro", "standard", "milliseconds since 2000-02-29T23:59:59.5", np.arange(-500.0, 900.0, 33.375))
    one("seconds", "proleptic_gregorian", "seconds since 1970-01-01", np.arange(951_700_000, 951_900_000, 4321).astype("i8"))


def subdaily(folder: Path) -> None:
    """One variable and time for each step, in all calendars: what resampling makes of many starts."""
    for calendar in CALENDARS:
        ds = netcdf(folder / f"subdaily_{calendar}.nc", **{f"time{k}": 60 for k in range(len(STEPS))})
        for k, (step, start) in enumerate(STEPS):
            put(ds, f"time{k}", (f"time{k}",), (np.arange(60) * step).astype("f8"), units=f"minutes since {start}", calendar=calendar, standard_name="time")
            put(ds, f"v{k}", (f"time{k}",), np.random.default_rng(k).normal(0, 1, 60), "f8", units="1")
        ds.close()


def names(folder: Path) -> None:
    """Names that need escapes in paths and in Zarr keys."""
    ds = netcdf(folder / "names.nc", **{"time": 6, "my lat": 4, "größe": 2})
    put(ds, "time", ("time",), np.arange(6.0) * 31, units="days since 2000-01-01")
    put(ds, "my lat", ("my lat",), np.array([-60.0, -20, 20, 60]), units="degrees_north")
    put(ds, "größe", ("größe",), np.array([1, 2]), "i4")
    rng = np.random.default_rng(8)
    for name in ("sea temp", "größe_x", "x=y", "a.b", "zarr", "100%", "c", "über&uns", "plus+", "a;b", "日本"):
        put(ds, name, ("time", "my lat", "größe"), rng.normal(0, 1, (6, 4, 2)), "f4", units="1")
    ds.close()
    ds = netcdf(folder / "groups.nc", time=6)
    put(ds, "time", ("time",), np.arange(6.0) * 31, units="days since 2000-01-01")
    inner = ds.createGroup("ocean").createGroup("top")
    inner.createDimension("lat", 4)
    put(inner, "lat", ("lat",), np.array([-60.0, -20, 20, 60]), units="degrees_north")
    put(inner, "tos", ("time", "lat"), rng.normal(0, 1, (6, 4)), "f4", units="degC")
    ds.close()


def formats(folder: Path) -> None:
    """The same fields in every format."""
    rng = np.random.default_rng(13)
    time = xr.Variable("time", np.arange(400.0), {"units": "days since 2001-01-01", "calendar": "noleap"})
    lat, lon = xr.Variable("lat", np.linspace(-80, 80, 9), {"units": "degrees_north"}), xr.Variable("lon", np.arange(10) * 36.0, {"units": "degrees_east"})
    tas, pr = rng.normal(280, 9, (400, 9, 10)).astype("f4"), rng.integers(-200, 200, (400, 9, 10)).astype("i2")
    ds = xr.Dataset({"tas": (("time", "lat", "lon"), tas, {"units": "K"}), "pr": (("time", "lat", "lon"), pr, {"units": "mm", "scale_factor": 0.5, "_FillValue": np.int16(-200)})},
                    {"time": time, "lat": lat, "lon": lon})
    plain = {name: {"_FillValue": None} for name in ("tas", "time", "lat", "lon")}
    for name, kind in (("f_nc4", "NETCDF4"), ("f_nc3", "NETCDF3_CLASSIC"), ("f_offset64", "NETCDF3_64BIT"), ("f_cdf5", "NETCDF3_64BIT_DATA")):
        ds.to_netcdf(folder / f"{name}.nc", format=kind, engine="netcdf4", encoding=plain)
    ds.to_zarr(folder / "f_zarr2.zarr", zarr_format=2, mode="w", encoding={n: {**plain[n], "chunks": (100, 4, 10)} if n == "tas" else plain[n] for n in plain}, consolidated=True)
    ds.to_zarr(folder / "f_zarr3.zarr", zarr_format=3, mode="w", encoding={n: {**plain[n], "chunks": (100, 4, 10)} if n == "tas" else plain[n] for n in plain}, consolidated=False)
    with h5py.File(folder / "f_h5.h5", "w") as file:
        for name in ("time", "lat", "lon"):
            file[name] = ds[name].values
            file[name].make_scale(name)
        for name, chunks in (("tas", (50, 9, 3)), ("pr", None)):
            file.create_dataset(name, data=ds[name].values, chunks=chunks, **({"compression": "gzip", "shuffle": True} if chunks else {}))
            for i, dim in enumerate(ds[name].dims):
                file[name].dims[i].attach_scale(file[dim])
        for name in ds.variables:
            file[name].attrs.update({k: v for k, v in ds[name].attrs.items()})
    raw = folder / "source"
    raw.mkdir(exist_ok=True)
    references(folder / "f_kerchunk.json", raw, {n: (ds[n].values, ds[n].dims, ds[n].attrs) for n in ("tas", "pr", "time", "lat", "lon")})


def references(path: Path, raw: Path, variables: dict[str, tuple[np.ndarray, tuple[str, ...], dict]]) -> None:
    """A kerchunk reference to plain files of one chunk per variable."""
    refs: dict[str, object] = {".zgroup": json.dumps({"zarr_format": 2}), ".zattrs": "{}"}
    for name, (array, dims, attrs) in variables.items():
        file = raw / f"{path.stem}-{name}.bin"
        file.write_bytes(array.tobytes())
        fill = attrs.get("_FillValue")
        meta = {"zarr_format": 2, "shape": array.shape, "chunks": array.shape, "dtype": array.dtype.str, "compressor": None, "fill_value": None if fill is None else int(fill),
                "filters": None, "order": "C"}
        refs[f"{name}/.zarray"] = json.dumps(meta)
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": dims, **{k: v for k, v in attrs.items() if k != "_FillValue"}})
        refs[f"{name}/" + ".".join("0" * array.ndim)] = [str(file.resolve()), 0, array.nbytes]
    path.write_text(json.dumps({"version": 1, "refs": refs}))


def huge(folder: Path) -> None:
    """A variable of 50 GB, ten years of days, whose shuffled and deflated chunks are `N_DISTINCT` of one file, again and again."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    rng, spans = np.random.default_rng(7), []
    with open(source / "huge.bin", "wb") as file:
        for k in range(N_DISTINCT):
            chunk = huge_chunk(rng, k)
            packed = zlib.compress(chunk.view("u1").reshape(-1, 4).T.tobytes(), 1)
            spans.append((file.tell(), len(packed)))
            file.write(packed)
    href = str((source / "huge.bin").resolve())
    refs: dict[str, object] = {".zgroup": json.dumps({"zarr_format": 2}), ".zattrs": json.dumps({"Conventions": "CF-1.11"})}
    n_time, n_lat, n_lon = HUGE_SHAPE
    axes = {"time": (np.arange(n_time) * 1.0, "days since 2001-01-01"), "lat": ((np.arange(n_lat) + 0.5) * 180 / n_lat - 90, "degrees_north"),
            "lon": ((np.arange(n_lon) + 0.5) * 360 / n_lon, "degrees_east")}
    for name, (numbers, units) in axes.items():
        (source / f"huge-{name}.bin").write_bytes(numbers.astype("<f8").tobytes())
        meta = {"zarr_format": 2, "shape": [numbers.size], "chunks": [numbers.size], "dtype": "<f8", "compressor": None, "fill_value": None, "filters": None, "order": "C"}
        refs[f"{name}/.zarray"] = json.dumps(meta)
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": [name], "units": units, **({"calendar": "noleap"} if name == "time" else {})})
        refs[f"{name}/0"] = [str((source / f"huge-{name}.bin").resolve()), 0, numbers.size * 8]
    meta = {"zarr_format": 2, "shape": HUGE_SHAPE, "chunks": HUGE_CHUNK, "dtype": "<f4", "compressor": {"id": "zlib", "level": 1}, "fill_value": None,
            "filters": [{"id": "shuffle", "elementsize": 4}], "order": "C"}
    refs["tas/.zarray"] = json.dumps(meta)
    refs["tas/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": ["time", "lat", "lon"], "units": "K", "long_name": "Field"})
    counts = [-(-a // b) for a, b in zip(HUGE_SHAPE, HUGE_CHUNK, strict=True)]
    for index in np.ndindex(*counts):
        refs["tas/" + ".".join(map(str, index))] = [href, *spans[which(index)]]
    (folder / "huge.json").write_text(json.dumps({"version": 1, "refs": refs}))


def which(index: tuple[int, ...]) -> int:
    """The distinct chunk that stands at a place of the 50 GB."""
    return (index[0] * 7 + index[1] * 5 + index[2] * 3) % N_DISTINCT


def huge_chunk(rng: np.random.Generator, k: int) -> np.ndarray:
    """A chunk whose mantissas have eleven bits, as those of packed reanalyses."""
    field = rng.normal(280 + k / 16, 3, HUGE_CHUNK).astype("<f4")
    return ((field.view("<u4") + np.uint32(0x800)) & np.uint32(0xFFFFF000)).view("<f4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--huge", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for make in (values, lengths, ancient, subdaily, names, formats, *((huge,) if args.huge else ())):
        make(args.folder)
    print(f"{sum(1 for f in args.folder.iterdir() if f.suffix in ('.nc', '.h5', '.zarr', '.json'))} datasets written")


if __name__ == "__main__":
    main()
