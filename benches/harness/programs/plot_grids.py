"""Grids of the plots that are measured: an ocean model's with two poles in the north, and ICON's triangles."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

N_COLUMNS, N_SOUTHERN_ROWS, N_NORTHERN_ROWS = 1442, 700, 321
"""A tripolar grid of 1442 × 1021 cells, a quarter of a degree."""

ICON_LEVEL = 8
"""How often the icosahedron is refined: 20 · 4^8 = 1,310,720 triangles."""


def tripolar(path: Path, n_steps: int) -> None:
    """Writes `sst` over (time, j, i): regular south of 40° N, confocal ellipses around two poles north of it."""
    column = (np.arange(N_COLUMNS) + 0.5) * 360 / N_COLUMNS - 180
    south = np.linspace(-78, 40, N_SOUTHERN_ROWS, endpoint=False)
    lon, lat = (a.copy() for a in np.meshgrid(column, south))
    edge = np.tan(np.deg2rad(50) / 2)
    share = (1 - (np.arange(N_NORTHERN_ROWS) + 0.5) / N_NORTHERN_ROWS)[:, None]
    x = edge * (0.6 + 0.4 * share) * np.cos(np.deg2rad(column))[None, :]
    y = edge * share * np.sin(np.deg2rad(column))[None, :]
    lon = np.concatenate([lon, np.rad2deg(np.arctan2(y, x))])
    lat = np.concatenate([lat, 90 - 2 * np.rad2deg(np.arctan(np.hypot(x, y)))])
    land = (np.abs(lat) < 30) & (lon > -80) & (lon < -40)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", n_steps), ("j", lat.shape[0]), ("i", lat.shape[1])):
            file.createDimension(name, size)
        _time(file, n_steps)
        for name, values, units in (("nav_lon", lon, "degrees_east"), ("nav_lat", lat, "degrees_north")):
            variable = file.createVariable(name, "f4", ("j", "i"), zlib=True)
            variable.units = units
            variable[:] = values
        sst = file.createVariable("sst", "f4", ("time", "j", "i"), zlib=True, fill_value=1e20, chunksizes=(1, *lat.shape))
        sst.units, sst.coordinates, sst.long_name = "degC", "nav_lon nav_lat", "Sea Surface Temperature"
        for step in range(n_steps):
            sst[step] = np.where(land, 1e20, temperatures_at(lon, lat, step))


def icon(path: Path, n_steps: int) -> None:
    """Writes `tas` over (time, ncells) with centres and vertices in radians."""
    nodes, faces = icosphere(ICON_LEVEL)
    centres = nodes[faces].mean(axis=1)
    lon, lat = _lon_lat(nodes)
    clon, clat = _lon_lat(centres)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", n_steps), ("ncells", len(faces)), ("vertices", 3)):
            file.createDimension(name, size)
        _time(file, n_steps)
        for name, middle, corners in (("clon", clon, lon), ("clat", clat, lat)):
            variable = file.createVariable(name, "f8", ("ncells",), zlib=True, complevel=1)
            variable.units, variable.standard_name = "radian", "longitude" if name == "clon" else "latitude"
            variable.bounds = f"{name}_vertices"
            variable[:] = middle
            file.createVariable(f"{name}_vertices", "f8", ("ncells", "vertices"), zlib=True, complevel=1)[:] = corners[faces]
        tas = file.createVariable("tas", "f4", ("time", "ncells"), zlib=True, chunksizes=(1, len(faces)))
        tas.units, tas.coordinates, tas.long_name = "K", "clat clon", "Near-Surface Air Temperature"
        for step in range(n_steps):
            tas[step] = temperatures_at(np.rad2deg(clon), np.rad2deg(clat), step)


def temperatures_at(lon: np.ndarray, lat: np.ndarray, step: int) -> np.ndarray:
    """A smooth field without symmetry; degrees in, K out."""
    a, p = np.deg2rad(lon) + step / 10, np.deg2rad(lat)
    return 255 + 35 * np.cos(p) + 8 * np.cos(p) * np.sin(2 * a + 0.4) + 4 * np.sin(p)


def icosphere(level: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n, 3) on the unit sphere and triangles (m, 3) of a refined icosahedron."""
    g = (1 + 5**0.5) / 2
    nodes = np.array([(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g), (0, -1, -g), (0, 1, -g),
                      (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)], "f8")
    nodes /= np.linalg.norm(nodes, axis=1, keepdims=True)
    faces = np.array([(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8),
                      (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)])
    for _ in range(level):
        sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        distinct, which = np.unique(sides, axis=0, return_inverse=True)
        middle = nodes[distinct].sum(axis=1)
        middle /= np.linalg.norm(middle, axis=1, keepdims=True)
        ab, bc, ca = which.reshape(3, -1) + len(nodes)
        nodes = np.concatenate([nodes, middle])
        a, b, c = faces.T
        faces = np.concatenate([np.stack(f, 1) for f in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    return nodes, faces


def _lon_lat(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unit = points / np.linalg.norm(points, axis=-1, keepdims=True)
    return np.arctan2(unit[..., 1], unit[..., 0]), np.arcsin(unit[..., 2])


def _time(file: netCDF4.Dataset, n_steps: int) -> None:
    time = file.createVariable("time", "f8", ("time",))
    time.units, time.standard_name = "days since 2000-01-01", "time"
    time[:] = np.arange(n_steps)
