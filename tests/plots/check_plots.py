"""Proves, pixel by pixel, that a server draws what README.md defines, and measures it against matplotlib.

    python make_grids.py DIR [--large]
    python check_plots.py --server http://127.0.0.1:PORT DIR [--only SECTION…] [--speed] [--figures]

The server must serve every file of DIR as the dataset named like the file (`thermocline serve DIR`). Pictures are asked for
with `frame=none`: each pixel is carried back to longitude and latitude by a projection computed here, to the cell there, to
that cell's value (a closed formula) and to its colour. The last line is "N passed, N failed", the exit code 0 only when
everything holds.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import healpix
import netCDF4
import numpy as np
import requests
from PIL import Image
from scipy.spatial import cKDTree

from make_grids import POLE_LAT, POLE_LON, deep, truth

TABLES = json.loads(Path(__file__).with_name("colormaps.json").read_text())["maps"]
TIMEOUT = 60
WIDTH, HEIGHT = 352, 176  # No pixel centre falls on an edge between cells of the regular grids.
ENOUGH = 0.995


def lut_of(name: str) -> np.ndarray:
    """The 256 colours of a map, reversed for `_r`."""
    table = np.frombuffer(bytes.fromhex(TABLES[name.removesuffix("_r")]["rgb"]), "u1").reshape(256, 3)
    return table[::-1] if name.endswith("_r") else table


class Report:
    """Counts what held and what did not, by section."""

    def __init__(self) -> None:
        self.good: dict[str, int] = {}
        self.bad: dict[str, list[str]] = {}

    def claim(self, section: str, name: str, test: Callable[[], str | None]) -> None:
        """Runs one test; a text or an exception is a failure."""
        self.good.setdefault(section, 0)
        try:
            problem = test()
        except Exception as error:
            problem = f"{type(error).__name__}: {str(error)[:200]}"
        if problem is None:
            self.good[section] += 1
        else:
            self.bad.setdefault(section, []).append(f"{name}: {problem}")

    def finish(self) -> int:
        """Prints the table, the first failures of each section, and the summary line."""
        print(f"{'section':16}{'held':>8}{'failed':>8}")
        for section, n in self.good.items():
            print(f"{section:16}{n:8}{len(self.bad.get(section, [])):8}")
        for section, lines in self.bad.items():
            for line in lines[:6]:
                print(f"FAIL {section}: {line}")
        n_bad = sum(map(len, self.bad.values()))
        print(f"{sum(self.good.values())} passed, {n_bad} failed")
        return int(n_bad > 0 or not any(self.good.values()))


class Client:
    """The server under test."""

    def __init__(self, base: str) -> None:
        self.base, self.session = base.rstrip("/"), requests.Session()

    def get(self, path: str, **kwargs) -> requests.Response:
        """GET below /datasets."""
        return self.session.get(f"{self.base}/datasets/{path}", timeout=TIMEOUT, **kwargs)

    def picture(self, dataset: str, var: str, form: str = "png", **options: object) -> np.ndarray:
        """The data area as RGBA, shape (height, width, 4)."""
        query = {"frame": "none", "width": WIDTH, "height": HEIGHT, **options}
        answer = self.get(f"{dataset}/plot/{var}.{form}", params=query)
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code} {answer.text[:150]}")
        kind = answer.headers["Content-Type"].split(";")[0]
        if kind != f"image/{form}":
            raise ValueError(f"Content-Type {kind}")
        image = Image.open(io.BytesIO(answer.content))
        if image.size != (int(query["width"]), int(query["height"])):
            raise ValueError(f"size {image.size}")
        return np.asarray(image.convert("RGBA"))


def colour_index(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """floor(256 (v - vmin) / (vmax - vmin)) within 0..255; -1 where missing."""
    t = (np.asarray(values, "f8") - low) / (high - low)
    return np.where(np.isnan(t), -1, np.clip(np.floor(np.nan_to_num(t) * 256), 0, 255)).astype(int)


def matches(picture: np.ndarray, index: np.ndarray, lut: np.ndarray, step: int = 1) -> np.ndarray:
    """True where the pixel has the colour of entry `index`, give or take `step`; -1 asks for alpha 0."""
    out = np.zeros(index.shape, bool)
    for shift in range(-step, step + 1):
        out |= (picture[..., :3] == lut[np.clip(index + shift, 0, 255)]).all(axis=-1)
    return np.where(index < 0, picture[..., 3] == 0, out & (picture[..., 3] == 255))


def verdict(good: np.ndarray, decided: np.ndarray | None = None, enough: float = ENOUGH) -> str | None:
    """None when enough of the decided pixels are good."""
    decided = np.ones(good.shape, bool) if decided is None else decided
    if decided.sum() < 0.02 * decided.size:
        return "the check looked at too few pixels"
    share = float(good[decided].mean())
    if share >= enough:
        return None
    j, i = (int(k[0]) for k in np.nonzero(decided & ~good))
    return f"{share:.2%} of {int(decided.sum())} pixels right, {enough:.1%} needed; first wrong at column {i}, row {j}"


# Projections: pixel centre to place. Each is written another way than by the usual inverse where there is one.


def uv(width: int = WIDTH, height: int = HEIGHT) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres in 0..1, u rightwards, v downwards."""
    return np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)


def bisect(forward: Callable[[np.ndarray], np.ndarray], target: np.ndarray, low: float, high: float) -> np.ndarray:
    """The argument where the increasing `forward` reaches `target`."""
    a, b = np.full(target.shape, low), np.full(target.shape, high)
    for _ in range(50):
        middle = (a + b) / 2
        below = forward(middle) < target
        a, b = np.where(below, middle, a), np.where(below, b, middle)
    return (a + b) / 2


ROBINSON_X = [1, 0.9986, 0.9954, 0.99, 0.9822, 0.973, 0.96, 0.9427, 0.9216, 0.8962, 0.8679, 0.835, 0.7986, 0.7597, 0.7186, 0.6732, 0.6213, 0.5722, 0.5322]
ROBINSON_Y = [0, 0.062, 0.124, 0.186, 0.248, 0.31, 0.372, 0.434, 0.4958, 0.5571, 0.6176, 0.6769, 0.7346, 0.7903, 0.8435, 0.8936, 0.9394, 0.9761, 1]


def places(proj: str, extent: tuple[float, float, float, float] = (-180, 180, -90, 90), center: tuple[float, float] = (0, 0),
           bound: float = 50, size: tuple[int, int] = (WIDTH, HEIGHT)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longitude, latitude and distance inside the outline in pixels (negative outside) for each pixel."""
    u, v = uv(*size)
    x, y = 2 * u - 1, 1 - 2 * v
    west, east, south, north = extent
    east += 360 if east < west else 0
    whole = np.full(u.shape, 1e9)
    if proj == "platecarree":
        return west + u * (east - west), north + v * (south - north), whole
    if proj == "mercator":
        top, foot = (np.log(np.tan(np.pi / 4 + np.deg2rad(np.clip(t, -85.0511287798066, 85.0511287798066)) / 2)) for t in (north, south))
        lat = 2 * np.arctan(np.exp(top + v * (foot - top))) - np.pi / 2
        return west + u * (east - west), np.rad2deg(lat), whole
    if proj == "robinson":
        lat = bisect(lambda p: np.interp(np.abs(p), np.arange(19) * 5, ROBINSON_Y) * np.sign(p), y, -90, 90)
        half = np.interp(np.abs(lat), np.arange(19) * 5, ROBINSON_X)
        return 180 * x / half, lat, (half - np.abs(x)) * size[0] / 2
    if proj == "mollweide":
        theta = np.arcsin(y)
        lat = bisect(lambda p: np.sin(np.deg2rad(p)), (2 * theta + np.sin(2 * theta)) / np.pi, -90, 90)
        half = np.sqrt(1 - y * y)
        return 180 * x / half, lat, (half - np.abs(x)) * size[0] / 2
    if proj == "orthographic":
        a, p = np.deg2rad(center[0]), np.deg2rad(center[1])
        east_axis, out_axis = np.array([-np.sin(a), np.cos(a), 0]), np.array([np.cos(p) * np.cos(a), np.cos(p) * np.sin(a), np.sin(p)])
        north_axis = np.cross(out_axis, east_axis)
        z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
        point = x[..., None] * east_axis + y[..., None] * north_axis + z[..., None] * out_axis
        return np.rad2deg(np.arctan2(point[..., 1], point[..., 0])), np.rad2deg(np.arcsin(np.clip(point[..., 2], -1, 1))), (1 - np.hypot(x, y)) * min(size) / 2
    edge = 2 * np.tan(np.pi / 4 - np.deg2rad(bound) / 2)
    rho = np.hypot(x, y) * edge
    lat = bisect(lambda p: -2 * np.tan(np.pi / 4 - np.deg2rad(p) / 2), -rho, -89.9, 90)
    if proj == "northpolar":  # 0 E points down, east is counter-clockwise.
        return np.rad2deg(np.angle(-y + 1j * x)), lat, whole
    return np.rad2deg(np.angle(y + 1j * x)), -lat, whole


# Cells: place to the value of the cell there.


class Grid:
    """A family of grids: candidate cells for a place, best first, and the value of each cell (float32 as stored)."""

    def __init__(self, folder: Path, dataset: str, var: str = "tas") -> None:
        self.dataset, self.var = dataset, var
        with netCDF4.Dataset(folder / f"{dataset}.nc") as ds:
            self.coords = {n: np.asarray(v[:], "f8") for n, v in ds.variables.items() if v.ndim and n != var and v.dtype != str}
            self.stored = np.ma.filled(np.ma.asarray(ds[var][:]).astype("f8"), np.nan)

    @property
    def range(self) -> tuple[float, float]:
        """The default colour range: all finite values of the field."""
        return float(np.nanmin(self.stored)), float(np.nanmax(self.stored))


def nearest(axis: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Index of the nearest value of a 1-D axis in any order."""
    order = np.argsort(axis)
    ascending = axis[order]
    return order[np.searchsorted((ascending[1:] + ascending[:-1]) / 2, at)]


class Rectilinear(Grid):
    """Two 1-D coordinates."""

    def values(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value of the cell at each place (NaN outside) and whether the place is clear of the outer edge."""
        x, y = self.coords["lon"], self.coords["lat"]
        round_ = np.argsort(x % 360)
        wide = np.concatenate([[x[round_[-1]] % 360 - 360], (x % 360)[round_], [x[round_[0]] % 360 + 360]])
        i = np.concatenate([round_[-1:], round_, round_[:1]])[nearest(wide, lon % 360)]
        j = nearest(y, lat)
        value = truth(x[i], y[j]).astype("f4").astype("f8")
        dx, dy = abs(x[1] - x[0]), np.abs(np.diff(y)).max()
        beyond_x = np.abs((lon - x[i] + 180) % 360 - 180) - dx / 2
        beyond_y = np.maximum(lat - y.max(), y.min() - lat) - dy / 2
        beyond = np.maximum(beyond_x, beyond_y) if x.size * dx < 359.9 else beyond_y
        near_pole = (y.max() > 85) & (y.min() < -85)
        beyond = np.where(near_pole, -1.0, beyond)
        return np.where(beyond > 0, np.nan, value), np.abs(beyond) > 0.05


def on_sphere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Unit vectors, last axis 3."""
    a, p = np.deg2rad(lon), np.deg2rad(lat)
    return np.stack([np.cos(p) * np.cos(a), np.cos(p) * np.sin(a), np.sin(p)], axis=-1)


class Scattered(Grid):
    """Centres anywhere: curvilinear, unstructured, reduced."""

    def __init__(self, folder: Path, dataset: str, var: str, lon: str, lat: str, scale: float = 1.0) -> None:
        super().__init__(folder, dataset, var)
        self.lon, self.lat = self.coords[lon].ravel() * scale, self.coords[lat].ravel() * scale
        self.tree = cKDTree(on_sphere(self.lon, self.lat))
        self.value = np.where(np.isnan(self.stored.ravel()), np.nan, truth(self.lon, self.lat).astype("f4"))

    def nearest(self, lon: np.ndarray, lat: np.ndarray, k: int) -> np.ndarray:
        """Indices of the k nearest centres, last axis k."""
        return self.tree.query(on_sphere(lon, lat), k)[1]


def any_of(picture: np.ndarray, values: list[np.ndarray], low: float, high: float, lut: np.ndarray) -> np.ndarray:
    """True where the pixel fits one of several values."""
    return np.any([matches(picture, colour_index(v, low, high), lut) for v in values], axis=0)


# Sections.


def check_rectilinear(client: Client, report: Report, folder: Path) -> None:
    """Ascending, descending, 0..360, points at the poles, Gaussian rows, a region across the date line."""
    for name in ("ascending", "descending", "lon360", "poles", "gaussian", "dateline"):
        def test(name=name) -> str | None:
            grid = Rectilinear(folder, name)
            lon, lat, _ = places("platecarree")
            value, clear = grid.values(lon, lat)
            return verdict(matches(client.picture(name, "tas"), colour_index(value, *grid.range), lut_of("viridis")), clear)

        report.claim("rectilinear", name, test)


def check_projections(client: Client, report: Report, folder: Path) -> None:
    """Every projection on a global grid: the inside by colour, the outside by alpha 0."""
    cases: list[tuple[str, dict, float]] = [
        ("platecarree", {}, 0), ("platecarree", {"extent": (-20, 50, 30, 75)}, 0), ("platecarree", {"extent": (150, -120, -60, 10)}, 0),
        ("platecarree", {"extent": (0, 360, -90, 90)}, 0), ("mercator", {}, 0), ("mercator", {"extent": (-30, 60, 20, 72)}, 0),
        ("mollweide", {}, 0), ("robinson", {}, 0.3), ("orthographic", {"center": (0, 0)}, 0), ("orthographic", {"center": (100, 55)}, 0),
        ("orthographic", {"center": (-140, -70)}, 0), ("northpolar", {}, 0), ("southpolar", {}, 0), ("northpolar", {"bound": 20}, 0),
    ]
    grid = Rectilinear(folder, "ascending")
    for proj, options, slack in cases:
        def test(proj=proj, options=options, slack=slack) -> str | None:
            size = (WIDTH, WIDTH) if proj in ("orthographic", "northpolar", "southpolar") else (WIDTH, HEIGHT)
            lon, lat, inside = places(proj, size=size, **options)
            query = {k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in options.items()}
            picture = client.picture("ascending", "tas", proj=proj, width=size[0], height=size[1], **query)
            shifts = [(0, 0)] if not slack else [(a, b) for a in (-slack, 0, slack) for b in (-slack, 0, slack)]
            values = [np.where(inside > 0, grid.values(lon + a, np.clip(lat + b, -90, 90))[0], np.nan) for a, b in shifts]
            return verdict(any_of(picture, values, *grid.range, lut_of("viridis")), np.abs(inside) > 1.5)

        report.claim("projections", f"{proj} {options}", test)


def check_curvilinear(client: Client, report: Report, folder: Path) -> None:
    """A rotated pole and a tripolar ocean grid: nearest centre, nothing beyond the grid's edge, land missing."""
    def rotated() -> str | None:
        grid = Scattered(folder, "rotated", "tas", "lon", "lat")
        extent = (-60, 80, 15, 80)
        lon, lat, _ = places("platecarree", extent)
        a, p, q = np.deg2rad(lon - POLE_LON), np.deg2rad(lat), np.deg2rad(POLE_LAT)
        rlat = np.rad2deg(np.arcsin(np.sin(p) * np.sin(q) + np.cos(p) * np.cos(q) * np.cos(a)))
        rlon = np.rad2deg(np.arctan2(-np.cos(p) * np.sin(a), np.sin(p) * np.cos(q) - np.cos(p) * np.sin(q) * np.cos(a)))
        beyond = np.max([rlon - 18, -28 - rlon, rlat - 21.5, -23 - rlat], axis=0)
        near = grid.nearest(lon, lat, 4)
        values = [np.where(beyond > 0, np.nan, grid.value[near[..., k]]) for k in range(4)]
        picture = client.picture("rotated", "tas", extent=",".join(map(str, extent)))
        clear = (beyond < 0) | (beyond > 0.75)
        return (verdict(any_of(picture, values, *grid.range, lut_of("viridis")), clear)
                or verdict(any_of(picture, values[:1], *grid.range, lut_of("viridis")), clear, 0.95))

    report.claim("curvilinear", "rotated pole", rotated)
    for proj in ("platecarree", "northpolar"):
        def tripolar(proj=proj) -> str | None:
            grid = Scattered(folder, "tripolar", "sst", "nav_lon", "nav_lat")
            lon, lat, _ = places(proj)
            near = grid.nearest(lon, lat, 4)
            values = [np.where(lat < -80, np.nan, grid.value[near[..., k]]) for k in range(4)]
            lands = np.isnan([grid.value[near[..., k]] for k in range(4)])
            clear = ((lat > -78) | (lat < -82)) & (lands.all(axis=0) | ~lands.any(axis=0))
            picture = client.picture("tripolar", "sst", proj=proj)
            return (verdict(any_of(picture, values, *grid.range, lut_of("viridis")), clear)
                    or verdict(any_of(picture, values[:1], *grid.range, lut_of("viridis")), clear, 0.9))

        report.claim("curvilinear", f"tripolar {proj}", tripolar)


def containing(grid: Scattered, corners: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Index of the triangle that holds each place; corners has shape (n_cells, 3, 3)."""
    near = grid.nearest(lon, lat, 6)
    point = on_sphere(lon, lat)
    out = near[..., 0].copy()
    for k in range(5, -1, -1):
        tri = corners[near[..., k]]
        sides = [np.einsum("...c,...c", np.cross(tri[..., i, :], tri[..., (i + 1) % 3, :]), point) for i in range(3)]
        inside = np.all(np.array(sides) >= -1e-12, axis=0) | np.all(np.array(sides) <= 1e-12, axis=0)
        out = np.where(inside, near[..., k], out)
    return out


def check_unstructured(client: Client, report: Report, folder: Path) -> None:
    """UGRID faces and nodes, ICON in radians, HEALPix ring and nested, reduced Gaussian."""
    lut = lut_of("viridis")
    for name, lon_name, lat_name, scale in (("ugrid", "face_lon", "face_lat", 1.0), ("icon", "clon", "clat", 180 / np.pi)):
        def faces(name=name, lon_name=lon_name, lat_name=lat_name, scale=scale) -> str | None:
            grid = Scattered(folder, name, "tas", lon_name, lat_name, scale)
            if name == "ugrid":
                nodes = on_sphere(grid.coords["node_lon"], grid.coords["node_lat"])
                corners = nodes[grid.coords["face_nodes"].astype(int) - 1]
            else:
                corners = on_sphere(grid.coords["clon_vertices"] * scale, grid.coords["clat_vertices"] * scale)
            for proj in ("platecarree", "robinson"):
                lon, lat, inside = places(proj)
                clear = np.abs(inside) > 1.5
                cells = [containing(grid, corners, lon, lat), grid.nearest(lon, lat, 1)]
                if proj == "robinson":
                    cells += [grid.nearest(lon, lat, 4)[..., k] for k in range(4)]
                values = [np.where(inside > 0, grid.value[c], np.nan) for c in cells]
                problem = verdict(any_of(client.picture(name, "tas", proj=proj), values, *grid.range, lut), clear)
                if problem:
                    return f"{proj}: {problem}"
            return None

        report.claim("unstructured", f"{name} triangles", faces)
    for name, var, lon_name, lat_name in (("ugrid", "at_nodes", "node_lon", "node_lat"), ("reduced_gaussian", "tas", "lon", "lat")):
        def centres(name=name, var=var, lon_name=lon_name, lat_name=lat_name) -> str | None:
            grid = Scattered(folder, name, var, lon_name, lat_name)
            lon, lat, _ = places("platecarree")
            near = grid.nearest(lon, lat, 4)
            picture = client.picture(name, var)
            return (verdict(any_of(picture, [grid.value[near[..., k]] for k in range(4)], *grid.range, lut))
                    or verdict(any_of(picture, [grid.value[near[..., 0]]], *grid.range, lut), enough=0.9))

        report.claim("unstructured", f"{name} {var}", centres)
    for order in ("ring", "nested"):
        def pixels(order=order) -> str | None:
            grid = Grid(folder, f"healpix_{order}")
            nside = int(np.sqrt(grid.stored.size / 12))
            lon, lat, _ = places("platecarree")
            cell = healpix.ang2pix(nside, lon % 360, lat, nest=order == "nested", lonlat=True)
            value = truth(*healpix.pix2ang(nside, cell, nest=order == "nested", lonlat=True)).astype("f4")
            return verdict(matches(client.picture(f"healpix_{order}", "tas"), colour_index(value, *grid.range), lut))

        report.claim("unstructured", f"healpix {order}", pixels)


def check_missing(client: Client, report: Report, folder: Path) -> None:
    """Missing values, packed values, an empty field, a constant field, unselected dimensions, selection."""
    lon, lat, _ = places("platecarree")
    x, y = np.arange(72) * 5.0 - 177.5, np.arange(36) * 5.0 - 87.5
    i, j = nearest(x, lon), nearest(y, lat)
    hole = (np.abs(y[j]) < 20) & (x[i] > 0) & (x[i] < 60)
    base, lut = truth(x[i], y[j]), lut_of("viridis")
    for var in ("tas", "packed"):
        def gaps(var=var) -> str | None:
            grid = Grid(folder, "missing", var)
            value = np.where(hole, np.nan, np.round(base, 4) + 280 if var == "packed" else base)
            picture = client.picture("missing", var)
            if picture[hole][:, 3].max() > 0:
                return verdict(matches(picture, np.where(hole, -1, 0), lut), hole)
            return verdict(matches(picture, colour_index(value, *grid.range), lut))

        report.claim("missing", var, gaps)

    def uniform(var: str, want: int) -> str | None:
        return verdict(matches(client.picture("missing", var), np.full(base.shape, want), lut, 0), enough=1.0)

    report.claim("missing", "all missing is 200 and transparent", lambda: uniform("empty", -1))
    report.claim("missing", "constant field is entry 0", lambda: uniform("constant", 0))
    for options, shift in (({}, 2.0), ({"time": "nearest::2001-02-03"}, 1.0), ({"lev": "nearest::520"}, 12.0),
                           ({"time": "2001-01-01", "lev": "500"}, 10.0)):
        def selected(options=options, shift=shift) -> str | None:
            value = (base + shift).astype("f4").astype("f8")
            whole = (truth(x[None, :], y[:, None]) + shift).astype("f4")
            free = verdict(matches(client.picture("missing", "cube", **options), colour_index(value, whole.min(), whole.max()), lut))
            picture = client.picture("missing", "cube", vmin=-2, vmax=16, **options)
            return free or verdict(matches(picture, colour_index(value, -2, 16), lut))

        report.claim("selection", f"cube {options or 'last time, first level'}", selected)


def check_norms(client: Client, report: Report, folder: Path) -> None:
    """Range, logarithm, centre, levels, reversed maps; exact on the ramp."""
    grid = Rectilinear(folder, "ascending")
    lon, lat, _ = places("platecarree")
    value = grid.values(lon, lat)[0]
    top = max(map(abs, grid.range))
    cases = [({"vmin": -1, "vmax": 0.5}, colour_index(value, -1, 0.5), "viridis"),
             ({"norm": "centered", "cmap": "RdBu_r"}, colour_index(value, -top, top), "RdBu_r"),
             ({"norm": "centered", "vmin": -0.3, "vmax": 1.2}, colour_index(value, -1.2, 1.2), "viridis"),
             ({"extent": "0,90,0,90"}, None, "viridis")]
    for options, index, name in cases:
        def test(options=options, index=index, name=name) -> str | None:
            if index is None:  # The default range is that of the field, not of what the extent shows.
                index = colour_index(grid.values(*places("platecarree", (0, 90, 0, 90))[:2])[0], *grid.range)
            return verdict(matches(client.picture("ascending", "tas", **options), index, lut_of(name)))

        report.claim("norms", str(options), test)

    def log() -> str | None:
        x, y = np.arange(72) * 5.0 - 177.5, np.arange(36) * 5.0 - 87.5
        v = (10.0 ** (truth(x[nearest(x, lon)], y[nearest(y, lat)]) * 1.5)).astype("f4")
        return verdict(matches(client.picture("missing", "positive", norm="log", vmin=0.1, vmax=10), colour_index(np.log(v.astype("f8")), np.log(0.1), np.log(10)), lut_of("viridis")))

    report.claim("norms", "log", log)

    def ramp(options: dict, index: np.ndarray, name: str = "viridis") -> str | None:
        picture = client.picture("ramp", "step", width=256, height=2, **options)
        want = lut_of(name)[index]
        wrong = (picture[0, :, :3] != want).any(axis=1)
        return f"entry {int(np.argmax(wrong))} is {picture[0, np.argmax(wrong)]}, expected {want[np.argmax(wrong)]}" if wrong.any() else None

    k = np.arange(256)
    report.claim("norms", "exact entries", lambda: ramp({"vmin": 0, "vmax": 256}, k))
    report.claim("norms", "below and above", lambda: ramp({"vmin": 64, "vmax": 192}, np.clip((k + 0.5 - 64) * 2, 0, 255).astype(int)))
    report.claim("norms", "levels", lambda: ramp({"levels": "0,64,100,128,256"}, np.searchsorted([64, 100, 128], k + 0.5) * 85))
    report.claim("norms", "default range", lambda: ramp({}, np.minimum(k * 256 // 255, 255)))


def check_colormaps(client: Client, report: Report) -> None:
    """Every map of colormaps.json, all 256 entries; every seventh also reversed."""
    names = list(TABLES)
    names += [n + "_r" for n in names[::7]]

    def test(name: str) -> str | None:
        query = {"frame": "none", "width": 256, "height": 1, "vmin": 0, "vmax": 256, "cmap": name}
        try:
            answer = requests.get(f"{client.base}/datasets/ramp/plot/step.png", params=query, timeout=TIMEOUT)
        except requests.RequestException as error:
            return str(error)[:100]
        if answer.status_code != 200:
            return f"status {answer.status_code} {answer.text[:80]}"
        row = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))[0, :, :3]
        wrong = (row != lut_of(name)).any(axis=1)
        return f"{int(wrong.sum())} of 256 entries differ, first {int(np.argmax(wrong))}" if wrong.any() else None

    with ThreadPoolExecutor(4) as pool:
        for name, problem in zip(names, pool.map(test, names), strict=True):
            report.claim("colour maps", name, lambda problem=problem: problem)


def check_other_kinds(client: Client, report: Report, folder: Path) -> None:
    """A section with depth downwards, a series as a line, stations as discs."""
    def section() -> str | None:
        grid = Grid(folder, "section", "thetao")
        depth, lat = grid.coords["depth"], grid.coords["lat"]
        u, v = uv()
        edges = np.concatenate([[0.0], (depth[1:] + depth[:-1]) / 2, [5500.0]])
        row = np.searchsorted(edges, v * 5500) - 1
        column = np.clip(np.floor(u * lat.size).astype(int), 0, lat.size - 1)
        value = np.where((depth[row] > 3500) & (column < 20), np.nan, deep(depth[row], lat[column]))
        return verdict(matches(client.picture("section", "thetao"), colour_index(value.astype("f4"), *grid.range), lut_of("viridis")))

    report.claim("other kinds", "section, depth positive down", section)

    def line() -> str | None:
        grid = Grid(folder, "series", "index")
        low, high = -1.2, 1.2
        picture = client.picture("series", "index", kind="line", vmin=low, vmax=high)
        ink = picture[..., 3] > 0
        fine = np.interp((np.arange(WIDTH * 16) + 0.5) / (WIDTH * 16) * 399, np.arange(400), grid.stored)
        rows = ((high - fine) / (high - low) * HEIGHT).reshape(WIDTH, 16)
        for column in range(WIDTH):
            at = np.nonzero(ink[:, column])[0]
            top, foot = rows[column].min() - 2.5, rows[column].max() + 2.5
            if at.size == 0:
                return f"no ink in column {column}"
            if at.min() + 0.5 < top or at.max() + 0.5 > foot:
                return f"ink in rows {at.min()} to {at.max()} of column {column}, expected {top:.1f} to {foot:.1f}"
        return None

    report.claim("other kinds", "series as line", line)

    def points() -> str | None:
        grid = Grid(folder, "stations", "tas")
        lon, lat = grid.coords["lon"], grid.coords["lat"]
        width, height = 720, 360
        picture = client.picture("stations", "tas", kind="points", size=7, width=width, height=height)
        x, y = ((lon + 180) % 360) / 360 * width, (90 - lat) / 180 * height
        index, lut = colour_index(truth(lon, lat).astype("f4"), *grid.range), lut_of("viridis")
        centre = picture[np.clip(y.astype(int), 0, height - 1), np.clip(x.astype(int), 0, width - 1)]
        right = matches(centre[None], index[None], lut)[0]
        columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        distance = np.min([np.hypot(columns - a, rows - b) for a, b in zip(x, y, strict=True)], axis=0)
        if right.mean() < 0.95:
            return f"{int(right.sum())} of {right.size} stations have their colour at their place"
        spill = (picture[..., 3] > 0) & (distance > 5)
        return f"{int(spill.sum())} pixels drawn away from stations" if spill.any() else None

    report.claim("other kinds", "stations as discs", points)


BAD = [
    ("ascending/plot/nope.png", 404, "Variable 'nope' not found in dataset"), ("nope/plot/tas.png", 404, ""),
    ("ascending/plot/tas.png?kind=pie", 400, "pie"), ("ascending/plot/tas.png?cmap=beige", 400, "beige"),
    ("ascending/plot/tas.png?proj=flat", 400, "flat"), ("ascending/plot/tas.png?norm=cubic", 400, "cubic"),
    ("ascending/plot/tas.png?colour=red", 400, "colour"), ("ascending/plot/tas.png?vmin=a", 400, "vmin"),
    ("ascending/plot/tas.png?vmin=nan", 400, "vmin"), ("ascending/plot/tas.png?vmin=2&vmax=1", 400, "vmin"),
    ("ascending/plot/tas.png?width=0", 400, "width"), ("ascending/plot/tas.png?width=-5", 400, "width"),
    ("ascending/plot/tas.png?width=ten", 400, "width"), ("ascending/plot/tas.png?extent=1,2,3", 400, "extent"),
    ("ascending/plot/tas.png?extent=0,10,50,40", 400, "extent"), ("ascending/plot/tas.png?extent=0,10,-95,40", 400, "extent"),
    ("ascending/plot/tas.png?proj=orthographic&center=north", 400, "center"), ("ascending/plot/tas.png?levels=3,2,1", 400, "levels"),
    ("missing/plot/positive.png?norm=log&vmin=-1", 400, "vmin"), ("missing/plot/cube.png?time=noon", 400, "time"),
    ("missing/plot/cube.png?lev=517", 400, "lev"), ("ascending/plot/tas.xyz", 400, ""), ("ascending/plot/tas.png?width=9000&height=10", 413, ""),
    ("ascending/plot/tas.png?width=8000&height=8000", 413, ""), ("ascending/plot/tas.png?width=99999999999&height=99999999999", 413, ""),
    ("ascending/plot/tas.png?cmap=..%2f..%2fetc%2fpasswd", 400, ""), ("ascending/plot/tas.png?vmin=0&vmin=1", 400, ""),
]


def check_bad(client: Client, report: Report) -> None:
    """Bad requests: status, problem+json, a detail that names the culprit, the allowed words."""
    for path, status, text in BAD:
        def test(path=path, status=status, text=text) -> str | None:
            answer = client.get(path + ("&" if "?" in path else "?") + "frame=none")
            if answer.status_code != status:
                return f"status {answer.status_code}, expected {status} {answer.text[:100]!r}"
            if answer.headers["Content-Type"].split(";")[0] != "application/problem+json":
                return f"Content-Type {answer.headers['Content-Type']}"
            body = answer.json()
            if text not in body.get("detail", ""):
                return f"detail {body.get('detail')!r} does not name {text!r}"
            if any(w in path for w in ("kind=", "cmap=beige", "proj=flat", "norm=cubic")) and len(body.get("allowed", [])) < 3:
                return "no list `allowed`"
            return None

        report.claim("bad requests", path, test)


def check_http(client: Client, report: Report) -> None:
    """Content types, the path form, repeatability, validators."""
    path = f"ascending/plot/tas.png?frame=none&width={WIDTH}&height={HEIGHT}&proj=robinson"

    def webp() -> str | None:
        a, b = client.picture("missing", "tas"), client.picture("missing", "tas", "webp")
        return None if (a[..., 3] == b[..., 3]).all() and (a[a[..., 3] > 0] == b[b[..., 3] > 0]).all() else "WebP and PNG differ"

    def path_form() -> str | None:
        want = client.picture("missing", "cube", time="2001-02-01", cmap="magma")
        for kind in ("image", "quadmesh"):
            answer = client.get(f"missing/plot/cube/{kind}/magma/time/1_2?frame=none&f=png&width={WIDTH}&height={HEIGHT}")
            if answer.status_code != 200 or answer.headers["Content-Type"] != "image/png":
                return f"{kind}: status {answer.status_code}, {answer.headers['Content-Type']}"
            if not (np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA")) == want).all():
                return f"{kind}: another picture than the query form"
        page = client.get("missing/plot/cube/image/magma/time/1_2", headers={"Accept": "text/html"})
        return None if page.status_code == 200 and page.headers["Content-Type"].startswith("text/html") else f"browser gets {page.status_code} {page.headers['Content-Type']}"

    def repeatable() -> str | None:
        first = client.get(path)
        with ThreadPoolExecutor(8) as pool:
            others = list(pool.map(lambda _: requests.get(f"{client.base}/datasets/{path}", timeout=TIMEOUT), range(16)))
        same = all(o.content == first.content and o.headers.get("ETag") == first.headers.get("ETag") for o in others)
        return None if same else "the same request gave other bytes or another ETag"

    def validators() -> str | None:
        tag = client.get(path).headers.get("ETag", "")
        again = client.get(path, headers={"If-None-Match": tag})
        head = client.session.head(f"{client.base}/datasets/{path}", timeout=TIMEOUT)
        if not tag.startswith('"') or again.status_code != 304 or again.content:
            return f"ETag {tag!r}, If-None-Match gives {again.status_code}"
        return None if head.status_code == 200 and head.headers.get("ETag") == tag and head.headers["Content-Type"] == "image/png" else f"HEAD gives {head.status_code} {dict(head.headers)}"

    for name, test in (("webp is lossless", webp), ("path form", path_form), ("identical bytes", repeatable), ("ETag, 304, HEAD", validators)):
        report.claim("http", name, test)


def best(run: Callable[[], object], runs: int) -> float:
    """The shortest wall time in seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def check_speed(client: Client, report: Report, folder: Path, figures: bool) -> None:
    """3600 x 1800 values to 1600 x 900 pixels; each party reads the file, draws, and writes a PNG."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    salt = time.time() % 1000

    def fresh() -> None:
        nonlocal salt
        salt += 1  # Another range each time: no kept picture can answer.
        client.picture("large", "tas", width=1600, height=900, vmin=-2 - salt * 1e-6)

    def again() -> None:
        client.picture("large", "tas", width=1600, height=900)

    def peer(draw: str) -> None:
        with netCDF4.Dataset(folder / "large.nc") as ds:
            figure = pyplot.figure(figsize=(16, 9), dpi=100)
            axes = figure.add_axes([0, 0, 1, 1])
            axes.axis("off")
            if draw == "pcolormesh":
                axes.pcolormesh(ds["lon"][:], ds["lat"][:], ds["tas"][:])
            else:
                axes.imshow(ds["tas"][:], origin="lower", aspect="auto", interpolation="nearest")
            figure.savefig(io.BytesIO(), format="png")
            pyplot.close(figure)

    fresh()
    again()
    t_cold, t_warm = best(fresh, 3), best(again, 3)
    t_mesh, t_image = best(lambda: peer("pcolormesh"), 2), best(lambda: peer("imshow"), 2)
    print(f"{'3600 x 1800 to 1600 x 900 PNG':36}{'seconds':>9}{'server is … times as fast':>27}")
    for name, t in (("server, not seen before", t_cold), ("server, same request again", t_warm), ("matplotlib pcolormesh", t_mesh), ("matplotlib imshow", t_image)):
        print(f"{name:36}{t:9.3f}{t / t_cold:27.2f}")
    if figures:
        report.claim("speed", "20 x pcolormesh", lambda: None if t_mesh / t_cold >= 20 else f"{t_mesh / t_cold:.1f} x")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("folder", type=Path)
    names = ["rectilinear", "projections", "curvilinear", "unstructured", "missing", "norms", "colormaps", "other", "bad", "http"]
    parser.add_argument("--only", nargs="*", choices=names)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--figures", action="store_true", help="fail when the server is less than 20 times as fast as pcolormesh")
    args = parser.parse_args()
    client, report, folder = Client(args.server), Report(), args.folder
    sections = {"rectilinear": lambda: check_rectilinear(client, report, folder), "projections": lambda: check_projections(client, report, folder),
                "curvilinear": lambda: check_curvilinear(client, report, folder), "unstructured": lambda: check_unstructured(client, report, folder),
                "missing": lambda: check_missing(client, report, folder), "norms": lambda: check_norms(client, report, folder),
                "colormaps": lambda: check_colormaps(client, report), "other": lambda: check_other_kinds(client, report, folder),
                "bad": lambda: check_bad(client, report), "http": lambda: check_http(client, report)}
    for name in args.only if args.only is not None else names:
        sections[name]()
    if args.speed or args.figures:
        check_speed(client, report, folder, args.figures)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
