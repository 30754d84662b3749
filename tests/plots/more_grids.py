"""Grids that check_plots.py does not have: planes of grid mappings, meshes of polygons, swaths, odd axes; each by pixels."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pyproj
from matplotlib.path import Path as Outline
from scipy.spatial import cKDTree

from check_plots import WIDTH, Client, Report, Scattered, any_of, bisect, colour_index, lut_of, matches, nearest, on_sphere, places, uv, verdict
from make_grids import POLE_LAT, POLE_LON
from make_more_grids import MAPPINGS, Mapping

VIRIDIS = lut_of("viridis")
EXTENTS = {"lambert": (-15, 40, 32, 65), "polarstereo": (-180, 180, 40, 90), "polarsouth": (-180, 180, -90, -45), "geos": (-80, 80, -80, 80), "goes": (-140, -40, 5, 60),
           "utm": (5, 13, 47, 54), "albers": (-130, -60, 20, 55), "sinus": (0, 60, 30, 60), "merc": (85, 135, -20, 42)}
A1, A2, A3, A4 = 1.340264, -0.081106, 0.000893, 0.003796  # Equal Earth, Šavrič, Patterson and Jenny 2018.


def field(folder: Path, dataset: str, var: str = "tas") -> np.ndarray:
    """All values of a variable, decoded, NaN where missing."""
    with netCDF4.Dataset(folder / f"{dataset}.nc") as ds:
        return np.ma.filled(np.ma.asarray(ds[var][:]).astype("f8"), np.nan)


def limits(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest finite value."""
    return float(np.nanmin(values)), float(np.nanmax(values))


def text_of(extent: tuple[float, ...]) -> str:
    """An extent as a request says it."""
    return ",".join(map(str, extent))


def plane_cells(mapping: Mapping, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of the cell at each place (-1 outside) and whether the place is clear of the plane's outer edge."""
    x, y = pyproj.Proj(mapping.proj)(lon, lat)
    x, y = np.asarray(x) / mapping.factor, np.asarray(y) / mapping.factor
    seen = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(seen, x, 1e30), np.where(seen, y, 1e30)
    i, j = nearest(mapping.x, x), nearest(mapping.y, y)
    dx, dy = abs(mapping.x[1] - mapping.x[0]), abs(mapping.y[1] - mapping.y[0])
    beyond = np.maximum(np.abs(x - mapping.x[i]) / dx, np.abs(y - mapping.y[j]) / dy) - 0.5
    return np.where(beyond > 0, -1, j), np.where(beyond > 0, -1, i), np.abs(beyond) > 0.02


def check_planes(client: Client, report: Report, folder: Path) -> None:
    """A grid mapping without longitudes and latitudes: the cell that PROJ finds, on a map and in the dataset's own plane."""
    for name, mapping in MAPPINGS.items():
        def on_map(name=name, mapping=mapping) -> str | None:
            values = field(folder, name)
            lon, lat, _ = places("platecarree", EXTENTS[name])
            j, i, clear = plane_cells(mapping, lon, lat)
            want = np.where(j < 0, np.nan, values[j, i])
            picture = client.picture(name, "tas", proj="platecarree", extent=text_of(EXTENTS[name]))
            return verdict(matches(picture, colour_index(want, *limits(values)), VIRIDIS), clear)

        def in_plane(name=name, mapping=mapping) -> str | None:
            values = field(folder, name)
            turned = values if mapping.y[0] > mapping.y[-1] else values[::-1]
            height, width = (3 * n for n in values.shape)
            want = turned.repeat(3, 0).repeat(3, 1)
            picture = client.picture(name, "tas", proj="data", width=width, height=height)
            return verdict(matches(picture, colour_index(want, *limits(values)), VIRIDIS))

        report.claim("planes", f"{name} on a map", on_map)
        report.claim("planes", f"{name} as it is", in_plane)

    def rotated() -> str | None:
        values = field(folder, "rotated1d")
        extent = (-60, 80, 15, 80)
        lon, lat, _ = places("platecarree", extent)
        a, p, q = np.deg2rad(lon - POLE_LON), np.deg2rad(lat), np.deg2rad(POLE_LAT)
        y = np.rad2deg(np.arcsin(np.sin(p) * np.sin(q) + np.cos(p) * np.cos(q) * np.cos(a)))
        x = np.rad2deg(np.arctan2(-np.cos(p) * np.sin(a), np.sin(p) * np.cos(q) - np.cos(p) * np.sin(q) * np.cos(a)))
        i, j = nearest(np.arange(-28, 18.01, 1.0), x), nearest(np.arange(-23, 21.51, 1.0), y)
        beyond = np.max([x - 18.5, -28.5 - x, y - 21.5, -23.5 - y], axis=0)
        want = np.where(beyond > 0, np.nan, values[j, i])
        return verdict(matches(client.picture("rotated1d", "tas", extent=text_of(extent)), colour_index(want, *limits(values)), VIRIDIS), np.abs(beyond) > 0.02)

    report.claim("planes", "rotated pole by its axes alone", rotated)


def check_projections(client: Client, report: Report, folder: Path) -> None:
    """Projections that check_plots.py does not have, on a global grid."""
    def equal_earth() -> str | None:
        values = field(folder, "ascending")
        u, v = uv()

        def up(theta: np.ndarray) -> np.ndarray:
            return A1 * theta + A2 * theta**3 + A3 * theta**7 + A4 * theta**9

        def stretch(theta: np.ndarray) -> np.ndarray:
            return np.cos(theta) / (9 * A4 * theta**8 + 7 * A3 * theta**6 + 3 * A2 * theta**2 + A1)

        top = np.arcsin(3**0.5 / 2)
        theta = bisect(up, (1 - 2 * v) * up(np.array(top)), -top, top)
        lat = np.rad2deg(np.arcsin(np.sin(theta) * 2 / 3**0.5))
        half = stretch(theta) / stretch(np.array(0.0))
        x = 2 * u - 1
        lon, inside = 180 * x / half, (half - np.abs(x)) * WIDTH / 2
        lon_axis, lat_axis = np.arange(144) * 2.5 - 178.75, np.arange(72) * 2.5 - 88.75
        want = np.where(inside > 0, values[nearest(lat_axis, lat), nearest(lon_axis, lon)], np.nan)
        picture = client.picture("ascending", "tas", proj="equalearth")
        return verdict(matches(picture, colour_index(want, *limits(values)), VIRIDIS), np.abs(inside) > 1.5)

    def conic() -> str | None:
        # Which parallels are fitted is the server's choice, so that only what every conic map has is looked at.
        picture = client.picture("ascending", "tas", proj="lambert", extent="-20,40,30,70", width=400, height=400)
        colours = {tuple(c) for c in picture[picture[..., 3] > 0][:, :3]}
        table = {tuple(c) for c in VIRIDIS}
        return None if len(colours) > 20 and colours <= table else f"{len(colours)} colours, {len(colours - table)} of them not of the map"

    report.claim("projections", "equalearth", equal_earth)
    report.claim("projections", "lambert", conic)
    for shape in ("robinson", "mollweide"):
        def turned(shape=shape) -> str | None:
            values = field(folder, "ascending")
            lon, lat, inside = places(shape)
            lon_axis, lat_axis = np.arange(144) * 2.5 - 178.75, np.arange(72) * 2.5 - 88.75
            slack = 0.3 if shape == "robinson" else 0
            wants = [np.where(inside > 0, values[nearest(lat_axis, np.clip(lat + b, -90, 90)), nearest(lon_axis, (lon + a + 100 + 180) % 360 - 180)], np.nan)
                     for a in {-slack, 0, slack} for b in {-slack, 0, slack}]
            picture = client.picture("ascending", "tas", proj=shape, center="100,0")
            return verdict(any_of(picture, wants, *limits(values), VIRIDIS), np.abs(inside) > 1.5)

        report.claim("projections", f"{shape} around 100 E", turned)


def check_meshes(client: Client, report: Report, folder: Path) -> None:
    """Polygons of UGRID with fill values and of MPAS, ICON's centres alone."""
    def mpas() -> str | None:
        grid = Scattered(folder, "mpas", "tas", "lonCell", "latCell", 180 / np.pi)
        lon, lat, _ = places("platecarree")
        near = grid.nearest(lon, lat, 3)
        picture = client.picture("mpas", "tas")
        return (verdict(any_of(picture, [grid.value[near[..., k]] for k in range(3)], *grid.range, VIRIDIS))
                or verdict(any_of(picture, [grid.value[near[..., 0]]], *grid.range, VIRIDIS), enough=0.9))

    def icon() -> str | None:
        grid = Scattered(folder, "icon_centres", "tas", "clon", "clat", 180 / np.pi)
        lon, lat, _ = places("platecarree")
        near = grid.nearest(lon, lat, 4)
        picture = client.picture("icon_centres", "tas")
        return (verdict(any_of(picture, [grid.value[near[..., k]] for k in range(4)], *grid.range, VIRIDIS))
                or verdict(any_of(picture, [grid.value[near[..., 0]]], *grid.range, VIRIDIS), enough=0.9))

    def mixed() -> str | None:
        values, extent = field(folder, "ugrid_mixed"), (120, -120, -60, 60)
        with netCDF4.Dataset(folder / "ugrid_mixed.nc") as ds:
            x, y = np.asarray(ds["x_node"][:]) % 360, np.asarray(ds["y_node"][:])
            table = np.ma.filled(ds["nodes_of_faces"][:], -1)
        lon, lat, _ = places("platecarree", extent)
        points = np.stack([lon.ravel(), lat.ravel()], 1)
        want, inner = np.full(points.shape[0], np.nan), np.zeros(points.shape[0], bool)
        for face, value in zip(table, values, strict=True):
            nodes = face[face > 0] - 1
            outline = Outline(np.stack([x[nodes], y[nodes]], 1))
            want[outline.contains_points(points)] = value
            inner |= outline.contains_points(points, radius=-0.05) | outline.contains_points(points, radius=0.05)
        # Sides are great circles or straight lines in degrees: near them nothing is asked.
        inner = inner.reshape(lon.shape)
        outside = (lon < 139) | (lon > 221) | (np.abs(lat) > 41)
        picture = client.picture("ugrid_mixed", "tas", extent=text_of(extent))
        good = matches(picture, colour_index(want.reshape(lon.shape), *limits(values)), VIRIDIS)
        return verdict(good, outside, 0.999) or verdict(good, ~outside & ~np.isnan(want.reshape(lon.shape)), 0.95)

    for name, test in (("MPAS", mpas), ("ICON without vertices", icon), ("UGRID, triangles and quadrilaterals", mixed)):
        report.claim("meshes", name, test)


def check_swaths(client: Client, report: Report, folder: Path) -> None:
    """2-D coordinates: missing ones across the antimeridian, corners given as bounds."""
    def swath() -> str | None:
        with netCDF4.Dataset(folder / "swath.nc") as ds:
            lon_c, lat_c = (np.ma.filled(ds[n][:].astype("f8"), np.nan) for n in ("longitude", "latitude"))
            stored = np.asarray(ds["tb"][:], "f8")
        known = np.isfinite(lon_c)
        tree = cKDTree(on_sphere(lon_c[known], lat_c[known]))
        values = stored[known]
        extent = (120, -120, -80, 80)
        lon, lat, _ = places("platecarree", extent)
        far, near = tree.query(on_sphere(lon, lat), 4)
        picture = client.picture("swath", "tb", extent=text_of(extent))
        rows = [colour_index(values[near[..., k]], *limits(stored)) for k in range(4)]
        fits = np.any([matches(picture, r, VIRIDIS) for r in rows], axis=0)
        away = far[..., 0] > np.deg2rad(3.0)
        if picture[away][:, 3].any():
            return f"{int((picture[away][:, 3] > 0).sum())} pixels away from the swath are drawn"
        drawn = picture[..., 3] > 0
        inside = far[..., 0] < np.deg2rad(0.6)
        if drawn[inside].mean() < 0.98:
            return f"only {drawn[inside].mean():.1%} of the swath is drawn"
        return verdict(fits, drawn)

    def bounds() -> str | None:
        values, extent = field(folder, "bounds2d"), (-40, 40, 25, 75)
        lon, lat, _ = places("platecarree", extent)
        i, j = np.floor((lon + 30) / 2).astype(int), np.floor((lat - 30) / 2).astype(int)
        inside = (i >= 0) & (i < 30) & (j >= 0) & (j < 20)
        want = np.where(inside, values[np.clip(j, 0, 19), np.clip(i, 0, 29)], np.nan)
        # Sides between corners on a parallel may be great circles, north of it.
        edge = np.abs((lat - 30) / 2 - np.round((lat - 30) / 2)) > 0.06
        clear = edge & (np.abs((lon + 30) / 2 - np.round((lon + 30) / 2)) > 0.02)
        return verdict(matches(client.picture("bounds2d", "tas", extent=text_of(extent)), colour_index(want, *limits(values)), VIRIDIS), clear)

    report.claim("swaths", "missing coordinates, antimeridian", swath)
    report.claim("swaths", "corners as bounds", bounds)


def check_axes(client: Client, report: Report, folder: Path) -> None:
    """Axes in another order, descending, uneven, in radians; packed; 360-day calendar; groups; no coordinates."""
    lon, lat, _ = places("platecarree")
    x, y = np.arange(72) * 5.0 + 2.5, np.arange(36)[::-1] * 5.0 - 87.5
    i, j = nearest(x, lon % 360), nearest(y, lat)

    def seen(dataset: str, var: str, whole: np.ndarray, want: np.ndarray, **options: object) -> str | None:
        return verdict(matches(client.picture(dataset, var, **options), colour_index(want, *limits(whole)), VIRIDIS))

    cube = field(Path(folder), "transposed")
    for name, options, step in (("last time by default", {}, 3), ("30 February", {"time": "2000-02-30"}, 2), ("position", {"isel": "time=1"}, 1),
                                ("nearest", {"time": "nearest::2000-02-02"}, 1), ("path's position", {"isel": "time=-3"}, 1)):
        report.claim("axes", f"lon before lat, packed, 360 days: {name}",
                     lambda options=options, step=step: seen("transposed", "tas", cube[step], cube[step][i, j], **options))
    report.claim("axes", "a name with a dot", lambda: seen("transposed", "wind.u", field(folder, "transposed", "wind.u"), field(folder, "transposed", "wind.u")[i, j]))

    def radians() -> str | None:
        values = field(folder, "radians")
        return seen("radians", "tas", values, values[nearest(np.arange(45) * 4.0 - 88, lat), nearest(np.arange(91) * 4.0, lon % 360) % 90])

    def uneven() -> str | None:
        values = field(folder, "uneven")
        xs, ys = np.cumsum(np.linspace(1, 9, 60)), np.sort(np.rad2deg(np.arcsin(np.linspace(-0.98, 0.98, 50))))
        west, east = xs[0] - (xs[1] - xs[0]) / 2, xs[-1] + (xs[-1] - xs[-2]) / 2
        turn = np.where(lon % 360 > east + 1e-9, lon % 360 - 360, lon % 360)
        south, north = ys[0] - (ys[1] - ys[0]) / 2, ys[-1] + (ys[-1] - ys[-2]) / 2
        # The pole is within one spacing of the outermost rows: they reach it.
        reaches = 90 - ys[-1] <= ys[-1] - ys[-2]
        outside = (turn < west) | (turn > east) | (((lat < south) | (lat > north)) if not reaches else False)
        want = np.where(outside, np.nan, values[nearest(ys, lat), nearest(xs, np.clip(turn, west, east))])
        clear = (np.abs(turn - west) > 1.5) & (np.abs(turn - east) > 1.5)
        return verdict(matches(client.picture("uneven", "tas"), colour_index(want, *limits(values)), VIRIDIS), clear)

    def group() -> str | None:
        with netCDF4.Dataset(folder / "grouped.nc") as ds:
            values = np.asarray(ds["ocean/top/tos"][:], "f8")
        return seen("grouped", "tos", values, values[j, i], group="/ocean/top")

    def plain() -> str | None:
        values = field(folder, "odd", "plain")
        picture = client.picture("odd", "plain", width=250, height=150)
        up = matches(picture, colour_index(values[::-1].repeat(5, 0).repeat(5, 1), *limits(values)), VIRIDIS)
        return verdict(up)

    def box() -> str | None:
        cells = (x > 180) & (x - 360 >= -40), (y >= 10) & (y <= 70)
        want = cube[3][i, j]
        inside = (((x[i] + 180) % 360 - 180 >= -40) & ((x[i] + 180) % 360 - 180 <= 20) & cells[1][j])
        chosen = (((x + 180) % 360 - 180 >= -40) & ((x + 180) % 360 - 180 <= 20))
        whole = cube[3][chosen][:, cells[1]]
        return seen("transposed", "tas", whole, np.where(inside, want, np.nan), bbox="-40,10,20,70")

    def across() -> str | None:
        at = (x >= 160) & (x <= 210)
        whole = cube[3][at][:, np.abs(y) <= 20]
        inside = at[i] & (np.abs(y[j]) <= 20)
        return seen("transposed", "tas", whole, np.where(inside, cube[3][i, j], np.nan), bbox="160,-20,-150,20")

    def band() -> str | None:
        whole = cube[3][:, (y >= 30) & (y <= 60)]
        return seen("transposed", "tas", whole, np.where((y[j] >= 30) & (y[j] <= 60), cube[3][i, j], np.nan), lat="30:60")

    for name, test in (("radians", radians), ("uneven", uneven), ("group", group), ("no coordinates", plain), ("bbox", box), ("bbox across 180", across), ("lat=30:60", band)):
        report.claim("axes", name, test)


def check_grids(client: Client, report: Report, grids: Path, more: Path) -> None:
    """All of this module; `grids` are the files of make_grids.py, `more` those of make_more_grids.py."""
    check_planes(client, report, more)
    check_projections(client, report, grids)
    check_meshes(client, report, more)
    check_swaths(client, report, more)
    check_axes(client, report, more)
