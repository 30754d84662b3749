"""Write the small NetCDF files whose catalog entries are known, and `truth.json` beside them.

    python make_fixtures.py DIR

The files hold one grid or calendar each; `truth.json` says what the catalog must show for it.
The numbers in it are written out by hand from the construction below (or are the minimum and
maximum of the coordinates when the rule says so), not computed by any catalog code.
Needs: numpy, xarray, netCDF4, h5netcdf, cftime (the environment `catalogs`).
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import xarray as xr

GLOBAL = [-180.0, -90.0, 180.0, 90.0]
LAT = {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"}
LON = {"units": "degrees_east", "standard_name": "longitude", "axis": "X"}
EARTH = 6371000.0


class Fixtures:
    """Collects data sets and their truth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth: dict[str, dict[str, Any]] = {}

    def add(self, name: str, ds: xr.Dataset, engine: str = "netcdf4", encoding: dict | None = None, **truth: Any) -> None:
        """Write `name`.nc; `truth` keys: bbox, geometry, start, end, calendar, step, dims, searchable …"""
        ds.attrs.setdefault("Conventions", "CF-1.11")
        ds.attrs.setdefault("title", name)
        # no _FillValue on coordinates unless a data set asks for it
        enc = {v: {"_FillValue": None} for v in ds.variables if ds[v].dtype.kind == "f" and v not in ds.data_vars}
        for var, extra in (encoding or {}).items():
            enc[var] = {**enc.get(var, {}), **extra}
        ds.to_netcdf(self.folder / f"{name}.nc", engine=engine, encoding=enc)
        self.truth[name] = truth


def times(first: str, n: int, calendar: str, unit: str = "days since 2000-01-01", step: float = 1.0, **attrs: Any) -> xr.Variable:
    """A raw time axis: numbers with units and calendar, so that nothing is decoded on the way."""
    start = cftime.datetime.strptime(first, "%Y-%m-%dT%H:%M:%S", calendar=calendar)
    zero = cftime.date2num(start, unit, calendar=calendar)
    values = zero + step * np.arange(n, dtype="f8")
    return xr.Variable("time", values, {"standard_name": "time", "axis": "T", "units": unit, "calendar": calendar, **attrs})


def field(dims: dict[str, int], seed: int, name: str = "tas", **attrs: Any) -> tuple:
    """A float32 field with one missing corner."""
    rng = np.random.default_rng(seed)
    values = rng.normal(285, 10, tuple(dims.values())).astype("f4")
    values[(0,) * len(dims)] = np.nan
    base = {"standard_name": "air_temperature", "long_name": "Near-Surface Air Temperature", "units": "K"}
    return tuple(dims), values, {**base, **attrs}


def rect(f: Fixtures, name: str, lat: Any, lon: Any, time: xr.Variable | None, *, seed: int, attrs: dict | None = None,
         extra: dict | None = None, chunks: tuple | None = None, **truth: Any) -> None:
    """A rectilinear data set with variable tas."""
    lat, lon = np.asarray(lat, "f8"), np.asarray(lon, "f8")
    dims = ({"time": time.size} if time is not None else {}) | {"lat": lat.size, "lon": lon.size}
    coords: dict[str, Any] = {"lat": ("lat", lat, LAT), "lon": ("lon", lon, LON)}
    if time is not None:
        coords["time"] = time
    ds = xr.Dataset({"tas": field(dims, seed), **(extra or {})}, coords, attrs or {})
    enc = {"tas": {"_FillValue": np.float32(1e20), "zlib": True, "complevel": 1, "chunksizes": chunks or tuple(dims.values())}}
    f.add(name, ds, encoding=enc, **truth)


def rectilinear(f: Fixtures) -> None:
    """Longitude conventions and calendars on regular grids."""
    cmip = {"mip_era": "CMIP6", "activity_id": "CMIP", "institution_id": "EX", "source_id": "EX-1", "experiment_id": "historical",
            "member_id": "r1i1p1f1", "table_id": "day", "grid_label": "gn", "frequency": "day", "institution": "Example institute"}
    glat, glon = np.arange(-85, 90, 10), np.arange(5, 360, 10)
    rect(f, "tas-noleap", glat, glon, times("2000-01-01T00:00:00", 730, "noleap"), seed=1, chunks=(73, 9, 18),
         attrs={"title": "Daily near-surface temperature", "summary": "Two years of daily means.", "license": "CC-BY-4.0", **cmip},
         bbox=GLOBAL, geometry="Polygon", start="2000-01-01T00:00:00Z", end="2001-12-31T00:00:00Z", calendar="noleap", step="P1D",
         dims={"lat": ["y", -85, 85, 10], "lon": ["x", 5, 355, 10]}, cmip6=cmip)
    rect(f, "era5.t2m", np.arange(90, -91, -10), np.arange(0, 360, 10), times("2010-06-01T00:00:00", 8, "proleptic_gregorian",
         "hours since 1900-01-01", 6), seed=2, attrs={"institution": "Example centre", "table_id": np.int32(128), "grid_label": "r"},
         bbox=GLOBAL, geometry="Polygon", start="2010-06-01T00:00:00Z", end="2010-06-02T18:00:00Z", calendar="proleptic_gregorian",
         step="PT6H", dims={"lat": ["y", -90, 90, -10], "lon": ["x", 0, 350, 10]})
    rect(f, "region-wrap", np.arange(40.5, 60, 1), [*range(350, 360), *range(11)], times("1995-03-01T12:00:00", 3, "standard"),
         seed=3, attrs={"table_id": np.int32(140)}, bbox=[-10.5, 40.0, 10.5, 60.0], geometry="Polygon", start="1995-03-01T12:00:00Z", end="1995-03-03T12:00:00Z",
         calendar="standard", step="P1D")
    rect(f, "antimeridian", np.arange(-20, 21, 2), np.arange(170, 191), times("1995-03-10T00:00:00", 2, "standard"), seed=4,
         bbox=[169.5, -21.0, -169.5, 21.0], geometry="MultiPolygon", start="1995-03-10T00:00:00Z", end="1995-03-11T00:00:00Z",
         calendar="standard", step="P1D")
    month360 = times("2000-12-30T00:00:00", 4, "360_day", step=30)
    rect(f, "cal-360", glat, glon, month360, seed=5, bbox=GLOBAL, geometry="Polygon", start="2000-12-30T00:00:00Z",
         end="2001-03-30T00:00:00Z", calendar="360_day", step=["P1M", "P30D"])
    rect(f, "cal-360-feb", glat, glon, times("2001-01-30T00:00:00", 2, "360_day", step=30), seed=6, bbox=GLOBAL, geometry="Polygon",
         start="2001-01-30T00:00:00Z", end="2001-02-28T00:00:00Z", calendar="360_day", step=["P1M", "P30D"])
    rect(f, "cal-all-leap", glat, glon, times("2001-02-29T00:00:00", 1, "all_leap"), seed=7, bbox=GLOBAL, geometry="Polygon",
         start="2001-02-28T00:00:00Z", end="2001-02-28T00:00:00Z", calendar="all_leap")
    rect(f, "cal-mixed-1500", glat, glon, times("1500-01-01T00:00:00", 3, "standard", "days since 1400-01-01"), seed=8, bbox=GLOBAL,
         geometry="Polygon", start="1500-01-10T00:00:00Z", end="1500-01-12T00:00:00Z", calendar="standard", step="P1D")
    rect(f, "cal-julian", glat, glon, times("2000-01-01T00:00:00", 3, "julian"), seed=9, bbox=GLOBAL, geometry="Polygon",
         start="2000-01-14T00:00:00Z", end="2000-01-16T00:00:00Z", calendar="julian", step="P1D")
    rect(f, "far-future", glat, glon, times("9999-12-30T00:00:00", 10, "noleap"), seed=10, bbox=GLOBAL, geometry="Polygon",
         start="9999-12-30T00:00:00Z", end="9999-12-31T23:59:59Z", calendar="noleap", step="P1D")
    sub = times("2005-01-01T00:00:00", 3, "standard", "seconds since 2005-01-01", 0.25)
    rect(f, "subsecond", glat, glon, sub, seed=11, bbox=GLOBAL, geometry="Polygon", start="2005-01-01T00:00:00Z",
         end="2005-01-01T00:00:00.500000Z", calendar="standard")
    rect(f, "instant", [10, 20], [10, 20], times("1995-03-02T06:00:00", 1, "standard", "hours since 1900-01-01"), seed=12,
         bbox=[5.0, 5.0, 25.0, 25.0], geometry="Polygon", start="1995-03-02T06:00:00Z", end="1995-03-02T06:00:00Z", calendar="standard")
    rect(f, "no-time", [-30, -29, -28], [100, 101, 102], None, seed=13, attrs={"time_coverage_start": "1998-01-01T00:00:00Z",
         "time_coverage_end": "1998-12-31T00:00:00Z"}, bbox=[99.5, -30.5, 102.5, -27.5], geometry="Polygon",
         start="1998-01-01T00:00:00Z", end="1998-12-31T00:00:00Z", no_time=True)
    # ids that a YAML reader takes for something else, and text that must not be evaluated
    rect(f, "1e3", [0, 1], [0, 1], times("2020-01-01T00:00:00", 2, "standard"), seed=14,
         attrs={"title": "Trap {{ 7 * 7 }} {% for x %}: \"quoted\" # not a comment </script><b>", "summary": "{% for x in y %}"},
         bbox=[-0.5, -0.5, 1.5, 1.5], geometry="Polygon", start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z",
         calendar="standard", step="P1D")
    rect(f, "no", [0, 1], [40, 41], times("2020-02-01T00:00:00", 2, "standard"), seed=15, attrs={"title": "on"},
         bbox=[39.5, -0.5, 41.5, 1.5], geometry="Polygon", start="2020-02-01T00:00:00Z", end="2020-02-02T00:00:00Z",
         calendar="standard", step="P1D")


def bounded(f: Fixtures) -> None:
    """CF bounds on time, latitude and longitude widen the extent."""
    time = xr.Variable("time", [14.5, 44.5, 74.0], {"standard_name": "time", "units": "days since 2003-01-01", "calendar": "standard",
                                                    "bounds": "time_bnds"})
    bnds = np.array([[0, 31], [31, 59], [59, 90]], "f8")
    extra = {"time_bnds": (("time", "nv"), bnds),
             "lat_bnds": (("lat", "nv"), np.array([[-10, 0], [0, 30]], "f8")),
             "lon_bnds": (("lon", "nv"), np.array([[10, 11], [11, 50]], "f8"))}
    ds = xr.Dataset({"pr": field({"time": 3, "lat": 2, "lon": 2}, 20, standard_name="precipitation_flux", long_name="Precipitation",
                                 units="kg m-2 s-1"), **extra},
                    {"time": time, "lat": ("lat", [-5.0, 10.0], {**LAT, "bounds": "lat_bnds"}),
                     "lon": ("lon", [10.5, 30.0], {**LON, "bounds": "lon_bnds"})})
    f.add("bounds", ds, encoding={v: {"_FillValue": None} for v in extra}, bbox=[10.0, -10.0, 50.0, 30.0], geometry="Polygon",
          start="2003-01-01T00:00:00Z", end="2003-04-01T00:00:00Z", calendar="standard")


def points_and_none(f: Fixtures) -> None:
    """One position, scalar position, no position at all."""
    time = times("2015-01-01T00:00:00", 24, "standard", "hours since 2015-01-01")
    scalar = xr.Dataset({"tas": field({"time": 24}, 30)}, {"time": time, "lat": ((), 53.55, LAT), "lon": ((), 350.0, LON)})
    scalar.tas.encoding["coordinates"] = "lat lon"
    common = {"start": "2015-01-01T00:00:00Z", "end": "2015-01-01T23:00:00Z", "calendar": "standard", "step": "PT1H"}
    f.add("station", scalar, bbox=[-10.0, 53.55, -10.0, 53.55], geometry="Point", **common)
    column = xr.Dataset({"thetao": field({"time": 24, "depth": 5}, 31, standard_name="sea_water_potential_temperature", units="degC")},
                        {"time": time, "depth": ("depth", [0.0, 10, 20, 50, 100],
                                                 {"units": "m", "positive": "down", "axis": "Z", "standard_name": "depth"})})
    f.add("no-horizontal", column, bbox=None, geometry=None, **common)


def curvilinear(f: Fixtures) -> None:
    """2-D coordinates: plain, across the antimeridian, around the pole, with fill values."""
    time = times("2012-07-01T00:00:00", 2, "standard")
    common = {"start": "2012-07-01T00:00:00Z", "end": "2012-07-02T00:00:00Z", "calendar": "standard", "step": "P1D"}
    j, i = np.meshgrid(np.arange(8), np.arange(10), indexing="ij")

    def make(name: str, lat: np.ndarray, lon: np.ndarray, bbox: list, geometry: str, seed: int, fill: bool = False) -> None:
        nj, ni = lat.shape
        a, o = {k: v for k, v in LAT.items() if k != "axis"}, {k: v for k, v in LON.items() if k != "axis"}
        ds = xr.Dataset({"tos": field({"time": 2, "j": nj, "i": ni}, seed, standard_name="sea_surface_temperature", units="degC")},
                        {"time": time, "latitude": (("j", "i"), lat, a), "longitude": (("j", "i"), lon, o)})
        enc = {"latitude": {"_FillValue": -999.0}, "longitude": {"_FillValue": -999.0}} if fill else {}
        f.add(name, ds, encoding=enc, bbox=bbox, geometry=geometry, index_dims={"j": nj, "i": ni}, **common)

    # a grid turned by 30 degrees: the extreme centres are corners of the index space
    lat, lon = 45 + 0.5 * j - 0.25 * i, 5 + 0.5 * i + 0.25 * j
    make("curvilinear", lat, lon, [5.0, 42.75, 11.25, 48.5], "Polygon", 40)
    make("curvilinear-dateline", lat, 175 + 0.8 * i + 0.3 * j, [175.0, 42.75, -175.7, 48.5], "MultiPolygon", 41)
    holes_lat, holes_lon = lat.copy(), lon.copy()
    holes_lat[3:5, 4:6] = holes_lon[3:5, 4:6] = np.nan
    make("curvilinear-fill", holes_lat, holes_lon, [5.0, 42.75, 11.25, 48.5], "Polygon", 42, fill=True)
    # a cap around the north pole: 2-D centres on a plane, the border goes once around
    x = np.arange(-9, 10, 2) * 100e3
    px, py = np.meshgrid(x, x)
    rho = np.hypot(px, py)
    cap_lat = 90 - np.degrees(2 * np.arctan(rho / (2 * EARTH)))
    cap_lon = np.degrees(np.arctan2(px, -py)) % 360
    south = 90 - math.degrees(2 * math.atan(900e3 * math.sqrt(2) / (2 * EARTH)))
    make("polar-cap", cap_lat, cap_lon, [-180.0, south, 180.0, 90.0], "Polygon", 43)


def projected(f: Fixtures) -> None:
    """Polar stereographic x and y without latitude or longitude: the grid mapping has to be inverted."""
    x = np.arange(-1900e3, 1901e3, 200e3)
    crs = xr.Variable((), np.int32(0), {"grid_mapping_name": "polar_stereographic", "straight_vertical_longitude_from_pole": -45.0,
                                        "latitude_of_projection_origin": 90.0, "standard_parallel": 70.0, "false_easting": 0.0,
                                        "false_northing": 0.0, "earth_radius": EARTH})
    ds = xr.Dataset({"siconc": field({"time": 2, "y": x.size, "x": x.size}, 50, standard_name="sea_ice_area_fraction", units="1",
                                     grid_mapping="crs"), "crs": crs},
                    {"time": times("2012-09-01T00:00:00", 2, "standard"),
                     "x": ("x", x, {"units": "m", "standard_name": "projection_x_coordinate", "axis": "X"}),
                     "y": ("y", x, {"units": "m", "standard_name": "projection_y_coordinate", "axis": "Y"})})
    k0 = (1 + math.sin(math.radians(70))) / 2
    corner = 2000e3 * math.sqrt(2)  # the outer edge of the corner cell
    south = 90 - math.degrees(2 * math.atan(corner / (2 * EARTH * k0)))
    f.add("polar-stereo", ds, bbox=[-180.0, south, 180.0, 90.0], geometry="Polygon", start="2012-09-01T00:00:00Z",
          end="2012-09-02T00:00:00Z", calendar="standard", step="P1D", dims={"x": ["x", -1900e3, 1900e3, 200e3],
                                                                            "y": ["y", -1900e3, 1900e3, 200e3]})


def unstructured(f: Fixtures) -> None:
    """Cells in radians, UGRID faces, HEALPix."""
    time = times("2018-01-01T00:00:00", 2, "standard")
    common = {"start": "2018-01-01T00:00:00Z", "end": "2018-01-02T00:00:00Z", "calendar": "standard", "step": "P1D"}
    deg_lat, deg_lon = np.meshgrid(np.linspace(-40, -20, 6), np.linspace(-70, -35, 7), indexing="ij")
    cells = deg_lat.size
    ds = xr.Dataset({"ta": field({"time": 2, "ncells": cells}, 60, coordinates=None)},
                    {"time": time, "clat": ("ncells", np.radians(deg_lat.ravel()), {"units": "radian", "standard_name": "latitude"}),
                     "clon": ("ncells", np.radians(deg_lon.ravel()), {"units": "radian", "standard_name": "longitude"})})
    del ds.ta.attrs["coordinates"]
    f.add("cells-radian", ds, bbox=[-70.0, -40.0, -35.0, -20.0], geometry="Polygon", index_dims={"ncells": cells}, **common)

    # two cells: a rule that compares gaps with their median must not call this global
    two = xr.Dataset({"ta": field({"time": 2, "ncells": 2}, 62)},
                     {"time": time, "clat": ("ncells", [1.0, 2.0], {"units": "degrees_north", "standard_name": "latitude"}),
                      "clon": ("ncells", [10.0, 20.0], {"units": "degrees_east", "standard_name": "longitude"})})
    f.add("two-cells", two, bbox=[10.0, 1.0, 20.0, 2.0], geometry="Polygon", index_dims={"ncells": 2}, **common)

    node_lon, node_lat = np.array([0.0, 4, 8, 0, 4, 8]), np.array([50.0, 50, 50, 54, 54, 55])
    faces = np.array([[0, 1, 4, 3], [1, 2, 5, 4]], "i4")
    ugrid = xr.Dataset(
        {"zos": (("time", "nface"), np.array([[1, 2], [3, 4]], "f4"), {"mesh": "mesh", "location": "face", "units": "m", "long_name": "sea level"}),
         "mesh": ((), np.int32(0), {"cf_role": "mesh_topology", "topology_dimension": 2, "node_coordinates": "node_lon node_lat",
                                    "face_node_connectivity": "face_nodes"}),
         "face_nodes": (("nface", "nmax"), faces, {"cf_role": "face_node_connectivity", "start_index": 0}),
         "node_lon": ("nnode", node_lon, {"units": "degrees_east", "standard_name": "longitude"}),
         "node_lat": ("nnode", node_lat, {"units": "degrees_north", "standard_name": "latitude"})}, {"time": time})
    f.add("ugrid", ugrid, bbox=[0.0, 50.0, 8.0, 55.0], geometry="Polygon", index_dims={"nface": 2}, **common)

    crs = xr.Variable((), np.int32(0), {"grid_mapping_name": "healpix", "healpix_nside": 4, "healpix_order": "nest"})
    hp = xr.Dataset({"tas": field({"time": 2, "cell": 192}, 61, grid_mapping="crs"), "crs": crs}, {"time": time})
    f.add("healpix", hp, bbox=GLOBAL, geometry="Polygon", index_dims={"cell": 192}, **common)


def filters(f: Fixtures) -> None:
    """LZF has no Zarr codec: the stored chunks cannot be offered to a Zarr reader."""
    ds = xr.Dataset({"tas": field({"time": 4, "lat": 6, "lon": 6}, 70)},
                    {"time": times("2021-01-01T00:00:00", 4, "standard"), "lat": ("lat", np.arange(0.0, 6), LAT),
                     "lon": ("lon", np.arange(20.0, 26), LON)})
    f.add("lzf", ds, engine="h5netcdf", encoding={"tas": {"compression": "lzf", "chunksizes": (2, 3, 3)}},
          bbox=[19.5, -0.5, 25.5, 5.5], geometry="Polygon", start="2021-01-01T00:00:00Z", end="2021-01-04T00:00:00Z",
          calendar="standard", step="P1D", stored=False, reader="h5netcdf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    folder: Path = parser.parse_args().dir
    folder.mkdir(parents=True, exist_ok=True)
    fixtures = Fixtures(folder)
    for build in (rectilinear, bounded, points_and_none, curvilinear, projected, unstructured, filters):
        build(fixtures)
    (folder / "truth.json").write_text(json.dumps(fixtures.truth, indent=1))
    print(f"{len(fixtures.truth)} files in {folder.name}/")


if __name__ == "__main__":
    main()
