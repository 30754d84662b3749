"""Times far from ours, and resampling of many starts in all calendars: compared with cftime and with xarray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

import brute
from asking import Client, address, compare_json
from check_groupby import part_of
from common import Report
from make_more_fields import CALENDARS, STEPS

CFTIME = xr.coders.CFDatetimeCoder(use_cftime=True)
PARTS = ["year", "month", "day", "hour", "minute", "second", "dayofyear", "weekday", "season", "days_in_month", "is_leap_year", "quarter", "decade", "month_day"]
FREQUENCIES = ["1min", "7min", "30min", "45min", "1h", "3h", "5h", "6h", "12h", "D", "2D", "5D", "10D", "MS", "2MS", "QS", "QS-DEC", "YS", "2YS", "90s"]
FEBRUARY_29 = 60


def component(dates: np.ndarray, part: str) -> np.ndarray:
    """A component of cftime's dates, from what cftime itself says."""
    table = {
        "dayofyear": lambda d: d.dayofyr, "weekday": lambda d: d.dayofwk, "season": lambda d: ("DJF", "MAM", "JJA", "SON")[d.month % 12 // 3], "days_in_month": lambda d: d.daysinmonth,
        "is_leap_year": lambda d: (d.replace(month=12, day=30).dayofyr + (d.calendar != "360_day")) == 366, "quarter": lambda d: (d.month + 2) // 3, "decade": lambda d: d.year // 10 * 10,
        "month_day": lambda d: (d.month - 1) * 30 + d.day if d.calendar == "360_day" else int(np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30])[d.month - 1]) + d.day,
    }
    return np.array([table.get(part, lambda d: getattr(d, part))(d) for d in dates], object if part == "season" else None)


def check_ancient(client: Client, more: Path, report: Report, share: float) -> None:
    """Components of times before 1582 and across it, of far years, of years below 1, of fractions of seconds."""
    for dataset in ("reform", "reform_julian", "reform_proleptic", "far", "below_one", "below_one_360", "micro", "seconds"):
        ds = xr.open_dataset(more / f"{dataset}.nc", decode_times=CFTIME).load()
        for part in PARTS:
            path = address(dataset, "v", f"time.{part}", "mean")

            def test(ds=ds, part=part, path=path) -> str | None:
                labels = xr.DataArray(component(ds["time"].values, part), dims="time")
                return compare_json(client, path, "v", brute.group(ds["v"], [(part, labels)], "mean"), "mean", 3.0)

            report.claim("times", path.removeprefix("/datasets/"), test)
        for grouper, pairs in (("time.date", []), ("time", ["freq=YS"]), ("time", ["freq=QS-DEC"]), ("time", ["freq=MS"]), ("time", ["freq=D"])):
            path = address(dataset, "v", grouper, "count", *pairs)

            def counted(ds=ds, path=path, grouper=grouper, pairs=pairs) -> str | None:
                if pairs:
                    want = ds["v"].resample(time=pairs[0].partition("=")[2]).count()
                    if (want == 0).any() or want.isnull().any():
                        want = want.astype("f8").where(want > 0)
                else:
                    days = xr.DataArray(np.array([d.replace(hour=0, minute=0, second=0, microsecond=0) for d in ds["time"].values]), dims="time")
                    want = brute.group(ds["v"], [("date", days)], "count")
                return compare_json(client, path, "v", want, "count", 1.0)

            report.claim("times", path.removeprefix("/datasets/"), counted)
    ds = xr.open_dataset(more / "micro.nc", decode_times=CFTIME).load()

    def micro() -> str | None:
        labels = xr.DataArray(np.array([d.microsecond for d in ds["time"].values]), dims="time")
        return compare_json(client, address("micro", "v", "time.microsecond", "mean"), "v", brute.group(ds["v"], [("microsecond", labels)], "mean"), "mean", 3.0)

    report.claim("times", "microseconds", micro)


def check_subdaily(client: Client, more: Path, report: Report, share: float) -> None:
    """Resampling of ten starts by twenty frequencies in six calendars has the groups that xarray has."""
    for calendar in CALENDARS:
        ds = xr.open_dataset(more / f"subdaily_{calendar}.nc", decode_times=CFTIME).load()
        for k in range(len(STEPS)):
            da = ds[f"v{k}"].rename({f"time{k}": "time"})
            for freq in FREQUENCIES:
                if not part_of(f"{calendar}{k}{freq}", share):
                    continue
                path = address(f"subdaily_{calendar}", f"v{k}", f"time{k}", "sum", f"freq={freq}", "min_count=1")

                def test(da=da, freq=freq, k=k, path=path) -> str | None:
                    if freq == "1min" and STEPS[k][0] > 1440:
                        return None if (s := client.get(path).status_code) == 413 else f"status {s}, expected 413: more than 100,000 groups"
                    groups = da.resample(time=freq)
                    want = groups.sum(min_count=1).rename(time=f"time{k}")
                    return compare_json(client, path, f"v{k}", want, "sum", 3.0)

                report.claim("subdaily", path.removeprefix("/datasets/"), test)
