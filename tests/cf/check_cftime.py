#!/usr/bin/env python3
"""Compare `model::cf` with cftime, and where xarray asks pandas, with xarray.

    check_cftime.py [--bridge target/debug/examples/cf_times] [--seed N] [--all]

The bridge is built by `cargo build -p thermocline-model --example cf_times`. All questions go to it at once.

decode      calendars × spellings of units × reference dates × integers and floats: the date and its parts. Floats may
            be one microsecond off: cftime multiplies in 80-bit floats, we exactly. Those that are, are computed once
            more in fractions of integers.
pandas      integers that xarray decodes with pandas, nanoseconds among them
encode      dates as numbers: integer or float, and every bit of it
reference   spellings of reference dates. We either read what xarray reads (cftime; in the Gregorian calendars since
            1582-10-15 pandas), or say that it is unclear; the usual spellings are not refused.
refuse      calendars, units, dates and values that have no time
period      dates of requests against xarray's `CFTimeIndex` and pandas' `DatetimeIndex`

Time beyond cftime's 64 bits of microseconds from the reference is not asked for. The last line is
`N passed, N failed`; the exit code is 0 only if none failed.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import math
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path

import cftime
import numpy as np
import pandas as pd
from xarray.coding.cftimeindex import _parsed_string_to_bounds
from xarray.coding.times import _parse_iso8601, decode_cf_datetime

warnings.simplefilter("ignore")

REPOSITORY = Path(__file__).resolve().parents[2]
CALENDARS = ("standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day")
ALIASES = {"standard": "Gregorian", "noleap": "365_day", "all_leap": "366_DAY"}
YEARLESS_ZERO = ("standard", "julian")
INDEX = pd.DatetimeIndex(["2000-01-01"]).as_unit("us")

# Every name that cftime has for a unit, with its microseconds.
UNITS = {name: factor for name, factor in cftime._cftime.UNIT_CONVERSION_FACTORS.items() if "month" not in name and "year" not in name}
ONLY = {"360_day": ("month", "months"), "noleap": ("common_year", "common_years")}


@dataclass
class Check:
    """One line for the bridge, and what is wrong with its answer: None if nothing is."""

    group: str
    question: str
    judge: Callable[[list[str]], str | None]


def iso(date: cftime.datetime) -> str:
    """As the bridge writes it: cftime writes years beyond four digits without a sign."""
    sign = "-" if date.year < 0 else "+" if date.year > 9_999 else ""
    text = f"{sign}{abs(date.year):04d}-{date.month:02d}-{date.day:02d}T{date.hour:02d}:{date.minute:02d}:{date.second:02d}"
    return text + (f".{date.microsecond:06d}" if date.microsecond else "")


def equals(expected: list[str]) -> Callable[[list[str]], str | None]:
    return lambda found: None if found == expected else f"expected {expected}"


def refused(found: list[str]) -> str | None:
    return None if found[0] == "error" else "expected an error"


def parts(date: cftime.datetime) -> list[str]:
    leap = str(date.calendar != "360_day" and bool(cftime.is_leap_year(date.year, date.calendar))).lower()
    return [iso(date), str(date.dayofyr), str(date.dayofwk), str(date.daysinmonth), leap]


def rounded(value: float, factor: int) -> int:
    """Microseconds by cftime's rule, but exactly: half to even, and to a whole second within a microsecond of it."""
    product = Fraction(value) * factor
    number = round(product)
    if factor < 1_000_000 or number % 1_000_000 not in (1, 999_999):
        return number
    return math.floor(product) if number % 1_000_000 == 1 else math.ceil(product)


def near(date: cftime.datetime, exact: Callable[[], cftime.datetime], tally: collections.Counter) -> Callable[[list[str]], str | None]:
    """Equal to cftime, or one microsecond off where exact arithmetic gives that."""

    def judge(found: list[str]) -> str | None:
        is_equal = found == parts(date)
        tally["floats as in cftime" if is_equal else "floats one microsecond off, exactly rounded"] += 1
        if is_equal:
            return None
        expected = exact()
        is_near = abs(expected - date) <= timedelta(microseconds=1)
        return None if is_near and found == parts(expected) else f"expected {parts(date)}, exactly {parts(expected)}"

    return judge


def references(calendar: str) -> list[str]:
    """Reference dates in the spellings that all readers agree about."""
    days = ["1970-01-01", "2000-1-1", "1850-01-01 00:00:0.0", "0001-01-01", "1-1-1 06:30:00", "1582-10-04 23:59:59.999999",
            "1582-10-15", "1900-02-28T12:00:00Z", "2000-02-28 23:30 +01:00", "1999-12-30 00:00:00 -0930", "2000-12-30_18:00:00",
            "-1-12-30 12:00", "-4713-01-01 12:00:00", "1600-2-29" if calendar != "noleap" else "1600-3-1", "9999-12-30 23:59:59",
            "12345-06-07 08:09:10.111213"]
    if calendar == "360_day":
        days += ["2001-02-30", "1999-2-29 06:00"]
    if calendar not in YEARLESS_ZERO:
        days += ["0000-01-01", "0-3-1 12:00"]
    return days


def spellings(calendar: str) -> list[tuple[str, int]]:
    factors = cftime._cftime.UNIT_CONVERSION_FACTORS
    names = list(UNITS) + list(ONLY.get(calendar, ()))
    return [(name.upper() if i % 5 == 0 else name, factors[name]) for i, name in enumerate(names)]


def dates(values: np.ndarray, units: str, calendar: str) -> np.ndarray:
    return cftime.num2date(values, units, calendar, only_use_cftime_datetimes=True)


def exact_date(value: float, factor: int, reference: str, calendar: str) -> cftime.datetime:
    return dates(np.array(rounded(value, factor)), f"microseconds since {reference}", calendar)


def within(values: np.ndarray, factor: int, years: int = 5_000) -> np.ndarray:
    """The values that lie so many years around the reference: cftime goes month by month."""
    return values[np.abs(values.astype(float)) * factor < years * 366 * 86_400e6]


def decoding(rng: np.random.Generator, tally: collections.Counter) -> Iterator[Check]:
    small = np.array([0, 1, -1, 2, 28, 29, 30, 31, 59, 60, 61, 365, 366, -365, -366, 1461, 36_524, 36_525, 146_097, -146_097, 577_736, -719_162])
    fractions = np.array([0.5, -0.5, 0.1, 1 / 3, -2 / 3, 0.999999, 1e-6, 1.5e-6, 2.5, 3.5, 1e-12, 59.041666666666664, 1234.56789])
    for calendar in CALENDARS:
        combinations = itertools.product(spellings(calendar), references(calendar))
        for i, ((unit, factor), reference) in enumerate(combinations):
            name = ALIASES.get(calendar, calendar.upper()) if i % 7 == 0 else calendar
            units = f"{unit} since {reference}"
            span = int(3_000 * 365.25 * 86_400e6 / factor)
            integers = within(np.concatenate([small, rng.integers(-span, span + 1, 12), [span, -span]]), factor)
            for value, date in zip(integers, dates(integers, units, calendar)):
                yield Check("decode integers", f"decode\t{name}\t{units}\t{value}", equals(parts(date)))
            floats = np.concatenate([fractions, rng.uniform(-span, span, 8), np.round(rng.uniform(-span, span, 8) * 24) / 24,
                                     rng.normal(0, 1e3, 4), np.float32(rng.uniform(-1e4, 1e4, 4)).astype(float)])
            floats = within(floats, factor)
            for value, date in zip(floats, dates(floats, units, calendar)):
                exactly = partial(exact_date, float(value), factor, reference, calendar)
                yield Check("decode floats", f"decode\t{name}\t{units}\t{float(value)!r}", near(date, exactly, tally))


def far(rng: np.random.Generator) -> Iterator[Check]:
    """Integers far from the reference; cftime's 360_day is quick, the others walk."""
    for calendar in CALENDARS:
        years = 200_000 if calendar == "360_day" else 20_000
        span = int(years * 360 * 86_400e6)
        for value in rng.integers(-span, span, 2_000 if calendar == "360_day" else 25):
            units = "microseconds since 2000-01-01"
            yield Check("decode far", f"decode\t{calendar}\t{units}\t{value}", equals(parts(dates(np.array(value), units, calendar))))


def reform() -> Iterator[Check]:
    """Each hour of the days around 4 October 1582, and each day around every century's leap day and year 0."""
    for calendar in CALENDARS:
        for units, n in (("hours since 1582-10-01", 500), ("hours since 1582-10-20", -500), ("days since 0001-01-05", -1_500),
                         ("days since 1-1-1", 1_500), ("days since -101-01-01", 800), ("days since 1899-12-30", 800), ("days since 1999-12-30", 800)):
            values = np.arange(min(n, 0), max(n, 0))
            for value, date in zip(values, dates(values, units, calendar)):
                yield Check("decode reform", f"decode\t{calendar}\t{units}\t{value}", equals(parts(date)))


def by_pandas(rng: np.random.Generator) -> Iterator[Check]:
    """What xarray asks pandas for: integers in the Gregorian calendars, nanoseconds among them."""
    factors = {"nanoseconds": 1, "microseconds": 10**3, "milliseconds": 10**6, "seconds": 10**9, "minutes": 60 * 10**9, "hours": 3_600 * 10**9, "days": 86_400 * 10**9}
    for calendar, (unit, factor), year in itertools.product(CALENDARS[:2], factors.items(), (1700, 1900, 1970, 2000, 2200)):
        units = f"{unit} since {year}-03-01 06:00:00.5"
        first, last = ((end - year) * 31_556_952 * 10**9 for end in (max(1680, year - 290), min(2260, year + 290)))
        values = rng.integers(first, last, 60) // factor
        for value, date in zip(values, decode_cf_datetime(values, units, calendar).astype("datetime64[ns]").astype(int)):
            whole = np.datetime64(round(Fraction(int(date), 1_000)), "us")
            yield Check("pandas", f"decode\t{calendar}\t{units}\t{value}", starts(str(whole).removesuffix(".000000")))


def starts(expected: str) -> Callable[[list[str]], str | None]:
    return lambda found: None if found[0] == expected else f"expected {expected}"


def encoding(rng: np.random.Generator) -> Iterator[Check]:
    for calendar in CALENDARS:
        for (unit, factor), reference in itertools.product(spellings(calendar)[::2], references(calendar)[::2]):
            units = f"{unit} since {reference}"
            grain = rng.choice([1, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000], 12)
            ticks = rng.integers(-(10**16), 6 * 10**16, 12) // grain * grain
            for date in dates(ticks, "microseconds since 2000-01-01", calendar):
                try:
                    value = cftime.date2num(date, units, calendar)
                except OverflowError:
                    continue
                expected = ["f", repr(float(value))] if isinstance(value, float) else ["i", str(int(value))]
                yield Check("encode", f"encode\t{calendar}\t{units}\t{iso(date)}", number(expected))


def number(expected: list[str]) -> Callable[[list[str]], str | None]:
    """Equal kinds, and equal numbers however they are written."""

    def judge(found: list[str]) -> str | None:
        is_equal = found[0] == expected[0] and (float(found[1]) == float(expected[1]) if found[0] == "f" else found == expected)
        return None if is_equal else f"expected {expected}"

    return judge


def read_reference(text: str, calendar: str) -> str | None:
    """The time that xarray takes `text` for, to the microsecond; None if it does not decode."""
    try:
        date = decode_cf_datetime(np.array([0]), f"days since {text}", calendar)[0]
    except Exception:  # noqa: BLE001 - whatever it raises, it does not decode.
        return None
    if isinstance(date, np.datetime64):
        text = str(date.astype("datetime64[us]"))
        return text.removesuffix(".000000")
    return iso(date)


def spelt_references() -> Iterator[Check]:
    """Reference dates in all spellings, those that readers disagree about among them."""
    day = ["2000-01-02", "2000-1-2", "1582-10-15", "1500-03-04", "0001-01-01", "1-2-3", "-1-1-1", "20000102", "2000/01/02", "2-jan-2000", "02-Jan-2000",
           "2000-01", "2000", "+2000-01-02", "01-02-2000", "1/2/2000", "12345-01-02", "2000-001", "2000-W01"]
    clock = ["", " 00:00", " 6:30", "T06:30", " 06:30:15", " 06:30:15.25", "_06:30:15", " 06", "T06", " 0630", "  06:30", " 0", " 0:0:0.0", " 06:30:15,5", "T6:3:1",
             " 24:00", " 06:60", "-12", "+06:00", " 063015", " 06:30:"]
    zone = ["", "Z", " Z", " UTC", "UTC", " GMT", " +00:00", "+01:00", " +01:00", " -0130", " +01", " -6:00", " -6", "  +01:00", " 0:00", " 00:00", " 1:00", " CET", " PM", " +99:00"]
    usual_days = set(day[:6])
    usual_clocks = {"", " 00:00", " 6:30", "T06:30", " 06:30:15", " 06:30:15.25", "_06:30:15", " 0:0:0.0", "T6:3:1"}
    usual_zones = {"", " Z", " UTC", " GMT", " +00:00", " +01:00", " -0130", " +01"}
    for calendar in CALENDARS:
        for parts_of in itertools.product(day, clock, zone):
            text = "".join(parts_of)
            must_read = parts_of[0] in usual_days and parts_of[1] in usual_clocks and parts_of[2] in usual_zones
            # xarray takes the four digits of the zone for the year of one digit.
            must_read = must_read and (parts_of[0], parts_of[2]) != ("1-2-3", " -0130")
            yield Check("reference", f"reference\t{calendar}\tdays since {text}", agrees(read_reference(text, calendar), must_read))


def agrees(expected: str | None, must_read: bool) -> Callable[[list[str]], str | None]:
    """What xarray reads, we read as xarray does, or call it unclear. What it refuses, we may read."""

    def judge(found: list[str]) -> str | None:
        if found[0] in ("error", "unclear"):
            may_refuse = expected is None or (found[0] == "unclear" and not must_read)
            return None if may_refuse else f"expected {expected}"
        return None if expected is None or found == [expected] else f"expected {expected} or unclear"

    return judge


def unclear(found: list[str]) -> str | None:
    return None if found[0] == "unclear" else "expected unclear"


def refusals() -> Iterator[Check]:
    # xarray decodes only what has a `since` in small letters, cftime and UDUNITS read any.
    for calendar, since in itertools.product(CALENDARS, ("SINCE", "Since", "sincE")):
        yield Check("capitals", f"reference\t{calendar}\tdays {since} 2000-01-01", unclear)
    for calendar in ("none", "tai", "", "gregorian ", "360day", "noleap_"):
        yield Check("refuse", f"reference\t{calendar}\tdays since 2000-01-01", refused)
    texts = ["days", "since 2000-01-01", "day as %Y%m%d", "days after 2000-01-01", "years since 2000-01-01", "weeks since 2000-01-01",
             "months since 2000-01-01", "common_years since 2000-01-01", "fortnights since 2000-01-01", "days since", "days since x",
             "days since 2000-00-01", "days since 2000-13-01", "days since 2000-01-00", "days since 2000-01-32", "days since 2000-04-31",
             "days since 2000-02-30", "days since 2001-02-29", "days since 1900-02-29", "days since 2000-02-29", "days since 2000-01-31",
             "days since 0000-01-01", "days since 1582-10-05", "days since 1582-10-14", "days since 2000-01-01 24:00:00",
             "days since 2000-01-01 00:60:00", "days since 2000-01-01 00:00:60"]
    for calendar, text in itertools.product(CALENDARS, texts):
        try:
            expected = equals([iso(dates(np.array(0), text, calendar))])
        except Exception:  # noqa: BLE001 - cftime raises many kinds.
            expected = refused
        yield Check("refuse", f"reference\t{calendar}\t{text}", expected)
    for calendar, value in itertools.product(CALENDARS, ("nan", "inf", "-inf", "1e300", "-1e300", str(2**63), str(-(2**63)), str(10**30))):
        yield Check("refuse", f"decode\t{calendar}\tdays since 2000-01-01\t{value}", refused)


def periods(rng: random.Random) -> Iterator[Check]:
    for calendar in CALENDARS:
        date_type = type(dates(np.array(0), "days since 2000-01-01", calendar))
        for _ in range(1_500):
            text = request(rng)
            yield Check("period", f"period\t{calendar}\t{text}", judge_period(text, date_type))
    for _ in range(6_000):
        text = request(rng)
        if "1700" <= text[:4] <= "2200":
            yield Check("period", f"period\t{rng.choice(CALENDARS[:2])}\t{text}", judge_pandas_period(text))


def request(rng: random.Random) -> str:
    """A date as requests have it, of any precision, sometimes one that no calendar has."""
    year, month, day = rng.choice([rng.randint(1, 9_999), rng.randint(1700, 2200), 2000, 1900, 1582, 4]), rng.randint(1, 13), rng.randint(1, 32)
    fields = [f"{year:04d}", f"-{month:02d}", f"-{day:02d}", f"T{rng.randint(0, 24):02d}", f":{rng.randint(0, 60):02d}", f":{rng.randint(0, 59):02d}",
              "." + "".join(rng.choices("0123456789", k=rng.randint(1, 6)))]
    n_fields = rng.randint(1, 7)
    text = "".join(fields[:n_fields])
    # Six digits are YYYYMM to cftime and YYMMDD to pandas; we refuse them, which a claim in Rust says.
    if rng.random() < 0.3 and n_fields != 2:
        return text.replace("-", "").replace(":", "")
    return text.replace("T", " ") if rng.random() < 0.2 and n_fields > 4 else text


def judge_period(text: str, date_type: type) -> Callable[[list[str]], str | None]:
    """xarray's bounds for cftime; milliseconds and microseconds have none there, only a start."""
    try:
        parsed, resolution = _parse_iso8601(date_type, text)
    except ValueError:
        return refused
    if resolution in ("millisecond", "microsecond"):
        return lambda found: None if found[0] == iso(parsed) and found[2] == resolution else f"expected {iso(parsed)} {resolution}"
    start, end = _parsed_string_to_bounds(date_type, resolution, parsed)
    return equals([iso(start), iso(end + timedelta(microseconds=1)), resolution])


def judge_pandas_period(text: str) -> Callable[[list[str]], str | None]:
    """pandas' bounds, which xarray uses for `datetime64`."""
    try:
        parsed, resolution = INDEX._parse_with_reso(text)
    except ValueError:
        return refused
    start, end = INDEX._parsed_string_to_bounds(resolution, parsed)
    return equals([start.isoformat(), (end + pd.Timedelta(microseconds=1)).isoformat(), resolution.attrname])


def ask(bridge: Path, checks: list[Check]) -> list[list[str]]:
    questions = "".join(check.question + "\n" for check in checks)
    answers = subprocess.run([bridge], input=questions, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in answers.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bridge", type=Path, default=REPOSITORY / "target/debug/examples/cf_times")
    parser.add_argument("--seed", type=int, default=1582)
    parser.add_argument("--all", action="store_true", help="show every failure, not the first 20 of each kind")
    args = parser.parse_args()
    began = time.monotonic()
    rng, tally = np.random.default_rng(args.seed), collections.Counter()
    sources = (decoding(rng, tally), far(rng), reform(), by_pandas(rng), encoding(rng), spelt_references(), refusals(), periods(random.Random(args.seed)))
    checks = list(itertools.chain(*sources))
    answers = ask(args.bridge, checks)
    if len(answers) != len(checks):
        print(f"{len(answers)} answers to {len(checks)} questions\n0 passed, 1 failed")
        return 1
    counts, failures = collections.Counter(), collections.Counter()
    for check, found in zip(checks, answers):
        counts[check.group] += 1
        if problem := check.judge(found):
            failures[check.group] += 1
            if args.all or failures[check.group] <= 20:
                print(f"{check.question!r}: found {found}, {problem}")
    for group, count in counts.items():
        print(f"{group:16} {count:7} compared, {failures[group]} differ")
    for text, count in tally.items():
        print(f"{count} {text}")
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{counts.total() - failures.total()} passed, {failures.total()} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
