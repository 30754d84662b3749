#!/usr/bin/env python3
"""Compare what catalogs tell of files (boxes, times, dimensions) with what xarray, cftime and pyproj say.

    check_extents.py [--bridge target/debug/summary-bridge] [--fixtures FIX] [--only NAME] [FOLDER ...]

The bridge is built by `cargo build -p thermocline-tests --bin summary-bridge`. FIX is what `make_fixtures.py` wrote, with
its `truth.json`; folders hold any files. Every file that xarray opens is judged:

- box: computed here from the coordinates that xarray decodes, by brute force over all cells; projections through pyproj;
- times: first and last of all coordinates of time and their bounds, through cftime;
- dimensions: kind, least and greatest value, step, length of every dimension of a data variable;
- variables: which are data, their dimensions and types.

Files that hold groups are judged in their root group. The last line is `N passed, N failed`; the exit code is 0 only if
none failed and something passed.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import xarray as xr

try:
    import pyproj
except ImportError:
    pyproj = None

warnings.simplefilter("ignore")
REPOSITORY = Path(__file__).resolve().parents[2]
FIRST, LAST = -62135596800_000_000, 253402300799_000_000
LAT_UNITS = {"degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN"}
LON_UNITS = {"degrees_east", "degree_east", "degree_E", "degrees_E", "degreeE", "degreesE"}
LAT_NAMES = {"lat", "latitude", "nav_lat", "clat", "xlat", "xlat_m", "latcell", "gphit"}
LON_NAMES = {"lon", "longitude", "nav_lon", "clon", "xlong", "xlong_m", "loncell", "glamt"}
HELPERS = ("coordinates", "bounds", "climatology", "grid_mapping", "mesh", "geometry", "node_coordinates", "edge_coordinates",
           "face_coordinates", "volume_coordinates", "node_count", "part_node_count", "interior_ring", "edge_node_connectivity",
           "face_node_connectivity", "face_edge_connectivity", "face_face_connectivity", "edge_face_connectivity",
           "volume_node_connectivity", "boundary_node_connectivity")


# Files with times beyond what numpy and cftime can tell.
BEYOND = {"trajectory.zarr"}

# Files that are damaged, parts of others or of another format: no summary is made of them.
DAMAGED = {
    "3790_infinite_loop", "avhrr", "bad_cdf5_begin", "bad_dimid", "bad_large_fixed_var", "bad_nattrs", "bad_nvars", "bad_offset",
    "broken", "cve_2020_10810", "cve_2020_10812", "family_file00000", "family_v16_00000", "h5clear_fsm_persist_less",
    "h5clear_fsm_persist_user_greater", "latest_h5clear_sec2_v3", "multi_file_v16-s", "oom_chunked_string_huge_elem",
    "synthetic_fires", "test_attributes", "test_byteshuffle_compressed_datasets_latest", "test_subfiling_precreate_rank_0",
    "test_subfiling_stripe_sizes", "test_v1.12_simple", "zero_width_elem_chunked_string",
}

# Variables that are not served: of names that Zarr reserves, of unknown filters, of compound and other types that arrays do not have, or damaged.
UNSERVED = {
    "MODIS_ARRAY_MATCH_UTM_GDAL361.nc": {"__xarray_dataarray_variable__"},
    "Tables_lzo1.h5": {"tuple0"},
    "bad_xtype.nc2": {"var"},
    "blosc.h5": {"blosclz_bit"},
    "comp_array2_udf_nfv_chunk_cmp_right.h5": {"comp_array"},
    "empty.h5": {"empty_dataset"},
    "filter_error.h5": {"dataset_with_filter"},
    "filter_fail.h5": {"dset_fail"},
    "flavored_vlarrays-format1.6.h5": {"vlarray1", "vlarray2"},
    "h5ex_t_objref.h5": {"DS1", "DS2"},
    "h5repack_layout.UD.h5": {"dset1", "dset2", "dset3", "dset4", "dset_chunk", "dset_compact", "dset_contiguous"},
    "h5repack_uint8be_ex.h5": {"dset"},
    "i64_4d_4x4x4x4_ramp_rate16.h5": {"v"},
    "issue318_example.hdf5": {"DOMAINS"},
    "ntypes.h5": {"compound_type", "compound_type_3"},
    "sperr_v0.1.h5": {"f64_sperr"},
    "sperr_v0.2_missing_val.h5": {"f64_sperr"},
    "sz3.h5": {
        "testdouble_8_8_128_absolute_sz", "testdouble_8_8_128_absolute_sz3", "testdouble_8_8_128_norm2_sz3",
        "testdouble_8_8_128_relative_sz", "testdouble_8_8_128_relative_sz3", "testfloat_8_8_128_absolute_sz",
        "testfloat_8_8_128_absolute_sz3", "testfloat_8_8_128_norm2_sz3", "testfloat_8_8_128_relative_sz",
        "testfloat_8_8_128_relative_sz3",
    },
    "test_odd_datasets_latest.hdf5": {"contiguous_no_storage"},
    "test_zfp_110050.h5": {"compressed"},
}

# Of files of which a summary is made, at most this part may be closed to xarray.
MAX_CLOSED = 0.1


class Score:
    """Counts of what was judged, and what failed."""

    def __init__(self) -> None:
        self.passed, self.failed = 0, 0

    def judge(self, title: str, found: Any, wanted: Any, right: bool) -> None:
        if right:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {title}: found {found}, wanted {wanted}")


def text(var: xr.DataArray, name: str) -> str:
    value = var.attrs.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def surety(var: xr.DataArray, which: str) -> int | None:
    """How a variable is known to be latitude or longitude: 0 by standard name, 1 units, 2 axis, 3 name."""
    units, names, letter = (LAT_UNITS, LAT_NAMES, "Y") if which == "latitude" else (LON_UNITS, LON_NAMES, "X")
    if text(var, "standard_name"):
        return 0 if text(var, "standard_name") == which else None
    unit = text(var, "units")
    if unit in units:
        return 1
    is_angle = unit in {"degrees", "degree", "deg", "radian", "radians", "rad"}
    if unit and not is_angle:
        return None
    if unit and text(var, "axis").upper() == letter:
        return 2
    name = str(var.name).lower()
    return 3 if name in names or (unit and name == ("yc" if which == "latitude" else "xc")) else None


def numbers(var: xr.DataArray) -> np.ndarray | None:
    return np.asarray(var.values, "f8") if var.dtype.kind in "fiu" else None


def degrees(var: xr.DataArray, like: xr.DataArray | None = None) -> np.ndarray:
    owner = var if like is None else like
    unit = text(var, "units") or text(owner, "units")
    if not unit and owner.name in ("latCell", "lonCell"):
        unit = "radian"  # as MPAS has them
    values = numbers(var)
    return np.degrees(values) if unit in {"radian", "radians", "rad"} else values


class File:
    """A file as xarray decodes its numbers, with its times as numbers."""

    def __init__(self, ds: xr.Dataset) -> None:
        self.ds = ds
        self.vars = {str(n): ds[n] for n in ds.variables}
        named = {w.rstrip(":") for v in self.vars.values() for a in HELPERS for w in text(v, a).split()}
        terms = {w for v in self.vars.values() for w in text(v, "formula_terms").split() if not w.endswith(":")}
        named |= {w for w in terms if w in self.vars and self.vars[w].ndim <= 1}
        self.helpers = named
        self.data = [n for n, v in self.vars.items() if self.is_data(n, v)]

    def is_data(self, name: str, var: xr.DataArray) -> bool:
        if var.dims == (name,) or name in self.helpers:
            return False
        if any(k in var.attrs for k in ("cf_role", "grid_mapping_name", "crs_wkt", "geometry_type")):
            return False
        standard = text(var, "standard_name")
        if standard == "time" or standard in ("projection_x_coordinate", "projection_y_coordinate", "grid_latitude", "grid_longitude",
                                              "projection_x_angular_coordinate", "projection_y_angular_coordinate"):
            return False
        return surety(var, "latitude") is None and surety(var, "longitude") is None

    def positions(self, name: str) -> tuple[xr.DataArray, xr.DataArray] | None:
        """Latitudes and longitudes of a data variable, or of the nodes of its mesh."""
        var = self.vars[name]
        mesh = self.vars.get(text(var, "mesh"))
        if mesh is not None:
            own = {"node": "node_coordinates", "edge": "edge_coordinates"}.get(text(var, "location"), "face_coordinates")
            for attribute in ("node_coordinates", own):
                pair = self.pair([self.vars[w] for w in text(mesh, attribute).split() if w in self.vars])
                if pair:
                    return pair
        named = [self.vars[w] for w in text(var, "coordinates").split() if w in self.vars]
        along = [self.vars[d] for d in var.dims if d in self.vars]
        rest = [v for v in self.vars.values() if surety(v, "latitude") is not None or surety(v, "longitude") is not None]
        fit = lambda found: [v for v in found if set(v.dims) <= set(var.dims)]
        found = self.pair(fit([*named, *along, *(v for v in rest if v.dims)]))
        # A single position that nothing names may be that of a satellite.
        is_alone = not self.mapping_names(var) - {"latitude_longitude"} and plane_axes(self, var) is None and not healpix_side(self, name)
        return found or (self.pair(fit([*named, *along, *rest])) if is_alone else None)

    def mapping_names(self, var: xr.DataArray) -> set[str]:
        """Names of the grid mappings of a variable, "?" for one that has none."""
        words = text(var, "grid_mapping").split()
        words = [w.rstrip(":") for w in words if w.endswith(":")] if any(w.endswith(":") for w in words) else words
        return {text(self.vars[w], "grid_mapping_name") or "?" for w in words if w in self.vars}

    @staticmethod
    def pair(candidates: list[xr.DataArray]) -> tuple[xr.DataArray, xr.DataArray] | None:
        def known(which: str) -> list[xr.DataArray]:
            found = [(surety(v, which), i, v) for i, v in enumerate(candidates) if surety(v, which) is not None]
            return [v for _, _, v in sorted(found, key=lambda f: f[:2])]

        pairs = [(a, o) for a in known("latitude") for o in known("longitude")]
        fit = [p for p in pairs if p[0].dims == p[1].dims or max(p[0].ndim, p[1].ndim) <= 1]
        return (fit or pairs or [None])[0]

    def bounds(self, var: xr.DataArray) -> xr.DataArray | None:
        found = self.vars.get(text(var, "bounds") or text(var, "climatology"))
        is_fit = found is not None and found.ndim == var.ndim + 1 and found.shape[:-1] == var.shape and found.shape[-1] >= 2
        return found if is_fit else None


# --- boxes ---


def gap_rule(lon: np.ndarray, cell: float) -> tuple[float, float] | None:
    """West and east of points, unrolled to east >= west; None when they go around."""
    points = np.unique(np.round((lon + 180) % 360 - 180, 9))
    if points.size == 1:
        return float(points[0]), float(points[0])
    gaps = np.append(np.diff(points), points[0] + 360 - points[-1])
    # Of gaps of one size, that across the antimeridian: the box does not cross it then.
    k = gaps.size - 1 if gaps[-1] >= gaps.max() - 1e-7 else int(gaps.argmax())
    if points.size >= 9 and (gaps[k] <= 2 * np.median(gaps) or gaps[k] <= cell):
        return None
    west = float(points[(k + 1) % points.size])
    return west, west + 360 - float(gaps[k])


def covered(starts: np.ndarray, widths: np.ndarray) -> tuple[float, float] | None:
    """West and east of arcs by marking the circle in steps of all their ends; None when nothing is left out."""
    ends = np.unique(np.concatenate([(starts + 180) % 360 - 180, (starts + widths + 180) % 360 - 180]))
    edges = np.append(ends, ends[0] + 360)
    middles, free = (edges[:-1] + edges[1:]) / 2, np.ones(ends.size, bool)
    for s, w in zip(starts, widths):
        free &= (middles - s) % 360 > w
    if not free.any():
        return None
    best, at = 0.0, 0
    for k in np.flatnonzero(free):  # neighbouring pieces that are free belong together
        n = 0
        while n < free.size and free[(k + n) % free.size]:
            n += 1
        size = float(edges[k + n] - edges[k]) if k + n < edges.size else float(edges[(k + n) % free.size] + 360 - edges[k])
        if size > best + 1e-12:
            best, at = size, k
            east, west = float(edges[k]), float(edges[k]) + size
    typical = float(np.sort(widths)[widths.size // 2]) if widths.size > 1 else 0.0
    return None if best <= max(1e-9, typical / 2) else (west - 360, east)


def ring_of(values: np.ndarray, inset: int) -> np.ndarray:
    v = values[inset : values.shape[0] - inset, inset : values.shape[1] - inset]
    return np.concatenate([v[0, :], v[1:, -1], v[-1, -2::-1], v[-2:0:-1, 0]])


def winds(lat: np.ndarray, lon: np.ndarray) -> bool:
    """True if the outermost ring of cells of which none is missing goes once around the earth, from neighbour to neighbour."""
    while lat.ndim > 2 and lat.shape[0] == 1:
        lat, lon = lat[0], lon[0]
    if lat.ndim != 2:
        return False
    for inset in range(min(lat.shape) // 2):
        y, x = np.radians(ring_of(lat, inset)), np.radians(ring_of(lon, inset))
        if not (np.isfinite(x) & np.isfinite(y)).all():
            continue
        points = np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])
        cosines = (points * np.roll(points, -1, axis=1)).sum(0).clip(-1, 1)
        turns = (np.degrees(np.diff(np.append(x, x[0]))) + 180) % 360 - 180
        return bool(np.degrees(np.arccos(cosines)).max() <= 45 + 1e-6 and abs(turns.sum()) > 180)
    return False


def half_beyond(values: np.ndarray) -> tuple[float, float]:
    if values.size < 2:
        return float(values.min()), float(values.max())
    return float(values[0] - (values[1] - values[0]) / 2), float(values[-1] + (values[-1] - values[-2]) / 2)


def lat_axis(lat: np.ndarray, bounds: np.ndarray | None) -> tuple[float, float] | None:
    source = bounds.ravel() if bounds is not None else lat.ravel()
    source = np.unique(source[np.abs(source) <= 90.001])
    if not source.size:
        return None
    low, high = (source[0], source[-1]) if bounds is not None else half_beyond(source)
    return max(float(low), -90.0), min(float(high), 90.0)


def lon_axis(lon: np.ndarray, bounds: np.ndarray | None) -> tuple[float, float] | None | str:
    """West and east, None around the globe, "" without any longitude."""
    lon = lon.ravel()
    keep = np.abs(lon) <= 1080
    lon, bounds = lon[keep], bounds[keep] if bounds is not None else None
    if not lon.size:
        return ""
    line = lon.copy()
    steps = np.diff(line)
    is_line = bool(np.all(steps > 0) or np.all(steps < 0))
    if not is_line or np.any(np.abs(steps) > 180):
        other = np.concatenate([[lon[0]], lon[0] + np.cumsum((steps + 180) % 360 - 180)])
        if np.all(np.diff(other) > 0) or np.all(np.diff(other) < 0):
            line, steps = other, np.diff(other)
        elif not is_line:
            return "irregular"
    cell = float(np.abs(steps).min()) if steps.size else 0.0
    if bounds is not None:
        spread = []
        for at, centre, b in zip(line, lon, bounds):
            inside = b.min() <= centre + 1e-6 and b.max() >= centre - 1e-6
            spread.extend(at + (b - centre if inside else (b - centre + 180) % 360 - 180))
        west, east = min(spread), max(spread)
    else:
        west, east = sorted(half_beyond(line))
    return None if east - west >= 360 - cell / 2 else (west, east)


def cells_box(f: File, a: xr.DataArray, o: xr.DataArray, on_mesh: bool) -> list[float] | None:
    lat, lon = degrees(a), degrees(o)
    bad = ~((np.abs(lat) <= 90.001) & (np.abs(lon) <= 1080))
    lat, lon = np.where(bad, np.nan, lat), np.where(bad, np.nan, lon)
    if bad.all():
        return None
    la, lo = f.bounds(a), f.bounds(o)
    corners = None
    if la is not None and lo is not None and la.shape[-1] == lo.shape[-1]:
        corners = degrees(la, a)[~bad], degrees(lo, o)[~bad]
    south, north = float(np.nanmin(lat)), float(np.nanmax(lat))
    if corners is not None:
        inside = np.where(np.abs(corners[0]) <= 90.001, corners[0], np.nan)
        south, north = float(np.nanmin(inside)), float(np.nanmax(inside))
    has_cells = not f.ds.attrs.get("featureType")
    if has_cells and not on_mesh and winds(lat, lon):
        return [-180.0, south, 180.0, 90.0] if abs(np.nanmax(lat)) >= abs(np.nanmin(lat)) else [-180.0, -90.0, 180.0, north]
    if corners is not None:
        first = corners[1][:, :1]
        offsets = (corners[1] - first + 180) % 360 - 180
        found = covered(first[:, 0] + np.nanmin(offsets, 1), np.nanmax(offsets, 1) - np.nanmin(offsets, 1))
    else:
        cell = 0.0
        while lon.ndim > 2 and lon.shape[0] == 1:
            lon, bad = lon[0], bad[0]
        if lon.ndim == 2 and has_cells:
            turn = lambda d: np.nanmedian(np.abs((d + 180) % 360 - 180)) if np.isfinite(d).any() else 0.0
            cell = 1.5 * max(turn(np.diff(lon.ravel())), turn(lon.ravel()[lon.shape[1]:] - lon.ravel()[:-lon.shape[1]]))
        elif lon.ndim == 1 and lon.size >= (32 if on_mesh else 1000) and (on_mesh or has_cells):
            cell = math.sqrt(360 * math.degrees(math.sin(math.radians(north)) - math.sin(math.radians(south))) / lon.size) * 1.5
        found = gap_rule(lon[~bad], cell)
    return [-180.0, south, 180.0, north] if found is None else [found[0], south, found[1], north]


def plane_axes(f: File, var: xr.DataArray) -> dict[str, xr.DataArray] | None:
    """The coordinates of a plane that lie along a variable, known by standard name or axis or, of a grid mapping, by name."""
    axes: dict[str, xr.DataArray] = {}
    for d in var.dims:
        v = f.vars.get(str(d))
        if v is None:
            continue
        standard, letter, unit = text(v, "standard_name"), text(v, "axis").upper(), text(v, "units")
        for axis, standards in (("x", ("projection_x_coordinate", "projection_x_angular_coordinate", "grid_longitude")),
                                ("y", ("projection_y_coordinate", "projection_y_angular_coordinate", "grid_latitude"))):
            is_length = unit in ("", "m", "km", "meter", "meters", "metre", "metres")
            if standard in standards or (not standard and ((letter == axis.upper() and is_length) or str(d).lower() == f"r{'lon' if axis == 'x' else 'lat'}")):
                axes.setdefault(axis, v)
    return axes if len(axes) == 2 else None


def plane_box(f: File, name: str) -> list[float] | None:
    """Box of a projected grid: every edge of its cells, all of them, through pyproj."""
    var = f.vars[name]
    words = text(var, "grid_mapping").split()
    for k, word in enumerate(words or []):
        mapping = f.vars.get(word.rstrip(":"))
        if mapping is None or (":" in " ".join(words) and not word.endswith(":")) or pyproj is None:
            continue
        attrs = {a: v for a, v in mapping.attrs.items() if a not in ("crs_wkt", "spatial_ref", "proj4")}
        if attrs.get("grid_mapping_name") not in PROJECTIONS:
            continue
        axes: dict[str, xr.DataArray] = {}
        for d in var.dims:
            v = f.vars.get(str(d))
            if v is None:
                continue
            standard, letter = text(v, "standard_name"), text(v, "axis").upper()
            for axis, standards in (("x", ("projection_x_coordinate", "projection_x_angular_coordinate", "grid_longitude")),
                                    ("y", ("projection_y_coordinate", "projection_y_angular_coordinate", "grid_latitude"))):
                if standard in standards or (not standard and letter == axis.upper()) or (not standard and str(d).lower() == axis):
                    axes.setdefault(axis, v)
        if len(axes) < 2:
            continue
        return through_pyproj(f, attrs, axes["x"], axes["y"])
    return None


PROJECTIONS = {"polar_stereographic", "stereographic", "lambert_conformal_conic", "lambert_azimuthal_equal_area", "mercator", "transverse_mercator",
               "albers_conical_equal_area", "rotated_latitude_longitude", "geostationary", "latitude_longitude", "sinusoidal"}


def through_pyproj(f: File, attrs: dict[str, Any], x: xr.DataArray, y: xr.DataArray) -> list[float] | None:
    if attrs["grid_mapping_name"] == "stereographic" and abs(float(attrs.get("latitude_of_projection_origin", 0))) != 90:
        return None  # Only those around a pole are known.
    crs = pyproj.CRS.from_cf(attrs)
    geodetic = crs.geodetic_crs if crs.geodetic_crs is not None else pyproj.CRS(4326)
    is_rotated = attrs["grid_mapping_name"] == "rotated_latitude_longitude"
    scale = {"km": 1000.0, "m": 1.0, "meters": 1.0, "metres": 1.0, "meter": 1.0, "": 1.0}.get(text(x, "units"), 1.0)
    if attrs["grid_mapping_name"] == "geostationary" and not text(x, "units"):
        return None  # metres or angles: nobody says
    if attrs["grid_mapping_name"] == "geostationary" and text(x, "units") in ("radian", "radians", "rad", "1"):
        scale = float(attrs["perspective_point_height"])

    def edges(v: xr.DataArray) -> np.ndarray:
        values, b = np.sort(numbers(v)), f.bounds(v)
        low, high = (numbers(b).min(), numbers(b).max()) if b is not None else half_beyond(values)
        return np.concatenate([[low], (values[1:] + values[:-1]) / 2, [high]]) * scale

    ex, ey = edges(x), edges(y)
    if attrs["grid_mapping_name"] == "latitude_longitude":
        return [ex[0], max(ey[0], -90), ex[-1] if ex[-1] - ex[0] < 360 else ex[0] + 360, min(ey[-1], 90)]
    gx, gy = np.meshgrid(ex, ey)
    earth = crs.source_crs if is_rotated else geodetic
    lon, lat = pyproj.Transformer.from_crs(crs, earth, always_xy=True).transform(gx, gy)
    off = ~(np.isfinite(lon) & np.isfinite(lat))
    lon, lat = np.where(off, np.nan, lon), np.where(off, np.nan, lat)
    if off.all():
        return None
    south, north = float(np.nanmin(lat)), float(np.nanmax(lat))
    polar = attrs["grid_mapping_name"] in ("polar_stereographic", "stereographic", "lambert_azimuthal_equal_area")
    origin = float(np.ravel(attrs.get("latitude_of_projection_origin", 0))[0])
    fx, fy = float(attrs.get("false_easting", 0)), float(attrs.get("false_northing", 0))
    if (polar and abs(origin) == 90 and ex[0] <= fx <= ex[-1] and ey[0] <= fy <= ey[-1]) or (not off.any() and winds(lat, lon)):
        return [-180.0, south, 180.0, 90.0] if abs(north) >= abs(south) else [-180.0, -90.0, 180.0, north]
    ring = np.concatenate([lon[0, :], lon[1:, -1], lon[-1, -2::-1], lon[-2:0:-1, 0]])
    if np.isfinite(ring).all():
        line = np.concatenate([[ring[0]], ring[0] + np.cumsum((np.diff(ring) + 180) % 360 - 180)])
        west, east = float(line.min()), float(line.max())
        return [west, south, east, north] if east - west < 360 - 1e-9 else [-180.0, south, 180.0, north]
    found = gap_rule(lon[~off], 0.0)
    return [-180.0, south, 180.0, north] if found is None else [found[0], south, found[1], north]


def healpix_side(f: File, name: str) -> int | None:
    var = f.vars[name]
    for holder in (f.vars.get(text(var, "grid_mapping")), var):
        if holder is not None and (holder.attrs.get("grid_mapping_name") == "healpix" or "healpix_nside" in holder.attrs):
            return int(holder.attrs.get("healpix_nside", 2 ** int(holder.attrs.get("refinement_level", 0))))
    return None


def healpix_box(f: File, name: str) -> list[float] | None:
    nside = healpix_side(f, name)
    is_whole = nside is not None and 12 * nside * nside in f.vars[name].shape
    return [-180.0, -90.0, 180.0, 90.0] if is_whole else None


def one_box(f: File, name: str) -> list[float] | None:
    pair = f.positions(name)
    if pair and all(numbers(v) is not None for v in pair):
        a, o = pair
        if a.ndim == 2 and a.dims == o.dims[::-1] != o.dims:
            o = o.transpose()
        if a.dims == o.dims and a.ndim:
            found = cells_box(f, a, o, text(f.vars[name], "mesh") in f.vars or a.name == "latCell")
        elif max(a.ndim, o.ndim) > 1:
            found = None
        else:
            la, lo = f.bounds(a), f.bounds(o)
            lat = lat_axis(degrees(a), None if la is None else degrees(la, a))
            lon = lon_axis(degrees(o), None if lo is None else degrees(lo, o))
            found = None
            if lat and lon != "" and lon != "irregular":
                found = [-180.0, lat[0], 180.0, lat[1]] if lon is None else [lon[0], lat[0], lon[1], lat[1]]
        if found:
            return found
    return healpix_box(f, name) or plane_box(f, name)


def normal(box: list[float]) -> list[float]:
    west, south, east, north = box
    if east - west >= 360 - 1e-9:
        return [-180.0, south, 180.0, north]
    west, east = (west + 180) % 360 - 180, (east + 180) % 360 - 180
    if east == -180 and box[2] > box[0]:
        east = 180.0
    return [west, south, east, north]


def box_of(f: File) -> list[float] | None:
    boxes = [normal(b) for b in (one_box(f, n) for n in f.data) if b]
    unique = [list(b) for b in {tuple(np.round(b, 9)) for b in boxes}]
    if not unique:
        return None
    if len(unique) == 1:
        return unique[0]
    south, north = min(b[1] for b in unique), max(b[3] for b in unique)
    if all(b[0] <= b[2] for b in unique):
        return [min(b[0] for b in unique), south, max(b[2] for b in unique), north]
    found = covered(np.array([b[0] for b in unique]), np.array([(b[2] - b[0]) % 360 if b[:3:2] != [-180.0, 180.0] else 360.0 for b in unique]))
    return normal([found[0], south, found[1] if found[1] >= found[0] else found[1] + 360, north]) if found else [-180.0, south, 180.0, north]


# --- times ---


def decoded(value: float, units: str, calendar: str) -> Any:
    """What xarray makes of a time: a date of numpy in Gregorian calendars, else of cftime."""
    return xr.coding.times.decode_cf_datetime(np.array([value]), units, calendar, use_cftime=None)[0]


def told(value: float, units: str, calendar: str) -> int:
    """A time of CF as microseconds of the proleptic Gregorian calendar."""
    t = decoded(value, units, calendar)
    if isinstance(t, np.datetime64):
        return int(np.clip(t.astype("datetime64[us]").astype("i8"), FIRST, LAST))
    if t.year > 9999:
        return LAST
    if t.year < 1:
        return FIRST
    if calendar in ("standard", "gregorian", "julian"):
        t = t.change_calendar("proleptic_gregorian")
        day = t.day
    else:
        day = min(t.day, cftime.datetime(t.year, t.month, 1, calendar="proleptic_gregorian").daysinmonth)
    base = datetime(t.year, t.month, day, t.hour, t.minute, t.second, t.microsecond, tzinfo=timezone.utc)
    delta = base - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def time_units(var: xr.DataArray) -> tuple[str, str] | None:
    units = text(var, "units")
    # Readers do not agree about a zone without a sign: such times are not decoded.
    if not re.match(r"\S+\s+since\s", units) or var.dtype.kind not in "fiu" or re.search(r" 0:00$", units):
        return None
    calendar = str(var.attrs.get("calendar", "standard")).lower()
    try:
        cftime.num2date(0, units, calendar=calendar)
    except (ValueError, OverflowError):
        return None
    return units, calendar


def time_range(f: File, var: xr.DataArray) -> tuple[int, int] | None:
    found = time_units(var)
    bounds = f.bounds(var)
    for source in (bounds, var):
        if source is None or not found:
            continue
        values = np.asarray(source.values).ravel()
        values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if values.size:
            return told(values.min(), *found), told(values.max(), *found)
    return None


def span_of(f: File) -> tuple[int, int] | None:
    """First and last of all times; None where no coordinate tells."""
    valid, other = [], []
    for name in f.data:
        var = f.vars[name]
        near = [str(d) for d in var.dims if d in f.vars and f.vars[str(d)].dims == (d,)] + text(var, "coordinates").split()
        near += [n for n, v in f.vars.items() if text(v, "standard_name") == "time"]
        for n in dict.fromkeys(near):
            time = f.vars.get(n)
            if time is None or n == name or not set(time.dims) <= set(var.dims):
                continue
            found = time_range(f, time)
            if found:
                (valid if text(time, "standard_name") in ("", "time") else other).append(found)
    all_of = valid or other
    return (min(a for a, _ in all_of), max(b for _, b in all_of)) if all_of else None


# --- dimensions ---


def regular(values: np.ndarray) -> float | None:
    steps = np.diff(values)
    if values.size < 2 or not np.isfinite(steps).all():
        return None
    mean = (values[-1] - values[0]) / (values.size - 1)
    return float(mean) if mean and np.ptp(steps) < 1e-5 * abs(mean) else None


def iso_step(f: File, var: xr.DataArray) -> str | None | bool:
    """ISO 8601 step of times by their dates; True where the middle of months makes it a matter of taste."""
    units, calendar = time_units(var)
    values = np.asarray(var.values).ravel()
    if values.size < 2 or (values.dtype.kind == "f" and not np.isfinite(values).all()):
        return None
    dates = cftime.num2date(values, units, calendar=calendar, only_use_cftime_datetimes=True)
    months = {int(m) for m in np.diff([d.year * 12 + d.month for d in dates])}
    same = len({(d.day, d.hour, d.minute, d.second, d.microsecond) for d in dates}) == 1
    if same and len(months) == 1 and months != {0} and min(months) > 0:
        n = months.pop()
        return f"P{n // 12}Y" if n % 12 == 0 else f"P{n}M"
    seconds = np.diff([(d - dates[0]).total_seconds() for d in dates])
    mean = float(seconds.mean())
    if mean <= 0 or seconds.min() <= 0 or np.ptp(seconds) > 1e-5 * mean:
        return True if len(months) == 1 and months != {0} else None
    if len(months) == 1 and months != {0} and mean > 27 * 86400:
        return True
    s = round(mean) if abs(mean - round(mean)) <= 1e-5 * mean and round(mean) else round(mean, 6)
    for size, before, after in ((86400, "P", "D"), (3600, "PT", "H"), (60, "PT", "M")):
        if s % size == 0:
            return f"{before}{int(s // size)}{after}"
    return f"PT{s:.6f}".rstrip("0").rstrip(".") + "S"


def judge_dimensions(score: Score, title: str, f: File, told_dims: list[dict[str, Any]]) -> None:
    have = {d["name"]: d for d in told_dims}
    want = list(dict.fromkeys(str(d) for n in f.data for d in f.vars[n].dims))
    if any(name.startswith("phony_dim") for name in want):
        return
    letters = {str(f.vars[n].dims[-1]) for n in f.data if f.vars[n].dtype == "S1" and f.vars[n].ndim}
    want = [d for d in want if d not in letters or d in have]
    score.judge(f"{title} dimensions", sorted(have), sorted(want), sorted(have) == sorted(want))
    for name in set(have) & set(want):
        d, var = have[name], f.vars.get(name)
        if var is not None and var.dims == (name,) and surety(var, "latitude") in (0, 1):
            right = (d["kind"], d["axis"]) == ("horizontal", "y")
            score.judge(f"{title} {name} kind", (d["kind"], d["axis"]), "latitude", right)
        if var is not None and var.dims == (name,) and surety(var, "longitude") in (0, 1):
            right = (d["kind"], d["axis"]) == ("horizontal", "x")
            score.judge(f"{title} {name} kind", (d["kind"], d["axis"]), "longitude", right)
        score.judge(f"{title} {name} length", d["len"], f.ds.sizes[name], d["len"] == f.ds.sizes[name])
        if d["kind"] == "index":
            right = d["extent"] == ([0, d["len"] - 1] if d["len"] else None)
            score.judge(f"{title} {name} index", d["extent"], d["len"], right)
        elif d["kind"] == "temporal":
            wanted = time_range(f, var)
            right = wanted is not None and max(abs(a - b) for a, b in zip(d["times_us"], wanted)) <= 1
            score.judge(f"{title} {name} times", d["times_us"], wanted, right)
            step = iso_step(f, var)
            score.judge(f"{title} {name} step", d["step_text"], step, step is True or d["step_text"] == step)
        elif d["extent"] is not None:
            values = numbers(var)
            finite = values[np.isfinite(values)]
            wanted = [float(finite.min()), float(finite.max())]
            score.judge(f"{title} {name} extent", d["extent"], wanted, np.allclose(d["extent"], wanted, rtol=1e-12, atol=0))
            step = regular(values)
            right = (step is None) == (d["step"] is None) and (step is None or math.isclose(step, d["step"], rel_tol=1e-9))
            score.judge(f"{title} {name} step", d["step"], step, right)
            axis = {"y": "latitude", "x": "longitude"}.get(d["axis"] or "")
            if d["kind"] == "horizontal" and d["about"] == "4326":
                is_mapped = any("latitude_longitude" in f.mapping_names(f.vars[n]) for n in f.data if name in f.vars[n].dims)
                score.judge(f"{title} {name} axis", d["axis"], "latitude or longitude", surety(var, axis) is not None or is_mapped)
            score.judge(f"{title} {name} unit", d["unit"], text(var, "units"), (d["unit"] or "") == text(var, "units"))
        if d["kind"] != "temporal" and var is not None and var.dims == (name,):
            score.judge(f"{title} {name} is no time", d["kind"], "temporal", time_units(var) is None or not np.isfinite(np.asarray(var.values, "f8")).any())


# --- files ---


def opened(path: str) -> xr.Dataset | None:
    """The root group with numbers unpacked and missing ones NaN, times left as numbers; None if xarray cannot open it."""
    options: dict[str, Any] = {"decode_times": False, "decode_timedelta": False, "decode_coords": False}
    engines = ["zarr"] if Path(path).is_dir() else ["netcdf4", "h5netcdf"]
    for engine in engines:
        extra = {"phony_dims": "sort"} if engine == "h5netcdf" else {}
        try:
            return xr.open_dataset(path, engine=engine, **options, **extra)
        except Exception:  # noqa: BLE001  any file may be damaged in any way
            continue
    return None


def judge(score: Score, line: dict[str, Any], truth: dict[str, Any] | None) -> bool:
    """Judges one file; False if xarray does not open it."""
    title = Path(line["file"]).name
    if truth is not None:
        judge_truth(score, title, line, truth)
    ds = opened(line["file"])
    if ds is None:
        return False
    with ds:
        try:
            f = File(ds)
            told_of = {v["name"] for v in line["variables"]}
            lost = [n for n in f.data if n not in told_of and n not in UNSERVED.get(title, set())]
            f.data = [n for n in f.data if n in told_of]
            wanted, span = box_of(f), span_of(f)
        except Exception as error:  # noqa: BLE001
            if title not in BEYOND:
                score.judge(f"{title} computed here", f"{type(error).__name__}: {error}", "no error", False)
            return False
        score.judge(f"{title} tells of all data", lost, [], not lost)
        # Only the root group is opened here.
        has_groups = any("/" in v["name"] for v in line["variables"])
        is_same = (line["bbox"] is None) == (wanted is None)
        if is_same and wanted is not None:
            # Rounded outwards to a millionth of a degree; pyproj has no more digits than that.
            gaps = [abs(a - b) % 360 for a, b in zip(line["bbox"], wanted)]
            is_same = max(min(g, 360 - g) for g in gaps) <= 2.1e-6
        if not has_groups:
            score.judge(f"{title} bbox", line["bbox"], wanted, is_same)
        if span is not None and not has_groups:
            right = max(abs(line["start_us"] - span[0]), abs(line["end_us"] - span[1])) <= 1
            score.judge(f"{title} times", (line["start_us"], line["end_us"]), span, right)
        if span is None and not has_groups:
            times = [d["name"] for d in line["dimensions"] if d["kind"] == "temporal"]
            score.judge(f"{title} has no times", times, [], not times)
        plain = [v for v in line["variables"] if "/" not in v["name"] and v["name"] in f.vars]
        data = [v["name"] for v in plain if v["role"] == "Data" and f.vars[v["name"]].ndim]
        wanted_data = [n for n in f.data if f.vars[n].ndim and n in {v["name"] for v in line["variables"]}]
        score.judge(f"{title} data variables", sorted(data), sorted(wanted_data), sorted(data) == sorted(wanted_data))
        for v in plain:
            var = f.vars[v["name"]]
            if any(str(d).startswith("phony_dim") for d in var.dims):
                continue  # HDF5 has no names for them
            dims = list(map(str, var.dims))
            score.judge(f"{title} {v['name']} dimensions", v["dimensions"], dims, v["dimensions"] == dims or var.dtype.kind in "SUO")
        inner = [d for d in line["dimensions"] if "/" not in d["name"]]
        if {v["name"] for v in line["variables"] if v["role"] == "Data"} == set(f.data):
            judge_dimensions(score, title, f, inner)
    return True


def judge_truth(score: Score, title: str, line: dict[str, Any], t: dict[str, Any]) -> None:
    """What the file was made with, without reading it."""
    right = line["bbox"] is None if t["bbox"] is None else line["bbox"] is not None and np.allclose(line["bbox"], t["bbox"], rtol=0, atol=2e-6)
    if right and t["bbox"] and t["bbox"][0] <= t["bbox"][2]:
        right = line["bbox"][0] <= t["bbox"][0] + 1e-9 and line["bbox"][1] <= t["bbox"][1] + 1e-9
        right = right and line["bbox"][2] >= t["bbox"][2] - 1e-9 and line["bbox"][3] >= t["bbox"][3] - 1e-9
    score.judge(f"{title} bbox as made", line["bbox"], t["bbox"], right)

    def us(stamp: str) -> int:
        delta = datetime.fromisoformat(stamp) - datetime(1970, 1, 1, tzinfo=timezone.utc)
        return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds

    found, wanted = (line["start_us"], line["end_us"]), (us(t["start"]), us(t["end"]))
    score.judge(f"{title} times as made", found, wanted, found == wanted)
    score.judge(f"{title} is an instant", line["is_instant"], wanted[0] == wanted[1], line["is_instant"] == (wanted[0] == wanted[1]))
    dims = {d["name"]: d for d in line["dimensions"]}
    times = [d for d in dims.values() if d["kind"] == "temporal"]
    if t.get("no_time"):
        score.judge(f"{title} has no time", times, [], not times)
    else:
        score.judge(f"{title} calendar", [d["about"] for d in times], t["calendar"], [d["about"] for d in times] == [t["calendar"]])
        steps = t["step"] if isinstance(t.get("step"), list) else [t.get("step")]
        score.judge(f"{title} step as made", [d["step_text"] for d in times], steps, "step" not in t or times[0]["step_text"] in steps)
    for name, (axis, low, high, step) in t.get("dims", {}).items():
        d = dims.get(name, {})
        score.judge(f"{title} {name} as made", d, (axis, low, high, step), (d.get("axis"), d.get("extent"), d.get("step")) == (axis, [low, high], step))
    for name, size in t.get("index_dims", {}).items():
        d = dims.get(name, {})
        score.judge(f"{title} {name} index as made", d, size, (d.get("kind"), d.get("extent")) == ("index", [0, size - 1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bridge", default=str(REPOSITORY / "target/debug/summary-bridge"))
    parser.add_argument("--fixtures", type=Path)
    parser.add_argument("--only", default="", help="only files whose name contains this")
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    if pyproj is None:
        print("pyproj is not installed: boxes of projected grids are not judged and count as failed")
    score, times, n_files, n_judged = Score(), [], 0, 0
    for folder in [*([options.fixtures] if options.fixtures else []), *options.folders]:
        truth = json.loads((folder / "truth.json").read_text()) if folder == options.fixtures else {}
        with tempfile.TemporaryDirectory() as state:
            done = subprocess.run([options.bridge, state, str(folder)], stdout=subprocess.PIPE, text=True, timeout=900, check=True)
        seen = set()
        for line in map(json.loads, done.stdout.splitlines()):
            if options.only not in Path(line["file"]).name:
                continue
            if "error" in line:
                if line["file"] not in DAMAGED:
                    score.judge(f"{line['file']} has a summary", line["error"], "no error", False)
                continue
            n_files += 1
            times.append(line["us"])
            seen.add(Path(line["file"]).stem)
            n_judged += judge(score, line, truth.get(Path(line["file"]).stem))
        if truth and not options.only:
            score.judge("fixtures", sorted(seen & set(truth)), sorted(truth), set(truth) <= seen)
    if times:
        times.sort()
        if not options.only:
            score.judge("files that xarray opens", n_judged, n_files, n_judged >= (1 - MAX_CLOSED) * n_files)
        print(f"{n_files} files, {n_judged} judged by xarray; a summary took {times[len(times) // 2]} us at the median, {times[-1]} us at most")
    print(f"{score.passed} passed, {score.failed} failed")
    return 0 if score.passed and not score.failed else 1


if __name__ == "__main__":
    sys.exit(main())
