"""Groups by brute force: a mask for each cell, numpy in float64 (or with Python's integers) over its members."""

from __future__ import annotations

import itertools
import math

import numpy as np
import xarray as xr

from oracle import result_type

NO_VALUE = {"count": 0, "any": True, "all": True}


def is_missing(label: object) -> bool:
    """NaN, NaT and None belong to no group."""
    return label is None or (isinstance(label, float) and math.isnan(label)) or label != label


def labels_of(array: np.ndarray) -> list:
    """The labels that occur, ascending; texts by code point."""
    flat = array.ravel() if array.dtype.kind == "M" else array.ravel().tolist()
    return sorted({v for v in flat if not is_missing(v)})


def cell(x: np.ndarray, action: str, options: dict, w: np.ndarray | None) -> np.ndarray:
    """The action over the members of one cell, axis 0 of `x`, which are float64, booleans, texts or Python's integers."""
    skip = options.get("skipna", "1") == "1"
    valid = ~np.isnan(x) if x.dtype.kind == "f" else np.ones(x.shape, bool)
    n = valid.sum(axis=0)
    if action == "count":
        return n
    if action in ("any", "all"):
        truth = np.array(x != 0, bool)
        return truth.any(axis=0) if action == "any" else truth.all(axis=0)
    if action in ("first", "last"):
        order = valid if skip else np.ones(x.shape, bool)
        at = order.argmax(axis=0) if action == "first" else len(x) - 1 - order[::-1].argmax(axis=0)
        return np.take_along_axis(x, at[None], axis=0)[0]
    if x.dtype == object:
        return {"sum": lambda: x.sum(axis=0), "prod": lambda: np.multiply.reduce(x, axis=0), "min": lambda: x.min(axis=0), "max": lambda: x.max(axis=0)}[action]()
    x = x.astype("f8")
    with np.errstate(all="ignore"):
        out = number(x, valid, action, options, w)
    if action in ("sum", "prod"):
        out = np.where(n < int(options.get("min_count", 0)), np.nan, out)
    elif action != "quantile" or out.ndim == n.ndim:
        out = np.where(n == 0, np.nan, out)
    whole = valid.all(axis=0)
    return out if skip else np.where(whole if out.ndim == whole.ndim else whole[..., None], out, np.nan)


def number(x: np.ndarray, valid: np.ndarray, action: str, options: dict, w: np.ndarray | None) -> np.ndarray:
    """The action on numbers, missing ones left out."""
    if action in ("min", "max"):
        return getattr(np.where(valid, x, np.inf if action == "min" else -np.inf), action)(axis=0)
    if action == "median":
        return np.nanmedian(x, axis=0)
    if action == "quantile":
        q = [float(t) for t in options["q"].split(",")]
        out = np.moveaxis(np.nanquantile(x, q, axis=0), 0, -1)
        return out if len(q) > 1 else out[..., 0]
    if action == "prod":
        return np.where(valid, x, 1).prod(axis=0)
    weight = np.broadcast_to(1.0 if w is None else w, x.shape) * valid
    total = weight.sum(axis=0)
    # Sums of numpy over the first axis are plain ones: more digits are needed than the tolerance has.
    first = np.array(long_sum(np.where(valid & (weight != 0), x, 0) * weight))
    if action == "sum":
        return first
    mean = np.where(total == 0, np.nan, first / total)
    if action == "mean":
        return mean
    rest = total - int(options.get("ddof", 0))
    square = long_sum(np.where(valid, x - mean, 0) ** 2 * weight)
    out = np.where(rest <= 0, np.nan, square / rest)
    return np.sqrt(out) if action == "std" else out


def long_sum(x: np.ndarray) -> np.ndarray:
    """The sum over axis 0 with more digits than the result has."""
    return x.astype(np.longdouble).sum(axis=0).astype("f8")


def group(da: xr.DataArray, by: list[tuple[str, xr.DataArray]], action: str, options: dict | None = None, over: tuple[str, ...] = (), weights: xr.DataArray | None = None) -> xr.DataArray:
    """The result of an action on the groups of `da` by one or more named arrays of labels (those of a product list every cell)."""
    options = options or {}
    gone = [d for d in da.dims if d in over or any(d in labels.dims for _, labels in by)]
    rest = [d for d in da.dims if d not in gone]
    moved = da.transpose(*gone, *rest)
    sizes, n = [da.sizes[d] for d in rest], math.prod(da.sizes[d] for d in gone)
    exact = da.dtype.kind in "iu" and action in ("sum", "prod", "min", "max", "first", "last")
    x = moved.values.reshape(n, *sizes)
    x = x.astype(object) if exact else x if x.dtype.kind in "bOU" else x.astype("f8")
    w = None
    if weights is not None:
        w = weights.broadcast_like(da).transpose(*gone, *rest).values.reshape(n, *sizes)
    shape = [da.sizes[d] for d in gone]
    codes = []
    for _, labels in by:
        wide = labels.transpose(*[d for d in gone if d in labels.dims])
        index = wide.values.reshape([da.sizes[d] if d in labels.dims else 1 for d in gone])
        codes.append(np.broadcast_to(index, shape).ravel())
    found = [labels_of(labels.values) for _, labels in by]
    if len(by) == 1 and by[0][1].dims == (by[0][0],) and found[0][::-1] == list(by[0][1].values):
        found[0].reverse()  # A descending index is its own groups, in its own order.
    cells = [cell_of(x, w, codes, labels, action, options) for labels in itertools.product(*found)]
    return put_together(da, by, found, cells, gone, rest, action, options)


def cell_of(x: np.ndarray, w: np.ndarray | None, codes: list[np.ndarray], labels: tuple, action: str, options: dict) -> np.ndarray | None:
    """One cell; `None` without members."""
    mask = np.ones(len(x), bool)
    for code, label in zip(codes, labels, strict=True):
        mask &= code == label
    return cell(x[mask], action, options, None if w is None else w[mask]) if mask.any() else None


def put_together(da: xr.DataArray, by: list[tuple[str, xr.DataArray]], found: list[list], cells: list, gone: list[str], rest: list[str], action: str, options: dict) -> xr.DataArray:
    """Cells as an array with the dimensions and the type of the rules."""
    dtype = result_type(da.dtype, action)
    if da.dtype == bool and action in ("sum", "prod"):
        dtype = np.dtype("i8")
    if any(c is None for c in cells):
        dtype = dtype if dtype == np.dtype("f4") else np.dtype("f8")
        some = next(np.asarray(c) for c in cells if c is not None)
        cells = [np.full(some.shape, np.nan) if c is None else c for c in cells]
    many = ["quantile"] if "," in options.get("q", "") else []
    names = [name for name, _ in by]
    with np.errstate(all="ignore"):
        data = np.stack([np.asarray(c) for c in cells]).astype(dtype if da.dtype.kind not in "OU" or action == "count" else object)
    data = data.reshape(*(len(f) for f in found), *(da.sizes[d] for d in rest), *([len(options["q"].split(","))] if many else []))
    out = xr.DataArray(data, dims=[*names, *rest, *many], coords={name: (name, np.array(f, dtype=object if f and isinstance(f[0], str) else labels.dtype if labels.dtype.kind == "M" else None)) for (name, labels), f in zip(by, found, strict=True)})
    for dim in rest:
        if dim in da.coords:
            out = out.assign_coords({dim: da[dim].variable})
    place = min(da.dims.index(d) for d in gone)
    before = [d for d in rest if da.dims.index(d) < place]
    return out.transpose(*before, *names, *[d for d in rest if d not in before], *many)
