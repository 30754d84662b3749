"""Proves that a server's groupby answers are what xarray and flox compute, under the rules of README.md.

    python make_fields.py DIR
    python check_groupby.py --server http://127.0.0.1:PORT DIR [--share 1] [--forms 0.1] [--match REGEX] [--only SECTION…]

The server must serve every file of DIR as the dataset named like the file (`thermocline serve DIR`). Values are compared
with xarray and flox computed here on the decoded variable in float64. `--share` asks for a fixed part of the
4,400 cases of the action x grouper x field matrix (default 0.1; and ten times that part of the options), `--forms` for the part
of it that is also read as NetCDF, CSV and Zarr v2 and v3. The last line is "N passed, N failed", the exit code 0 only when
everything holds.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import aiohttp
import numpy as np
import requests
import xarray as xr

from oracle import Case, Overflow, expected, reduced_dims, tolerance

ACTIONS = "count mean min max sum prod std var median first last any all quantile".split()
CALENDARS = ["standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian"]
COMPONENTS = ["year", "month", "day", "dayofyear", "month_day", "season", "quarter", "weekday", "days_in_month",
              "is_leap_year", "decade", "date", "week"]
TIMEOUT = 120


class Report:
    """Counts what held and what did not, by section."""

    def __init__(self) -> None:
        self.good: dict[str, int] = {}
        self.bad: dict[str, list[str]] = {}

    def add(self, section: str, name: str, problem: str | None) -> None:
        """Notes one claim; `problem` is None when it held."""
        self.good.setdefault(section, 0)
        if problem is None:
            self.good[section] += 1
            return
        self.bad.setdefault(section, []).append(f"{name}: {problem}")

    def claim(self, section: str, name: str, test: Callable[[], str | None]) -> None:
        """Runs one test; an exception is a failure with its text."""
        try:
            self.add(section, name, test())
        except Exception as error:
            self.add(section, name, f"{type(error).__name__}: {str(error)[:200]}")

    def finish(self) -> int:
        """Prints the table, the first failures of each section, and the summary line."""
        print(f"{'section':22}{'held':>8}{'failed':>8}")
        for section, n in self.good.items():
            print(f"{section:22}{n:8}{len(self.bad.get(section, [])):8}")
        for section, lines in self.bad.items():
            for line in lines[:6]:
                print(f"FAIL {section}: {line}")
        n_bad = sum(map(len, self.bad.values()))
        print(f"{sum(self.good.values())} passed, {n_bad} failed")
        return int(n_bad > 0 or not any(self.good.values()))


class Client:
    """The server under test and the local fields."""

    def __init__(self, base: str, folder: Path) -> None:
        self.base, self.folder, self.session = base.rstrip("/"), folder, requests.Session()

    def get(self, path: str, **kwargs) -> requests.Response:
        """GET below the server root; the path is sent as it is."""
        return self.session.get(self.base + path, timeout=TIMEOUT, **kwargs)

    @lru_cache(maxsize=None)
    def field(self, dataset: str) -> xr.Dataset:
        """The local file, decoded and loaded."""
        return xr.open_dataset(self.folder / f"{dataset}.nc").load()


def part_of(text: str, share: float) -> bool:
    """A fixed pseudo-random part of all texts."""
    return zlib.crc32(text.encode()) % 10000 < share * 10000


def with_q(action: str, options: dict[str, str] | None = None) -> dict[str, str]:
    """Options with the quantile that `quantile` needs."""
    return {**(options or {}), **({"q": "0.3"} if action == "quantile" else {})}


def matrix() -> Iterator[Case]:
    """Every action x grouper x field."""
    for calendar, part, action, var in itertools.product(CALENDARS, COMPONENTS, ACTIONS, ("tas", "pr", "sst")):
        if part == "week" and "gregorian" not in calendar and calendar != "standard":
            continue
        if part == "month_day" and calendar == "360_day":
            continue
        yield Case(f"daily_{calendar}", var, f"time.{part}", action, with_q(action))
    for calendar, action in itertools.product(("standard", "noleap"), ACTIONS):
        for var, grouper in itertools.product(("t2m", "wind", "snow", "lake", "step", "soil", "prof"),
                                              ("time.month", "time.season", "zone", "basin", "phase", "lat")):
            yield Case(f"types_{calendar}", var, grouper, action, with_q(action))
    for calendar, part, action in itertools.product(("standard", "360_day"), ("hour", "minute", "second", "date", "year"), ACTIONS):
        yield Case(f"hourly_{calendar}", "tas", f"time.{part}", action, with_q(action))
    for part, action in itertools.product(("month", "season", "year"), ACTIONS):
        yield Case("short_noleap", "tas", f"time.{part}", action, with_q(action))


def optioned() -> Iterator[Case]:
    """Every option, alone and with others."""
    def case(dataset: str, var: str, grouper: str, action: str, **options: str) -> Case:
        return Case(dataset, var, grouper, action, with_q(action, options) if "q" not in options else options)

    for action in ("mean", "sum", "min", "max", "std", "var", "median", "first", "last", "prod", "quantile"):
        for var in ("pr", "sst"):
            yield case("daily_noleap", var, "time.month", action, skipna="0")
    for action, least in itertools.product(("sum", "prod"), ("1", "60")):
        yield case("daily_standard", "sst", "time.month", action, min_count=least)
        yield case("daily_standard", "pr", "time.dayofyear", action, min_count=least)
    for action, ddof in itertools.product(("std", "var"), ("1", "2")):
        yield case("daily_julian", "pr", "time.dayofyear", action, ddof=ddof)
    yield case("daily_360_day", "tas", "time.month", "quantile", q="0,0.25,0.9,1")
    yield case("daily_360_day", "pr", "time.season", "quantile", q="0.5,0.1")
    for action in ("mean", "min", "max", "sum", "count", "any", "all", "first", "std", "median"):
        yield case("daily_noleap", "tas", "lat", action, bins="-90,-30,30,90")
        yield case("daily_noleap", "pr", "lat", action, bins="-90,-80,-30,30,90")
        yield case("types_standard", "soil", "lat", action, bins="-90,-80,0,60")
        yield case("daily_noleap", "tas", "lat", action, bins="-75,-30,30,60", closed="left")
    for action, freq in itertools.product(ACTIONS, ("MS", "QS", "QS-DEC", "YS", "2MS", "10D")):
        for dataset, var in (("daily_standard", "sst"), ("daily_360_day", "pr"), ("short_noleap", "tas")):
            yield case(dataset, var, "time", action, freq=freq)
    for action, freq in itertools.product(("mean", "max", "count"), ("12h", "6h", "30min", "D")):
        yield case("hourly_360_day", "tas", "time", action, freq=freq)
    for action in ("mean", "max", "count"):
        yield case("daily_standard", "tas", "time", action, freq="QS-DEC", drop_incomplete="1")
        yield case("daily_noleap", "sst", "time", action, freq="QS-DEC", drop_incomplete="1")
        for text in ("DJF,MAM,JJA,SON", "DJFM,AMJJ,ASON", "JJAS,ONDJ", "MAM,JJA"):
            yield case("daily_noleap", "tas", "time.season", action, seasons=text)
    for action in ("count", "mean", "min", "max", "sum", "std", "var", "any", "all", "median"):
        for var in ("tas", "pr", "sst"):
            yield case("daily_all_leap", var, "time.month", action, over="lat,lon")
            yield case("daily_all_leap", var, "time.year", action, over="lon")
            yield case("daily_all_leap", var, "lon", action, over="time")
        yield case("types_noleap", "prof", "time.month", action, over="lat")
    for action, var in itertools.product(("mean", "sum", "std", "var"), ("tas", "pr", "sst")):
        yield case("daily_noleap", var, "time.month", action, over="lat,lon", weights="coslat")
        yield case("daily_noleap", var, "time.year", action, weights="days_in_month")
        yield case("monthly_standard", "tas", "time.year", action, weights="days_in_month")
    for var in ("tas", "pr", "sst"):
        yield case("daily_noleap", var, "time.month", "mean", anomaly="1")
        yield case("daily_proleptic_gregorian", var, "time.dayofyear", "mean", anomaly="1")
    for action in ("mean", "sum", "count", "max", "any"):
        yield case("types_noleap", "t2m", "time.month,zone", action)
        yield case("types_noleap", "prof", "zone,time.season", action)
        yield case("daily_noleap", "tas", "time.year,time.month", action)
        yield case("short_noleap", "tas", "time.year,time.month", action)
    for action in ("mean", "count"):
        yield case("daily_noleap", "pr", "time.month", action, lat="-30:30")
        yield case("daily_360_day", "pr", "time.month", action, time="2001-03-10:2001-06-20", lon="45:180")


def parse_time(text: str) -> tuple[int, ...]:
    """The numbers of an ISO 8601 time, microseconds last."""
    match = re.fullmatch(r"(-?\d+)-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{0,6})\d*)?)?)?", text)
    if not match:
        raise ValueError(f"not an ISO 8601 time without zone: {text!r}")
    *whole, fraction = match.groups()
    return (*(int(p or 0) for p in whole), int((fraction or "").ljust(6, "0")))


def plain_labels(values: np.ndarray) -> list:
    """Labels as Python values; times as tuples, of the nearest microsecond."""
    if values.dtype.kind == "M":
        if values.dtype == "M8[ns]":
            values = values + np.timedelta64(500, "ns")
        return [parse_time(str(v)) for v in values.astype("M8[us]")]
    if values.dtype == object and len(values) and hasattr(values[0], "calendar"):
        return [(d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond) for d in values]
    return [v.mid if hasattr(v, "mid") else v for v in values.tolist()]


def compare_values(want: np.ndarray, got: np.ndarray, action: str, scale: float, folded: bool) -> str | None:
    """None when the values agree within the rules; `folded`: infinities came as missing."""
    if want.shape != got.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if want.dtype.kind in "iub":
        wrong = np.asarray(got.astype(object) != want.astype(object), bool)
        limit = 0.0
    else:
        got = got.astype("f8")
        limit = tolerance(want.dtype, action)
        w = want.astype("f8")
        if folded:
            w = np.where(np.isfinite(w), w, np.nan)
        both = np.isnan(w) & np.isnan(got)
        with np.errstate(all="ignore"):
            slack = 0.0 if limit == 0 else limit * np.abs(w) + 1e-13 * scale
            wrong = ~(both | (w == got) | (np.abs(w - got) <= slack))
    if not wrong.any():
        return None
    at = tuple(int(i[0]) for i in np.nonzero(wrong)) if want.ndim else ()
    return f"{int(wrong.sum())} of {want.size} values differ, first at {at}: {got[at]!r}, expected {want[at]!r} (tolerance {limit:g})"


def strict(text: str) -> dict:
    """JSON without NaN and Infinity."""
    def refuse(token: str):
        raise ValueError(f"the token {token} is not JSON")

    return json.loads(text, parse_constant=refuse)


def numbers(data: object, dtype: np.dtype) -> np.ndarray:
    """Nested JSON lists as an array; null is NaN, large integers may be text."""
    array = np.array(data, dtype=object)
    if dtype.kind == "f":
        return np.where(array == None, np.nan, array).astype("f8")  # noqa: E711
    if dtype.kind in "iu":
        return np.vectorize(int, otypes=[object])(array)
    return array


def scale_of(source: xr.DataArray, case: Case) -> float:
    """The magnitude against which cancellation is judged."""
    size = float(np.nanmax(np.abs(source.values.astype("f8"))))
    return {"var": size**2, "prod": 0.0, "sum": size}.get(case.action, size)


def check_json(client: Client, case: Case, want: xr.DataArray) -> str | None:
    """One JSON answer: strict, dimensions, order, labels, type, values, kept coordinates."""
    answer = client.get(case.path + "?f=json")
    if answer.status_code != 200:
        return f"status {answer.status_code} {answer.text[:120]}"
    if answer.headers["Content-Type"].split(";")[0] != "application/json":
        return f"type {answer.headers['Content-Type']}"
    body = strict(answer.text)
    got = body["data_vars"][case.var]
    if got["dims"] != list(want.dims):
        return f"dims {got['dims']}, expected {list(want.dims)}"
    if {d: body["dims"][d] for d in want.dims} != dict(want.sizes):
        return f"sizes {body['dims']}, expected {dict(want.sizes)}"
    if got["dtype"] != str(want.dtype):
        return f"dtype {got['dtype']}, expected {want.dtype}"
    problem = check_labels(body, want, case)
    if problem:
        return problem
    source = client.field(case.dataset)[case.var]
    gone = set(reduced_dims(source, case)) if case.options.get("anomaly") != "1" else set()
    stay = {n for n, c in source.coords.items() if not set(c.dims) & gone and n not in want.dims}
    here = set(body["coords"]) - set(want.dims) - {"quantile"}
    if stay != here:
        return f"coordinates {sorted(here)}, expected {sorted(stay)}"
    return compare_values(want.values, numbers(got["data"], want.dtype), case.action, scale_of(source, case), True)


def check_labels(body: dict, want: xr.DataArray, case: Case) -> str | None:
    """Labels of every dimension, in order; group coordinates have no attributes."""
    for dim in want.dims:
        if dim not in body["coords"]:
            return f"no coordinate {dim}"
        coord = body["coords"][dim]
        labels, exact = coord["data"], plain_labels(want[dim].values)
        if exact and isinstance(exact[0], tuple):
            labels = [parse_time(t) for t in labels]
            if "calendar" not in coord["attrs"]:
                return f"time coordinate {dim} names no calendar"
        if labels != exact:
            return f"labels of {dim} {str(labels)[:80]}, expected {str(exact)[:80]}"
        name = case.grouper.partition(".")[2]
        if name and dim == name and dim != "date" and coord["attrs"]:
            return f"group coordinate {dim} has attributes {coord['attrs']}"
        if dim.endswith("_bins") and coord["attrs"].get("bounds") != dim + "_bnds":
            return f"{dim} names no bounds"
    return None


def check_dataset(got: xr.Dataset, case: Case, want: xr.DataArray, scale: float, loose_bool: bool) -> str | None:
    """A NetCDF or Zarr answer against the expected array."""
    da = got[case.var]
    if list(da.dims) != list(want.dims):
        return f"dims {da.dims}, expected {want.dims}"
    dtype = np.dtype(bool) if loose_bool and want.dtype == bool and da.dtype.kind in "iu" else da.dtype
    if dtype != want.dtype:
        return f"dtype {da.dtype}, expected {want.dtype}"
    for dim in want.dims:
        if plain_labels(got[dim].values) != plain_labels(want[dim].values):
            return f"labels of {dim} {got[dim].values[:4]}, expected {want[dim].values[:4]}"
    return compare_values(want.values, da.values.astype(want.dtype), case.action, scale, False)


def check_nc(client: Client, case: Case, want: xr.DataArray, scale: float) -> str | None:
    """The NetCDF answer, written to a file and opened with xarray."""
    answer = client.get(case.path + "?f=nc")
    if answer.status_code != 200 or not answer.headers["Content-Type"].startswith("application/"):
        return f"status {answer.status_code}, type {answer.headers.get('Content-Type')}"
    if f"{case.var}_" not in answer.headers.get("Content-Disposition", ""):
        return f"Content-Disposition {answer.headers.get('Content-Disposition')!r}"
    if answer.content[:4] != b"\x89HDF":
        return "not NetCDF-4"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        path.write_bytes(answer.content)
        with xr.open_dataset(path) as got:
            return check_dataset(got.load(), case, want, scale, True)


def check_csv(client: Client, case: Case, want: xr.DataArray, scale: float) -> str | None:
    """The CSV answer: header and one row per cell."""
    answer = client.get(case.path + "?f=csv")
    if answer.status_code != 200 or not answer.headers["Content-Type"].startswith("text/csv"):
        return f"status {answer.status_code}, type {answer.headers.get('Content-Type')}"
    rows = list(csv.reader(io.StringIO(answer.text)))
    if rows[0] != [*want.dims, case.var]:
        return f"header {rows[0]}"
    if len(rows) != want.size + 1:
        return f"{len(rows) - 1} rows, expected {want.size}"
    cells = [r[-1] for r in rows[1:]]
    if want.dtype.kind == "b":
        values = np.array([c.lower() in ("true", "1") for c in cells])
    elif want.dtype.kind in "iu":
        values = np.array([int(c) for c in cells], dtype=object)
    else:
        values = np.array([float(c) if c else np.nan for c in cells])
        values[np.isinf(values)] = np.nan  # As in JSON: whether infinity is written as text is left open.
    return compare_values(want.values, values.reshape(want.shape), case.action, scale, True)


def open_zarr(client: Client, path: str, version: int) -> xr.Dataset:
    """The lazy Zarr group over HTTP."""
    options = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=TIMEOUT)}}
    return xr.open_dataset(client.base + path + "/zarr", engine="zarr", zarr_format=version, consolidated=True,
                           storage_options=options, chunks=None)


def check_zarr(client: Client, case: Case, want: xr.DataArray, scale: float, version: int) -> str | None:
    """The Zarr answer in one format version."""
    with open_zarr(client, case.path, version) as got:
        return check_dataset(got.load(), case, want, scale, False)


def check_case(client: Client, report: Report, section: str, case: Case, forms: float) -> None:
    """One case in JSON and, for a fixed part of the cases, in the other forms."""
    name = case.path.removeprefix("/datasets/")
    try:
        want = expected(client.field(case.dataset), case)
    except Overflow:
        report.claim(section, name, lambda: None if (s := client.get(case.path).status_code) == 422 else f"status {s}, expected 422 (overflow)")
        return
    report.claim(section, name, lambda: check_json(client, case, want))
    if part_of("form" + name, forms) and case.grouper != "time.date" and "_bins" not in str(want.dims):
        scale = scale_of(client.field(case.dataset)[case.var], case)
        report.claim("netcdf", name, lambda: check_nc(client, case, want, scale))
        report.claim("csv", name, lambda: check_csv(client, case, want, scale))
        report.claim("zarr v2", name, lambda: check_zarr(client, case, want, scale, 2))
        report.claim("zarr v3", name, lambda: check_zarr(client, case, want, scale, 3))


def chosen(cases: Iterator[Case], share: float, match: str | None) -> Iterator[Case]:
    """The cases whose path matches, or a fixed part of all."""
    for case in cases:
        if re.search(match, case.path) if match else part_of(case.path, share):
            yield case


def check_values(client: Client, report: Report, share: float, match: str | None, forms: float) -> None:
    """The whole matrix."""
    for case in chosen(matrix(), share, match):
        check_case(client, report, "values", case, forms)


def check_options(client: Client, report: Report, share: float, match: str | None, forms: float) -> None:
    """Options, and that the query form means the same as the path form."""
    for case in chosen(optioned(), share * 10, match):
        check_case(client, report, "options", case, forms * 3)

    def same_in_query() -> str | None:
        one = client.get("/datasets/daily_noleap/groupby/tas/time.month/std/ddof=1")
        two = client.get("/datasets/daily_noleap/groupby/tas/time.month/std?ddof=1")
        if one.content != two.content:
            return "query and path form differ"
        link = two.headers.get("Link", "")
        if 'rel="canonical"' not in link or "/std/ddof=1>" not in link or "application/vnd.zarr" not in link:
            return f"Link {link!r}"
        return None

    report.claim("options", "query form", same_in_query)

    def counted_bins() -> str | None:
        body = strict(client.get("/datasets/daily_noleap/groupby/pr/lat/count/bins=n:4").text)
        data = np.array(body["data_vars"]["pr"]["data"], float)
        n = int(client.field("daily_noleap")["pr"].notnull().sum())
        bnds = np.array(body["data_vars"].get("lat_bins_bnds", body["coords"].get("lat_bins_bnds"))["data"])
        if body["dims"]["lat_bins"] != 4 or np.nansum(data) != n:
            return f"{body['dims']}, {np.nansum(data)} of {n} values"
        mid = np.array(body["coords"]["lat_bins"]["data"])
        return None if np.allclose(bnds.mean(axis=1), mid) and (bnds[1:, 0] == bnds[:-1, 1]).all() else "bounds and midpoints disagree"

    report.claim("options", "bins=n:4", counted_bins)

    def estimate() -> str | None:
        body = client.get("/datasets/daily_noleap/groupby/tas/time.month/mean?f=estimate").json()
        return None if body.get("groups") == 12 else f"{body}, expected groups = 12"

    report.claim("options", "f=estimate", estimate)


def check_attributes(client: Client, report: Report) -> None:
    """Attributes of the variable and of the dataset."""
    tas = {"units": "K", "standard_name": "air_temperature", "long_name": "Air temperature", "cell_methods": "time: mean"}
    counted = {k: v for k, v in tas.items() if k != "standard_name"} | {"units": "1"}
    cases = [("daily_noleap", "tas", a, tas) for a in ("mean", "min", "max", "sum", "std", "median", "first", "last")]
    cases += [("daily_noleap", "tas", a, counted) for a in ("count", "any", "all")]
    cases += [("daily_noleap", "tas", "var", {**tas, "units": "K2"}),
              ("types_noleap", "wind", "var", {"units": "(m s-1)2", "standard_name": "wind_speed"}),
              ("daily_noleap", "pr", "prod", {"cell_methods": "time: sum"}), ("types_noleap", "t2m", "mean", {"units": "K"})]
    for dataset, var, action, want in cases:
        def test(dataset=dataset, var=var, action=action, want=want) -> str | None:
            body = strict(client.get(f"/datasets/{dataset}/groupby/{var}/time.month/{action}").text)
            got = body["data_vars"][var]["attrs"]
            if got != want:
                return f"attributes {got}, expected {want}"
            source = client.field(dataset).attrs
            for key in ("title", "institution", "source", "license", "Conventions", "references"):
                if body["attrs"].get(key) != source[key]:
                    return f"dataset attribute {key} is {body['attrs'].get(key)!r}"
            if "comment" in body["attrs"]:
                return "dataset attribute comment is carried over"
            lines = body["attrs"].get("history", "").split("\n")
            if lines[:-1] != source["history"].split("\n") or not re.fullmatch(rf"thermocline groupby \S*{var}/time\.month/{action}\S*", lines[-1]):
                return f"history {lines}"
            if body["coords"]["lat"]["attrs"].get("units") != "degrees_north":
                return "lat lost its units"
            return None

        report.claim("attributes", f"{dataset} {var} {action}", test)


BAD = [
    ("/datasets/daily_noleap/groupby/nope/time.month/mean", 404, "Variable 'nope' not found in dataset"),
    ("/datasets/daily_noleap/groupby/tas/nope.month/mean", 404, "Groupby coordinate 'nope.month' not found in dataset"),
    ("/datasets/daily_noleap/groupby/tas/nope/mean", 404, "Groupby coordinate 'nope' not found in dataset"),
    ("/datasets/daily_noleap/groupby/tas/time.month/shout", 400, "Groupby action 'shout' not recognized"),
    ("/datasets/daily_noleap/groupby/tas/time.fortnight/mean", 400, "fortnight"),
    ("/datasets/daily_noleap/groupby/tas/time.month./mean", 400, ""),
    ("/datasets/daily_noleap/groupby/tas/time./mean", 400, ""),
    ("/datasets/daily_noleap/groupby/tas/time.week/mean", 400, "week"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?colour=red", 400, "colour"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?skipna=maybe", 400, "skipna"),
    ("/datasets/daily_noleap/groupby/tas/time.month/std?ddof=-1", 400, "ddof"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?ddof=1", 400, "ddof"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?q=0.5", 400, "q"),
    ("/datasets/daily_noleap/groupby/tas/time.month/quantile", 400, "q"),
    ("/datasets/daily_noleap/groupby/tas/time.month/quantile?q=1.5", 400, "q"),
    ("/datasets/daily_noleap/groupby/tas/time.month/quantile?q=nan", 400, "q"),
    ("/datasets/daily_noleap/groupby/tas/lat/mean?bins=3,2,1", 400, "bins"),
    ("/datasets/daily_noleap/groupby/tas/lat/mean?bins=a,b", 400, "bins"),
    ("/datasets/daily_noleap/groupby/tas/lat/mean?bins=-90,90&closed=both", 400, "closed"),
    ("/datasets/daily_noleap/groupby/tas/time/mean?freq=MOON", 400, "freq"),
    ("/datasets/daily_noleap/groupby/tas/time.season/mean?seasons=DJX", 400, "seasons"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?over=depth", 400, "over"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?weights=nope", 400, "weights"),
    ("/datasets/daily_noleap/groupby/tas/time.month/std/ddof=1?ddof=1", 400, "ddof"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?f=xls", 400, ""),
    ("/datasets/daily_noleap/groupby/tas/height/mean", 400, "height"),
    ("/datasets/daily_noleap/groupby/tas/time.month/mean?lat=40:50", 400, ""),
    ("/datasets/types_noleap/groupby/elsewhere/time.month/mean", 400, "elsewhere"),
    ("/datasets/types_noleap/groupby/big/time.month/sum", 422, ""),
    ("/datasets/types_noleap/groupby/big/time.month/prod", 422, ""),
    ("/datasets/undecodable/groupby/tas/time.month/mean", 422, "time"),
    ("/datasets/nope/groupby/tas/time.month/mean", 404, ""),
]
HOSTILE = ["time.month.__class__", "time.month'].values", "time.month;import os", "time.__init__", "time.month\"", "time.%00",
           "time.month%0a", "%2e%2e%2f%2e%2e%2fetc", "a" * 10000, "time." + "m" * 10000, "tíme.mönth", "time.month%ff", "time,time",
           ",", "time.month,", ".", "time.month%20", "`id`", "$(id)", "{{7*7}}", "time.month)%2bprint(1", "time,,lat", "%"]


def check_bad(client: Client, report: Report) -> None:
    """Bad requests: the status and the text that are promised, in problem+json."""
    for path, status, text in BAD:
        def test(path=path, status=status, text=text) -> str | None:
            answer = client.get(path)
            if answer.status_code != status:
                return f"status {answer.status_code}, expected {status} {answer.text[:80]}"
            if answer.headers["Content-Type"].split(";")[0] != "application/problem+json":
                return f"type {answer.headers['Content-Type']}"
            body = answer.json()
            if text not in body.get("detail", ""):
                return f"detail {body.get('detail')!r}, expected {text!r} in it"
            if "groupby/" in path and status == 404 and text and body["detail"] != text:
                return f"detail {body['detail']!r}, expected exactly {text!r}"
            if "shout" in path and not {"mean", "quantile"} <= set(body.get("allowed", [])):
                return "no list `allowed`"
            return None

        report.claim("bad requests", path, test)
    for text in HOSTILE:
        def hostile(text=text) -> str | None:
            answer = requests.get(f"{client.base}/datasets/daily_noleap/groupby/tas/{text}/mean", timeout=20)
            return None if answer.status_code in (400, 404, 414, 431) else f"status {answer.status_code} {answer.text[:80]}"

        report.claim("hostile groupers", text[:30], hostile)


def check_http(client: Client, report: Report) -> None:
    """Negotiation, validators, HEAD, methods, repeatability under parallel load."""
    path = "/datasets/daily_noleap/groupby/pr/time.month/mean"
    accepts = [("*/*", 200, "application/json"), ("application/json", 200, "application/json"), ("text/csv", 200, "text/csv"),
               ("text/html,application/xhtml+xml,*/*;q=0.8", 200, "text/html"), ("application/netcdf", 200, "application/netcdf"),
               ("application/x-netcdf", 200, "application/"), ("image/png", 406, "application/problem+json")]
    for accept, status, kind in accepts:
        def negotiate(accept=accept, status=status, kind=kind) -> str | None:
            answer = client.get(path, headers={"Accept": accept})
            got = (answer.status_code, answer.headers["Content-Type"])
            return None if got[0] == status and got[1].startswith(kind) else f"{got}, expected {status} {kind}"

        report.claim("http", f"Accept {accept}", negotiate)

    def page() -> str | None:
        text = client.get(path + "?f=html").text
        missing = [w for w in ("month", "pr", "kg m-2 s-1") if w not in text]
        outside = re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']+""", text)
        return f"missing {missing}, foreign links {outside[:2]}" if missing or [o for o in outside if client.base not in o] else None

    report.claim("http", "html page stands alone", page)

    def validators() -> str | None:
        first = client.get(path + "?f=json")
        tag = first.headers.get("ETag", "")
        if not tag.startswith('"'):
            return f"ETag {tag!r} is not strong"
        again = client.get(path + "?f=json", headers={"If-None-Match": tag})
        return None if again.status_code == 304 and not again.content else f"status {again.status_code} for If-None-Match"

    report.claim("http", "ETag and 304", validators)

    def head() -> str | None:
        full = client.get(path + "?f=json")
        answer = client.session.head(client.base + path + "?f=json", timeout=TIMEOUT)
        same = all(answer.headers.get(h) == full.headers.get(h) for h in ("Content-Type", "ETag"))
        return None if answer.status_code == 200 and same else f"{answer.status_code} {dict(answer.headers)}"

    report.claim("http", "HEAD", head)
    report.claim("http", "POST is 405", lambda: None if (s := client.session.post(client.base + path, timeout=TIMEOUT).status_code) == 405 else f"{s}")

    for form in ("json", "nc", "csv", "html"):
        def twice(form=form) -> str | None:
            one, two = (client.get(f"{path}?f={form}") for _ in range(2))
            same = one.content == two.content and one.headers.get("ETag") == two.headers.get("ETag")
            return None if same else "two answers differ in bytes or ETag"

        report.claim("repeatable", f"two runs, {form}", twice)

    def parallel() -> str | None:
        paths = [f"/datasets/daily_noleap/groupby/{v}/time.{p}/{a}" for v in ("tas", "pr") for p in ("month", "year") for a in ("mean", "var", "sum")]
        serial = {p: client.get(p).content for p in paths}
        with ThreadPoolExecutor(8) as pool:
            for p, content in pool.map(lambda p: (p, requests.get(client.base + p, timeout=TIMEOUT).content), paths * 4):
                if content != serial[p]:
                    return f"{p} differs under parallel load"
        return None

    report.claim("repeatable", "48 requests in 8 threads", parallel)


def read_bytes(client: Client) -> float:
    """The sum of the samples of thermocline_read_bytes_total."""
    samples = re.findall(r"^thermocline_read_bytes_total(?:\{[^}]*\})? (\S+)", client.get("/metrics").text, re.M)
    if not samples:
        raise ValueError("/metrics has no thermocline_read_bytes_total")
    return sum(map(float, samples))


def check_lazy(client: Client, report: Report) -> None:
    """Opening the Zarr group reads next to nothing, one chunk reads its own tile only."""
    size = (client.folder / "tiles_noleap.nc").stat().st_size
    q = np.random.default_rng().integers(1, 999999) / 1e6  # A new request each run, so no kept result answers it.
    path = f"/datasets/tiles_noleap/groupby/noise/time.month/quantile/q={q}"
    marks = []

    def opened() -> str | None:
        marks.append(read_bytes(client))
        ds = open_zarr(client, path, 3)
        marks.append(read_bytes(client))
        ds["noise"][:, 0, 0].load()
        marks.append(read_bytes(client))
        ds["noise"].load()
        marks.append(read_bytes(client))
        return None if marks[1] - marks[0] < 0.05 * size else f"opening read {marks[1] - marks[0]:.0f} of {size} bytes"

    report.claim("lazy zarr", "open", opened)
    report.claim("lazy zarr", "one chunk", lambda: None if marks[2] - marks[1] < 0.3 * size else f"one chunk of nine read {marks[2] - marks[1]:.0f} of {size} bytes")
    report.claim("lazy zarr", "all", lambda: None if marks[3] > 0.2 * size else f"after reading everything the counter is {marks[3]:.0f}")
    report.claim("lazy zarr", "absent key", lambda: None if (s := client.get(path + "/zarr/nope/zarr.json").status_code) == 404 else f"{s}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--forms", type=float, default=0.1)
    parser.add_argument("--match", help="ask for all cases whose path matches this regular expression instead of a share")
    parser.add_argument("--only", nargs="*", choices=["values", "options", "attributes", "bad", "http", "lazy"])
    args = parser.parse_args()
    client, report = Client(args.server, args.folder), Report()
    datasets = sorted(p.stem for p in args.folder.glob("*.nc"))
    before = {d: client.get(f"/datasets/{d}/dict").content for d in datasets}
    sections = {"values": lambda: check_values(client, report, args.share, args.match, args.forms),
                "options": lambda: check_options(client, report, args.share, args.match, args.forms),
                "attributes": lambda: check_attributes(client, report), "bad": lambda: check_bad(client, report),
                "http": lambda: check_http(client, report), "lazy": lambda: check_lazy(client, report)}
    for name in args.only or sections:
        sections[name]()
    for dataset in datasets:
        def pure(dataset=dataset) -> str | None:
            return None if before[dataset] and client.get(f"/datasets/{dataset}/dict").content == before[dataset] else "/dict has changed"

        report.claim("pure", dataset, pure)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
