"""The same fields in every format, and files made by others."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

import brute
from asking import Client, address, compare_json
from check_groupby import part_of
from common import Report
from more_values import ask, options_of, scale_of

warnings.filterwarnings("ignore")
FORMATS = ["f_nc4", "f_nc3", "f_offset64", "f_cdf5", "f_zarr2", "f_zarr3", "f_h5", "f_kerchunk"]
ALLOWED = {200, 202, 400, 404, 413, 422}
# "seconds since 2020-02-05 10:08:25 0:00": xarray takes this for a zone, which has no sign by CF; the server decodes no such times.
NO_ZONE = re.compile(r"\d:\d\d(:\d\d(\.\d+)?)? \d+:\d\d$")
MOST_LABELS, MOST_VALUES, MOST_VARIABLES = 400, 100_000, 8


def check_formats(client: Client, more: Path, report: Report, share: float) -> None:
    """Every format gives the same numbers."""
    ds = xr.open_dataset(more / "f_nc4.nc").load()
    for dataset in FORMATS:
        for var, grouper, action in (("tas", "time.month", "mean"), ("tas", "time.month", "std"), ("pr", "time.season", "sum"), ("pr", "time.year", "median"), ("tas", "lat", "max"),
                                     ("pr", "time.month", "quantile"), ("tas", "time.dayofyear", "last")):
            ask(client, report, "formats", ds, dataset, var, grouper, action, options_of(action), 0.1)


def datasets(client: Client) -> list[str]:
    """The identifiers of all datasets."""
    found = client.get("/datasets", headers={"Accept": "application/json"}).json()
    found = found.get("datasets", found) if isinstance(found, dict) else found
    return [d["id"] if isinstance(d, dict) else d for d in found]


def local(folder: Path, dataset: str) -> Path | None:
    """The file of a dataset."""
    names = {dataset, dataset.rsplit("/", 1)[-1]}
    return next((p for p in sorted(folder.iterdir()) if p.name in names or p.name.rsplit(".", 1)[0] in names), None)


def check_files(client: Client, folder: Path, report: Report, share: float) -> None:
    """Variables of real files by their coordinates: as brute force has it, or refused with a reason."""
    for dataset in datasets(client):
        path = local(folder, dataset)
        if path is None:
            continue
        try:
            ds = xr.open_dataset(path, **({"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {}))
        except Exception:  # What xarray cannot open has no right answer here; other checks judge such files.
            continue
        fitting = [var for var, da in ds.data_vars.items() if da.dtype.kind in "fiub" and 0 < da.size <= MOST_VALUES and all(isinstance(d, str) for d in da.dims)]
        for var in fitting if share == 1 else fitting[:MOST_VARIABLES]:
            one_variable(client, report, dataset, str(var), ds, share)


def groupers(ds: xr.Dataset, da: xr.DataArray) -> list[tuple[str, str, xr.DataArray]]:
    """What a variable can be grouped by: the words, the name and the labels."""
    found = []
    for name, coord in da.coords.items():
        if coord.ndim == 0 or coord.size == 0 or not set(coord.dims) <= set(da.dims):
            continue
        try:
            if coord.dtype.kind == "M" or (coord.dtype == object and hasattr(coord.values.flat[0], "calendar")):
                found += [(f"{name}.{part}", part, getattr(coord.dt, part)) for part in ("month", "season", "dayofyear", "hour")]
            elif coord.dtype.kind in "fiub" and len(np.unique(coord.values[~np.isnan(coord.values.astype("f8"))])) <= MOST_LABELS:
                found.append((str(name), str(name), coord))
        except Exception:
            continue
    return found


def one_variable(client: Client, report: Report, dataset: str, var: str, ds: xr.Dataset, share: float) -> None:
    """A variable by every grouper with some of the actions."""
    da = ds[var]
    for words, name, labels in groupers(ds, da):
        for action in ("mean", "max", "count", "var", "sum", "first", "median", "quantile"):
            if not part_of(f"{dataset}{var}{words}{action}", share):
                continue
            path = address(dataset, var, words, action, *(["q=0.25"] if action == "quantile" else []))

            def test(path=path, name=name, labels=labels, action=action) -> str | None:
                got = client.get(path + "?f=json")
                if got.status_code not in ALLOWED:
                    return f"status {got.status_code} {got.text[:120]}"
                if got.status_code != 200:
                    return None if got.json().get("detail") else "no detail"
                if action in ("var", "median", "quantile") and np.isinf(da.values.astype("f8")).any():
                    return None
                try:
                    want = brute.group(da, [(name, labels)], action, {"q": "0.25"} if action == "quantile" else {})
                except OverflowError:
                    return f"status {got.status_code}, expected 422 (overflow)"
                want = want.drop_vars([n for n in want.coords if n in ds and NO_ZONE.search(str(ds[n].encoding.get("units", "")))])
                return compare_json(client, path, var, want, action, scale_of(da, action))

            report.claim("files", path.removeprefix("/datasets/"), test)


