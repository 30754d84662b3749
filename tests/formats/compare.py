#!/usr/bin/env python3
"""Prove that what a server serves is what the files of the corpus hold.

    compare.py --server http://127.0.0.1:8080 DIR      a running server that serves DIR/single
    … [--views v3,v2,kerchunk] [--only GLOB] [--jobs N] [-o results.json] [--all]

Two comparisons are made of each case and view:

raw      every array through zarr alone against libhdf5 or libnetcdf without masking and scaling: existence, shape,
         type, every bit of every value (NaN payloads and signed zeros included), dimension names, attributes
decoded  every group through xarray.open_dataset on both sides: decoded times, masked and scaled values, coordinates

Verdicts, from best to worst: PASS; METADATA (values right; names, attributes, types or encodings are not); REFUSED (the
whole dataset, with a reason); PARTIAL (arrays are absent or raise); FAILED (nothing can be opened); WRONG (a value differs
and nobody said so). Right is PASS, or REFUSED where corpus.json says so. The exit code is 0 only if every case is right.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import json
import multiprocessing
import os
import sys
import time
import warnings
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

import sources
from equality import attr_differences, same_attr, same_decoded, same_values, show_difference
from truth import Truth, Var, open_decoded, read_truth

VERDICTS = ("PASS", "METADATA", "REFUSED", "PARTIAL", "FAILED", "WRONG")
ENCODING = ("units", "calendar", "scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned")
TIME_LIMIT = 120.0


@dataclass
class Findings:
    """What was found, by verdict. A finding begins with the path it is about."""

    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # rightly, with a reason: no verdict

    @property
    def verdict(self) -> str:
        return next((v for v in reversed(VERDICTS[1:]) if getattr(self, v.lower())), "PASS")

    def first(self) -> str:
        return next((getattr(self, v.lower())[0] for v in reversed(VERDICTS[1:]) if getattr(self, v.lower())), "")


def is_right(case: dict, verdict: str) -> bool:
    return verdict in {"wrong": ("PASS",), "ok": ("PASS", "REFUSED"), "required": ("REFUSED",)}[case["refusal"]]


# One file


def examine_file(case: dict, path: Path, opened: sources.Opened, found: Findings) -> None:
    try:
        truth = read_truth(path)
    except OSError:
        found.wrong.append("/: served, although libhdf5 or libnetcdf cannot open the file")
        return
    absent = compare_raw(truth, opened, found)
    for name in absent:
        reason = opened.reasons.get(name)
        if name in case["may_lack"] and (reason or opened.reasons is sources.NO_REPORT):
            found.left_out.append(f"{name}: {reason or 'no report'}")
        else:
            found.partial.append(f"{name}: absent" + ("" if reason else ", and the report does not say why"))
    compare_decoded(truth, path, opened, found, case["may_lack"])


def compare_raw(truth: Truth, opened: sources.Opened, found: Findings) -> list[str]:
    """Compare all arrays; returns the paths of those that are absent."""
    arrays, groups = opened.hierarchy()
    absent = []
    for path, var in truth.vars.items():
        if path in arrays:
            compare_array(path, var, arrays.pop(path), found)
            continue
        members = {m: arrays.pop(f"{path}.{m}") for m in member_names(var) if f"{path}.{m}" in arrays}
        if members and len(members) == len(member_names(var)):
            for member, array in members.items():
                compare_array(f"{path}.{member}", Var(var.dims, var.attrs, member_of(var.values, member)), array, found)
        else:
            absent.append(path)
    for path, attrs in truth.groups.items():
        if path in groups:
            note_attrs(f"/{path}", attr_differences(attrs, groups[path], extra={"coordinates"}), found)
        elif any(p.startswith(f"{path}/") for p in truth.vars) and path:
            found.partial.append(f"{path}/: group absent")
    found.metadata.extend(f"{path}: an array that the file does not have" for path in arrays)
    return absent


def member_names(var: Var) -> tuple[str, ...]:
    if not var.readable:
        return ()
    return ("r", "i") if var.values.dtype.kind == "c" else var.values.dtype.names or ()


def member_of(values: np.ndarray, member: str) -> np.ndarray:
    if values.dtype.kind == "c":
        return values.real if member == "r" else values.imag
    return values[member]


def compare_array(path: str, var: Var, array: zarr.Array, found: Findings) -> None:
    if var.values is None:
        found.wrong.append(f"{path}: served as {array.dtype}{array.shape}, but has no values that Zarr could hold")
        return
    try:
        values = np.asarray(array[...])
    except Exception as err:
        (found.partial if var.readable else found.left_out).append(f"{path}: reading raised {sources.brief(err)}")
        return
    if not var.readable:
        found.wrong.append(f"{path}: served, although reading the file raises {sources.brief(var.values)}")
        return
    if is_joined(var, array):
        var = joined(var)
    if values.shape != var.values.shape:
        found.wrong.append(f"{path}: shape {var.values.shape} became {values.shape}")
        return
    same = same_values(var.values, values, var.by_value)
    if same == "different":
        found.wrong.append(f"{path}: {show_difference(var.values, values)}")
        return
    if same == "other type":
        found.metadata.append(f"{path}: type {var.values.dtype} became {values.dtype}")
    found.metadata.extend(f"{path}: {text}" for text in dimension_differences(var, array))
    extra = {"flag_values", "flag_meanings"} if var.enum else set()
    note_attrs(path, attr_differences(var.attrs, dict(array.attrs), extra | var.odd_attrs), found)


def is_joined(var: Var, array: zarr.Array) -> bool:
    """Zarr v3 may offer characters (NC_CHAR) as strings, joined along their last axis."""
    characters = var.values.dtype == "S1" and var.values.ndim == array.ndim + 1
    return characters and array.metadata.zarr_format == 3 and array.dtype.kind in "OTU"


def joined(var: Var) -> Var:
    width = var.values.shape[-1]
    values = np.ascontiguousarray(var.values).view(f"S{width}")[..., 0] if width else np.zeros(var.values.shape[:-1], "S1")
    return replace(var, values=values, dims=(var.dims or ())[:-1], odd_attrs=var.odd_attrs | {"_Encoding"})


def dimension_differences(var: Var, array: zarr.Array) -> list[str]:
    is_v3 = array.metadata.zarr_format == 3
    dims = array.metadata.dimension_names if is_v3 else array.attrs.get("_ARRAY_DIMENSIONS")
    dims = tuple(str(d).rpartition("/")[2] for d in dims or ())
    if not array.ndim:
        return []
    if len(dims) != array.ndim:
        return [f"{len(dims)} dimension names for {array.ndim} axes"]
    wanted = (var.dims or ()) + (None,) * (array.ndim - len(var.dims or ()))
    return [] if all(w in (None, d) for w, d in zip(wanted, dims)) else [f"dims {var.dims} became {dims}"]


def note_attrs(path: str, differences: list[str], found: Findings) -> None:
    if differences:
        found.metadata.append(f"{path}: attributes: {'; '.join(differences)}")


def compare_decoded(truth: Truth, path: Path, opened: sources.Opened, found: Findings, may_lack: list[str]) -> None:
    for group in truth.groups:
        if not any(p.rpartition("/")[0] == group for p in truth.vars):
            continue
        try:
            got = opened.dataset(group)
        except Exception as err:
            found.failed.append(f"/{group}: xarray cannot open it: {sources.brief(err)}")
            continue
        try:
            want = open_decoded(path, group).load()
        except Exception:
            continue  # xarray cannot open the file itself: nothing to compare with
        prefix = f"{group}/" if group else ""
        for name, variable in want.variables.items():
            if name in got.variables and f"{prefix}{name}" not in may_lack:
                compare_decoded_variable(f"{prefix}{name}", variable, got.variables[name], found)
        lost = {name for name in want.coords if name in got.variables and name not in got.coords}
        if lost:
            found.metadata.append(f"/{group}: no longer coordinates: {', '.join(sorted(map(str, lost)))}")


def compare_decoded_variable(path: str, want: xr.Variable, got: xr.Variable, found: Findings) -> None:
    if want.dtype.names or any(text.startswith(f"{path}:") for text in found.wrong):
        return
    try:
        values = got.values
    except Exception as err:
        found.partial.append(f"{path}: decoding raised {sources.brief(err)}")
        return
    if not same_decoded(want.values, values):
        found.wrong.append(f"{path}: decoded: {show_difference(want.values, values)}")
        return
    for key in ENCODING:
        a, b = want.encoding.get(key), got.encoding.get(key)
        if not same_attr(a, b) and not (key == "_FillValue" and b is None and out_of_range(a, want.encoding.get("dtype"))):
            found.metadata.append(f"{path}: encoding {key} {a!r} became {b!r}")


def out_of_range(fill, dtype) -> bool:
    """A fill value that no element can have need not be carried."""
    if not isinstance(fill, (int, float, np.number)) or np.dtype(dtype).kind not in "iu":
        return False
    return not np.iinfo(dtype).min <= fill <= np.iinfo(dtype).max


# Running: each case and view in a forked child, so that a crash or a hang is one verdict


def examine(case: dict, view: str, source: sources.Server, corpus: Path) -> Findings:
    found = Findings()
    try:
        opened = source.open(case["id"], view)
        examine_file(case, corpus / (case["truth"] or case["path"]), opened, found)
    except sources.Refused as err:
        found.refused.append(f"/: {err}")
    except Exception as err:
        found.failed.append(f"/: {sources.brief(err)}")
    return found


def child(sender, case: dict, view: str, source: sources.Server, corpus: Path) -> None:
    warnings.simplefilter("ignore")
    os.chdir((corpus / case["path"]).parent)  # libhdf5 looks there for external raw data
    found = examine(case, view, source, corpus)
    sender.send({"verdict": found.verdict, "first": found.first(), **{k: v for k, v in asdict(found).items() if v}})


def run(jobs: list[tuple[dict, str]], source: sources.Server, corpus: Path, width: int):
    """Yield (case, view, result) for every job, in order, ``width`` at a time."""
    context = multiprocessing.get_context("fork")
    waiting, running, done = collections.deque(enumerate(jobs)), {}, {}
    for index in range(len(jobs)):
        while index not in done:
            while waiting and len(running) < width:
                number, job = waiting.popleft()
                receiver, sender = context.Pipe(False)
                process = context.Process(target=child, args=(sender, *job, source, corpus))
                process.start()
                sender.close()
                running[receiver] = (number, process, time.monotonic())
            for receiver in wait(list(running), timeout=1):
                number, process, _ = running.pop(receiver)
                try:
                    done[number] = receiver.recv()
                except EOFError:
                    done[number] = failure("the reader crashed")
                process.join()
            for receiver, (number, process, start) in list(running.items()):
                if time.monotonic() - start > TIME_LIMIT:
                    process.kill()
                    process.join()
                    done[number] = failure(f"no result within {TIME_LIMIT:g} s")
                    del running[receiver]
        yield *jobs[index], done.pop(index)


def failure(text: str) -> dict:
    return {"verdict": "FAILED", "first": f"/: {text}", "failed": [f"/: {text}"]}


def report(case: dict, view: str, result: dict) -> None:
    mark = "right" if is_right(case, result["verdict"]) else "NOT RIGHT"
    text = " ".join((result["first"] or "; ".join(f"left out {t}" for t in result.get("left_out", ()))).split())
    print(f"{case['id']:34} {view:8} {result['verdict']:8} {mark:9} {text[:200]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="where make_corpus.py wrote")
    parser.add_argument("--server", required=True, help="base URL")
    parser.add_argument("--views", default="v3,v2,kerchunk", help="what to compare (default: %(default)s)")
    parser.add_argument("--only", default="*", help="glob over case ids")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at a time (default: %(default)s)")
    parser.add_argument("-o", "--out", type=Path, help="write all findings as JSON")
    parser.add_argument("--all", action="store_true", help="also print what is right")
    args = parser.parse_args()

    source = sources.Server(args.server)
    cases = json.loads((args.corpus / "corpus.json").read_text())
    chosen = [case for case in cases if fnmatch.fnmatch(case["id"], args.only)]
    jobs = [(case, view) for case in chosen for view in args.views.split(",")]
    results = []
    for case, view, result in run(jobs, source, args.corpus.resolve(), args.jobs):
        if args.all or not is_right(case, result["verdict"]):
            report(case, view, result)
        results.append({"id": case["id"], "view": view, "right": is_right(case, result["verdict"]), **result})
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n")
    counts = collections.Counter(r["verdict"] for r in results)
    n_right = sum(r["right"] for r in results)
    print(", ".join(f"{v} {counts[v]}" for v in VERDICTS if counts[v]))
    print(f"{n_right} passed, {len(results) - n_right} failed")
    sys.exit(0 if results and n_right == len(results) else 1)


if __name__ == "__main__":
    main()
