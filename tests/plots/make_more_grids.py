"""Writes files of further grids, axes and shapes; as in make_grids.py the value at each place is `truth(lon, lat)`.

    python make_more_grids.py DIR [--huge]      1 MB in 22 files; --huge: also a variable of 50 GB that is 80 MB on disk

Grid mappings are made with pyproj: `MAPPINGS` has the definition of each, from which check_more.py goes back to cells. The
exit code is 0 when all files were written.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj

from make_grids import Writer, degrees, icosphere, rectilinear, truth, unrotate

SPHERE = 6371229.0
HUGE_SHAPE, HUGE_CHUNK = (2000, 1800, 3600), (1, 450, 900)
N_DISTINCT = 48  # Three steps of `huge` share none.
WIDE_SHAPE, WIDE_CHUNK = (40_500, 36_000), (450, 900)


@dataclass(frozen=True)
class Mapping:
    """A grid mapping: PROJ's definition, CF's attributes, the axes in its own units and their factor to PROJ's metres."""

    proj: str
    cf: dict[str, object]
    x: np.ndarray
    y: np.ndarray
    units: str = "m"
    factor: float = 1.0

    def lon_lat(self) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of all centres; NaN where there is none."""
        x, y = np.meshgrid(self.x * self.factor, self.y * self.factor)
        lon, lat = pyproj.Proj(self.proj)(x, y, inverse=True)
        return np.where(np.isfinite(lon), lon, np.nan), np.where(np.isfinite(lat), lat, np.nan)


HEIGHT = 35785831.0
MAPPINGS = {
    "lambert": Mapping(f"+proj=lcc +lat_1=35 +lat_2=60 +lat_0=48 +lon_0=10 +R={SPHERE}",
                       {"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [35.0, 60.0], "longitude_of_central_meridian": 10.0,
                        "latitude_of_projection_origin": 48.0, "earth_radius": SPHERE}, np.arange(-30, 31) * 5e4, np.arange(-25, 26) * 5e4),
    "polarstereo": Mapping(f"+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +R={SPHERE}",
                           {"grid_mapping_name": "polar_stereographic", "latitude_of_projection_origin": 90.0, "standard_parallel": 70.0,
                            "straight_vertical_longitude_from_pole": -45.0, "earth_radius": SPHERE}, np.arange(-38, 39) * 100.0, np.arange(38, -39, -1) * 100.0,
                           "km", 1000.0),
    "polarsouth": Mapping("+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +ellps=WGS84",
                          {"grid_mapping_name": "polar_stereographic", "latitude_of_projection_origin": -90.0, "standard_parallel": -71.0,
                           "straight_vertical_longitude_from_pole": 0.0, "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563},
                          np.arange(-39, 40) * 1e5, np.arange(-39, 40) * 1e5),
    "geos": Mapping(f"+proj=geos +h={HEIGHT} +lon_0=0 +sweep=y +a=6378169 +b=6356583.8",
                    {"grid_mapping_name": "geostationary", "perspective_point_height": HEIGHT, "longitude_of_projection_origin": 0.0,
                     "latitude_of_projection_origin": 0.0, "sweep_angle_axis": "y", "semi_major_axis": 6378169.0, "semi_minor_axis": 6356583.8},
                    np.linspace(-0.152, 0.152, 121), np.linspace(0.152, -0.152, 121), "rad", HEIGHT),
    "goes": Mapping("+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80",
                    {"grid_mapping_name": "geostationary", "perspective_point_height": 35786023.0, "longitude_of_projection_origin": -75.0,
                     "latitude_of_projection_origin": 0.0, "sweep_angle_axis": "x", "semi_major_axis": 6378137.0, "inverse_flattening": 298.257222096},
                    np.linspace(-0.1, 0.03, 91), np.linspace(0.13, 0.02, 81), "rad", 35786023.0),
    "utm": Mapping("+proj=tmerc +lat_0=0 +lon_0=9 +k=0.9996 +x_0=500000 +y_0=0 +ellps=WGS84",
                   {"grid_mapping_name": "transverse_mercator", "longitude_of_central_meridian": 9.0, "latitude_of_projection_origin": 0.0,
                    "scale_factor_at_central_meridian": 0.9996, "false_easting": 500000.0, "false_northing": 0.0, "semi_major_axis": 6378137.0,
                    "inverse_flattening": 298.257223563}, np.arange(250, 751, 10) * 1e3, np.arange(5300, 5901, 10) * 1e3),
    "albers": Mapping(f"+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +R={SPHERE}",
                      {"grid_mapping_name": "albers_conical_equal_area", "standard_parallel": [29.5, 45.5], "longitude_of_central_meridian": -96.0,
                       "latitude_of_projection_origin": 23.0, "earth_radius": SPHERE}, np.arange(-24, 23) * 1e5, np.arange(3, 32) * 1e5),
    "sinus": Mapping("+proj=sinu +lon_0=0 +R=6371007.181",
                     {"grid_mapping_name": "sinusoidal", "longitude_of_central_meridian": 0.0, "earth_radius": 6371007.181},
                     np.arange(10, 70) * 5e4 * 1.1, np.arange(110, 60, -1) * 5e4 * 1.1),
    "merc": Mapping("+proj=merc +lon_0=110 +lat_ts=20 +R=6371229",
                    {"grid_mapping_name": "mercator", "longitude_of_projection_origin": 110.0, "standard_parallel": 20.0, "earth_radius": SPHERE},
                    np.arange(-40, 41) * 5e4, np.arange(-30, 51) * 5e4),
}


def projected(folder: Path, name: str, mapping: Mapping) -> None:
    """A plane without longitudes and latitudes: only its axes and the grid mapping say where the cells lie."""
    lon, lat = mapping.lon_lat()
    w = Writer(folder, name)
    w.dims(y=mapping.y.size, x=mapping.x.size)
    kind = ("projection_x_angular_coordinate", "projection_y_angular_coordinate") if mapping.units == "rad" else ("projection_x_coordinate", "projection_y_coordinate")
    w.var("x", "x", mapping.x, units=mapping.units, standard_name=kind[0], axis="X")
    w.var("y", "y", mapping.y, units=mapping.units, standard_name=kind[1], axis="Y")
    w.var("crs", "", np.array(0), "i4", **mapping.cf)
    w.var("tas", "y x", truth(lon, lat), "f4", fill=np.float32(np.nan), units="K", long_name="Field", grid_mapping="crs")
    w.close()


def plane_rotated(folder: Path) -> None:
    """A rotated pole whose rlon and rlat alone say where the cells lie."""
    rlon, rlat = np.arange(-28, 18.01, 1.0), np.arange(-23, 21.51, 1.0)
    lon, lat = unrotate(rlon[None, :] + 0 * rlat[:, None], rlat[:, None] + 0 * rlon[None, :])
    w = Writer(folder, "rotated1d")
    w.dims(rlat=rlat.size, rlon=rlon.size)
    w.var("rlon", "rlon", rlon, units="degrees", standard_name="grid_longitude", axis="X")
    w.var("rlat", "rlat", rlat, units="degrees", standard_name="grid_latitude", axis="Y")
    w.var("crs", "", np.array(0), "i4", grid_mapping_name="rotated_latitude_longitude", grid_north_pole_latitude=39.25, grid_north_pole_longitude=-162.0)
    w.var("tas", "rlat rlon", truth(lon, lat), "f4", units="K", grid_mapping="crs")
    w.close()


def rectilinear_forms(folder: Path) -> None:
    """Axes in another order, in radians, packed; times of a 360-day calendar; names with dots; groups; texts."""
    lon, lat = np.arange(72) * 5.0 + 2.5, np.arange(36)[::-1] * 5.0 - 87.5
    field = truth(lon[:, None], lat[None, :])
    w = Writer(folder, "transposed")
    w.dims(time=4, lon=72, lat=36)
    w.lon_lat(lon, lat)
    w.var("time", "time", np.array([0, 30, 59, 60]), units="days since 2000-01-01", calendar="360_day", standard_name="time", axis="T")
    steps = np.arange(4)[:, None, None] * 0.5
    w.var("tas", "time lon lat", np.round((field[None] + steps) * 1000), "i2", fill=np.int16(-32768), units="K", scale_factor=1e-3, add_offset=0.0)
    w.var("wind.u", "lon lat", field, "f4", units="m s-1")
    w.close()
    radians = np.deg2rad(np.arange(90) * 4.0), np.deg2rad(np.arange(45) * 4.0 - 88)
    w = Writer(folder, "radians")
    w.dims(lat=45, lon=90)
    w.lon_lat(*radians, units=("radian", "radian"))
    w.var("tas", "lat lon", truth(np.rad2deg(radians[0])[None, :], np.rad2deg(radians[1])[:, None]), "f4", units="K")
    w.close()
    w = Writer(folder, "grouped")
    group = w.ds.createGroup("ocean").createGroup("top")
    for name, size in (("lat", 36), ("lon", 72)):
        group.createDimension(name, size)
    for name, values, units in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
        var = group.createVariable(name, "f8", (name,))
        var.units = units
        var[:] = values
    var = group.createVariable("tos", "f4", ("lat", "lon"))
    var.units = "degC"
    var[:] = field.T
    w.close()
    w = Writer(folder, "odd")
    w.dims(y=30, x=50, name=3)
    w.var("plain", "y x", np.arange(1500.0).reshape(30, 50), "f4", units="1")
    w.ds.createVariable("text", str, ("name",))[:] = np.array(["a", "b", "c"], object)
    w.var("scalar", "", np.array(4.0), "f4", units="K")
    w.close()


def steps(folder: Path) -> None:
    """Twelve months of two levels with winds, for animations, sections, lines, arrows and comparisons of two variables."""
    lon, lat, lev = np.arange(48) * 7.5, np.arange(24) * 7.5 - 86.25, np.array([1000.0, 850.0, 500.0])
    w = Writer(folder, "steps")
    w.dims(time=12, lev=3, lat=24, lon=48)
    w.lon_lat(lon, lat)
    w.var("time", "time", np.array([15, 45, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349.0]), units="days since 2001-01-01", calendar="standard",
          standard_name="time", axis="T")
    w.var("lev", "lev", lev, units="hPa", positive="down", axis="Z", standard_name="air_pressure")
    month = np.arange(12)[:, None, None, None]
    base = truth(lon[None, :] + month * 30, lat[:, None]) + (lev / 500)[None, :, None, None]
    w.var("ta", "time lev lat lon", base, "f4", units="K", standard_name="air_temperature", long_name="Air Temperature")
    w.var("ua", "time lev lat lon", 10 * np.cos(np.deg2rad(lat))[:, None] + 0 * base, "f4", units="m s-1", standard_name="eastward_wind")
    w.var("va", "time lev lat lon", 5 * np.sin(np.deg2rad(lon))[None, :] + 0 * base, "f4", units="m s-1", standard_name="northward_wind")
    w.var("pr", "time lat lon", np.maximum(base[:, 0], 0) * 1e-5, "f4", units="kg m-2 s-1", standard_name="precipitation_flux", long_name="Precipitation")
    w.close()


def swaths(folder: Path) -> None:
    """A satellite's swath across the antimeridian: 2-D coordinates, some of them missing; the same with corners as bounds."""
    along, across = np.linspace(-60, 60, 80)[:, None], np.linspace(-14, 14, 40)[None, :]
    lat, lon = along + 0.12 * across, (172 + 0.25 * along + across / np.cos(np.deg2rad(along)) + 180) % 360 - 180
    hole = np.zeros(lat.shape, bool)
    hole[30:34, 10:20] = True
    w = Writer(folder, "swath")
    w.dims(row=80, column=40)
    fill = 9.96921e36
    for name, values, units, standard in (("longitude", lon, "degrees_east", "longitude"), ("latitude", lat, "degrees_north", "latitude")):
        w.var(name, "row column", np.where(hole, fill, values), "f4", fill=np.float32(fill), units=units, standard_name=standard)
    w.var("tb", "row column", truth(lon, lat), "f4", units="K", coordinates="longitude latitude")
    w.close()
    edge_x, edge_y = np.arange(-30, 31, 2.0), np.arange(30, 71, 2.0)
    corners = [(edge_x[None, i : i + 30] + 0 * edge_y[j : j + 20, None], edge_y[j : j + 20, None] + 0 * edge_x[None, i : i + 30]) for j, i in ((0, 0), (0, 1), (1, 1), (1, 0))]
    lon_b, lat_b = np.stack([a for a, _ in corners], -1), np.stack([b for _, b in corners], -1)
    w = Writer(folder, "bounds2d")
    w.dims(j=20, i=30, corner=4)
    w.lon_lat(lon_b.mean(-1), lat_b.mean(-1), "j i")
    for name, values in (("lon", lon_b), ("lat", lat_b)):
        w.ds[name].bounds = f"{name}_bnds"
        w.var(f"{name}_bnds", "j i corner", values)
    w.var("tas", "j i", truth(lon_b.mean(-1), lat_b.mean(-1)), "f4", units="K", coordinates="lon lat")
    w.close()


def dual(nodes: np.ndarray, faces: np.ndarray) -> list[list[int]]:
    """The hexagons and pentagons around the nodes of a triangulation: faces around each node, counter-clockwise."""
    centres = nodes[faces].mean(axis=1)
    around: list[list[int]] = [[] for _ in nodes]
    for k, face in enumerate(faces):
        for node in face:
            around[node].append(k)
    out = []
    for node, ks in zip(nodes, around, strict=True):
        east = np.cross([0, 0, 1], node)
        east = east / np.linalg.norm(east) if np.linalg.norm(east) > 1e-9 else np.array([1.0, 0, 0])
        north = np.cross(node, east)
        out.append(sorted(ks, key=lambda k: np.arctan2(centres[k] @ north, centres[k] @ east)))
    return out


def meshes(folder: Path) -> None:
    """UGRID with triangles, quadrilaterals and fill values; MPAS's hexagons; ICON without vertices."""
    nodes, faces = icosphere(3)
    centres = nodes[faces].mean(axis=1)
    cells = dual(nodes, faces)
    lon, lat = degrees(nodes)
    vertex_lon, vertex_lat = degrees(centres)
    w = Writer(folder, "mpas")
    w.dims(nCells=len(cells), nVertices=len(faces), maxEdges=6)
    w.var("lonCell", "nCells", np.deg2rad(lon % 360), units="rad", long_name="Longitude location of cell centers in radians.")
    w.var("latCell", "nCells", np.deg2rad(lat), units="rad", long_name="Latitude location of cell centers in radians.")
    w.var("lonVertex", "nVertices", np.deg2rad(vertex_lon % 360), units="rad")
    w.var("latVertex", "nVertices", np.deg2rad(vertex_lat), units="rad")
    w.var("nEdgesOnCell", "nCells", np.array([len(c) for c in cells]), "i4")
    w.var("verticesOnCell", "nCells maxEdges", np.array([[k + 1 for k in c] + [0] * (6 - len(c)) for c in cells]), "i4")
    w.var("tas", "nCells", truth(lon, lat), "f4", units="K")
    w.close()
    w = Writer(folder, "icon_centres")
    w.dims(ncells=len(faces))
    w.lon_lat(np.deg2rad(vertex_lon), np.deg2rad(vertex_lat), "ncells", names=("clon", "clat"), units=("radian", "radian"))
    w.var("tas", "ncells", truth(vertex_lon, vertex_lat), "f4", units="K", CDI_grid_type="unstructured", coordinates="clat clon")
    w.close()
    ugrid_mixed(folder)


def ugrid_mixed(folder: Path) -> None:
    """A regional mesh from 140 E across the antimeridian: quadrilaterals, every third cut into triangles; only nodes have places."""
    x, y = np.arange(140, 221, 5.0), np.arange(-40, 41, 5.0)
    node = np.arange(x.size * y.size).reshape(y.size, x.size)
    faces = []
    for j in range(y.size - 1):
        for i in range(x.size - 1):
            a, b, c, d = node[j, i], node[j, i + 1], node[j + 1, i + 1], node[j + 1, i]
            faces += [[a, b, c], [a, c, d]] if (i + j) % 3 == 0 else [[a, b, c, d]]
    lon, lat = np.meshgrid(x, y)
    lon, lat = (lon.ravel() + 180) % 360 - 180, lat.ravel()
    table = np.array([f + [-2] * (4 - len(f)) for f in faces])
    middle = np.array([(np.mean(x[np.array(f) % x.size]), np.mean(lat[f])) for f in faces])
    w = Writer(folder, "ugrid_mixed")
    w.dims(node=lon.size, face=len(faces), most=4)
    w.var("grid", "", np.array(0), "i4", cf_role="mesh_topology", topology_dimension=2, node_coordinates="x_node y_node", face_node_connectivity="nodes_of_faces")
    w.lon_lat(lon, lat, "node", names=("x_node", "y_node"))
    w.var("nodes_of_faces", "face most", np.where(table < 0, -999, table + 1), "i4", fill=np.int32(-999), cf_role="face_node_connectivity", start_index=1)
    w.var("tas", "face", truth(middle[:, 0], middle[:, 1]), "f4", units="K", mesh="grid", location="face")
    w.close()


def station_data(folder: Path) -> None:
    """Time series at named stations, as CF's discrete sampling geometries have them."""
    lon, lat = np.array([-3.2, 13.4, 2.35, 24.9, -9.1]), np.array([55.9, 52.5, 48.85, 60.2, 38.7])
    w = Writer(folder, "dsg")
    w.ds.featureType = "timeSeries"
    w.dims(station=5, time=24)
    w.lon_lat(lon, lat, "station")
    names = w.ds.createVariable("station_name", str, ("station",))
    names.cf_role = "timeseries_id"
    names[:] = np.array(["Edinburgh", "Berlin", "Paris", "Helsinki", "Lisboa"], object)
    w.var("time", "time", np.arange(24), units="hours since 2020-02-29", calendar="standard", standard_name="time", axis="T")
    w.var("tas", "station time", truth(lon, lat)[:, None] + np.sin(np.arange(24) / 24 * 2 * np.pi)[None, :], "f4", units="K", coordinates="lon lat station_name")
    w.close()


def huge(folder: Path) -> None:
    """A variable of 50 GB and a field of 6 GB whose chunks are `N_DISTINCT` of one file, again and again: kerchunk references."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    values = rng.normal(0, 1, HUGE_CHUNK[1:]).astype("<f4")
    with open(source / "chunks.bin", "wb") as file:
        for k in range(N_DISTINCT):
            file.write((values + np.float32(k / 16)).tobytes())
    href, size = str((source / "chunks.bin").resolve()), values.nbytes

    def array(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str, **attrs: object) -> dict[str, str]:
        meta = {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "compressor": None, "fill_value": None, "filters": None, "order": "C"}
        return {".zarray": json.dumps(meta), ".zattrs": json.dumps(attrs)}

    def store(name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dims: list[str]) -> None:
        refs: dict[str, object] = {".zgroup": json.dumps({"zarr_format": 2}), ".zattrs": json.dumps({"Conventions": "CF-1.11"})}
        n_lat, n_lon = shape[-2:]
        axes = {"lat": (np.arange(n_lat) + 0.5) * 180 / n_lat - 90, "lon": (np.arange(n_lon) + 0.5) * 360 / n_lon - 180, "time": np.arange(shape[0]) * 1.0}
        units = {"lat": "degrees_north", "lon": "degrees_east", "time": "hours since 2000-01-01"}
        for dim in dims:
            path = source / f"{name}-{dim}.bin"
            path.write_bytes(axes[dim].astype("<f8").tobytes())
            n = axes[dim].size
            refs |= {f"{dim}/{k}": v for k, v in array((n,), (n,), "<f8", _ARRAY_DIMENSIONS=[dim], units=units[dim]).items()}
            refs[f"{dim}/0"] = [str(path.resolve()), 0, n * 8]
        refs |= {f"tas/{k}": v for k, v in array(shape, chunks, "<f4", _ARRAY_DIMENSIONS=dims, units="K", long_name="Field").items()}
        counts = [-(-a // b) for a, b in zip(shape, chunks, strict=True)]
        for k, index in enumerate(np.ndindex(*counts)):
            refs["tas/" + ".".join(map(str, index))] = [href, k % N_DISTINCT * size, size]
        (folder / f"{name}.json").write_text(json.dumps({"version": 1, "refs": refs}))

    store("huge", HUGE_SHAPE, HUGE_CHUNK, ["time", "lat", "lon"])
    store("wide", WIDE_SHAPE, WIDE_CHUNK, ["lat", "lon"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--huge", action="store_true")
    args = parser.parse_args()
    folder = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, mapping in MAPPINGS.items():
        projected(folder, name, mapping)
    for make in (plane_rotated, rectilinear_forms, steps, swaths, meshes, station_data):
        make(folder)
    rectilinear(folder, "uneven", np.cumsum(np.linspace(1, 9, 60)) % 360, np.sort(np.rad2deg(np.arcsin(np.linspace(-0.98, 0.98, 50)))))
    if args.huge:
        huge(folder)
    files = sorted(folder.glob("*.nc"))
    print(f"{len(files)} files written, {sum(f.stat().st_size for f in files) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
