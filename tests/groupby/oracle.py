"""What a groupby request must give, computed with xarray and flox on the decoded variable cast to float64.

Used by check_groupby.py. Nothing here is shared with reference_server.py.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from xarray.groupers import SeasonGrouper, SeasonResampler, UniqueGrouper

warnings.filterwarnings("ignore")
FIRST_OF_MONTH = np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30])
OURS = {"quarter", "month_day", "decade", "date", "week", "weekofyear"}


class Overflow(Exception):
    """An integer result does not fit 64 bits: the server must answer 422."""


@dataclass(frozen=True)
class Case:
    """One request."""

    dataset: str
    var: str
    grouper: str
    action: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path below the server root, options as segments."""
        tail = "".join(f"/{k}={v}" for k, v in sorted(self.options.items()))
        return f"/datasets/{self.dataset}/groupby/{self.var}/{self.grouper}/{self.action}{tail}"


def result_type(source: np.dtype, action: str) -> np.dtype:
    """The type of the result for a decoded type, before empty cells are considered."""
    if action in ("any", "all"):
        return np.dtype(bool)
    if action in ("count", "quantile"):
        return np.dtype("i8" if action == "count" else "f8")
    if action in ("min", "max", "first", "last"):
        return source
    if action in ("sum", "prod") and source.kind in "iu":
        return np.dtype(source.kind + "8")
    return source if source.kind == "f" else np.dtype("f8")


def labels_of(time: xr.DataArray, part: str) -> xr.DataArray:
    """Labels of the components that xarray lacks, in some or in all calendars."""
    dt = time.dt
    if part == "quarter":
        return (dt.month + 2) // 3
    if part == "decade":
        return dt.year // 10 * 10
    if part == "month_day":
        return xr.DataArray(FIRST_OF_MONTH[dt.month.values - 1] + dt.day.values, dims="time")
    if part == "date":
        return dt.floor("D")
    return dt.isocalendar().week.astype("i8")


def select(da: xr.DataArray, options: dict[str, str]) -> xr.DataArray:
    """The selections of the case: inclusive ranges."""
    for dim in ("time", "lat", "lon"):
        if dim in options:
            low, high = options[dim].split(":")
            kind = str if dim == "time" else float
            da = da.sel({dim: slice(kind(low), kind(high))})
    return da


def grouped(da: xr.DataArray, case: Case):
    """The xarray groupby object and the names of the result's group dimensions."""
    options = case.options
    if "seasons" in options:
        return da.groupby(time=SeasonGrouper(options["seasons"].split(","))), ["season"]
    if options.get("drop_incomplete") == "1":
        return da.resample(time=SeasonResampler(["DJF", "MAM", "JJA", "SON"], drop_incomplete=True)), ["time"]
    if "freq" in options:
        return da.resample(time=options["freq"]), ["time"]
    if "bins" in options:
        edges = [float(t) for t in options["bins"].split(",")]
        return da.groupby_bins(case.grouper, edges, right=options.get("closed", "right") == "right"), [case.grouper + "_bins"]
    names = []
    for text in case.grouper.split(","):
        coord, _, part = text.partition(".")
        if part in OURS:
            da = da.assign_coords({part: (da[coord].dims, labels_of(da[coord], part).values)})
            names.append(part)
        elif part:
            da = da.assign_coords({part: (da[coord].dims, getattr(da[coord].dt, part).values)})
            names.append(part)
        else:
            names.append(coord)
    if len(names) == 1 and case.grouper == "time":
        return da.groupby("time"), names
    if len(names) == 1 and case.grouper.partition(".")[2] not in OURS:
        return da.groupby(case.grouper), names
    return da.groupby({n: UniqueGrouper() for n in names}), names


def grouped_dims(da: xr.DataArray, case: Case) -> tuple[str, ...]:
    """Source dimensions that the groupers remove."""
    return tuple(dict.fromkeys(dim for text in case.grouper.split(",") for dim in da[text.partition(".")[0]].dims))


def reduced_dims(da: xr.DataArray, case: Case) -> tuple[str, ...]:
    """Source dimensions that the groupers and `over` remove."""
    return tuple(dict.fromkeys([*grouped_dims(da, case), *(d for d in case.options.get("over", "").split(",") if d)]))


def result_dims(da: xr.DataArray, case: Case, names: list[str]) -> list[str]:
    """The order of the result's dimensions: groups where the first grouped dimension stood; those of `over` leave no place."""
    gone, marks = reduced_dims(da, case), grouped_dims(da, case)
    out: list[str] = []
    for dim in da.dims:
        if dim in marks:
            out += [n for n in names if n not in out]
        elif dim not in gone:
            out.append(dim)
    if "," in case.options.get("q", ""):
        out.append("quantile")
    return out


def apply(da: xr.DataArray, case: Case) -> xr.DataArray:
    """The action on the groups of `da`."""
    action, options = case.action, case.options
    group, names = grouped(da, case)
    kwargs: dict = {}
    if action not in ("count", "any", "all", "first", "last"):
        kwargs["skipna"] = options.get("skipna", "1") == "1"
    if action in ("first", "last"):
        kwargs["skipna"] = options.get("skipna", "1") == "1"
    if "min_count" in options and int(options["min_count"]):
        kwargs["min_count"] = int(options["min_count"])
    if "ddof" in options:
        kwargs["ddof"] = int(options["ddof"])
    if options.get("over") or len(names) > 1:
        kwargs["dim"] = list(reduced_dims(da, case))
    if action in ("first", "last"):
        kwargs.pop("dim", None)
    if action == "quantile":
        q = [float(t) for t in options["q"].split(",")]
        return group.quantile(q if len(q) > 1 else q[0], **kwargs)
    out = getattr(group, action)(**kwargs)
    if action in ("std", "var"):
        # Of as many values as `ddof` flox makes inf, and xarray without flox NaN: the rules say NaN, for there is no divisor.
        dim = {"dim": kwargs["dim"]} if "dim" in kwargs else {}
        out = out.where(group.count(**dim) > int(options.get("ddof", "0")))
    return out


def weighted(da: xr.DataArray, case: Case, ds: xr.Dataset) -> xr.DataArray:
    """mean, sum, var and std with weights, from weighted sums over valid values."""
    name = case.options["weights"]
    weight = {"coslat": lambda: np.cos(np.deg2rad(da["lat"])), "days_in_month": lambda: da["time"].dt.days_in_month.astype("f8"),
              "phase": lambda: ds["phase"]}[name]()
    plain = Case(case.dataset, case.var, case.grouper, "sum", {k: v for k, v in case.options.items() if k in ("over", "freq")})
    w = (weight + xr.zeros_like(da)).where(da.notnull()).transpose(*da.dims)
    shift = 0.0 if case.action == "sum" else float(da.mean())
    total, first = apply(w, plain), apply(w * (da - shift), plain)
    if case.action == "sum":
        return first
    mean = first / total
    if case.action == "mean":
        return mean + shift
    var = apply(w * (da - shift) ** 2, plain) / total - mean**2
    return var if case.action == "var" else np.sqrt(var)


def integer_reduce(da: xr.DataArray, case: Case) -> xr.DataArray:
    """sum and prod of integers with Python's own integers; raises Overflow outside 64 bits."""
    group, _ = grouped(da.astype("f8"), case)
    shape_of = group.sum()
    dims = reduced_dims(da, case)
    parts = []
    values = da.transpose(*dims, ...).values.astype(object)
    values = values.reshape(-1, *values.shape[len(dims):])
    label_name = next(d for d in shape_of.dims if d not in da.dims or d == case.grouper)
    codes = label_codes(da, case, dims)
    for label in shape_of[label_name].values:
        members = values[codes == label]
        parts.append(members.sum(axis=0) if case.action == "sum" else np.multiply.reduce(members, axis=0))
    kind = result_type(da.dtype, case.action)
    whole = np.stack(parts)
    if min(whole.ravel()) < np.iinfo(kind).min or max(whole.ravel()) > np.iinfo(kind).max:
        raise Overflow
    rest = [d for d in da.dims if d not in dims]
    out = xr.DataArray(whole.astype(kind), dims=[label_name, *rest]).transpose(*shape_of.dims)
    return shape_of.copy(data=out.values)


def label_codes(da: xr.DataArray, case: Case, dims: tuple[str, ...]) -> np.ndarray:
    """The label of each member, flat over `dims`."""
    coord, _, part = case.grouper.partition(".")
    if not part:
        return da[coord].transpose(*dims).values.ravel()
    return (labels_of(da[coord], part) if part in OURS else getattr(da[coord].dt, part)).values


def expected(ds: xr.Dataset, case: Case) -> xr.DataArray:
    """The result with the right dimensions, labels, values and type."""
    source = ds[case.var].dtype
    da = select(ds[case.var], case.options)
    if source.kind in "iu" and case.action in ("sum", "prod") and "bins" not in case.options:
        out = integer_reduce(da, case)
        return out.transpose(*result_dims(da, case, [d for d in out.dims if d not in da.dims or d == case.grouper]))
    if source.kind == "f" or case.action in ("mean", "std", "var", "median", "quantile", "prod", "sum"):
        da = da.astype("f8")
    if case.options.get("anomaly") == "1":
        group, _ = grouped(da, case)
        return (group - group.mean()).transpose(*da.dims).astype(source if source.kind == "f" else "f8")
    out = weighted(da, case, ds) if "weights" in case.options else apply(da, case)
    dtype = result_type(source, case.action)
    group, names = grouped(da, case)
    if "bins" in case.options or "freq" in case.options or "seasons" in case.options or len(names) > 1:
        ones = xr.ones_like(da, dtype="f8")
        members = apply(ones, Case(case.dataset, case.var, case.grouper, "count", {k: v for k, v in case.options.items() if k in ("bins", "closed", "freq", "seasons", "over", "drop_incomplete")}))
        if bool((members.fillna(0) == 0).any()):
            # Beside an empty cell xarray also loses the answer of cells whose members are all NaN; the rules keep it.
            no_valid = {"count": 0.0, "any": 1.0, "all": 1.0}.get(case.action)
            out = out.astype("f8") if no_valid is None else out.astype("f8").fillna(no_valid)
            out = out.where(members.fillna(0) > 0)
            dtype = dtype if dtype == np.dtype("f4") else np.dtype("f8")
    with np.errstate(all="ignore"):
        return out.transpose(*result_dims(da, case, names)).astype(dtype)


def tolerance(dtype: np.dtype, action: str) -> float:
    """Relative tolerance of the rules."""
    if action in ("count", "any", "all", "min", "max", "first", "last") or dtype.kind in "iub":
        return 0.0
    if dtype == np.dtype("f4"):
        return 2.4e-7
    return 1e-9 if action in ("std", "var") else 1e-12
