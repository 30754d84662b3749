"""A slow stand-in that obeys the rules of README.md, to show that the checks can pass and, with --defect, that they can fail.

    python reference_server.py DIR [--port 0] [--defect NAME]

It serves every *.nc of DIR under /datasets/{file name without extension}. The group kernels are plain numpy loops in
float64 and share no code with the checks (which use xarray and flox). Prints `listening on http://127.0.0.1:PORT`.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import io
import itertools
import json
import math
import re
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import cftime
import numpy as np
import xarray as xr
import zarr

warnings.filterwarnings("ignore")
ACTIONS = "count mean min max sum prod std var median first last any all quantile".split()
COMPONENTS = ("year month day hour minute second microsecond dayofyear day_of_year dayofweek day_of_week weekday quarter "
              "season days_in_month daysinmonth is_leap_year week weekofyear month_day decade date").split()
ONLY_FOR = {"min_count": {"sum", "prod"}, "ddof": {"std", "var"}, "q": {"quantile"}, "weights": {"mean", "sum", "std", "var"}}
OPTIONS = "sel skipna min_count ddof q bins closed freq seasons drop_incomplete over weights anomaly f".split()
TYPES = {"json": "application/json", "html": "text/html", "nc": "application/netcdf", "csv": "text/csv"}
DEFECTS = {
    "f4acc": "means are accumulated in float32", "season-order": "seasons come as DJF MAM JJA SON",
    "sum-nan": "the sum of no values is NaN", "dayofyear": "dayofyear is month_day", "weekday": "weeks start on Sunday",
    "mutate": "a result is added to the dataset", "all404": "every error is 404", "attrs": "attributes are dropped",
    "units": "var keeps the unit", "last-nan": "last ignores skipna", "nan-any": "NaN is false", "wrap": "integer sums wrap",
    "ddof1": "std divides by n-1", "clock": "the history has a clock in it", "nan-token": "JSON holds NaN", "dim-last":
    "the group dimension comes last", "eager": "opening the Zarr group reads the data", "full-chunk": "a Zarr chunk reads all tiles",
    "int-float": "integers come as floats", "crash": "a hostile grouper gives 500", "eval": "anything after the dot is accepted",
    "f4decode": "packed values are decoded in float32", "bins-left": "bins are closed left", "nc-f8": "NetCDF holds f8 only",
    "zarr-transposed": "Zarr chunks are in Fortran order", "empty-zero": "an empty bin is 0", "all-labels": "labels without members are listed",
    "nan-label": "a NaN label is a group of its own", "etag": "the ETag differs between answers", "head": "HEAD has no ETag",
    "noon": "resampled labels keep the hour", "drop-first": "an incomplete first season is dropped",
}
DEFECT: str | None = None


class Problem(Exception):
    """An error answer."""

    def __init__(self, status: int, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.status, self.body = (404 if DEFECT == "all404" else status), {"detail": detail, "status": status, **extra}


@dataclass
class Request:
    """A parsed URL: what is asked, before the data are looked at."""

    id: str
    var: str
    grouper: str
    action: str
    options: dict[str, str] = field(default_factory=dict)
    sel: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    @property
    def canonical(self) -> str:
        """The path with its options as sorted segments."""
        options = {k: v for k, v in {**self.options, **self.sel}.items() if k != "f"}
        parts = [self.id, "groupby", self.var, self.grouper, self.action, *(f"{k}={options[k]}" for k in sorted(options))]
        return "/datasets/" + "/".join(quote(p, safe="=,.:-") for p in parts)


class Served:
    """One file: the dataset decoded by xarray with cftime dates, and a count of the bytes read."""

    def __init__(self, path: Path) -> None:
        self.path, self.id, self.read_bytes, self.extra = path, path.stem, 0, []
        coder = xr.coders.CFDatetimeCoder(use_cftime=True)
        try:
            self.ds = xr.open_dataset(path, decode_times=coder)
            self.decoded = True
        except ValueError:
            self.ds = xr.open_dataset(path, decode_times=False)
            self.decoded = False

    def touch(self, var: str, slices: dict[str, slice]) -> None:
        """Counts the stored chunks of `var` that overlap `slices`."""
        source = self.ds[var]
        chunks = source.encoding.get("chunksizes") or source.shape
        share = 1.0
        for dim, size, chunk in zip(source.dims, source.shape, chunks, strict=True):
            s = slices.get(dim, slice(0, size))
            share *= (math.ceil(s.stop / chunk) - s.start // chunk) / math.ceil(size / chunk)
        self.read_bytes += int(self.path.stat().st_size * share)


def component(dates: np.ndarray, name: str, calendar: str) -> np.ndarray:
    """Labels of cftime `dates` for one time component."""
    def each(function, dtype=np.int64):
        return np.array([function(d) for d in dates], dtype=dtype)

    def month_day(d) -> int:
        if calendar == "360_day":
            return (d.month - 1) * 30 + d.day
        return cftime.datetime(2000, d.month, d.day, calendar="all_leap").dayofyr

    def leap(d) -> bool:
        return bool(cftime.is_leap_year(d.year, d.calendar)) if calendar != "360_day" else False

    if name in ("week", "weekofyear"):
        if calendar not in ("standard", "gregorian", "proleptic_gregorian"):
            raise Problem(400, f"component 'week' needs civil weeks, not calendar '{calendar}'", allowed=COMPONENTS)
        return each(lambda d: datetime.date(d.year, d.month, d.day).isocalendar()[1])
    if name == "season":
        return each(lambda d: ["DJF", "MAM", "JJA", "SON"][d.month % 12 // 3], object)
    if name == "date":
        return each(lambda d: d.replace(hour=0, minute=0, second=0, microsecond=0), object)
    if name == "dayofyear" and DEFECT == "dayofyear":
        return each(month_day)
    shift = 1 if DEFECT == "weekday" else 0
    table = {
        "dayofyear": lambda d: d.dayofyr, "day_of_year": lambda d: d.dayofyr, "weekday": lambda d: (d.dayofwk + shift) % 7,
        "dayofweek": lambda d: d.dayofwk, "day_of_week": lambda d: d.dayofwk, "quarter": lambda d: (d.month + 2) // 3,
        "days_in_month": lambda d: d.daysinmonth, "daysinmonth": lambda d: d.daysinmonth, "month_day": month_day,
        "decade": lambda d: d.year // 10 * 10,
    }
    if name == "is_leap_year":
        return each(leap, bool)
    return each(table.get(name, lambda d: getattr(d, name)))


@dataclass
class Group:
    """One grouper: the dimensions of its labels, a code per member (-1: none) and the labels of the cells."""

    name: str
    dims: tuple[str, ...]
    codes: np.ndarray
    labels: np.ndarray
    bounds: np.ndarray | None = None
    time: bool = False


def unique_group(name: str, dims: tuple[str, ...], values: np.ndarray) -> Group:
    """Groups of equal values, ascending."""
    flat = values.ravel().tolist()
    keep = [v for v in flat if not (isinstance(v, float) and math.isnan(v))]
    labels = sorted(set(keep))
    if DEFECT == "nan-label" and len(keep) < len(flat):
        labels.append(float("nan"))
    if DEFECT == "season-order" and name == "season":
        labels = [s for s in ("DJF", "MAM", "JJA", "SON") if s in labels]
    if DEFECT == "all-labels" and name == "month":
        labels = list(range(1, 13))
    place = {v: i for i, v in enumerate(labels)}
    codes = np.array([place.get(v, len(labels) - 1 if DEFECT == "nan-label" else -1) for v in flat]).reshape(values.shape)
    return Group(name, dims, codes, np.array(labels, dtype=values.dtype if values.dtype != object else object),
                 time=bool(labels) and isinstance(labels[0], cftime.datetime))


def add_months(date, n: int):
    """The first of the month `n` months on."""
    month = date.year * 12 + date.month - 1 + n
    return date.replace(year=month // 12, month=month % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)


def resample_group(name: str, dims: tuple[str, ...], dates: np.ndarray, freq: str, drop: bool) -> Group:
    """Consecutive periods of one length, labelled and closed on the left."""
    match = re.fullmatch(r"(\d*)(YS|QS-DEC|QS|MS|D|h|min|s)", freq)
    if not match:
        raise Problem(400, f"option 'freq': found '{freq}'", allowed=["{n}YS", "QS", "QS-DEC", "MS", "D", "h", "min", "s"])
    n, unit = int(match[1] or 1), match[2]
    first, last = min(dates), max(dates)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in ("D", "h", "min", "s"):
        step = n * {"D": 86400, "h": 3600, "min": 60, "s": 1}[unit]
        start = midnight
        skip = int((first - start).total_seconds() // step) if unit != "D" else 0
        edges = [start + datetime.timedelta(seconds=step * (skip + i)) for i in range(int((last - start).total_seconds() // step) + 2 - skip)]
    else:
        length = n * {"YS": 12, "QS": 3, "QS-DEC": 3, "MS": 1}[unit]
        back = {"YS": first.month - 1, "QS": (first.month - 1) % 3, "QS-DEC": first.month % 3, "MS": 0}[unit]
        start = add_months(midnight, -back)
        edges = [start]
        while edges[-1] <= last:
            edges.append(add_months(edges[-1], length))
    codes = np.searchsorted(edges, dates, side="right") - 1
    labels = edges[:-1]
    if drop or DEFECT == "drop-first":
        day = datetime.timedelta(days=1)
        keep = [i for i in range(len(labels)) if edges[i] + day > first and edges[i + 1] - day <= last]
        codes = np.array([keep.index(c) if c in keep else -1 for c in codes])
        labels = [labels[i] for i in keep]
    if DEFECT == "noon":
        labels = [d + datetime.timedelta(hours=12) for d in labels]
    return Group(name, dims, codes, np.array(labels, dtype=object), time=True)


def bins_group(name: str, coord: xr.DataArray, text: str, closed: str) -> Group:
    """Intervals between edges, closed on one side."""
    try:
        if text.startswith("n:"):
            low, high, n = float(coord.min()), float(coord.max()), int(text[2:])
            edges = np.linspace(low, high, n + 1)
            edges[0] -= 0.001 * (high - low)
        else:
            edges = np.array([float(t) for t in text.split(",")])
    except ValueError as error:
        raise Problem(400, f"option 'bins': found '{text}', allowed 'edge,edge,…' or 'n:count'") from error
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise Problem(400, f"option 'bins': found '{text}', edges must increase")
    side = "left" if (closed == "right") != (DEFECT == "bins-left") else "right"
    codes = np.searchsorted(edges, coord.values, side=side) - 1
    codes[(codes < 0) | (codes >= len(edges) - 1) | np.isnan(coord.values)] = -1
    bounds = np.stack([edges[:-1], edges[1:]], axis=1)
    return Group(name + "_bins", coord.dims, codes, bounds.mean(axis=1), bounds)


def season_group(dims: tuple[str, ...], dates: np.ndarray, text: str) -> Group:
    """Seasons of the caller's, in the caller's order."""
    names = text.split(",")
    ring = "JFMAMJJASOND" * 2
    months: dict[int, int] = {}
    for i, name in enumerate(names):
        at = ring.find(name)
        if at < 0 or not name or len(name) > 12:
            raise Problem(400, f"option 'seasons': found '{name}', allowed runs of JFMAMJJASOND")
        months |= {(at + k) % 12 + 1: i for k in range(len(name))}
    codes = np.array([months.get(d.month, -1) for d in dates])
    return Group("season", dims, codes, np.array(names, dtype=object))


def one_group(served: Served, da: xr.DataArray, text: str, options: dict[str, str]) -> Group:
    """Reads one grouper against the coordinates of `da`."""
    name, _, part = text.partition(".")
    ds = served.ds
    if name not in ds.coords and name not in ds.dims or not re.fullmatch(r"\w+", name):
        raise Problem(404, f"Groupby coordinate '{text}' not found in dataset")
    coord = da.coords.get(name, ds.coords.get(name))
    if coord is None or coord.ndim == 0 or not set(coord.dims) <= set(da.dims):
        raise Problem(400, f"coordinate '{name}' shares no dimension with variable '{da.name}'")
    is_time = coord.dtype == object and isinstance(coord.values.flat[0], cftime.datetime)
    if part or "." in text:
        if part not in COMPONENTS:
            if DEFECT == "crash":
                raise RuntimeError(part)
            if DEFECT != "eval":
                raise Problem(400, f"component '{part}' not recognized", allowed=COMPONENTS)
            part = "month"
        if not is_time:
            raise Problem(422, f"coordinate '{name}' is not a decodable time")
        if part == "season" and "seasons" in options:
            return season_group(coord.dims, coord.values, options["seasons"])
        return unique_group(part, coord.dims, component(coord.values, part, coord.values.flat[0].calendar))
    if "freq" in options:
        return resample_group(name, coord.dims, coord.values, options["freq"], options.get("drop_incomplete") == "1")
    if "bins" in options:
        return bins_group(name, coord, options["bins"], options.get("closed", "right"))
    return unique_group(name, coord.dims, coord.values)


def reduce_cell(x: np.ndarray, w: np.ndarray | None, action: str, options: dict[str, str]) -> np.ndarray:
    """The action over axis 0 of the members of one cell; `x` is float64, Python ints (object) or bool."""
    skip = options.get("skipna", "1") == "1"
    is_float = x.dtype.kind == "f"
    valid = ~np.isnan(x) if is_float else np.ones(x.shape, bool)
    n = valid.sum(axis=0)
    full = valid.all(axis=0)
    if action == "count":
        return n
    if action in ("any", "all"):
        truth = valid & (x != 0) if DEFECT == "nan-any" else (x != 0)
        return truth.any(axis=0) if action == "any" else truth.all(axis=0)
    if action in ("first", "last"):
        order = valid if skip and not (action == "last" and DEFECT == "last-nan") else np.ones(x.shape, bool)
        at = order.argmax(axis=0) if action == "first" else len(x) - 1 - order[::-1].argmax(axis=0)
        return np.take_along_axis(x, at[None], axis=0)[0]
    if not is_float and action in ("min", "max"):
        return getattr(x, action)(axis=0)
    if action in ("sum", "prod") and x.dtype == object:
        return (x.sum(axis=0) if action == "sum" else np.multiply.reduce(x, axis=0)).astype(object)
    x = x.astype("f8")
    with np.errstate(all="ignore"):
        if action == "quantile":
            q = [float(t) for t in options["q"].split(",")]
            out = np.moveaxis((np.nanquantile if skip else np.quantile)(x, q, axis=0), 0, -1)
            return out if len(q) > 1 else out[..., 0]
        if action == "median":
            return (np.nanmedian if skip else np.median)(x, axis=0)
        if action in ("min", "max"):
            empty = np.inf if action == "min" else -np.inf
            out = getattr(np.where(valid, x, empty), action)(axis=0)
            return np.where((n == 0) | (~full & (not skip)), np.nan, out)
        weight = np.broadcast_to(1.0 if w is None else w, x.shape) * valid
        clean = np.where(valid, x, 0)
        if action == "prod":
            out = np.where(valid, x, 1).prod(axis=0)
        elif action == "sum":
            out = (weight * clean).sum(axis=0)
        else:
            total = weight.sum(axis=0)
            if DEFECT == "f4acc":
                mean = np.add.accumulate(clean.astype("f4"), axis=0, dtype="f4")[-1] / total
            else:
                mean = (weight * clean).sum(axis=0) / total
            out = np.where(total == 0, np.nan, mean)
            if action in ("std", "var"):
                ddof = int(options.get("ddof", "1" if DEFECT == "ddof1" else "0"))
                rest = total - ddof
                out = np.where(rest <= 0, np.nan, (weight * (clean - mean) ** 2 * valid).sum(axis=0) / rest)
                out = np.sqrt(out) if action == "std" else out
        if action in ("sum", "prod"):
            least = 1 if DEFECT == "sum-nan" and action == "sum" else int(options.get("min_count", 0))
            out = np.where(n < least, np.nan, out)
        return np.where(full | skip, out, np.nan)


def result_type(source: np.dtype, action: str) -> np.dtype:
    """The type of the result, table of section 4."""
    kind = source.kind
    if action == "count":
        return np.dtype("f8" if DEFECT == "int-float" else "i8")
    if action in ("any", "all"):
        return np.dtype(bool)
    if action == "quantile":
        return np.dtype("f8")
    if action in ("min", "max", "first", "last"):
        return source
    if action in ("sum", "prod") and kind in "iub":
        return np.dtype("u8" if kind == "u" else "i8")
    return source if kind == "f" else np.dtype("f8")


def parse_selection(coord: xr.DataArray, text: str) -> np.ndarray | int:
    """`low:high` (both ends included, dates to the end of the day) or `nearest::value` along one coordinate."""
    values = coord.values
    is_time = values.dtype == object

    def number(t: str) -> float:
        if not is_time:
            return float(t)
        year, month, day = (int(p) for p in t.split("-"))
        date = cftime.datetime(year, month, day, calendar=values[0].calendar)
        return (date - values[0]).total_seconds()

    axis = np.array([(v - values[0]).total_seconds() for v in values]) if is_time else values
    try:
        if text.startswith("nearest::"):
            return int(np.abs(axis - number(text[9:])).argmin())
        low, _, high = text.partition(":")
        keep = np.ones(axis.shape, bool)
        if low:
            keep &= axis >= number(low)
        if high:
            keep &= axis <= number(high) + (86399.999999 if is_time else 0)
    except ValueError as error:
        raise Problem(400, f"selection of '{coord.name}': found '{text}'") from error
    return np.flatnonzero(keep)


def weights_of(served: Served, da: xr.DataArray, name: str) -> xr.DataArray | None:
    """The weights as an array that broadcasts against `da`."""
    if name == "none":
        return None
    if name == "coslat":
        return np.cos(np.deg2rad(da["lat"].astype("f8")))
    if name == "days_in_month":
        return xr.DataArray([float(d.daysinmonth) for d in da["time"].values], dims="time")
    if name in served.ds.variables:
        return served.ds[name].astype("f8")
    raise Problem(400, f"option 'weights': found '{name}'", allowed=["none", "coslat", "cellarea", "days_in_month"])


def check_options(request: Request) -> None:
    """Refuses options that are unknown, malformed or not taken by the action."""
    action, options = request.action, request.options
    for name, value in options.items():
        if name not in OPTIONS:
            raise Problem(400, f"option '{name}' not recognized", allowed=OPTIONS)
        if name in ONLY_FOR and action not in ONLY_FOR[name]:
            raise Problem(400, f"action '{action}' takes no option '{name}'", allowed=sorted(ONLY_FOR[name]))
        if name in ("skipna", "anomaly", "drop_incomplete") and value not in ("0", "1"):
            raise Problem(400, f"option '{name}': found '{value}'", allowed=["0", "1"])
        if name in ("min_count", "ddof") and not value.isdigit():
            raise Problem(400, f"option '{name}': found '{value}', allowed a count")
        if name == "closed" and value not in ("left", "right"):
            raise Problem(400, f"option 'closed': found '{value}'", allowed=["left", "right"])
    if action == "quantile":
        try:
            good = all(0 <= float(t) <= 1 for t in options["q"].split(","))
        except (KeyError, ValueError):
            good = False
        if not good:
            raise Problem(400, f"option 'q': found '{options.get('q')}', allowed numbers from 0 to 1")


def prepare(served: Served, request: Request) -> tuple[xr.DataArray, list[Group]]:
    """Validates the request against the dataset; reads no values."""
    ds = served.ds
    if request.var not in ds.data_vars:
        raise Problem(404, f"Variable '{request.var}' not found in dataset")
    da = ds[request.var]
    names = request.grouper.split(",")
    for name in names:
        if name.partition(".")[0] not in set(ds.coords) | set(ds.dims):
            raise Problem(404, f"Groupby coordinate '{request.grouper}' not found in dataset")
    if request.action not in ACTIONS:
        raise Problem(400, f"Groupby action '{request.action}' not recognized", allowed=ACTIONS)
    check_options(request)
    for dim, text in request.sel.items():
        if dim not in da.coords:
            raise Problem(400, f"option '{dim}' not recognized", allowed=OPTIONS)
        da = da.isel({dim: parse_selection(da[dim], text)})
    if 0 in da.shape:
        raise Problem(400, "the selection is empty")
    if not served.decoded and "." in request.grouper:
        raise Problem(422, "the units of 'time' cannot be decoded")
    groups = [one_group(served, da, name, request.options) for name in names]
    if len({g.name for g in groups}) < len(groups):
        raise Problem(400, "a grouper is given twice")
    for dim in over_dims(request):
        if dim not in da.dims:
            raise Problem(400, f"option 'over': found '{dim}'", allowed=list(da.dims))
    return da, groups


def over_dims(request: Request) -> list[str]:
    """The dimensions of option `over`."""
    return [d for d in request.options.get("over", "").split(",") if d]


def corrected_attrs(attrs: dict, action: str) -> dict:
    """Section 3.8: the unit and standard name where the action changes them."""
    attrs = {k: v for k, v in attrs.items() if k not in ("_FillValue", "scale_factor", "add_offset")}
    if DEFECT == "attrs":
        return {}
    if action in ("count", "any", "all"):
        attrs.pop("standard_name", None)
        attrs["units"] = "1"
    if action == "var" and "units" in attrs and DEFECT != "units":
        unit = str(attrs["units"])
        attrs["units"] = unit if unit == "1" else f"{unit}2" if re.fullmatch("[A-Za-z]+", unit) else f"({unit})2"
    if action == "prod":
        attrs.pop("units", None)
    return attrs


def compute(served: Served, request: Request, slices: dict[str, slice] | None = None, dry: bool = False) -> xr.Dataset:
    """The result as a dataset; with `slices` only that part, with `dry` zeros instead of values."""
    da, groups = prepare(served, request)
    da = da.isel(slices or {})
    source, action, options = da.dtype, request.action, request.options
    if dry:
        x = np.zeros(da.shape, source)
    else:
        served.touch(request.var, {} if DEFECT == "full-chunk" else (slices or {}))
        x = da.values
    if DEFECT == "f4decode" and source == "f8":
        x = x.astype("f4").astype("f8")
    kind = source.kind
    exact = kind in "iu" and action in ("sum", "prod") and "weights" not in options
    x = x.astype(object) if exact else x.astype("f8") if kind == "f" else x
    flat_dims = tuple(dict.fromkeys([d for g in groups for d in g.dims] + over_dims(request)))
    rest = [d for d in da.dims if d not in flat_dims]
    sizes = dict(zip(da.dims, da.shape, strict=True))
    x = np.transpose(x, [da.dims.index(d) for d in (*flat_dims, *rest)]).reshape(-1, *(sizes[d] for d in rest))
    weights = weights_of(served, da, options.get("weights", "none"))
    if weights is not None:
        wide = weights.broadcast_like(xr.DataArray(np.zeros(da.shape), dims=da.dims)).transpose(*flat_dims, *rest).values
        weights = wide.reshape(x.shape)
    shape = tuple(sizes[d] for d in flat_dims)
    codes = np.zeros(shape, int)
    missing = np.zeros(shape, bool)
    for g in groups:
        part = g.codes
        order = [g.dims.index(d) for d in flat_dims if d in g.dims]
        part = np.transpose(part, order).reshape([sizes[d] if d in g.dims else 1 for d in flat_dims])
        codes = codes * len(g.labels) + np.maximum(part, 0)
        missing = missing | (part < 0)
    codes = np.where(missing, -1, codes).ravel()
    n_cells = math.prod(len(g.labels) for g in groups)
    members = [np.flatnonzero(codes == c) for c in range(n_cells)]
    dtype = result_type(source, action)
    if any(len(m) == 0 for m in members):
        dtype = dtype if dtype == "f4" else np.dtype("f8")
    n_q = len(options["q"].split(",")) if action == "quantile" else 1
    out = np.full((n_cells, *x.shape[1:], *([n_q] if n_q > 1 else [])), 0.0 if DEFECT == "empty-zero" else np.nan,
                  object if exact else "f8" if dtype.kind == "f" else dtype)
    for c, m in enumerate(members):
        if len(m) and not dry:
            out[c] = reduce_cell(x[m], None if weights is None else weights[m], action, options)
        elif len(m):
            out[c] = 0
        if exact and len(m) and DEFECT != "wrap" and dtype.kind in "iu":
            limit = np.iinfo(dtype)
            if out[c].min() < limit.min or out[c].max() > limit.max:
                raise Problem(422, f"{action} of group {[str(g.labels[0]) for g in groups]}: cell {c} is outside 64 bits")
    if exact and DEFECT == "wrap" and dtype.kind in "iu":
        out = np.vectorize(lambda v: (int(v) + 2**63) % 2**64 - 2**63, otypes=["i8"])(out)
    if options.get("anomaly") == "1":
        field_ = np.where((codes >= 0).reshape(-1, *[1] * len(rest)), out[np.maximum(codes, 0)].astype("f8"), np.nan)
        back = (x.astype("f8") - field_).reshape(*shape, *(sizes[d] for d in rest))
        values = np.transpose(back, [(*flat_dims, *rest).index(d) for d in da.dims]).astype(source if kind == "f" else "f8")
        return finish(served, request, da, values, list(da.dims), {})
    with np.errstate(all="ignore"):
        out = out.astype(dtype).reshape(*(len(g.labels) for g in groups), *out.shape[1:])
    names = [g.name for g in groups]
    first = min(da.dims.index(d) for g in groups for d in g.dims)
    before = [d for d in rest if da.dims.index(d) < first]
    dims = before + names + [d for d in rest if d not in before]
    if DEFECT == "dim-last":
        dims = rest + names
    now = names + rest + (["quantile"] if n_q > 1 else [])
    dims = dims + (["quantile"] if n_q > 1 else [])
    out = np.transpose(out, [now.index(d) for d in dims])
    coords: dict[str, xr.Variable] = {}
    for g in groups:
        variable = xr.Variable((g.name,), g.labels)
        if g.bounds is not None:
            variable.attrs = {"bounds": g.name + "_bnds", "closed": options.get("closed", "right")}
        coords[g.name] = variable
    if action == "quantile":
        q = [float(t) for t in options["q"].split(",")]
        coords["quantile"] = xr.Variable(("quantile",), q) if n_q > 1 else xr.Variable((), q[0])
    result = finish(served, request, da, out, dims, coords)
    for g in groups:
        if g.bounds is not None:
            result[g.name + "_bnds"] = ((g.name, "bnds"), g.bounds)
        if g.time:
            result[g.name].encoding = {"units": "hours since 1900-01-01", "calendar": g.labels[0].calendar, "dtype": "f8"}
    return result


def finish(served: Served, request: Request, da: xr.DataArray, values: np.ndarray, dims: list[str],
           coords: dict[str, xr.Variable]) -> xr.Dataset:
    """Puts coordinates and attributes around the values."""
    kept = {n: c.variable for n, c in da.coords.items() if set(c.dims) <= set(dims) - set(coords) and n not in coords}
    result = xr.Dataset({request.var: xr.Variable(dims, values, corrected_attrs(da.attrs, request.action))},
                        coords={**kept, **coords})
    for variable in result.variables.values():
        if "calendar" not in variable.encoding:
            variable.encoding = {}
        else:
            variable.encoding = {k: v for k, v in variable.encoding.items() if k in ("units", "calendar", "dtype")}
    attrs = served.ds.attrs
    keep = ("title", "institution", "source", "license", "Conventions", "references")
    result.attrs = {k: attrs[k] for k in keep if k in attrs}
    clock = f" {time.time()}" if DEFECT == "clock" else ""
    old = attrs.get("history")
    result.attrs["history"] = (f"{old}\n" if old else "") + f"thermocline groupby {request.canonical}{clock}"
    return result


def json_value(value: object) -> object:
    """Strict JSON for one number, text or time."""
    if isinstance(value, list):
        return [json_value(v) for v in value]
    if isinstance(value, cftime.datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return value if DEFECT == "nan-token" else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def to_json(result: xr.Dataset) -> bytes:
    """The shape of `Dataset.to_dict(data="list")` with types, strict."""
    def describe(variable: xr.Variable) -> dict:
        attrs = {k: (v.item() if isinstance(v, np.generic) else v) for k, v in variable.attrs.items()}
        dtype = str(variable.dtype)
        data = variable.values.tolist()
        if variable.dtype == object:
            is_time = isinstance(variable.values.flat[0], cftime.datetime)
            dtype = "datetime" if is_time else "str"
            if is_time:
                attrs["calendar"] = variable.values.flat[0].calendar
        return {"dims": list(variable.dims), "attrs": attrs, "dtype": dtype, "data": json_value(data)}

    body = {"coords": {n: describe(c.variable) for n, c in result.coords.items()}, "attrs": dict(result.attrs),
            "dims": {str(k): v for k, v in result.sizes.items()},
            "data_vars": {n: describe(v.variable) for n, v in result.data_vars.items()}}
    return json.dumps(body).encode()


def to_csv(result: xr.Dataset, var: str) -> bytes:
    """One row per cell: the dimensions, then the value."""
    da = result[var]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*da.dims, var])
    labels = [[v.isoformat() if isinstance(v, cftime.datetime) else v for v in da[d].values.tolist()] for d in da.dims]
    for key, value in zip(itertools.product(*labels), da.values.ravel().tolist(), strict=True):
        writer.writerow([*key, "" if isinstance(value, float) and math.isnan(value) else value])
    return text.getvalue().encode()


def to_nc(result: xr.Dataset) -> bytes:
    """NetCDF-4 with the types of the result."""
    if DEFECT == "nc-f8":
        result = result.map(lambda v: v.astype("f8") if v.dtype.kind in "fiub" else v, keep_attrs=True)
    encoding = {n: {"_FillValue": None} for n in result.variables if result[n].dtype.kind == "f"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.nc"
        result.to_netcdf(path, engine="netcdf4", format="NETCDF4", encoding=encoding)
        return path.read_bytes()


def zarr_keys(served: Served, request: Request, chunks: dict[str, int]) -> dict[str, bytes]:
    """Metadata and coordinates of the result as v2 and v3 keys; the chunks of the variable are left out."""
    template = compute(served, request, dry=DEFECT != "eager")
    keys: dict[str, bytes] = {}
    for version in (2, 3):
        store = zarr.storage.MemoryStore()
        plain = {"compressors": None}
        shape = tuple(chunks.get(d, template.sizes[d]) for d in template[request.var].dims)
        encoding = {n: dict(plain) for n in template.variables if template[n].ndim}
        encoding[request.var] = {**plain, "chunks": shape} if shape else {}
        template.to_zarr(store, mode="w", zarr_format=version, consolidated=True, encoding=encoding)
        keys |= {k: v.to_bytes() for k, v in store._store_dict.items()}
    return {k: v for k, v in keys.items() if not re.fullmatch(rf"{request.var}/(c(/\d+)*|\d+(\.\d+)*)", k)}


def zarr_chunk(served: Served, request: Request, chunks: dict[str, int], key: str) -> bytes | None:
    """One chunk of the result: only the part of the source that it covers is read."""
    index = [int(t) for t in re.findall(r"\d+", key[len(request.var) + 1:])]
    template = compute(served, request, dry=True)[request.var]
    slices = {}
    for dim, i in zip(template.dims, index, strict=False):
        size = template.sizes[dim]
        if i * chunks.get(dim, size) >= size:
            return None
        if dim in chunks:
            slices[dim] = slice(i * chunks[dim], min((i + 1) * chunks[dim], size))
    part = compute(served, request, slices)[request.var]
    full = np.zeros([chunks.get(d, template.sizes[d]) for d in part.dims], part.dtype)
    full[tuple(slice(0, n) for n in part.shape)] = part.values
    return full.tobytes(order="F" if DEFECT == "zarr-transposed" else "C")


class Handler(BaseHTTPRequestHandler):
    """Routes; one instance per connection."""

    protocol_version = "HTTP/1.1"
    served: dict[str, Served] = {}
    store: dict[str, dict[str, bytes]] = {}
    lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """Answers with a body."""
        try:
            status, headers, body = self.answer()
        except Problem as problem:
            status, headers = problem.status if "status" in problem.body else 500, {"Content-Type": "application/problem+json"}
            body = json.dumps(problem.body).encode()
        except Exception as error:  # a stand-in: whatever is left is a 500
            status, headers, body = 500, {"Content-Type": "application/problem+json"}, json.dumps({"detail": repr(error)}).encode()
        if status == 200:
            salt = str(time.time()) if DEFECT == "etag" else ""
            headers["ETag"] = f'"{hashlib.sha256(body + salt.encode()).hexdigest()[:24]}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                status, body = 304, b""
        self.send_response(status)
        if self.command == "HEAD" and DEFECT == "head":
            headers.pop("ETag", None)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Nothing is posted."""
        self.send_response(405)
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The route table."""
        url = urlsplit(self.path)
        parts = [unquote(p) for p in url.path.strip("/").split("/")]
        if parts == ["metrics"]:
            total = sum(s.read_bytes for s in self.served.values())
            return 200, {"Content-Type": "text/plain"}, f"thermocline_read_bytes_total {total}\n".encode()
        if parts == ["datasets"]:
            return 200, {"Content-Type": "application/json"}, json.dumps(sorted(self.served)).encode()
        if parts[0] != "datasets" or len(parts) < 3 or parts[1] not in self.served:
            raise Problem(404, "not found")
        served = self.served[parts[1]]
        if parts[2:] == ["dict"]:
            body = {"variables": list(served.ds.variables) + served.extra, "dims": dict(served.ds.sizes)}
            return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
        if parts[2] == "groupby" and len(parts) >= 6:
            with self.lock:
                return self.groupby(served, parts, parse_qsl(url.query, keep_blank_values=True))
        raise Problem(404, "not found")

    def groupby(self, served: Served, parts: list[str], query: list[tuple[str, str]]) -> tuple[int, dict[str, str], bytes]:
        """One groupby answer."""
        request = Request(served.id, *parts[3:6])
        tail = parts[6:]
        if "zarr" in tail:
            at = tail.index("zarr")
            tail, request.key = tail[:at], "/".join(tail[at + 1:])
        pairs = [tuple(t.partition("=")[::2]) for t in tail] + query
        dims = {str(d) for d in served.ds.dims}
        for name, value in pairs:
            name, value = value.partition("=")[::2] if name == "sel" else (name, value)
            target = request.sel if name in dims else request.options
            if name in target:
                raise Problem(400, f"option '{name}' is given twice")
            target[name] = value
        if request.options.get("f") == "estimate":
            return self.estimate(served, request)
        if request.key is not None:
            return self.zarr(served, request)
        form = self.form(request)
        result = compute(served, request)
        if DEFECT == "mutate":
            served.extra.append(f"pp_{request.var}_{request.grouper}_{request.action}")
        body = {"json": to_json, "nc": to_nc, "csv": lambda r: to_csv(r, request.var),
                "html": lambda r: f"<html><pre>{r}\n{r[request.var].attrs}</pre></html>".encode()}[form](result)
        link = f'<{request.canonical}>; rel="canonical", <{request.canonical}/zarr>; rel="alternate"; type="application/vnd.zarr"'
        headers = {"Content-Type": TYPES[form], "Link": link, "Vary": "Accept"}
        if form == "nc":
            name = f"{request.var}_{request.grouper}_{request.action}.nc"
            headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return 200, headers, body

    def form(self, request: Request) -> str:
        """The form of the answer from `f` or Accept."""
        if "f" in request.options:
            if request.options["f"] not in TYPES:
                raise Problem(400, f"option 'f': found '{request.options['f']}'", allowed=list(TYPES))
            return request.options["f"]
        accept = self.headers.get("Accept", "*/*")
        for kind in [a.split(";")[0].strip() for a in accept.split(",")]:
            for form, mime in TYPES.items():
                if kind in (mime, "*/*", "application/*"):
                    return form
            if kind == "application/x-netcdf":
                return "nc"
        raise Problem(406, f"no form for Accept '{accept}'", allowed=list(TYPES.values()))

    def estimate(self, served: Served, request: Request) -> tuple[int, dict[str, str], bytes]:
        """What a request would cost; computes nothing."""
        da, groups = prepare(served, request)
        n = math.prod(len(g.labels) for g in groups)
        body = {"read_bytes_online": int(da.nbytes), "read_bytes_offline": 0, "objects_to_recall": 0, "result_bytes": n * 8, "groups": n}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    def zarr(self, served: Served, request: Request) -> tuple[int, dict[str, str], bytes]:
        """One key of the lazy group."""
        source = served.ds[request.var] if request.var in served.ds else None
        chunks = {}
        if source is not None and source.encoding.get("chunksizes"):
            chunks = dict(zip(source.dims, source.encoding["chunksizes"], strict=True))
            da, groups = prepare(served, request)
            grouped = {d for g in groups for d in g.dims} | set(over_dims(request)) | set(request.sel)
            chunks = {d: min(n, da.sizes[d]) for d, n in chunks.items() if d not in grouped}
        if request.options.get("anomaly") == "1":
            chunks = {}
        if request.canonical not in self.store:
            self.store[request.canonical] = zarr_keys(served, request, chunks)
        keys = self.store[request.canonical]
        body = keys.get(request.key)
        if body is None and re.fullmatch(rf"{request.var}/(c(/\d+)*|\d+(\.\d+)*)", request.key):
            body = zarr_chunk(served, request, chunks, request.key)
        if body is None:
            raise Problem(404, "not found")
        return 200, {"Content-Type": "application/json" if "{" in body[:1].decode("latin1") else "application/octet-stream"}, body


def main() -> None:
    global DEFECT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--defect", choices=sorted(DEFECTS))
    args = parser.parse_args()
    DEFECT = args.defect
    Handler.served = {p.stem: Served(p) for p in sorted(args.folder.glob("*.nc"))}
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.daemon_threads = True
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
