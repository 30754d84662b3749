"""Types, groupers, weights, selections, names: compared with groups by brute force."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

import brute
from asking import Client, address, compare_forms, compare_json
from check_groupby import part_of
from common import Report

ACTIONS = "count mean min max sum prod std var median first last any all quantile".split()
UNSPECIFIED = {"std", "var", "median", "quantile"}  # of infinities
NUMBERS = ["void", "void_filled", "never", "never_filled", "never_at_all", "unsigned", "ends_i1", "ends_i2", "ends_i4", "ends_u2", "ends_u4", "flag", "wrapped", "packed4",
           "two_fills", "big_f4", "big_i2", "tiny", "large"]


def opened(more: Path) -> xr.Dataset:
    """The file of all types, decoded."""
    return xr.open_dataset(more / "values.nc").load()


def label(ds: xr.Dataset, grouper: str) -> tuple[str, xr.DataArray]:
    """Name and labels of a grouper."""
    name, _, part = grouper.partition(".")
    coord = ds[name]
    if part:
        return part, getattr(coord.dt, part)
    if coord.dtype.kind == "S":
        coord = coord.astype(str)
    return name, coord


def want_of(ds: xr.Dataset, var: str, grouper: str, action: str, options: dict[str, str]) -> xr.DataArray:
    """The right answer."""
    over = tuple(options.get("over", "").split(",")) if options.get("over") else ()
    return brute.group(ds[var], [label(ds, g) for g in grouper.split(",")], action, options, over)


def options_of(action: str, **more: str) -> dict[str, str]:
    """Options, with the quantiles that `quantile` needs."""
    return {**({"q": "0,0.4,1"} if action == "quantile" else {}), **more}


def scale_of(da: xr.DataArray, action: str) -> float:
    """The magnitude against which cancellation is judged."""
    if da.dtype.kind in "OUSM":
        return 1.0
    numbers = np.abs(da.values.astype("f8"))
    size = float(np.max(numbers[np.isfinite(numbers)], initial=0.0))
    return {"var": size**2, "prod": 0.0}.get(action, size)


def ask(client: Client, report: Report, section: str, ds: xr.Dataset, dataset: str, var: str, grouper: str, action: str, options: dict[str, str], forms: float = 0.05) -> None:
    """Compares one result, and for some of them its other forms."""
    path = address(dataset, var, grouper, action, *(f"{k}={v}" for k, v in sorted(options.items())))

    def test() -> str | None:
        da = ds[var]
        try:
            want = want_of(ds, var, grouper, action, options)
        except OverflowError:
            return status(client, path, 422)
        problem = compare_json(client, path, var, want, action, scale_of(da, action))
        if problem or not part_of(path, forms):
            return problem
        return compare_forms(client, path, var, want, action, scale_of(da, action))

    report.claim(section, path.removeprefix("/datasets/"), test)


def check_values(client: Client, more: Path, report: Report, share: float) -> None:
    """Every action on every type."""
    ds = opened(more)
    for var in NUMBERS:
        for action in ACTIONS:
            for grouper in ("time.season", "region"):
                if part_of(f"{var}{action}{grouper}", max(share, 0.2)):
                    ask(client, report, "values", ds, "values", var, grouper, action, options_of(action))
    for var in ("inf", "inf8"):
        for action in sorted(set(ACTIONS) - UNSPECIFIED):
            ask(client, report, "infinities", ds, "values", var, "time.month", action, {})
            ask(client, report, "infinities", ds, "values", var, "time.year", action, {"over": "x"})
    cancelled(client, report, ds)
    for action in ("mean", "std", "var"):
        report.claim("values", f"offset {action}", partial(steady, client, ds, action))
    for action in ("first", "last", "count"):
        ask(client, report, "texts and times", ds, "values", "text", "time.year", action, {})
    for action in ("min", "max", "first", "last", "count", "mean"):
        report.claim("texts and times", f"when {action}", partial(instants, client, ds, action))
    for action in ("sum", "prod", "std", "var", "median", "any", "quantile"):
        report.claim("texts and times", f"when {action} is 422", lambda action=action: status(client, address("values", "when", "time.year", action, *(["q=0.5"] if action == "quantile" else [])), 422))
    for action in ("mean", "min", "sum", "any"):
        report.claim("texts and times", f"text {action} is 422", lambda action=action: status(client, address("values", "text", "time.year", action), 422))


def status(client: Client, path: str, *wanted: int) -> str | None:
    """None when the answer has one of the statuses, as problem+json."""
    got = client.get(path)
    if got.status_code not in wanted:
        return f"status {got.status_code}, expected {wanted} {got.text[:100]}"
    return None if got.status_code < 400 or got.headers["Content-Type"].startswith("application/problem+json") else got.headers["Content-Type"]


def cancelled(client: Client, report: Report, ds: xr.Dataset) -> None:
    """Sums of large integers of both signs: partial sums leave 64 bits, the results do not; and products of them do."""
    for grouper in ("time.month", "time.year", "region"):
        for action in ("min", "max", "first", "last", "count", "sum", "mean", "any", "median"):
            ask(client, report, "large integers", ds, "values", "cancel", grouper, action, {})
    report.claim("large integers", "prod is 422", lambda: status(client, address("values", "cancel", "time.month", "prod"), 422))
    report.claim("large integers", "unsigned sum is 422", lambda: status(client, address("values", "unsigned", "time.year", "sum"), 422))


def steady(client: Client, ds: xr.Dataset, action: str) -> str | None:
    """A large mean with a small spread keeps its digits."""
    want = want_of(ds, "offset", "time.month", action, {}).values
    got = client.values(address("values", "offset", "time.month", action), "offset")
    limit = 1e-15 if action == "mean" else 1e-5
    worst = float(np.max(np.abs(got - want) / np.abs(want)))
    return None if worst <= limit else f"relative difference {worst:g}, allowed {limit:g}"


def instants(client: Client, ds: xr.Dataset, action: str) -> str | None:
    """Times as values, in JSON as texts and in NetCDF as times."""
    path = address("values", "when", "time.year", action)
    if action == "count":
        return compare_json(client, path, "when", want_of(ds, "when", "time.year", "count", {}).astype("i8"), action, 1.0)
    want = getattr(ds["when"].groupby("time.year"), action)()
    body = client.body(path)["data_vars"]["when"]
    if body["dims"] != list(want.dims):
        return f"dims {body['dims']}"
    got = np.array(body["data"], "M8[us]").reshape(want.shape)
    worst = np.abs((got - want.values.astype("M8[us]")).astype("i8")).max()
    return None if worst <= (1_000_000 if action == "mean" else 0) else f"{worst} µs off, first {body['data'][0][0][0]}"


def check_groupers(client: Client, more: Path, report: Report, share: float) -> None:
    """Coordinates of numbers, texts and characters, of one and two dimensions; products of three; with and without missing labels."""
    ds = opened(more)
    for grouper in ("region", "where", "kind", "x", "y", "time", "time.month,region", "kind,time.season", "time.year,time.season,kind", "y,kind,time.quarter", "region,time.month", "where,time.is_leap_year"):
        for action in ("mean", "count", "sum", "var", "first", "quantile", "any"):
            for var in ("two_fills", "ends_i4", "big_f4"):
                if part_of(f"{grouper}{action}{var}", max(share, 0.2)):
                    ask(client, report, "groupers", ds, "values", var, grouper, action, options_of(action))
    for action in ("mean", "max", "count"):
        ask(client, report, "groupers", ds, "values", "plane", "region", action, {})
        ask(client, report, "groupers", ds, "values", "plane", "where", action, {})
        ask(client, report, "groupers", ds, "values", "line", "time.month", action, {})
        ask(client, report, "groupers", ds, "values", "big_f4", "region", action, {"over": "time"})
        ask(client, report, "groupers", ds, "values", "big_f4", "time.month", action, {"over": "y,x"})
        ask(client, report, "groupers", ds, "values", "packed4", "kind", action, {"over": "y"})
    for skipna in ("0", "1"):
        for action in ("mean", "sum", "min", "first", "last", "median", "var", "prod"):
            ask(client, report, "groupers", ds, "values", "two_fills", "time.season", action, {"skipna": skipna})


def check_weights(client: Client, more: Path, report: Report, share: float) -> None:
    """Weights of one and two dimensions, some of them nothing."""
    ds = opened(more)
    weights = {"coslat": np.cos(np.deg2rad(ds["y"])), "share": ds["share"], "zero_weight": ds["zero_weight"], "days_in_month": ds["time"].dt.days_in_month.astype("f8")}
    for name, weight in weights.items():
        for action in ("mean", "sum", "var", "std"):
            for var, grouper, over in (("two_fills", "time.month", "y,x"), ("big_f4", "time.season", "y,x"), ("packed4", "time.year", "x,y"), ("wrapped", "region", "time")):
                if not part_of(f"{name}{action}{var}", max(share, 0.3)):
                    continue
                path = address("values", var, grouper, action, f"over={over}", f"weights={name}")

                def test(var=var, grouper=grouper, over=over, action=action, weight=weight, path=path) -> str | None:
                    want = brute.group(ds[var], [label(ds, grouper)], action, {}, tuple(over.split(",")), weight)
                    if want.dtype == np.dtype("i8"):
                        want = want.astype("f8")
                    return compare_json(client, path, var, want, action, scale_of(ds[var], action))

                report.claim("weights", path.removeprefix("/datasets/"), test)


SELECTIONS = [
    (["isel=time=::-1"], lambda ds: ds.isel(time=slice(None, None, -1))),
    (["isel=time=5:40:3"], lambda ds: ds.isel(time=slice(5, 40, 3))),
    (["isel=time=40:4:-7"], lambda ds: ds.isel(time=slice(40, 4, -7))),
    (["isel=x=1:3", "isel=y=0:2"], lambda ds: ds.isel(x=slice(1, 3), y=slice(0, 2))),
    (["isel=y=-1"], lambda ds: ds.isel(y=-1)),
    (["y=10"], lambda ds: ds.sel(y=10)),
    (["y=nearest::20"], lambda ds: ds.sel(y=20, method="nearest")),
    (["x=80:200"], lambda ds: ds.sel(x=slice(80, 200))),
    (["sel=time=2001:2001"], lambda ds: ds.sel(time="2001")),
    (["sel=time=2000-07:2002-03", "x=180"], lambda ds: ds.sel(time=slice("2000-07", "2002-03"), x=180)),
    (["bbox=-10,-70,100,20"], lambda ds: ds.sel(y=slice(-70, 20), x=slice(0, 90))),
]


def check_selections(client: Client, more: Path, report: Report, share: float) -> None:
    """What is selected before grouping, with every kind of grouper."""
    ds = opened(more)
    for pairs, chosen in SELECTIONS:
        for var, grouper, action in (("big_f4", "time.month", "mean"), ("two_fills", "time.season", "last"), ("ends_i4", "time.year", "first"), ("packed4", "time.quarter", "count"),
                                     ("big_i2", "time.season", "median"), ("big_f4", "kind", "var"), ("never", "time", "max"), ("big_f4", "region", "mean")):
            path = address("values", var, grouper, action, *pairs)

            def test(var=var, grouper=grouper, action=action, path=path, chosen=chosen) -> str | None:
                here = chosen(ds)
                if not set(label(ds, grouper)[1].dims) <= set(here[var].dims):
                    return status(client, path, 200, 400)
                want = brute.group(here[var], [label(here, grouper)], action)
                return compare_json(client, path, var, want, action, scale_of(ds[var], action))

            report.claim("selections", path.removeprefix("/datasets/"), test)
    for pairs, wanted in ((["isel=time=99"], 400), (["isel=time=5:5"], 400), (["sel=nope=1"], 400), (["y=11"], 400), (["sel=time=2001"], 400), (["bbox=1,2,3"], 400), (["isel=time=0:9:0"], 400)):
        report.claim("selections", f"{pairs} is {wanted}", lambda pairs=pairs, wanted=wanted: status(client, address("values", "big_f4", "time.month", "mean", *pairs), wanted))


def check_lengths(client: Client, more: Path, report: Report, share: float) -> None:
    """Dimensions of one position, of none, and many of them."""
    ds = xr.open_dataset(more / "lengths.nc").load()
    for action in ACTIONS:
        ask(client, report, "lengths", ds, "lengths", "single", "time.month", action, options_of(action), 0.5)
        ask(client, report, "lengths", ds, "lengths", "many", "time.month", action, options_of(action), 0.3)
        ask(client, report, "lengths", ds, "lengths", "many", "a", action, options_of(action, over="time,c"))
        ask(client, report, "lengths", ds, "lengths", "step", "one", action, options_of(action))
    report.claim("lengths", "no position", lambda: status(client, address("lengths", "empty", "none.month", "mean"), 200, 400, 422))
    report.claim("lengths", "no position, other grouper", lambda: status(client, address("lengths", "empty", "a", "mean"), 200, 400, 422))


def check_names(client: Client, more: Path, report: Report, share: float) -> None:
    """Names that need escapes, and variables in groups."""
    ds = xr.open_dataset(more / "names.nc").load()
    for var in ds.data_vars:
        ask(client, report, "names", ds, "names", str(var), "time.month", "mean", {}, 0.0 if "/" in str(var) else 1.0)
        ask(client, report, "names", ds, "names", str(var), "größe", "max", {"over": "my lat"})
        ask(client, report, "names", ds, "names", str(var), "my lat", "count", {}, 0.3)
    inner = xr.open_dataset(more / "groups.nc", group="ocean/top")
    outer = xr.open_dataset(more / "groups.nc")
    inner = inner.assign_coords(time=outer["time"]).load()

    def in_group() -> str | None:
        path = address("groups", "tos", "time.month", "mean", "group=ocean/top")
        return compare_json(client, path, "tos", want_of(inner, "tos", "time.month", "mean", {}), "mean", 1.0)

    report.claim("names", "a variable in a group", in_group)


BAD = [
    (("values", "scalar", "time.month", "mean"), (400,)), (("values", "big_f4", "scalar", "mean"), (400,)), (("values", "text", "time.year", "median"), (422,)),
    (("values", "big_f4", "time.month,time.month", "mean"), (400,)), (("values", "big_f4", "time.month,region,kind,y", "mean"), (400,)), (("values", "line", "region", "mean"), (400,)),
    (("values", "line", "kind", "mean"), (400,)), (("values", "big_f4", "region,x", "mean"), (200, 400)), (("values", "big_f4", "time", "mean", "bins=1,2,3"), (200, 400, 422)),
    (("values", "big_f4", "y", "mean", "freq=MS"), (400, 422)), (("values", "big_f4", "y.month", "mean"), (400, 422)), (("values", "big_f4", "kind", "mean", "bins=1,2"), (400, 422)),
    (("values", "big_f4", "time", "mean", "freq=0MS"), (400,)), (("values", "big_f4", "time", "mean", "freq=1s"), (413,)), (("values", "big_f4", "y", "mean", "bins=n:0"), (400,)),
    (("values", "big_f4", "y", "mean", "bins=n:1000000000"), (400, 413)), (("values", "big_f4", "y", "mean", "bins=1,1"), (400,)), (("values", "big_f4", "y", "mean", "bins=nan,1"), (400,)),
    (("values", "big_f4", "y", "mean", "bins=0,inf"), (200, 400)), (("values", "big_f4", "time.month", "mean", "skipna=1", "skipna=1"), (400,)),
    (("values", "big_f4", "time.month", "sum", "min_count=99999999999999999999"), (400,)), (("values", "big_f4", "time.month", "quantile", "q=" + ",".join(["0.5"] * 100_0)), (200, 400, 413, 414)),
    (("values", "big_f4", "time.month", "mean", "weights=text"), (400, 422)), (("values", "big_f4", "time.month", "mean", "weights=line"), (200,)), (("values", "plane", "region", "mean", "weights=line"), (400,)),
    (("values", "big_f4", "time.month", "max", "weights=coslat"), (400,)), (("values", "big_f4", "time.month", "sum", "anomaly=1"), (400,)), (("values", "big_f4", "time.season", "mean", "seasons=DJF,DJF"), (400,)),
    (("values", "big_f4", "time.month", "mean", "seasons=DJF"), (400,)), (("values", "big_f4", "time.month", "mean", "over=time"), (200, 400)), (("values", "big_f4", "time.month", "mean", "over=y,y"), (200, 400)),
]


def check_statuses(client: Client, more: Path, report: Report, share: float) -> None:
    """What cannot be computed is refused with a reason."""
    for parts, wanted in BAD:
        report.claim("statuses", "/".join(parts)[:90], lambda parts=parts, wanted=wanted: status(client, address(*parts), *wanted))
    for parts, wanted in BAD[:4]:
        if 400 <= wanted[0]:
            report.claim("statuses", "lazily: " + "/".join(parts)[:90], lambda parts=parts, wanted=wanted: status(client, address(*parts) + "/zarr/.zmetadata", *wanted))
