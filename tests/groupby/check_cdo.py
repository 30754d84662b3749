"""Proves that groupby answers agree with CDO, and measures the server against CDO and xarray+flox+dask in one run.

    python make_fields.py DIR --large 730
    python check_cdo.py --server http://127.0.0.1:PORT DIR [--share 0.2] [--speed] [--figures] [--pid PID]

CDO is the Debian package `cdo` (2.1.1 in Debian 12). Values: every operator below in six
calendars, of three fields each (`--share`: of a fixed part of these). Speed (`--speed`, needs
era5_like.nc): the monthly climatology as NetCDF; times are the best of `--runs` in this run, so read the ratios, not the
seconds. `--figures` fails the run when a ratio is below 3 (CDO) or 5 (xarray+flox+dask). `--pid` prints the
server's peak resident memory. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import requests
import xarray as xr

from check_groupby import part_of

CALENDARS = ["standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian"]
# CDO operator, the request, relative tolerance in f4 and f8 (CDO accumulates f4 in its own order).
OPERATORS = [
    ("ymonmean", "time.month/mean", 2.4e-7, 1e-12), ("ymonmin", "time.month/min", 0.0, 0.0),
    ("ymonmax", "time.month/max", 0.0, 0.0), ("ymonsum", "time.month/sum/min_count=1", 5e-7, 1e-12),
    ("ymonstd", "time.month/std", 5e-7, 1e-9), ("ymonvar1", "time.month/var/ddof=1", 1e-6, 1e-9),
    ("yseasmean", "time.season/mean", 2.4e-7, 1e-12), ("ydaymean", "time.month_day/mean", 2.4e-7, 1e-12),
    ("yearmean", "time.year/mean", 5e-7, 1e-12), ("yearmax", "time.year/max", 0.0, 0.0),
    ("monmean", "time/mean/freq=MS", 5e-7, 1e-12), ("seasmean", "time/mean/freq=QS-DEC", 5e-7, 1e-12),
    ("yearmonmean", "time.year/mean/weights=days_in_month", 5e-7, 1e-12),  # on monthly means
    ("timmean", "lat/mean/over=time", 5e-7, 1e-12),
    ("zonmean", "lat/mean/over=lon", 5e-7, 1e-12), ("ymonavg", "time.month/mean/skipna=0", 2.4e-7, 1e-12),
]


def cdo(operator: str, source: Path, target: Path) -> None:
    """Runs one operator on one variable's file."""
    subprocess.run(["cdo", "-s", "-O", *operator.split(), str(source), str(target)], check=True, timeout=600, capture_output=True)


def one_variable(source: Path, var: str, target: Path) -> None:
    """A copy with one variable, as CDO sees it."""
    cdo(f"-selname,{var}", source, target)


def served(base: str, dataset: str, var: str, request: str, folder: Path) -> xr.DataArray:
    """The server's answer, read from its NetCDF form."""
    answer = requests.get(f"{base}/datasets/{dataset}/groupby/{var}/{request}?f=nc", timeout=600)
    if answer.status_code != 200:
        raise ValueError(f"status {answer.status_code} {answer.text[:120]}")
    path = folder / "served.nc"
    path.write_bytes(answer.content)
    with xr.open_dataset(path) as ds:
        return ds[var].load()


def compare(operator: str, ours: xr.DataArray, theirs: np.ndarray, limit: float) -> str | None:
    """None when both agree; CDO's order of seasons is brought to the server's labels."""
    if operator == "yseasmean":
        theirs = theirs[[["DJF", "MAM", "JJA", "SON"].index(s) for s in ours["season"].values]]
    theirs = theirs.reshape(ours.shape) if theirs.size == ours.size else theirs
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, CDO has {theirs.shape}"
    a, b = ours.values.astype("f8"), theirs.astype("f8")
    if (np.isnan(a) != np.isnan(b)).any():
        return f"missing at {int((np.isnan(a) != np.isnan(b)).sum())} other places than in CDO"
    here = ~np.isnan(a)
    worst = float(np.max(np.abs(a - b)[here] / np.maximum(np.abs(b[here]), 1e-30), initial=0.0))
    return None if worst <= limit else f"relative difference {worst:.2g}, allowed {limit:g}"


def check_values(base: str, folder: Path, share: float) -> tuple[int, int]:
    """All operators, calendars and three fields; returns how many agree and how many do not."""
    good, bad = 0, 0
    print(f"{'operator':12}{'request':40}{'agree':>7}{'differ':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        tmp = Path(scratch)
        for operator, request, f4, f8 in OPERATORS:
            family = "monthly" if operator == "yearmonmean" else "daily"
            fields = [(f"{family}_{c}", v) for c in CALENDARS for v in ("tas", "pr", "sst")
                      if (folder / f"{family}_{c}.nc").exists() and (family == "daily" or v == "tas")]
            if operator == "ydaymean":  # The label of 30 February is not defined; time.dayofyear serves there.
                fields = [f for f in fields if "360_day" not in f[0]]
            # Every operator keeps a field, each another one.
            fields = [f for i, f in enumerate(fields) if share == 1 or part_of(f"{operator} {f}", share) or i == len(operator) % len(fields)]
            problems = []
            for dataset, var in fields:
                alone = tmp / f"{dataset}_{var}.nc"
                try:
                    if not alone.exists():
                        one_variable(folder / f"{dataset}.nc", var, alone)
                    cdo(f"-{operator}", alone, tmp / "out.nc")
                    with xr.open_dataset(tmp / "out.nc", decode_times=False) as ds:
                        theirs = ds[var].load()
                    ours = served(base, dataset, var, request, tmp)
                    problem = compare(operator, ours, theirs.values, f8 if var == "pr" else f4)
                except (ValueError, KeyError, requests.RequestException, subprocess.SubprocessError) as error:
                    problem = str(error)[:150]
                if problem:
                    problems.append(f"{dataset} {var}: {problem}")
            print(f"{operator:12}{request:40}{len(fields) - len(problems):7}{len(problems):8}")
            for line in problems[:3]:
                print(f"  FAIL {operator} {line}")
            good += len(fields) - len(problems)
            bad += len(problems) + (not fields)
    return good, bad


def best(run: Callable[[], object], runs: int) -> float:
    """The shortest wall time in seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def check_speed(base: str, folder: Path, runs: int, figures: bool, pid: int | None) -> tuple[int, int]:
    """Times the monthly climatology four ways; returns how many ratios are reached and how many are not."""
    source = folder / "era5_like.nc"
    source.read_bytes()  # All parties read from the page cache.
    salt = int(time.time())

    def fresh() -> None:
        nonlocal salt
        salt += 1  # A selection of everything, written differently each time: no kept result can answer.
        answer = requests.get(f"{base}/datasets/era5_like/groupby/t2m/time.month/mean/lon=0:{1000 + salt}?f=nc", timeout=600)
        answer.raise_for_status()

    def again() -> None:
        requests.get(f"{base}/datasets/era5_like/groupby/t2m/time.month/mean?f=nc", timeout=600).raise_for_status()

    def by_xarray() -> None:
        with xr.open_dataset(source, chunks={"time": 60}) as ds:
            ds["t2m"].groupby("time.month").mean().compute()

    def plain_read() -> None:
        with netCDF4.Dataset(source) as ds:
            var = ds["t2m"]
            for i in range(0, var.shape[0], 60):
                var[i : i + 60]

    with tempfile.TemporaryDirectory() as scratch:
        t_cdo = best(lambda: cdo("-ymonmean", source, Path(scratch) / "out.nc"), runs)
    t_xarray = best(by_xarray, runs)
    t_read = best(plain_read, runs)
    t_cold = best(fresh, runs)
    again()
    t_warm = best(again, runs)
    print(f"{'monthly climatology of era5_like.nc':44}{'seconds':>9}{'server is … times as fast':>27}")
    for name, t in (("server, not seen before", t_cold), ("server, same request again", t_warm), ("CDO ymonmean", t_cdo),
                    ("xarray+flox+dask", t_xarray), ("netCDF4, reading all values, one thread", t_read)):
        print(f"{name:44}{t:9.2f}{t / t_cold:27.2f}")
    if pid:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        print(next(line for line in lines if line.startswith("VmHWM")))
    short = [name for name, t, need in (("CDO", t_cdo, 3.0), ("xarray+flox+dask", t_xarray, 5.0)) if t / t_cold < need]
    if short:
        print(f"below the figures against: {', '.join(short)}")
    missed = len(short) if figures else 0
    return 2 - missed, missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--only-speed", action="store_true")
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--pid", type=int)
    args = parser.parse_args()
    if not shutil.which("cdo"):
        print("cdo is not installed (Debian: apt-get install cdo)\n0 passed, 1 failed")
        return 1
    base = args.server.rstrip("/")
    good, bad = (0, 0) if args.only_speed else check_values(base, args.folder, args.share)
    if args.speed or args.only_speed:
        reached, missed = check_speed(base, args.folder, args.runs, args.figures, args.pid)
        good, bad = good + reached, bad + missed
    print(f"{good} passed, {bad} failed")
    return int(bad > 0 or not good)


if __name__ == "__main__":
    sys.exit(main())
