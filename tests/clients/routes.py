"""Checks the HTTP contract of one running server, route by route and header by header.

    python routes.py --server URL --dataset matrix [--groups groups] [--only TEXT] [--quick]

Proves: xpublish's core routes (generations A and B), Zarr v2, v3, strict aliases, Cloudify's
`/kerchunk/{key}` and the reference document; HEAD, Content-Length, ETag, Range, CORS, compression,
errors; listings; behaviour under 64 connections and with readers that do not read. `D…` marks the
regression of a defect seen in other servers (list in README.md). Exit code 0 only when all hold.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import http.client
import json
import math
import re
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit
from xml.etree import ElementTree

TIMEOUT = 20
CORE_CODECS = {"bytes", "gzip", "zstd", "blosc", "crc32c", "transpose", "sharding_indexed", "vlen-utf8"}
HDF5_ATTRS = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCProperties"}
EXPOSED = {"etag", "content-length", "content-range", "accept-ranges", "retry-after", "link", "location"}
CHECKS: list[tuple[str, Callable[[Server], Iterator[str]]]] = []


def check(title: str) -> Callable:
    def register(function: Callable[[Server], Iterator[str]]) -> Callable:
        CHECKS.append((title, function))
        return function
    return register


class Refused(Exception):
    """An answer that makes the rest of a check pointless."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    path: str

    def json(self, strict: bool = False) -> Any:
        def constant(token: str) -> float:
            if strict:
                raise Refused(f"{self.path}: {token} is not JSON")
            return float(token)
        try:
            return json.loads(self.body, parse_constant=constant)
        except ValueError as error:
            raise Refused(f"{self.path}: status {self.status}, not JSON ({error}): {self.body[:60]!r}") from None

    def expect(self, *statuses: int) -> Reply:
        if self.status not in statuses:
            raise Refused(f"{self.path}: status {self.status}, expected {' or '.join(map(str, statuses))}")
        return self


class Server:
    """The server under test, what its metadata say, and one keep-alive connection."""

    def __init__(self, options: argparse.Namespace) -> None:
        url = urlsplit(options.server)
        self.base, self.host, self.port = options.server.rstrip("/"), url.hostname, url.port or 80
        self.prefix, self.dataset, self.groups, self.quick = url.path.rstrip("/"), options.dataset, options.groups, options.quick
        self.root = f"/datasets/{quote(options.dataset, safe='')}"
        self.connection: http.client.HTTPConnection | None = None
        self.known: dict[str, Any] = {}

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """One request; header names are given with _ for -. Accept-Encoding is identity unless given."""
        sent = {"Accept-Encoding": "identity"} | {k.replace("_", "-"): v for k, v in headers.items()}
        for attempt in (1, 2):
            fresh = self.connection is None
            self.connection = self.connection or self.connect()
            try:
                self.connection.request(method, self.prefix + path, headers=sent)
                reply = self.connection.getresponse()
                found: dict[str, str] = {}
                for name, value in reply.getheaders():
                    found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
                return Reply(reply.status, found, reply.read(), path)
            except (http.client.HTTPException, OSError) as error:
                self.connection.close()
                self.connection = None
                if fresh or attempt == 2:
                    raise Refused(f"{method} {path}: {type(error).__name__}: {error}") from None
        raise AssertionError("unreachable")

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.known:
            self.known[name] = make()
        return self.known[name]

    def consolidated(self, store: str = "zarr") -> dict[str, Any]:
        """The `metadata` of `.zmetadata`."""
        return self.once(f"v2 {store}", lambda: self.ask(f"{self.root}/{store}/.zmetadata").expect(200).json()["metadata"])

    def nodes(self, store: str = "zarr") -> dict[str, Any]:
        """The inline metadata of the root's `zarr.json`."""
        path = f"{self.root}/{store}/zarr.json"
        return self.once(f"v3 {store}", lambda: self.ask(path).expect(200).json()["consolidated_metadata"]["metadata"])

    def arrays(self) -> dict[str, dict]:
        """v2 array documents by path."""
        return {k[:-8]: v for k, v in self.consolidated().items() if k.endswith("/.zarray")}

    def layout(self) -> dict[str, dict]:
        """`shape` and `chunks` of every array, from v2 metadata or, where there are none, from v3."""
        try:
            return self.arrays()
        except Refused:
            nodes = {p: n for p, n in self.nodes().items() if n["node_type"] == "array"}
            return {p: {"shape": n["shape"], "chunks": n["chunk_grid"]["configuration"]["chunk_shape"], "v3": True} for p, n in nodes.items()}

    def chunks(self, store: str = "zarr") -> list[str]:
        """Every chunk key."""
        return [f"{self.root}/{store}/{path}/{key}" for path, a in self.layout().items() for key in chunk_keys(a)]

    def a_chunk(self) -> str:
        """A chunk of at least 100 bytes of a variable of the highest rank."""
        def find() -> str:
            best = sorted(self.layout().items(), key=lambda item: -len(item[1]["shape"]))
            for path, array in best:
                for key in chunk_keys(array):
                    reply = self.ask(f"{self.root}/zarr/{path}/{key}")
                    if reply.status == 200 and len(reply.body) >= 100:
                        return reply.path
            raise Refused("no chunk of 100 bytes or more found")
        return self.once("chunk", find)

    def samples(self) -> dict[str, str]:
        """One path of each kind of answer."""
        root = self.root
        return {"list": "/datasets", "page": root, "keys": f"{root}/keys", "dict": f"{root}/dict", "info": f"{root}/info", "tree": f"{root}/tree",
                "groups": f"{root}/groups", "plugins": "/plugins", "versions": "/versions", "openapi": "/openapi.json", "v2": f"{root}/zarr/.zmetadata",
                "v3": f"{root}/zarr/zarr.json", "chunk": self.a_chunk(), "listing": f"{root}/zarr", "references": f"{root}/kerchunk",
                "passthrough": self.a_chunk().replace("/zarr/", "/kerchunk/")}

    def stored(self) -> list[str]:
        """Paths of data and metadata that answer (that all of them do is a check of its own)."""
        paths = [self.samples()[k] for k in ("v2", "v3", "chunk", "references", "passthrough")]
        return self.once("stored", lambda: [p for p in paths if self.ask(p).status == 200])


def chunk_keys(array: dict) -> Iterator[str]:
    counts = [-(-n // c) for n, c in zip(array["shape"], array["chunks"])]
    for flat in range(math.prod(counts)):
        index = []
        for count in reversed(counts):
            flat, position = divmod(flat, count)
            index.insert(0, str(position))
        yield "/".join(["c", *index]) if "v3" in array else array.get("dimension_separator", ".").join(index) or "0"


def expect(condition: bool, message: str) -> Iterator[str]:
    if not condition:
        yield message


# --- core routes ----------------------------------------------------------------------------------

@check("core: /datasets is an array of ids")
def _(s: Server) -> Iterator[str]:
    ids = s.ask("/datasets").expect(200).json()
    yield from expect(isinstance(ids, list) and s.dataset in ids and all(isinstance(i, str) for i in ids), f"/datasets is {ids}")


@check("core: dataset page is HTML, JSON by Accept or ?f=json")
def _(s: Server) -> Iterator[str]:
    page = s.ask(s.root, Accept="text/html").expect(200)
    yield from expect(page.headers.get("content-type", "").startswith("text/html"), f"content-type {page.headers.get('content-type')}")
    for reply in (s.ask(s.root, Accept="application/json"), s.ask(f"{s.root}?f=json")):
        yield from expect(reply.status == 200 and isinstance(reply.json(), dict), f"{reply.path}: no JSON object")


@check("core: / is HTML, or JSON by Accept")
def _(s: Server) -> Iterator[str]:
    yield from expect(s.ask("/", Accept="text/html").expect(200).headers.get("content-type", "").startswith("text/html"), "/ is not HTML")
    yield from expect(isinstance(s.ask("/", Accept="application/json").expect(200).json(), dict), "/ is no JSON object")


@check("core: keys, data variables first")
def _(s: Server) -> Iterator[str]:
    keys, views = s.ask(f"{s.root}/keys").expect(200).json(), s.ask(f"{s.root}/dict").expect(200).json()
    yield from expect(keys == [*views["data_vars"], *views["coords"]] or set(keys[:len(views["data_vars"])]) == set(views["data_vars"]), f"keys {keys}")
    yield from expect(len(set(keys)) == len(keys), "keys repeat")


@check("core A: dict has coords, attrs, dims, data_vars; decoded types; D12 _xpublish_id only here")
def _(s: Server) -> Iterator[str]:
    view = s.ask(f"{s.root}/dict").expect(200).json()
    yield from expect(set(view) == {"coords", "attrs", "dims", "data_vars"}, f"keys {sorted(view)}")
    yield from expect(isinstance(view["attrs"].get("_xpublish_id"), str), "attrs lack _xpublish_id")
    for name, variable in {**view["coords"], **view["data_vars"]}.items():
        yield from expect({"dims", "attrs", "dtype", "shape"} <= set(variable), f"{name} has {sorted(variable)}")
        yield from expect([view["dims"][d] for d in variable["dims"]] == list(variable["shape"]), f"{name}: dims and shape disagree")
    for name, array in s.arrays().items():
        attrs = s.consolidated().get(f"{name}/.zattrs", {})
        found = {**view["coords"], **view["data_vars"]}.get(name, {}).get("dtype", "")
        if " since " in str(attrs.get("units", "")):
            yield from expect(found.startswith("datetime64"), f"{name} is {found}, expected datetime64")
        elif "scale_factor" in attrs:
            yield from expect(found.startswith("float"), f"{name} is {found}, expected a float")


@check("core A: info has dimensions, variables, global_attributes; stored types")
def _(s: Server) -> Iterator[str]:
    view = s.ask(f"{s.root}/info").expect(200).json()
    yield from expect({"dimensions", "variables", "global_attributes"} <= set(view), f"keys {sorted(view)}")
    for name, variable in view["variables"].items():
        yield from expect({"type", "dimensions", "attributes"} <= set(variable), f"{name} has {sorted(variable)}")
        attrs = s.consolidated().get(f"{name}/.zattrs", {})
        if " since " in str(attrs.get("units", "")) and "bounds" in attrs:
            yield from expect(variable["attributes"].get("units") == attrs["units"], f"{name}: units {variable['attributes'].get('units')}")
            yield from expect(not variable["type"].startswith("datetime"), f"{name} is {variable['type']}, expected the stored type")


@check("core B: info?decoded=true gives decoded types")
def _(s: Server) -> Iterator[str]:
    view = s.ask(f"{s.root}/info?decoded=true").expect(200).json()
    times = [n for n in view["variables"] if " since " in str(s.consolidated().get(f"{n}/.zattrs", {}).get("units", ""))]
    yield from expect(all(view["variables"][n]["type"].startswith("datetime64") for n in times), f"times {times} are not datetime64")


@check("core B: tree, groups, and the views of a subgroup")
def _(s: Server) -> Iterator[str]:
    root = f"/datasets/{s.groups}"
    yield from expect(s.ask(f"{root}/tree").expect(200).headers["content-type"].startswith("text/html"), "tree is not HTML")
    groups = s.ask(f"{root}/groups").expect(200).json()
    yield from expect(groups[:1] == ["/"] and set(groups) == {"/", "/ocean", "/ocean/deep", "/atmos"}, f"groups {groups}")
    yield from expect(s.ask(f"{root}/groups/ocean/deep/keys").expect(200).json() == ["salinity"], "keys of /ocean/deep")
    yield from expect("data_vars" in s.ask(f"{root}/groups/ocean/dict").expect(200).json(), "dict of /ocean")
    yield from expect("variables" in s.ask(f"{root}/groups/ocean/info").expect(200).json(), "info of /ocean")
    yield from expect(s.ask(f"{root}/groups/ocean").expect(200).headers["content-type"].startswith("text/html"), "page of /ocean")
    detail = s.ask(f"{root}/groups/nope/keys").expect(404).json().get("detail")
    yield from expect(detail == f"Group 'nope' not found in dataset '{s.groups}'", f"detail {detail!r}")


@check("core: plugins, versions, openapi.json, docs, health, ready, metrics")
def _(s: Server) -> Iterator[str]:
    plugins = s.ask("/plugins").expect(200).json()
    yield from expect(bool(plugins) and all({"path", "version"} <= set(p) for p in plugins.values()), f"plugins {plugins}")
    versions = s.ask("/versions").expect(200).json()
    yield from expect(bool(versions) and all(isinstance(v, str) for v in versions.values()), f"versions {versions}")
    openapi = s.ask("/openapi.json").expect(200).json()
    yield from expect(openapi.get("openapi", "").startswith("3.") and bool(openapi.get("paths")), "openapi.json")
    docs = s.ask("/docs").expect(200)
    external = re.findall(rb"""<(?:script|link|img)[^>]+(?:src|href)=["'](?:https?:)?//[^"']+""", docs.body)
    yield from expect(not external, f"/docs asks other hosts: {external[:2]}")
    for path in ("/health", "/ready", "/metrics"):
        s.ask(path).expect(200)


# --- errors ---------------------------------------------------------------------------------------

@check("errors: unknown dataset is 404 with xpublish's detail, everywhere")
def _(s: Server) -> Iterator[str]:
    for rest in ("", "/", "/keys", "/dict", "/info", "/zarr/.zmetadata", "/zarr/zarr.json", "/zarr/a/0.0", "/kerchunk", "/kerchunk/.zgroup"):
        reply = s.ask(f"/datasets/nope{rest}")
        yield from expect(reply.status == 404, f"{reply.path}: {reply.status}")
        detail = reply.json().get("detail") if reply.status == 404 else None
        yield from expect(detail == "Dataset 'nope' not found", f"{reply.path}: detail {detail!r}")


@check("errors: problem+json with type, title, status, detail, instance; no-store")
def _(s: Server) -> Iterator[str]:
    for path in ("/datasets/nope/keys", f"{s.root}/zarr/nope/.zarray", f"{s.root}/zarr/nope/0.0", "/no/such/route"):
        reply = s.ask(path).expect(404)
        yield from expect(reply.headers.get("content-type", "").startswith("application/problem+json"), f"{path}: {reply.headers.get('content-type')}")
        problem = reply.json()
        yield from expect({"type", "title", "status", "detail"} <= set(problem) and problem["status"] == 404, f"{path}: {sorted(problem)}")
        yield from expect(isinstance(problem.get("detail"), str), f"{path}: detail is no text")
    cache = s.ask("/datasets/nope/keys").headers.get("cache-control", "")
    yield from expect("no-store" in cache, f"Cache-Control of an error is {cache!r}")


@check("errors: a method that is not allowed is 405 with Allow")
def _(s: Server) -> Iterator[str]:
    for method in ("DELETE", "PUT"):
        reply = s.ask(s.a_chunk(), method)
        yield from expect(reply.status == 405 and "GET" in reply.headers.get("allow", ""), f"{method}: {reply.status}, Allow {reply.headers.get('allow')}")


# --- Zarr -----------------------------------------------------------------------------------------

@check("zarr: D10 .zmetadata is an object, equal to the sum of its parts")
def _(s: Server) -> Iterator[str]:
    for store in ("zarr", "zarr-v2", "kerchunk"):
        whole = s.ask(f"{s.root}/{store}/.zmetadata").expect(200).json()
        if not isinstance(whole, dict) or whole.get("zarr_consolidated_format") != 1:
            yield f"{store}/.zmetadata is {str(whole)[:60]!r}"
            continue
        for key, value in whole["metadata"].items():
            part = s.ask(f"{s.root}/{store}/{key}")
            yield from expect(part.status == 200 and part.json() == value, f"{store}/{key}: status {part.status}, or differs from .zmetadata")


@check("zarr: zarr.json holds consolidated metadata equal to the sum of its parts")
def _(s: Server) -> Iterator[str]:
    for store in ("zarr", "zarr-v3", "zarr-core"):
        for path, node in s.nodes(store).items():
            part = s.ask(f"{s.root}/{store}/{path}/zarr.json").expect(200).json()
            part.pop("consolidated_metadata", None)
            rest = {k: v for k, v in node.items() if k != "consolidated_metadata"}
            yield from expect(part == rest, f"{store}/{path}/zarr.json differs from the root's")


@check("zarr: v2 and v3 metadata agree")
def _(s: Server) -> Iterator[str]:
    nodes = {p: n for p, n in s.nodes().items() if n["node_type"] == "array"}
    yield from expect(set(nodes) == set(s.arrays()), f"arrays differ: {set(nodes) ^ set(s.arrays())}")
    names = {"b": "bool", "i": "int", "u": "uint", "f": "float"}
    for path, v2 in s.arrays().items():
        v3, attrs = nodes.get(path), s.consolidated()[f"{path}/.zattrs"]
        if v3 is None or v2["dtype"][1] in "SUO":
            continue
        expected = names[v2["dtype"][1]] + ("" if v2["dtype"][1] == "b" else str(8 * int(v2["dtype"][2:])))
        found = (v3["shape"], v3["chunk_grid"]["configuration"]["chunk_shape"], v3.get("dimension_names"))
        yield from expect(found == (v2["shape"], v2["chunks"], attrs["_ARRAY_DIMENSIONS"]), f"{path}: shape, chunks, dimensions {found}")
        yield from expect(v3["data_type"] in (expected, "bool"), f"{path}: v3 {v3['data_type']}, v2 {v2['dtype']}")
        common = {k: v for k, v in v3["attributes"].items() if k != "_FillValue"}
        yield from expect(common == {k: v for k, v in attrs.items() if k not in ("_ARRAY_DIMENSIONS", "_FillValue")}, f"{path}: attributes differ")


@check("zarr: strict aliases hold one format, kerchunk/ holds v2, zarr-core only core codecs")
def _(s: Server) -> Iterator[str]:
    for store, absent in {"zarr-v2": "zarr.json", "zarr-v3": ".zmetadata .zgroup .zattrs", "zarr-core": ".zmetadata .zgroup", "kerchunk": "zarr.json"}.items():
        for key in absent.split():
            yield from expect(s.ask(f"{s.root}/{store}/{key}").status == 404, f"{store}/{key} is not 404")
    yield from expect(s.consolidated("zarr-v2") == s.consolidated(), "zarr-v2 differs from zarr")
    yield from expect(s.nodes("zarr-v3") == s.nodes(), "zarr-v3 differs from zarr")
    used = {c["name"] for n in s.nodes("zarr-core").values() for c in n.get("codecs", [])}
    yield from expect(used <= CORE_CODECS, f"zarr-core uses {used - CORE_CODECS}")
    key = s.a_chunk().partition("/zarr/")[2]
    same = {s.ask(f"{s.root}/{store}/{key}").body for store in ("zarr", "zarr-v2", "kerchunk")}
    yield from expect(len(same) == 1, f"{key} differs between zarr, zarr-v2 and kerchunk")


@check("zarr: D4 every codec has its id or name; D5 shuffle has the element size")
def _(s: Server) -> Iterator[str]:
    for path, array in s.arrays().items():
        for codec in [*(array["filters"] or []), *([array["compressor"]] if array["compressor"] else [])]:
            yield from expect(isinstance(codec.get("id"), str), f"{path}: codec without id: {codec}")
            if codec.get("id") == "shuffle":
                yield from expect(codec.get("elementsize") == int(array["dtype"][2:]), f"{path}: shuffle {codec} for {array['dtype']}")
    for path, node in s.nodes().items():
        yield from expect(all(isinstance(c.get("name"), str) for c in node.get("codecs", [])), f"{path}: codec without name")


@check("zarr: fill values (v2 null without _FillValue; v3 floating _FillValue as base64)")
def _(s: Server) -> Iterator[str]:
    for path, array in s.arrays().items():
        attrs = s.nodes().get(path, {}).get("attributes", {})
        if "_FillValue" not in attrs and "missing_value" not in attrs and array["dtype"] != "|O":
            yield from expect(array["fill_value"] is None, f"{path}: v2 fill_value {array['fill_value']} without _FillValue")
        if "_FillValue" in attrs and array["dtype"][1] == "f":
            yield from expect(isinstance(attrs["_FillValue"], str), f"{path}: v3 _FillValue {attrs['_FillValue']!r} is a number")
        if "_FillValue" in attrs:
            yield from expect(array["fill_value"] is not None, f"{path}: v2 fill_value null, though it has _FillValue")


@check("zarr: D8 every JSON document is strict; D12 no _xpublish_id; no HDF5 machinery")
def _(s: Server) -> Iterator[str]:
    paths = {f"{store}/{d}" for store in ("zarr", "kerchunk") for d in (".zmetadata", ".zattrs", "zarr.json")} | {"keys", "dict", "info", "kerchunk"}
    paths |= {f"zarr/{p}/{d}" for p in s.layout() for d in (".zarray", ".zattrs", "zarr.json")}
    for path in sorted(paths):
        reply = s.ask(f"{s.root}/{path}")
        if reply.status != 200:
            continue
        try:
            document = reply.json(strict=True)
        except Refused as refused:
            yield str(refused)
            continue
        attrs = document.get("attributes", document) if isinstance(document, dict) else {}
        if path not in ("dict", "info", "kerchunk"):
            yield from expect("_xpublish_id" not in json.dumps(document), f"{path} holds _xpublish_id")
        yield from expect(not HDF5_ATTRS & set(attrs), f"{path} shows {HDF5_ATTRS & set(attrs)}")


@check("zarr: metadata are ASCII (zarr 2.13 cannot read more)")
def _(s: Server) -> Iterator[str]:
    for path in (f"{s.root}/zarr/.zmetadata", f"{s.root}/zarr/.zattrs", f"{s.root}/zarr/zarr.json", f"{s.root}/kerchunk"):
        reply = s.ask(path)
        yield from expect(reply.status != 200 or reply.body.isascii(), f"{path} holds bytes above 127")


@check("zarr: index coordinates are one chunk")
def _(s: Server) -> Iterator[str]:
    for path, array in s.arrays().items():
        if s.consolidated()[f"{path}/.zattrs"].get("_ARRAY_DIMENSIONS") == [path.rpartition("/")[2]]:
            yield from expect(array["shape"] == array["chunks"], f"{path}: chunks {array['chunks']} of {array['shape']}")


def decoded_size(array: dict, body: bytes) -> int | None:
    """Bytes of a chunk after decoding, or None if this script does not know the codec."""
    codec = (array["compressor"] or {}).get("id")
    if codec in ("zlib", "gzip"):
        body = zlib.decompress(body, 47)
    elif codec is not None:
        return None
    return len(body) if not array["filters"] or [f["id"] for f in array["filters"]] == ["shuffle"] else None


@check("zarr: D1 D3 every chunk of the grid is 200 with a whole chunk, or 404")
def _(s: Server) -> Iterator[str]:
    absent = total = 0
    for path, array in s.layout().items():
        size = math.prod(array["chunks"]) * int(array.get("dtype", "|O")[2:] or 0)
        for key in chunk_keys(array):
            reply = s.ask(f"{s.root}/zarr/{path}/{key}")
            total, absent = total + 1, absent + (reply.status == 404)
            yield from expect(reply.status in (200, 404), f"{path}/{key}: status {reply.status}")
            if reply.status == 200 and size:
                found = decoded_size(array, reply.body)
                yield from expect(found in (None, size), f"{path}/{key}: {found} bytes, expected {size}")
            if reply.status == 404 and "dtype" in array:
                yield from expect(array["fill_value"] is not None, f"{path}/{key} is absent, but fill_value is null: undefined values")
    yield from expect(absent < total / 2, f"{absent} of {total} chunks are absent")


@check("zarr: D6 out of range, wrong rank, malformed chunk keys are 404")
def _(s: Server) -> Iterator[str]:
    store, _, key = s.a_chunk().rpartition("/zarr/")[0] + "/zarr", None, s.a_chunk().partition("/zarr/")[2]
    path = next(p for p in sorted(s.layout(), key=len, reverse=True) if key.startswith(p + "/"))
    name = key[len(path) + 1:]
    rank = len(s.layout()[path]["shape"])
    zeros = ["0"] * rank
    bad = [".".join(["9999"] * rank), "999999999999999999999999" + ".0" * (rank - 1), ".".join([*zeros, "0"]), ".".join(zeros[1:]) or "0.0", "-1" + ".0" * (rank - 1),
           "+0" + ".0" * (rank - 1), "00" + ".0" * (rank - 1), "0x0" + ".0" * (rank - 1), "a.b.c", "0..0", "0.0.", ".", "%20" + name, name + "%00", "1e0" + ".0" * (rank - 1),
           "/".join(["c", *["9999"] * rank]), "/".join(["c", *zeros, "0"]), "/".join(["c", "-1", *zeros[1:]]), "/".join(["c", "00", *zeros[1:]]), "c/x", "d/0/0/0", "c.0.0.0"]
    for wrong in bad:
        reply = s.ask(f"{store}/{path}/{wrong}")
        yield from expect(reply.status == 404, f"{path}/{wrong}: {reply.status}")


@check("zarr: D7 keys match exactly")
def _(s: Server) -> Iterator[str]:
    path = next(iter(s.layout()))
    for wrong in (f"{path}/.zarray.gmac", f"{path}/.zarrayx", f"{path}/x.zarray", "pam.aux.xml", ".zmetadata.aux.xml", "x.zmetadata", f"{path}/.zmetadata", f"{path}/.zgroup",
                  "zarr.json.aux.xml", f"{path}/ZARR.JSON", "nope/.zarray", "nope/zarr.json", f"{path}/nope/.zattrs", f"{path}/.zarray/0", ".zattrs.bak"):
        reply = s.ask(f"{s.root}/zarr/{wrong}")
        yield from expect(reply.status == 404, f"{wrong}: {reply.status}")


@check("zarr: nothing outside the dataset is reachable")
def _(s: Server) -> Iterator[str]:
    for wrong in ("../../keys", "%2e%2e/keys", "..%2f..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "....//....//etc/passwd", "objects/..%2f..%2fetc%2fpasswd"):
        reply = s.ask(f"{s.root}/zarr/{wrong}")
        yield from expect(reply.status in (400, 404), f"{wrong}: {reply.status}")
    for wrong in (f"{s.root}/objects/99", f"{s.root}/objects/-1", f"{s.root}/objects/x"):
        yield from expect(s.ask(wrong).status in (400, 404), f"{wrong}: {s.ask(wrong).status}")


# --- HTTP -----------------------------------------------------------------------------------------

@check("http: every documented path answers 200")
def _(s: Server) -> Iterator[str]:
    for path in s.samples().values():
        yield from expect(s.ask(path).status == 200, f"{path}: {s.ask(path).status}")


@check("http: a trailing slash changes nothing and never redirects")
def _(s: Server) -> Iterator[str]:
    for kind, path in s.samples().items():
        plain, slash = s.ask(path), s.ask(path + "/")
        same = (plain.status, plain.body) == (slash.status, slash.body) and plain.status == 200
        yield from expect(same or kind == "page" and plain.status == slash.status == 200, f"{path}: {plain.status}, with slash {slash.status} ({len(plain.body)}, {len(slash.body)} bytes)")


@check("http: D14 HEAD is GET without the body")
def _(s: Server) -> Iterator[str]:
    paths = {**s.samples(), "missing": f"{s.root}/zarr/nope/0", "unknown": "/datasets/nope"}
    for path in paths.values():
        get, head = s.ask(path), s.ask(path, "HEAD")
        yield from expect(get.status == head.status and not head.body, f"HEAD {path}: {head.status}, GET {get.status}")
        for name in ("content-length", "content-type", "etag", "accept-ranges", "last-modified", "cache-control"):
            yield from expect(get.headers.get(name) == head.headers.get(name), f"HEAD {path}: {name} {head.headers.get(name)}, GET {get.headers.get(name)}")


@check("http: Content-Length always, never chunked")
def _(s: Server) -> Iterator[str]:
    for path in [*s.samples().values(), f"{s.root}/zarr/nope/0", "/datasets/nope"]:
        reply = s.ask(path)
        yield from expect(reply.headers.get("content-length") == str(len(reply.body)), f"{path}: Content-Length {reply.headers.get('content-length')}, body {len(reply.body)}")
        yield from expect("transfer-encoding" not in reply.headers, f"{path}: Transfer-Encoding {reply.headers.get('transfer-encoding')}")


@check("http: strong ETag, Last-Modified, Cache-Control on data and metadata")
def _(s: Server) -> Iterator[str]:
    for path in s.stored():
        headers = s.ask(path).expect(200).headers
        tag, cache = headers.get("etag", ""), headers.get("cache-control", "")
        yield from expect(re.fullmatch(r'"[\x21\x23-\x7e]+"', tag) is not None, f"{path}: ETag {tag!r} is missing or weak")
        yield from expect("max-age=" in cache, f"{path}: Cache-Control {cache!r}")
        try:
            parsedate_to_datetime(headers.get("last-modified", ""))
        except (ValueError, TypeError):
            yield f"{path}: Last-Modified {headers.get('last-modified')!r}"
    tags = [s.ask(p).headers.get("etag") for p in s.chunks()[:40] if s.ask(p).status == 200]
    yield from expect(len(set(tags)) == len(tags), "different chunks share an ETag")


@check("http: If-None-Match answers 304, If-Match 412")
def _(s: Server) -> Iterator[str]:
    for path in s.stored():
        tag = s.ask(path).headers.get("etag", '"none"')
        for condition in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            for method in ("GET", "HEAD"):
                reply = s.ask(path, method, If_None_Match=condition)
                yield from expect(reply.status == 304 and not reply.body, f"{method} {path}, If-None-Match {condition}: {reply.status}")
                yield from expect(reply.status != 304 or reply.headers.get("etag") == tag, f"{path}: the 304 has ETag {reply.headers.get('etag')}")
        yield from expect(s.ask(path, If_None_Match='"other"').status == 200, f"{path}: another tag is not 200")
        yield from expect(s.ask(path, If_Match='"other"').status == 412, f"{path}: If-Match of another tag is not 412")
        yield from expect(s.ask(path, If_Match=tag).status == 200, f"{path}: If-Match of its tag is not 200")


@check("http: Range single, open-ended, suffix → 206")
def _(s: Server) -> Iterator[str]:
    for path in s.stored():
        body = s.ask(path).expect(200).body
        n = len(body)
        cases = {"0-0": (0, 0), "4-19": (4, 19), f"{n - 1}-": (n - 1, n - 1), "10-": (10, n - 1), "-16": (n - 16, n - 1), f"-{n + 99}": (0, n - 1), f"0-{n + 99}": (0, n - 1), f"0-{n - 1}": (0, n - 1)}
        for text, (first, last) in cases.items():
            reply = s.ask(path, Range=f"bytes={text}")
            yield from expect(reply.status == 206 and reply.body == body[first:last + 1], f"{path}, bytes={text}: {reply.status}, {len(reply.body)} bytes")
            yield from expect(reply.headers.get("content-range") == f"bytes {first}-{last}/{n}", f"{path}, bytes={text}: Content-Range {reply.headers.get('content-range')}")
        yield from expect(s.ask(path).headers.get("accept-ranges") == "bytes", f"{path}: Accept-Ranges {s.ask(path).headers.get('accept-ranges')}")


@check("http: Range unsatisfiable → 416, invalid → ignored, several → 200 or multipart")
def _(s: Server) -> Iterator[str]:
    for path in s.stored():
        body = s.ask(path).expect(200).body
        for text in (f"{len(body)}-", f"{len(body) + 5}-{len(body) + 9}", "-0", "99999999999999999999999-"):
            reply = s.ask(path, Range=f"bytes={text}")
            yield from expect(reply.status == 416 and reply.headers.get("content-range") == f"bytes */{len(body)}", f"{path}, bytes={text}: {reply.status}, {reply.headers.get('content-range')}")
        for text in ("bytes=9-4", "bytes=", "bytes=a-b", "lines=0-4", "bytes 0-4"):
            reply = s.ask(path, Range=text)
            yield from expect(reply.status == 200 and reply.body == body, f"{path}, Range {text!r}: {reply.status}")
        reply = s.ask(path, Range="bytes=0-3,8-11")
        whole = reply.status == 200 and reply.body == body
        yield from expect(whole or reply.status == 206 and "multipart/byteranges" in reply.headers.get("content-type", ""), f"{path}: two ranges: {reply.status}")


@check("http: If-Range with another tag gives the whole body")
def _(s: Server) -> Iterator[str]:
    path, body = s.a_chunk(), s.ask(s.a_chunk()).body
    reply = s.ask(path, Range="bytes=0-3", If_Range='"other"')
    yield from expect(reply.status == 200 and reply.body == body, f"another tag: {reply.status}")
    reply = s.ask(path, Range="bytes=0-3", If_Range=s.ask(path).headers.get("etag", '"none"'))
    yield from expect(reply.status == 206, f"its own tag: {reply.status}")


@check("http: CORS on every answer, errors included")
def _(s: Server) -> Iterator[str]:
    chunk = s.a_chunk()
    tag = s.ask(chunk).headers.get("etag", '"none"')
    replies = {path: s.ask(path, Origin="https://example.org") for path in [*s.samples().values(), "/datasets/nope/keys", f"{s.root}/zarr/nope/0", "/no/such/route"]}
    replies |= {"206": s.ask(chunk, Origin="https://example.org", Range="bytes=0-3"), "416": s.ask(chunk, Origin="https://example.org", Range="bytes=99999999-"),
                "304": s.ask(chunk, Origin="https://example.org", If_None_Match=tag), "405": s.ask(chunk, "DELETE", Origin="https://example.org")}
    for name, reply in replies.items():
        yield from expect(reply.headers.get("access-control-allow-origin") in ("*", "https://example.org"), f"{name} ({reply.status}): no Access-Control-Allow-Origin")
    exposed = {h.strip().lower() for h in replies[chunk].headers.get("access-control-expose-headers", "").split(",")}
    yield from expect(exposed == {"*"} or exposed >= EXPOSED, f"not exposed: {sorted(EXPOSED - exposed)}")


@check("http: CORS preflight is answered")
def _(s: Server) -> Iterator[str]:
    reply = s.ask(s.a_chunk(), "OPTIONS", Origin="https://example.org", Access_Control_Request_Method="GET", Access_Control_Request_Headers="range, if-none-match")
    yield from expect(reply.status in (200, 204), f"status {reply.status}")
    yield from expect("access-control-allow-origin" in reply.headers, "no Access-Control-Allow-Origin")
    allowed = reply.headers.get("access-control-allow-headers", "").lower()
    yield from expect(allowed == "*" or "range" in allowed, f"Access-Control-Allow-Headers {allowed!r}")
    methods = reply.headers.get("access-control-allow-methods", "")
    yield from expect(methods == "*" or {"GET", "HEAD"} <= {m.strip() for m in methods.split(",")}, f"Access-Control-Allow-Methods {methods!r}")


@check("http: gzip for JSON when asked, never for chunks")
def _(s: Server) -> Iterator[str]:
    for path in (p for p in s.stored() if p in (s.samples()["v2"], s.samples()["v3"], s.samples()["references"])):
        plain, packed = s.ask(path), s.ask(path, Accept_Encoding="gzip, deflate")
        yield from expect("content-encoding" not in plain.headers, f"{path}: compressed unasked")
        yield from expect("content-encoding" not in s.ask(path, Accept_Encoding="gzip;q=0").headers, f"{path}: compressed for gzip;q=0")
        coding = packed.headers.get("content-encoding")
        body = gzip.decompress(packed.body) if coding == "gzip" else packed.body if coding is None else b""
        yield from expect(coding == "gzip", f"{path}: Content-Encoding {coding} for gzip")
        yield from expect(body == plain.body, f"{path}: the compressed body differs")
        if coding:
            yield from expect("accept-encoding" in packed.headers.get("vary", "").lower(), f"{path}: Vary {packed.headers.get('vary')}")
            yield from expect(packed.headers.get("etag") != plain.headers.get("etag"), f"{path}: compressed and plain share a strong ETag")
    for path in (p for p in s.stored() if p in (s.samples()["chunk"], s.samples()["passthrough"])):
        reply = s.ask(path, Accept_Encoding="gzip, deflate, br, zstd")
        yield from expect("content-encoding" not in reply.headers, f"{path}: a chunk with Content-Encoding {reply.headers.get('content-encoding')}")


# --- listings -------------------------------------------------------------------------------------

HREF = re.compile(r"""<(?:a|A)\s+(?:[^>]*?\s+)?(?:href|HREF)=["'](?P<url>[^"']+)""")


def listed(s: Server, path: str) -> set[str]:
    """Names directly below `path`, found in HTML as fsspec finds them."""
    page = s.ask(path).expect(200)
    base = f"{s.base}{path.rstrip('/')}/"
    links = [urljoin(base, u) for u in HREF.findall(page.body.decode())]
    return {unquote(u[len(base):]).strip("/").split("/")[0] for u in links if u.startswith(base) and u != base}


@check("listing: HTML of groups and arrays, parseable by fsspec, with and without slash")
def _(s: Server) -> Iterator[str]:
    for store, document in {"zarr": ".zgroup", "zarr-v2": ".zgroup", "zarr-v3": "zarr.json"}.items():
        for slash in ("", "/"):
            names = listed(s, f"{s.root}/{store}{slash}")
            missing = {p.split("/")[0] for p in s.arrays()} - names
            yield from expect(not missing and document in names, f"{store}{slash} lacks {sorted(missing)[:4]} or {document}")
            for name in sorted(n for n in names if not n.startswith("."))[:3]:
                reply = s.ask(f"{s.root}/{store}/{quote(name)}", "HEAD")
                yield from expect(reply.status == 200, f"listed {name}: HEAD {reply.status}")
    path = s.a_chunk().rpartition("/")[0]
    names = listed(s, path)
    yield from expect(".zarray" in names and s.a_chunk().rpartition("/")[2] in names, f"{path} lists {sorted(names)[:5]}")
    yield from expect("ocean" in listed(s, f"/datasets/{s.groups}/zarr") and "deep" in listed(s, f"/datasets/{s.groups}/zarr/ocean/"), "groups are not listed")


@check("listing: PROPFIND depth 1 and 0 (obstore)")
def _(s: Server) -> Iterator[str]:
    dav = "{DAV:}"
    for path, depth in ((f"{s.root}/zarr-v2", "1"), (s.a_chunk().rpartition("/")[0], "1"), (f"{s.root}/zarr-v2", "0")):
        reply = s.ask(path, "PROPFIND", Depth=depth).expect(207)
        rows = {}
        for row in ElementTree.fromstring(reply.body).iter(f"{dav}response"):
            href = unquote(urlsplit(row.findtext(f"{dav}href") or "").path)
            size = row.findtext(f".//{dav}getcontentlength")
            rows[href.rstrip("/")] = (row.find(f".//{dav}collection") is not None, size)
            yield from expect("200" in (row.findtext(f".//{dav}status") or ""), f"{href}: no status 200")
        yield from expect(depth == "1" or len(rows) == 1, f"depth 0 gives {len(rows)} entries")
        expected = {f"{path}/{p.split('/')[0]}" for p in s.arrays()} if path.endswith("zarr-v2") else {s.a_chunk()}
        yield from expect(depth == "0" or expected <= {k.removeprefix(s.prefix) for k in rows}, f"{path}: lacks {sorted(expected - set(rows))[:3]}")
        for href, (is_dir, size) in list(rows.items())[:8]:
            if not is_dir:
                head = s.ask(quote(href.removeprefix(s.prefix)), "HEAD")
                yield from expect(head.headers.get("content-length") == size, f"{href}: listed with {size} bytes, HEAD says {head.headers.get('content-length')}")


# --- kerchunk -------------------------------------------------------------------------------------

@check("kerchunk: the reference document is version 1, with .zmetadata, same as kerchunk.json")
def _(s: Server) -> Iterator[str]:
    document = s.ask(f"{s.root}/kerchunk").expect(200)
    yield from expect(document.headers.get("content-type", "").startswith("application/json"), f"content-type {document.headers.get('content-type')}")
    refs = document.json()
    yield from expect(refs.get("version") == 1 and isinstance(refs.get("refs"), dict), f"keys {sorted(refs)}")
    yield from expect(s.ask(f"{s.root}/kerchunk.json").body == document.body, "kerchunk.json differs")
    for key, value in {**s.consolidated(), ".zmetadata": None}.items():
        text = refs["refs"].get(key)
        yield from expect(isinstance(text, (str, dict)), f"refs lack {key}")
        if isinstance(text, str) and value is not None:
            yield from expect(json.loads(text) == value, f"{key} differs from the Zarr document")


@check("kerchunk: every reference gives the bytes of the Zarr chunk")
def _(s: Server) -> Iterator[str]:
    refs = s.ask(f"{s.root}/kerchunk").expect(200).json()["refs"]
    kinds = {"range": 0, "inline": 0}
    for path in s.chunks():
        key = path.partition("/zarr/")[2]
        expected, ref = s.ask(path), refs.get(key)
        if ref is None:
            yield from expect(expected.status == 404, f"{key} has no reference, but its chunk is {expected.status}")
        elif isinstance(ref, list):
            kinds["range"] += 1
            if not ref[0].startswith(s.base + "/"):
                yield f"{key} points at {ref[0]}, not below {s.base}"
                continue
            extra = {"Range": f"bytes={ref[1]}-{ref[1] + ref[2] - 1}"} if len(ref) == 3 else {}
            reply = s.ask(ref[0][len(s.base):], **extra)
            yield from expect(reply.status in (200, 206) and reply.body == expected.body, f"{key}: {ref[0]} answers {reply.status}, or other bytes")
        else:
            kinds["inline"] += 1
            body = base64.b64decode(ref[7:]) if ref.startswith("base64:") else ref.encode()
            yield from expect(body == expected.body, f"{key}: the inline bytes differ")
    yield from expect(kinds["range"] > 0, "no reference is a byte range")


@check("kerchunk: no URL in the document lies below /kerchunk/ (fsspec would take it for a directory)")
def _(s: Server) -> Iterator[str]:
    document = s.ask(f"{s.root}/kerchunk").expect(200).body.decode()
    below = re.findall(re.escape(f"{s.base}{s.root}/kerchunk/") + r"[^\"\\]*", document)
    yield from expect(not below, f"{len(below)} URLs, first {below[:1]}")
    yield from expect("<a " not in document, "the document holds anchors")


@check("kerchunk: parquet references")
def _(s: Server) -> Iterator[str]:
    root = f"{s.root}/kerchunk.parq"
    metadata = s.ask(f"{root}/.zmetadata").expect(200).json()
    yield from expect(isinstance(metadata.get("record_size"), int), "no record_size")
    yield from expect(set(s.arrays()) <= {k[:-8] for k in metadata["metadata"] if k.endswith("/.zarray")}, "arrays are missing")
    for path in s.arrays():
        reply = s.ask(f"{root}/{path}/refs.0.parq")
        yield from expect(reply.status == 200 and reply.body[:4] == reply.body[-4:] == b"PAR1", f"{path}/refs.0.parq: {reply.status}")
    yield from expect(s.ask(f"{root}/{path}/refs.99999.parq").status == 404, "a table out of range is not 404")
    yield from expect(s.ask(root, "HEAD").status == 404, "kerchunk.parq itself answers: fsspec before 2025 takes it for a JSON document")


@check("kerchunk: source objects by range, if offered")
def _(s: Server) -> Iterator[str]:
    reply = s.ask(f"{s.root}/objects/0", Range="bytes=0-7")
    if reply.status in (403, 404):
        return
    yield from expect(reply.status == 206 and reply.body[1:4] in (b"HDF", b"DF\x01"), f"status {reply.status}, starts with {reply.body[:8]!r}")
    head = s.ask(f"{s.root}/objects/0", "HEAD").expect(200)
    yield from expect(head.headers.get("content-length") == reply.headers.get("content-range", "/").rpartition("/")[2], "HEAD and Content-Range disagree")


# --- stability ------------------------------------------------------------------------------------

@check("stable: D2 repeat reads are byte-identical")
def _(s: Server) -> Iterator[str]:
    paths = [*s.samples().values(), *s.chunks()]
    first = {p: (reply.status, reply.body) for p in paths for reply in [s.ask(p)]}
    time.sleep(1.1)  # an answer that depends on the clock shows
    s.connection.close()
    s.connection = None
    for path, before in first.items():
        reply = s.ask(path)
        yield from expect((reply.status, reply.body) == before, f"{path} differs from one request to the next")


@check("load: 64 keep-alive connections, GET and HEAD mixed")
def _(s: Server) -> Iterator[str]:
    paths = [p for p in s.chunks()[:60] if s.ask(p).status == 200] + s.stored()
    expected = {p: s.ask(p).body for p in paths}
    rounds, problems, times = (10 if s.quick else 40), [], []
    start = threading.Barrier(64)

    def work(number: int) -> None:
        connection = s.connect()
        try:
            connection.connect()
            start.wait(TIMEOUT)
            for i in range(rounds):
                path, method = paths[(number * 7 + i) % len(paths)], "HEAD" if (number + i) % 4 == 0 else "GET"
                began = time.monotonic()
                connection.request(method, s.prefix + path)
                reply = connection.getresponse()
                body = reply.read()
                times.append(time.monotonic() - began)
                if method == "GET" and (reply.status != 200 or body != expected[path] and not reply.getheader("Content-Encoding")):
                    problems.append(f"{method} {path}: {reply.status}, {len(body)} bytes")
                if method == "HEAD" and (body or reply.getheader("Content-Length") != str(len(expected[path]))):
                    problems.append(f"HEAD {path}: {reply.getheader('Content-Length')} of {len(expected[path])} bytes")
        except (OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
            problems.append(f"connection {number}: {type(error).__name__}: {error}")
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(64)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.1, 120 - (time.monotonic() - began)))
    yield from expect(not any(t.is_alive() for t in threads), "some connections have not ended after 120 s")
    yield from problems[:5]
    yield from expect(len(times) == 64 * rounds or bool(problems), f"{len(times)} of {64 * rounds} answers")
    if times:
        ordered = sorted(times)
        s.known["load"] = f"{len(times) / (time.monotonic() - began):.0f} requests/s, p50 {ordered[len(ordered) // 2] * 1e3:.0f} ms, p99 {ordered[len(ordered) * 99 // 100] * 1e3:.0f} ms (this client is the limit)"


@check("load: readers that do not read hold nobody up, and get everything in the end")
def _(s: Server) -> Iterator[str]:
    path = max(s.stored(), key=lambda p: len(s.ask(p).body))
    if s.ask(f"{s.root}/objects/0", "HEAD").status == 200:
        path = f"{s.root}/objects/0"
    size, wanted = len(s.ask(path).expect(200).body), 24
    request = f"GET {s.prefix}{path} HTTP/1.1\r\nHost: {s.host}:{s.port}\r\nAccept-Encoding: identity\r\n\r\n".encode()
    slow = []
    for _ in range(16):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(TIMEOUT)
        sock.connect((s.host, s.port))
        sock.sendall(request * wanted)  # pipelined: more than any socket buffer holds
        slow.append(sock)
    time.sleep(1)
    for _ in range(20):
        connection, began = s.connect(), time.monotonic()
        try:
            connection.request("GET", s.prefix + s.a_chunk())
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            yield f"a new client fails beside 16 slow readers: {type(error).__name__}: {error}"
            break
        finally:
            connection.close()
        if time.monotonic() - began > 2:
            yield f"a new client waits {time.monotonic() - began:.1f} s beside 16 slow readers"
            break
    for sock in slow[2:]:
        sock.close()
    for sock in slow[:2]:
        got = 0
        try:
            while got < wanted * size and (part := sock.recv(1 << 16)):
                got += len(part)
        except OSError as error:
            yield f"a slow reader: {type(error).__name__}: {error}"
        sock.close()
        yield from expect(got >= wanted * size, f"a slow reader got {got} bytes of {wanted} × {size} and their headers")


def run(s: Server, title: str, function: Callable[[Server], Iterator[str]]) -> list[str]:
    try:
        return list(function(s))
    except Refused as refused:
        return [str(refused)]
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, zlib.error, gzip.BadGzipFile, ElementTree.ParseError) as error:
        return [f"unexpected answer ({type(error).__name__}: {error})"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--dataset", default="matrix")
    parser.add_argument("--groups", default="groups", help="id of the dataset that has groups")
    parser.add_argument("--only", default="", help="checks whose title contains this")
    parser.add_argument("--quick", action="store_true", help="fewer requests under load")
    parser.add_argument("--json", type=argparse.FileType("w"), help="also write the results here")
    options = parser.parse_args()
    server, results = Server(options), {}
    for title, function in CHECKS:
        if options.only in title:
            problems = results[title] = run(server, title, function)
            note = f"  [{server.known['load']}]" if "64" in title and "load" in server.known else ""
            print(f"{'FAIL' if problems else 'ok':5} {title}{note}", flush=True)
            print("".join(f"        {p}\n" for p in problems[:5]), end="")
            print(f"        … {len(problems) - 5} more\n" if len(problems) > 5 else "", end="")
    if options.json:
        json.dump(results, options.json, indent=1)
    failed = sum(bool(p) for p in results.values())
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
