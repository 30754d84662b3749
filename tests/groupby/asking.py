"""Asks a server for one result and compares it with an array of xarray: dimensions, labels, type, values, in every form."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from urllib.parse import quote

import numpy as np
import requests
import xarray as xr

from check_groupby import TIMEOUT, compare_values, numbers, open_zarr, plain_labels, parse_time, strict

SAFE = "=,.:-_~"


def address(dataset: str, var: str, grouper: str, action: str, *pairs: str) -> str:
    """The path of a request; every part is percent-encoded."""
    return "/datasets/" + "/".join(quote(part, safe=SAFE if k > 1 else "") for k, part in enumerate([dataset, "groupby", var, grouper, action, *pairs]))


class Client:
    """A server; `base` and `get` are those that check_groupby.py uses."""

    def __init__(self, base: str) -> None:
        self.base, self.session = base.rstrip("/"), requests.Session()

    def get(self, path: str, **more) -> requests.Response:
        """GET below the server root; redirects are not followed."""
        return self.session.get(self.base + path, timeout=TIMEOUT, allow_redirects=False, **more)

    def post(self, path: str, **more) -> requests.Response:
        """POST below the server root."""
        return self.session.post(self.base + path, timeout=TIMEOUT, **more)

    def body(self, path: str) -> dict:
        """The JSON form of a result; raises with what the server says instead."""
        got = self.get(path + ("&" if "?" in path else "?") + "f=json")
        if got.status_code != 200:
            raise ValueError(f"status {got.status_code} {got.text[:160]}")
        return strict(got.text)

    def values(self, path: str, var: str) -> np.ndarray:
        """The values of a result of floats."""
        found = self.body(path)["data_vars"][var]
        return numbers(found["data"], np.dtype(found["dtype"]))


def same_labels(got: list, want: np.ndarray) -> bool:
    """Whether labels of JSON are those of an array; times by their numbers, texts as text."""
    exact = plain_labels(want)
    if exact and isinstance(exact[0], tuple):
        return [parse_time(t) for t in got] == exact
    if exact and isinstance(exact[0], bytes):
        exact = [b.decode() for b in exact]
    if want.dtype == np.dtype("f4"):
        exact = [float(v) for v in exact]
    return got == exact


def compare_json(client: Client, path: str, var: str, want: xr.DataArray, action: str, scale: float) -> str | None:
    """None when the JSON answer has the dimensions, labels, type and values of `want`."""
    body = client.body(path)
    got = body["data_vars"].get(var)
    if got is None:
        return f"no variable {var} in {list(body['data_vars'])}"
    if got["dims"] != list(want.dims):
        return f"dims {got['dims']}, expected {list(want.dims)}"
    if {d: body["dims"][d] for d in want.dims} != dict(want.sizes):
        return f"sizes {body['dims']}, expected {dict(want.sizes)}"
    if want.dtype != object and got["dtype"] != str(want.dtype):
        return f"dtype {got['dtype']}, expected {want.dtype}"
    for dim in want.dims:
        if dim not in want.coords:
            continue
        if dim not in body["coords"]:
            return f"no coordinate {dim}"
        if not same_labels(body["coords"][dim]["data"], want[dim].values):
            return f"labels of {dim} {str(body['coords'][dim]['data'])[:80]}, expected {str(plain_labels(want[dim].values))[:80]}"
    if want.dtype == object:
        return None if got["data"] == want.values.tolist() else f"texts {str(got['data'])[:80]}, expected {str(want.values.tolist())[:80]}"
    return compare_values(want.values, numbers(got["data"], want.dtype), action, scale, True)


def compare_forms(client: Client, path: str, var: str, want: xr.DataArray, action: str, scale: float) -> str | None:
    """None when NetCDF, CSV and both versions of Zarr have the values and types of `want` too."""
    if want.dtype == object:
        return None  # Texts are compared as JSON only.
    answer = client.get(path + "?f=nc")
    if answer.status_code != 200:
        return f"f=nc: status {answer.status_code} {answer.text[:120]}"
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "a.nc").write_bytes(answer.content)
        with xr.open_dataset(file) as got:
            problem = compare_array(got[var].load(), want, action, scale)
    if problem:
        return f"f=nc: {problem}"
    rows = list(csv.reader(io.StringIO(client.get(path + "?f=csv").text)))
    if rows[0] != [*want.dims, var] or len(rows) != want.size + 1:
        return f"f=csv: header {rows[0]}, {len(rows) - 1} rows of {want.size}"
    for version in (2, 3):
        with open_zarr(client, path, version) as got:
            problem = compare_array(got[var].load(), want, action, scale)
        if problem:
            return f"zarr v{version}: {problem}"
    return None


def compare_array(got: xr.DataArray, want: xr.DataArray, action: str, scale: float) -> str | None:
    """None when an opened answer has the dimensions, type, labels and values of `want`."""
    if list(got.dims) != list(want.dims):
        return f"dims {got.dims}, expected {want.dims}"
    if got.dtype != want.dtype and not (want.dtype == bool and got.dtype.kind in "iu"):
        return f"dtype {got.dtype}, expected {want.dtype}"
    for dim in want.dims:
        if dim not in want.coords:
            continue
        there = [v.decode() if isinstance(v, bytes) else v for v in plain_labels(got[dim].values)]
        here = [v.decode() if isinstance(v, bytes) else v for v in plain_labels(want[dim].values)]
        if there != here and not (want[dim].dtype == object and dim.endswith("_bins")):
            return f"labels of {dim} {str(there)[:80]}, expected {str(here)[:80]}"
    return compare_values(want.values, got.values.astype(want.dtype), action, scale, False)
