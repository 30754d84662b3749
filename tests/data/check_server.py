#!/usr/bin/env python3
"""Opens every dataset of a folder through a server's Zarr endpoint and compares it with the truth, variable by variable.

    python check_server.py --server http://127.0.0.1:PORT                     the files of this folder
    python check_server.py --server URL --data OTHER_FOLDER --id NAME         another folder, some datasets only

Each dataset is opened at {server}/datasets/{id}/zarr with zarr-python (values, dtype, shape, dimension names, attribute names)
and, group by group, with xarray (it opens; CF times decode to the same first and last date). Verdicts:

    EQUAL     all of it agrees with truth.json.gz
    LEFT OUT  the variable is not served. Accepted when GET {server}/datasets/{id}/report gives a reason, or when the value has
              no Zarr counterpart (opaque, references, vlen of numbers, null dataspace, second names and links)
    EXTRA     served although the reference libraries cannot read it: to be looked at, not counted as a failure
    REFUSED   the reference libraries cannot open the file and the server refuses it too, loudly
    WRONG     served, and different
    ERROR     not openable, not readable, or missing without a reason

Where the truth asks for what no right server can give, the comparison follows what xarray makes of the original file: bounds
take units and calendar from the variable that names them, and units that cftime cannot parse are decoded by pandas. Arrays with
"#" in their path may fail, loudly, for clients that cut URLs there, and must be right for those that percent-encode it.

Exit code 1 on any WRONG or ERROR, or when fewer than --min-equal per cent of the readable variables are EQUAL (so that a server
that leaves everything out does not pass).
"""
from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

import truth

warnings.simplefilter("ignore")
NO_COUNTERPART = {"opaque", "reference", "vlen", "empty", "object", "unreadable"}
TIMEOUT_S = 60


@dataclass
class Verdict:
    dataset: str
    variable: str
    verdict: str
    reason: str = ""


@dataclass
class Served:
    """What the server shows of one dataset: groups and arrays by path, the report."""

    url: str
    zarr_format: int | None
    groups: dict[str, zarr.Group]
    arrays: dict[str, zarr.Array]
    report: Any


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def get_json(url: str) -> Any:
    try:
        status, body = get(url)
        return json.loads(body) if status == 200 else None
    except (OSError, ValueError):
        return None


def reason_in(report: Any, path: str) -> str | None:
    """The words that a report has for a variable: looked for under its path or name, whatever the layout of the JSON."""
    names = {path, path.lstrip("/"), path.strip("/").replace("/", ".")}
    if isinstance(report, dict):
        for name in names & report.keys():
            return words(report[name])
        if any(report.get(key) in names for key in ("name", "path", "variable", "id") if isinstance(report.get(key), str)):
            return words(report)
    children = report.values() if isinstance(report, dict) else report if isinstance(report, list) else ()
    for child in children:
        found = reason_in(child, path)
        if found is not None:
            return found
    return None


def words(entry: Any) -> str | None:
    if isinstance(entry, str):
        return entry or None
    if isinstance(entry, dict):
        return next((str(entry[key]) for key in ("reason", "error", "detail", "message", "note") if entry.get(key)), None)
    return None


def open_served(server: str, name: str, prefix: str, zarr_format: int | None) -> Served:
    base = f"{server.rstrip('/')}/datasets/{urllib.parse.quote(name)}"
    url = f"{base}/{prefix}"
    options = {"client_kwargs": {"timeout": _aiohttp_timeout()}}
    root = zarr.open_group(url, mode="r", zarr_format=zarr_format, storage_options=options)
    members = dict(root.members(max_depth=None))
    groups = {"/": root} | {f"/{path}": node for path, node in members.items() if isinstance(node, zarr.Group)}
    arrays = {f"/{path}": node for path, node in members.items() if isinstance(node, zarr.Array)}
    return Served(url, root.metadata.zarr_format, groups, arrays, get_json(f"{base}/report"))


def _aiohttp_timeout() -> Any:
    import aiohttp

    return aiohttp.ClientTimeout(total=TIMEOUT_S)


# ---------------------------------------------------------------- comparison of one variable


def served_dims(array: zarr.Array) -> list[str] | None:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return [str(name) for name in names] if names else None


def same_type(expected: str, kind: str, found: np.dtype) -> bool:
    """Byte order is free (the values are compared); an enum may become bool or its base integer; any string is a string."""
    if kind == "string":
        return truth.kind_of(found) == "string" or found.kind == "O"
    if kind == "compound":
        return found.names is not None
    if kind == "bool" or expected.endswith(" enum"):
        return found.kind in "biu"
    return np.dtype(expected).newbyteorder("=") == found.newbyteorder("=")


def same_values(record: dict[str, Any], values: np.ndarray) -> bool:
    if record["kind"] == "string":
        found = truth.string_digest(values)
        return found in (record["sha256"], record.get("joined_sha256"))
    if values.dtype.kind == "b" or record["kind"] == "bool":
        values = values.astype("u1")
    return truth.digest_of(values) == record["sha256"]


def difference(record: dict[str, Any], array: zarr.Array) -> str | None:
    """What differs between the truth and a served array, None when all agrees. Raises what the store raises."""
    shape, found_shape = record["shape"], list(array.shape)
    joined = record.get("joined_sha256") is not None and found_shape == shape[:-1]
    if found_shape != shape and not joined:
        return f"shape {found_shape}, expected {shape}"
    if not same_type(record["dtype"], record["kind"], array.dtype):
        return f"dtype {array.dtype}, expected {record['dtype']}"
    dims = served_dims(array)
    expected_dims = record["dims"][:len(found_shape)] if record["dims"] and found_shape else None
    if expected_dims and dims != expected_dims:
        return f"dimensions {dims}, expected {expected_dims}"
    missing = sorted(set(record["attrs"]) - set(array.attrs) - {"flag_values", "flag_meanings", "_Encoding"})  # joined characters lose it
    if missing:
        return f"attributes missing: {', '.join(missing)}"
    wrong = next((text for name, value in record.get("cf", {}).items() if (text := attribute_difference(name, value, array))), None)
    return wrong or value_difference(record, array)


def attribute_difference(name: str, expected: str, array: zarr.Array) -> str | None:
    """A CF attribute that changes the meaning of the values. _FillValue is looked at by xarray, not here."""
    if name == "_FillValue" or name not in array.attrs:
        return None
    found = array.attrs[name]
    found = found[0] if isinstance(found, list) and len(found) == 1 else found
    if str(found) == expected:
        return None
    try:
        if np.isclose(float(found), float(expected), rtol=1e-6, atol=0, equal_nan=True):
            return None
    except (TypeError, ValueError):
        if not isinstance(found, str):
            return None  # Lists: the text of numpy and of JSON differ.
    return f"attribute {name} is {found!r}, expected {expected!r}"


def value_difference(record: dict[str, Any], array: zarr.Array) -> str | None:
    if "corners_sha256" in record:
        points = truth.corner_points(tuple(record["shape"]))
        values = np.array([array[point] for point in points])
        return None if truth.digest_of(values) == record["corners_sha256"] else "values at the corners differ"
    if record.get("sha256") is None:
        return None
    return None if same_values(record, np.asarray(array[...])) else "values differ"


def compare_members(record: dict[str, Any], path: str, served: Served) -> tuple[str, str] | None:
    """A compound served as one array a member (`name.member`)."""
    found = {name: served.arrays[f"{path}.{name}"] for name in record.get("members", {}) if f"{path}.{name}" in served.arrays}
    if not found:
        return None
    for name, array in found.items():
        digest = record["members"][name]
        values = np.asarray(array[...])
        if digest and truth.digest_of(values.astype("u1") if values.dtype.kind == "b" else values) != digest:
            return "WRONG", f"values of member {name} differ"
    left = sorted(set(record["members"]) - set(found))
    unexplained = [name for name in left if not reason_in(served.report, f"{path}.{name}") and record["members"][name]]
    if unexplained:
        return "ERROR", f"members missing without a reason: {', '.join(unexplained)}"
    return "EQUAL", f"as {len(found)} members" + (f", left out: {', '.join(left)}" if left else "")


def compare_variable(record: dict[str, Any], path: str, served: Served) -> tuple[str, str]:
    array = served.arrays.get(path)
    if array is None:
        try:
            members = compare_members(record, path, served)
        except Exception as error:
            return "ERROR", f"a member: {truth.words_of(error)}"
        return members or left_out(record, path, served)
    try:
        if "error" in record and "sha256" not in record:
            array[...]
            return "EXTRA", f"the reference says {record['error'][:70]}"
        different = difference(record, array)
    except Exception as error:
        if "error" in record:
            return "LEFT OUT", f"reading is refused: {truth.words_of(error)[:80]}"
        if "#" in path:
            return compare_encoded(record, path, served, error)
        return "ERROR", truth.words_of(error)
    return ("WRONG", different) if different else ("EQUAL", "")


def compare_encoded(record: dict[str, Any], path: str, served: Served, failure: Exception) -> tuple[str, str]:
    """fsspec sends no "#" and nothing behind it: a server that cannot tell what was meant has to fail. The array is then
    compared through a URL whose path is percent-encoded, as other clients send it."""
    url = f"{served.url}{urllib.parse.quote(path)}"
    options = {"encoded": True, "client_kwargs": {"timeout": _aiohttp_timeout()}}
    try:
        array = zarr.open_array(url, mode="r", zarr_format=served.zarr_format, storage_options=options)
        different = difference(record, array)
    except Exception as error:
        return "ERROR", f"{truth.words_of(failure)}; percent-encoded: {truth.words_of(error)}"
    return ("WRONG", different) if different else ("EQUAL", "by a percent-encoded URL")


def left_out(record: dict[str, Any], path: str, served: Served) -> tuple[str, str]:
    reason = reason_in(served.report, path)
    if reason:
        return "LEFT OUT", reason[:100]
    if record["kind"] in NO_COUNTERPART or record.get("via") or "error" in record or record["dtype"] in ("<f16", ">f16"):
        return "LEFT OUT", "no reason given"
    return "ERROR", "missing, and the report gives no reason"


# ---------------------------------------------------------------- groups through xarray


def xarray_verdicts(name: str, record: dict[str, Any], served: Served) -> list[Verdict]:
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    answers = []
    for path in sorted(served.groups):
        decodes = any(text == "yes" for text in record["opened_by"].values())
        try:
            dataset = open_decoded(served, path, coder, decodes)
            answers += time_verdicts(name, path, record, dataset, served)
        except Exception as error:
            answers.append(Verdict(name, f"{path} (xarray)", "ERROR", truth.words_of(error)))
    return answers


def open_decoded(served: Served, path: str, coder: Any, decodes: bool) -> xr.Dataset:
    """The group as xarray decodes it. cftime cannot parse all units that pandas can ("seconds since 1-jan-1970"):
    where it fails, plain xarray has to open the group, as it opens the original file."""
    for options in ({"decode_times": coder, "decode_timedelta": False}, {"decode_timedelta": False}):
        try:
            return open_group(served, path, **options)
        except Exception as error:
            failure = error
    if decodes:
        raise failure
    return open_group(served, path, decode_cf=False)


def open_group(served: Served, path: str, **options: Any) -> xr.Dataset:
    group = None if path == "/" else path.strip("/")
    return xr.open_zarr(served.url, group=group, chunks=None, zarr_format=served.zarr_format, **options)


def time_verdicts(name: str, group: str, record: dict[str, Any], dataset: xr.Dataset, served: Served) -> list[Verdict]:
    answers = []
    for path, variable in record["variables"].items():
        parent, _, short = path.rpartition("/")
        if (parent or "/") != group or "time" not in variable or short not in dataset.variables:
            continue
        found = ends(dataset[short])
        if found != variable["time"] and named_as_bounds(short, dataset):
            # The truth decodes each variable alone; in a dataset bounds take units and calendar from what names them.
            raw = open_group(served, group, decode_cf=False)[short].variable
            found = ends(xr.conventions.decode_cf_variable(short, raw, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)))
        if found != variable["time"]:
            answers.append(Verdict(name, f"{path} (time)", "WRONG", f"decodes to {found}, expected {variable['time']}"))
    return answers


def ends(variable: Any) -> list[str]:
    return [str(value) for value in variable.values.ravel()[[0, -1]].tolist()]


def named_as_bounds(name: str, dataset: xr.Dataset) -> bool:
    named = (text for other in dataset.variables.values() for text in (other.encoding.get("bounds"), other.attrs.get("bounds")))
    return name in set(named)


# ---------------------------------------------------------------- one dataset


def check_dataset(server: str, name: str, record: dict[str, Any], prefix: str, zarr_format: int | None) -> list[Verdict]:
    try:
        served = open_served(server, name, prefix, zarr_format)
    except Exception as error:
        return [opening_verdict(server, name, record, prefix, truth.words_of(error))]
    if "error" in record:
        if served.arrays:
            return [Verdict(name, "", "WRONG", f"served, but the reference says {record['error'][:80]}")]
        if "nothing can be read" in record["error"] and isinstance(served.report, dict) and served.report.get("notes"):
            return [Verdict(name, "", "LEFT OUT", f"no member can be read, and the report says so: {served.report['notes']}"[:160])]
        return [Verdict(name, "", "WRONG", "an empty group is served for a file that cannot be opened")]
    verdicts = [Verdict(name, path, *compare_variable(variable, path, served)) for path, variable in record["variables"].items()]
    for path, group in record["groups"].items():
        missing = sorted(set(group["attrs"]) - set(served.groups[path].attrs)) if path in served.groups else []
        if path not in served.groups and any(item.startswith(path + "/") for item in served.arrays):
            verdicts.append(Verdict(name, path, "ERROR", "the group is missing"))
        if missing:
            verdicts.append(Verdict(name, path, "WRONG", f"group attributes missing: {', '.join(missing)[:120]}"))
    return verdicts + xarray_verdicts(name, record, served)


def opening_verdict(server: str, name: str, record: dict[str, Any], prefix: str, error: str) -> Verdict:
    """The Zarr group does not open. That is right only for a file that is refused, and only with an error status."""
    if "error" not in record:
        return Verdict(name, "", "ERROR", f"does not open: {error}")
    base = f"{server.rstrip('/')}/datasets/{urllib.parse.quote(name)}"
    try:
        status, body = get(f"{base}/{prefix}/zarr.json")
    except OSError as failure:
        return Verdict(name, "", "ERROR", f"the server does not answer: {failure}")
    if status < 400:
        return Verdict(name, "", "WRONG", f"status {status} for a file that cannot be opened")
    said = " ".join(body.decode("utf-8", "replace").split())[:80]
    return Verdict(name, "", "REFUSED", f"status {status}: {said}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent, help="folder that holds truth.json.gz")
    parser.add_argument("--id", action="append", help="only this dataset (may be repeated)")
    parser.add_argument("--prefix", default="zarr", help="zarr (default), zarr-v2, zarr-v3 or zarr-core")
    parser.add_argument("--zarr-format", type=int, choices=(2, 3))
    parser.add_argument("--min-equal", type=float, default=80.0, help="least share of readable variables that are EQUAL, per cent")
    parser.add_argument("--all", action="store_true", help="print every row")
    arguments = parser.parse_args()
    records = truth.load(arguments.data)
    unknown = set(arguments.id or ()) - records.keys()
    if unknown:
        parser.error(f"not in the truth: {', '.join(sorted(unknown))}")
    totals: Counter[str] = Counter()
    readable = failed = 0
    for name in sorted(arguments.id or records):
        start = time.monotonic()
        verdicts = check_dataset(arguments.server, name, records[name], arguments.prefix, arguments.zarr_format)
        counts = Counter(verdict.verdict for verdict in verdicts)
        totals += counts
        failed += bool(counts["WRONG"] or counts["ERROR"])
        readable += sum("sha256" in variable or "corners_sha256" in variable for variable in records[name].get("variables", {}).values())
        for verdict in verdicts:
            if verdict.verdict in ("WRONG", "ERROR") or arguments.all:
                print(f"  {verdict.verdict:8} {name} {verdict.variable} {verdict.reason}")
        if arguments.all:
            print(f"{name[:60]:60} {', '.join(f'{key} {n}' for key, n in sorted(counts.items())) or 'no variables'} ({time.monotonic() - start:.1f} s)", flush=True)
    share = 100 * totals["EQUAL"] / readable if readable else 100.0
    print(f"{len(arguments.id or records)} datasets: {', '.join(f'{key} {n}' for key, n in sorted(totals.items()))}; {share:.1f} % of {readable} readable variables EQUAL")
    too_few = share < arguments.min_equal
    print(f"{len(arguments.id or records) - failed} passed, {failed + too_few} failed")
    return 1 if totals["WRONG"] or totals["ERROR"] or too_few else 0


if __name__ == "__main__":
    sys.exit(main())
