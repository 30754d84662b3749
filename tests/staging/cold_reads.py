"""Proves with really cold files that no client of the server ever takes a cold chunk for data.

    python cold_reads.py --server URL --dataset ID --variable V --truth truth.npy --files 4 \
        --evict-cmd "…" [--recalls-cmd "…"] [--cold-key zarr-v3/t/c/0/0/0]

Holds when with all clients reading at once no client crashes or gets a value that differs from the truth without
raising; all get the truth after retrying; each of the `--files` files was recalled exactly once, counted on
`GET /metrics` (`--metric`, summed over labels) or by `--recalls-cmd`, whose last word is a number (the tape is a better
witness than the server); metadata, coordinates and HEAD recall nothing; a cold key is 200 with its bytes or 503 with
Retry-After.

`--truth` holds the stored values (no masking, no scaling). Clients come from three environments: this interpreter
(zarr 3, obstore, kerchunk, h5netcdf), `--zarr2 PYTHON`, `--zarrita DIR`. Exit code 0 only when all hold.
"""
from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from report import Report

HERE = Path(__file__).resolve().parent
@dataclass
class Client:
    """One program that reads: the command up to its URLs, and the URL below `{server}/`."""
    name: str
    command: list[str]
    path: str


def clients(args: argparse.Namespace) -> list[Client]:
    here, data = str(HERE / "clients" / "read.py"), f"datasets/{args.dataset}"
    tail = [args.variable, args.truth]
    out = [Client("zarr3+fsspec v2", [sys.executable, here, "fsspec", *tail], f"{data}/zarr-v2"),
           Client("zarr3+fsspec v3", [sys.executable, here, "fsspec", *tail], f"{data}/zarr-v3"),
           Client("zarr3+obstore v2", [sys.executable, here, "obstore", *tail], f"{data}/zarr-v2"),
           Client("zarr3+obstore v3", [sys.executable, here, "obstore", *tail], f"{data}/zarr-v3"),
           Client("kerchunk engine", [sys.executable, here, "kerchunk", *tail], f"{data}/kerchunk")]
    if args.zarr2:
        out.insert(0, Client("zarr2.18+fsspec", [args.zarr2, here, "fsspec", *tail], f"{data}/zarr-v2"))
    if args.zarrita:
        out.append(Client("zarrita.js v3", ["node", str(HERE / "clients" / "read.mjs"), args.zarrita, *tail], f"{data}/{args.js_route}"))
    if args.file:
        out.append(Client("h5netcdf+fsspec", [sys.executable, here, "h5netcdf", args.variable, args.file_truth or args.truth], args.file.lstrip("/")))
    return [c for c in out if not args.only or any(o in c.name for o in args.only)]


def read_all(client: Client, urls: list[str], seconds: float) -> Iterator[dict]:
    """One result per URL. A process that dies or hangs costs the URL it was at; the next starts a new one."""
    done = 0
    while done < len(urls):
        process = subprocess.Popen([*client.command, *urls[done:]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        hung = False
        while done < len(urls):
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            line = process.stdout.readline()
            hung = not timer.is_alive()
            timer.cancel()
            if not line:
                break
            done += 1
            yield json.loads(line)
        code = process.wait(30)
        if done < len(urls):
            done += 1
            yield ({"outcome": "hang", "detail": f"no answer in {seconds:.0f} s", "seconds": seconds} if hung
                   else {"outcome": "crash", "detail": f"exit status {code}", "seconds": 0})


def read(client: Client, url: str, seconds: float) -> dict:
    return next(read_all(client, [url], seconds))


def fetch(method: str, url: str, seconds: float = 60) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=seconds) as got:
            return got.status, {k.lower(): v for k, v in got.headers.items()}, got.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()
    except OSError as error:
        return 0, {}, str(error).encode()


def recalls(args: argparse.Namespace) -> float:
    """How many recalls there were so far, by the tape's count or the server's."""
    if args.recalls_cmd:
        done = subprocess.run(shlex.split(args.recalls_cmd), capture_output=True, text=True, timeout=60, check=True)
        return float(done.stdout.split()[-1])
    status, _, text = fetch("GET", f"{args.server}/metrics")
    if status != 200:
        sys.exit(f"GET {args.server}/metrics answers {status}; name another counter with --recalls-cmd")
    values = re.findall(rf"^{re.escape(args.metric)}(?:\{{[^}}]*\}})?\s+([0-9.eE+]+)", text.decode(), re.MULTILINE)
    return sum(map(float, values))


def evict(args: argparse.Namespace) -> None:
    subprocess.run(shlex.split(args.evict_cmd), timeout=120, check=True, stdout=subprocess.DEVNULL)


def coordinate_keys(root: bytes) -> list[str]:
    """The first chunk of every coordinate (a variable named like its one dimension), from consolidated metadata."""
    try:
        nodes = json.loads(root)["consolidated_metadata"]["metadata"]
    except (ValueError, KeyError, TypeError):
        return []
    return [f"zarr-v3/{name}/c/0" for name, node in nodes.items() if node.get("dimension_names") == [name]]


def check_hot_metadata(r: Report, args: argparse.Namespace) -> None:
    evict(args)
    before, root = recalls(args), f"{args.server}/datasets/{args.dataset}"
    answers = {p: fetch("GET", f"{root}/{p}")[0] for p in ("zarr-v2/.zmetadata", "zarr-v3/zarr.json", "kerchunk",
                                                            f"zarr-v3/{args.variable}/zarr.json")}
    r.check("cold: metadata of every protocol are 200", set(answers.values()) == {200}, answers)
    coords = {p: fetch("GET", f"{root}/{p}")[0] for p in coordinate_keys(fetch("GET", f"{root}/zarr-v3/zarr.json")[2])}
    r.check("cold: coordinates are 200", bool(coords) and set(coords.values()) == {200}, coords)
    others = {p: fetch("GET", args.server + p)[0] for p in args.hot}
    if others:
        r.check("cold: other pages are 200", set(others.values()) == {200}, others)
    status, headers, _ = fetch("HEAD", f"{root}/{args.cold_key}")
    r.check("cold: HEAD of a chunk is 200 with its length", status == 200 and int(headers.get("content-length", 0)) > 0, (status, headers.get("content-length")))
    time.sleep(1)
    r.check("cold: metadata, coordinates and HEAD recalled nothing", recalls(args) == before, f"{before} before, {recalls(args)} after")


def check_cold_key(r: Report, args: argparse.Namespace) -> None:
    evict(args)
    began, answers = time.monotonic(), []
    while time.monotonic() - began < args.timeout:
        status, headers, body = fetch("GET", f"{args.server}/datasets/{args.dataset}/{args.cold_key}")
        answers.append(status)
        if status != 503:
            break
        r.check("cold key: 503 has Retry-After, no-store, problem+json", headers.get("retry-after", "").isdigit()
                and "no-store" in headers.get("cache-control", "") and "problem+json" in headers.get("content-type", ""), headers)
        time.sleep(min(float(headers.get("retry-after", 1)), 5))
    _, hot, size = fetch("HEAD", f"{args.server}/datasets/{args.dataset}/{args.cold_key}")
    del size
    r.check("cold key: only 503, then 200 with all its bytes", set(answers) <= {503, 200} and answers[-1] == 200
            and len(body) == int(hot.get("content-length", -1)) > 0, (answers, len(body), hot.get("content-length")))
    absent = re.sub(r"\d+$", "999999", args.cold_key)
    status, _, _ = fetch("GET", f"{args.server}/datasets/{args.dataset}/{absent}")
    r.check("a key outside the array is 404", status == 404, (absent, status))


def check_clients(r: Report, args: argparse.Namespace) -> None:
    evict(args)
    before, everyone = recalls(args), clients(args)
    for client in everyone:
        if fetch("GET", f"{args.server}/{client.path}" + ("" if "zarr" not in client.path else "/.zmetadata" if "v2" in client.path else "/zarr.json"))[0] != 200 \
                and "h5netcdf" not in client.name:
            r.check(f"{client.name}: offered by the server", False, client.path)
    pending, began, counts = list(everyone), time.monotonic(), {c.name: 0 for c in everyone}
    with ThreadPoolExecutor(len(everyone)) as pool:
        while pending and time.monotonic() - began < args.timeout:
            results = list(pool.map(lambda c: read(c, f"{args.server}/{c.path}", args.timeout), pending))
            for client, result in zip(pending, results):
                counts[client.name] += 1
                print(f"      {client.name:<18} try {counts[client.name]}: {result['outcome']:<7} {result['seconds']:>5} s  {result['detail'][:100]}", flush=True)
                if result["outcome"] not in ("ok", "error"):
                    r.check(f"{client.name}: never wrong, no crash, no hang", False, result)
            pending = [c for c, x in zip(pending, results) if x["outcome"] == "error"]
            if pending:
                time.sleep(1)
    for client in everyone:
        r.check(f"{client.name}: the truth in the end", client not in pending, f"{counts[client.name]} tries")
    made = recalls(args) - before
    r.check(f"all clients at once: one recall for each of {args.files} files", made == args.files, f"{made:g} recalls")


def direct(args: argparse.Namespace) -> int:
    r = Report(f"cold reads of {args.server} {args.dataset}/{args.variable}")
    check_hot_metadata(r, args)
    check_cold_key(r, args)
    check_clients(r, args)
    return r.finish()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--variable", required=True)
    parser.add_argument("--truth", required=True, help=".npy of the stored values")
    parser.add_argument("--zarr2", help="Python of the environment with zarr 2.18")
    parser.add_argument("--zarrita", help="folder whose node_modules holds zarrita")
    parser.add_argument("--js-route", default="zarr-v3", help="route zarrita opens (zarr-v3 or zarr-core)")
    parser.add_argument("--file", help="URL path of a file offered whole, for h5netcdf")
    parser.add_argument("--file-truth", help="truth for --file where it differs")
    parser.add_argument("--only", action="append", help="part of a client's name; repeatable")
    parser.add_argument("--timeout", type=float, default=120, help="seconds one read may take")
    parser.add_argument("--files", type=int, default=1, help="files the variable's chunks lie in")
    parser.add_argument("--hot", action="append", default=[], help="URL path that must answer 200 and recall nothing, e.g. /stac; repeatable")
    parser.add_argument("--evict-cmd", required=True, help="command that makes every file cold")
    parser.add_argument("--recalls-cmd", help="command that prints the number of recalls so far")
    parser.add_argument("--metric", default="thermocline_recalls_total")
    parser.add_argument("--cold-key", help="a chunk key below the dataset (default: the first chunk, v3)")
    args = parser.parse_args()
    args.server = args.server.rstrip("/")
    if not args.cold_key:
        import numpy as np
        args.cold_key = f"zarr-v3/{args.variable}/c/" + "/".join("0" * np.load(args.truth).ndim)
    return direct(args)


if __name__ == "__main__":
    sys.exit(main())
