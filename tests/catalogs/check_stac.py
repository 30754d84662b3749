"""Checks STAC of a server that serves the files of make_fixtures.py.

    python check_stac.py --server URL --fixtures DIR [--cold ID] [--only GROUP …] [--verbose]

Groups: static items assets docs forwarded search filter sort fields query paging bad order.
Proves: the static chain and the API say the same; every link and asset leads where it says, with its media
type; extents and times equal the known truth; xpystac and xarray open every asset with the values of the
file; search, filter, sort, fields, query and paging give exactly the right Items by GET and by POST;
wrong requests are 400; order:status follows a staging request (only with --cold).
Exit 0 only when every case holds. Needs the environment `catalogs`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import warnings
from datetime import datetime, timedelta, timezone, UTC
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import cftime
import cql2
import numpy as np
import pystac
import pystac_client
import requests
import shapely
import xarray as xr
from shapely.geometry import shape

from _check import Report, call, expect, media, same

warnings.filterwarnings("ignore")
GEO, JSON = "application/geo+json", "application/json"
ASSETS = {"zarr": "application/vnd+zarr", "zarr3": "application/vnd.zarr", "kerchunk": JSON}
ORDER = {"orderable", "ordered", "pending", "shipping", "succeeded", "failed", "canceled"}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
REQUIRED_CONFORMANCE = [f"https://api.stacspec.org/v1.0.0/{c}" for c in (
    "core", "collections", "ogcapi-features", "item-search", "browseable", "item-search#filter", "item-search#sort", "item-search#fields",
    "item-search#query")] + [f"http://www.opengis.net/spec/{c}" for c in (
        "ogcapi-features-1/1.0/conf/core", "ogcapi-features-1/1.0/conf/oas30", "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-features-3/1.0/conf/filter", "cql2/1.0/conf/cql2-text", "cql2/1.0/conf/cql2-json", "cql2/1.0/conf/basic-cql2")]
EXTENSION_MARKS = {"datacube": "cube:", "zarr": "zarr:", "xarray-assets": "xarray:", "file": "file:", "order": "order:", "storage": "storage:",
                   "timestamps": '"expires"', "alternate-assets": '"alternate"', "render": '"renders"', "version": '"version"',
                   "web-map-links": '"rel": "'}


def seconds(stamp: str) -> float:
    """Seconds since 1970 of `YYYY-MM-DDThh:mm:ss[.f]Z`."""
    base, _, frac = stamp.rstrip("Zz").partition(".")
    t = datetime.strptime(base.upper(), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return (t - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() + float(f"0.{frac or 0}")


def truth_geometry(bbox: list[float] | None) -> Any:
    """The box of the truth, cut at the antimeridian."""
    if bbox is None:
        return None
    w, s, e, n = bbox
    if (w, s) == (e, n):
        return shapely.Point(w, s)
    return shapely.box(w, s, e, n) if w <= e else shapely.union_all([shapely.box(w, s, 180, n), shapely.box(-180, s, e, n)])


class Check:
    """One run against one server."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.url: str = args.server.rstrip("/")
        self.stac = f"{self.url}/stac"
        self.files: Path = args.fixtures
        self.truth: dict[str, dict] = json.loads((self.files / "truth.json").read_text())
        self.cold: list[str] = args.cold or []
        self.wait: float = args.stage_timeout
        self.report = Report("check_stac", args.only, args.verbose)
        self.api: dict[str, dict] = {}
        self.collection = "datasets"

    # --- helpers ---

    def search(self, method: str = "GET", status: int | tuple[int, ...] = 200, url: str | None = None, **params: Any) -> dict:
        """An item search; lists and objects become what the method wants."""
        url = url or f"{self.stac}/search"
        if method == "POST":
            return call("POST", url, status, json=params).json()
        flat = {}
        for key, value in params.items():
            if key in ("ids", "collections", "bbox") and isinstance(value, list):
                value = ",".join(str(v) for v in value)
            elif key == "sortby" and isinstance(value, list):
                value = ",".join(("-" if v["direction"] == "desc" else "+") + v["field"] for v in value)
            elif isinstance(value, dict):
                value = json.dumps(value)
            flat[key] = value
        return call("GET", url, status, params=flat).json()

    def ids(self, answer: dict) -> list[str]:
        return [f["id"] for f in answer["features"]]

    def agree(self, wanted: set[str] | list[str], **params: Any) -> None:
        """GET and POST give exactly these Items."""
        for method in ("GET", "POST"):
            got = self.ids(self.search(method, **{"limit": 1000, **params}))
            expect(len(got) == len(set(got)), f"{method} repeats Items: {got}")
            same(set(got) if isinstance(wanted, set) else got, wanted, method)

    def where(self, test: Any) -> set[str]:
        return {i for i, t in self.truth.items() if test(i, t)}

    def span(self, ident: str) -> tuple[float, float]:
        t = self.truth[ident]
        return seconds(t["start"]), seconds(t["end"])

    # --- groups ---

    def load(self) -> None:
        """All Items by the API: everything else looks at them."""
        answer = self.search(limit=1000)
        self.api = {f["id"]: f for f in answer["features"]}
        same(set(self.api), set(self.truth), "Items of /stac/search")
        self.collection = next(iter(self.api.values()))["collection"]

    def static(self) -> None:
        case, url = self.report.case, f"{self.url}/stac-collection-all.json"

        def seed() -> dict[str, pystac.Item]:
            items = {i.id: i for i in pystac.Collection.from_file(url).get_all_items()}
            same(set(items), set(self.truth), "ids by get_all_items()")
            return items

        case("static", "pystac get_all_items() finds every data set", seed)
        case("static", "get_items(recursive=True)", lambda: same({i.id for i in pystac.Collection.from_file(url).get_items(recursive=True)}, set(self.truth)))
        doc = case("static", "collection document", lambda: call("GET", url).json()) or {"links": []}
        case("static", "media type application/json", lambda: same(media(call("GET", url)), JSON))
        case("static", "collection id and type", lambda: same((doc.get("id"), doc.get("type"), doc.get("stac_version")), ("all", "Collection", "1.1.0")))
        case("static", "no Item under rel=child", lambda: same([x["href"] for x in doc["links"] if x["rel"] == "child" and x.get("type") == GEO], []))
        case("static", "every link resolves with its type", lambda: self.resolve(doc["links"]))
        case("static", "self is the address asked for", lambda: same([x["href"] for x in doc["links"] if x["rel"] == "self"], [url]))
        for ident, item in self.api.items():
            def same_item(ident: str = ident, item: dict = item) -> None:
                here = f"{self.url}/datasets/{quote(ident)}/stac"
                for address in (here, here + "/"):
                    answer = call("GET", address)
                    same(media(answer), GEO, address)
                    other = answer.json()
                    strip = [{**d, "links": sorted((x for x in d["links"] if x["rel"] != "self"), key=str)} for d in (item, other)]
                    same(strip[1], strip[0], "the static Item differs from the one of the API")
                one = call("GET", f"{self.stac}/collections/{self.collection}/items/{quote(ident)}").json()
                same(one, {**item, "links": one["links"]}, "Item by id differs from the one of the search")
            case("static", f"{ident}: same Item on every route", same_item)
            case("static", f"{ident}: links resolve with their type", lambda item=item: self.resolve(item["links"]))

    def resolve(self, links: list[dict]) -> None:
        """Absolute, and each answers HEAD and GET with the media type it names."""
        for x in links:
            href = x["href"]
            expect(urlsplit(href).scheme in ("http", "https") and urlsplit(href).netloc, f"relative href {href!r}")
            if x.get("method", "GET") != "GET" or "{" in href or urlsplit(href).netloc != urlsplit(self.url).netloc:
                continue
            if x.get("rel") == "search":
                href += "?limit=1"
            kind = x.get("type", "").split(";")[0]
            for method in ("HEAD", "GET"):
                answer = call(method, href)
                expect(not kind or media(answer) == kind, f"{method} {href} is {media(answer)!r}, the link says {kind!r}")

    def items(self) -> None:
        for ident, t in self.truth.items():
            item = self.api.get(ident)
            if item is None:
                self.report.case("items", f"{ident}: exists", lambda: expect(False, "no such Item"))
                continue
            case = self.report.case
            case("items", f"{ident}: bbox and geometry", lambda i=item, t=t: self.check_space(i, t))
            case("items", f"{ident}: times", lambda i=item, t=t: self.check_time(i, t))
            case("items", f"{ident}: cube:dimensions equal xarray", lambda i=item, t=t, n=ident: self.check_cube(n, i, t))
            case("items", f"{ident}: cube:variables equal xarray", lambda i=item, t=t, n=ident: self.check_variables(n, i, t))
            case("items", f"{ident}: extensions declared are those used", lambda i=item: self.check_extensions(i))
        if "tas-noleap" in self.api:
            p = self.api["tas-noleap"]["properties"]
            self.report.case("items", "CMIP attributes are searchable properties", lambda: same(
                {k: p.get(f"cmip6:{k}") for k in ("source_id", "experiment_id", "table_id", "grid_label")},
                {"source_id": "EX-1", "experiment_id": "historical", "table_id": "day", "grid_label": "gn"}))
            self.report.case("items", "license and title from the attributes", lambda: same((p["license"], p["title"]), ("CC-BY-4.0", "Daily near-surface temperature")))
        if "era5.t2m" in self.api:
            self.report.case("items", "number attributes stay numbers", lambda: same(self.api["era5.t2m"]["properties"].get("attrs:table_id"), 128))
        if "1e3" in self.api:
            self.report.case("items", "title is copied as it is", lambda: same(self.api["1e3"]["properties"]["title"], self.local("1e3").attrs["title"]))

    def check_space(self, item: dict, t: dict) -> None:
        if t["bbox"] is None:
            expect("bbox" not in item and item["geometry"] is None, "no position: geometry null and no bbox")
            return
        box, want = item.get("bbox"), t["bbox"]
        expect(box and len(box) == 4 and np.allclose(box, want, rtol=0, atol=2e-6), f"bbox {box}, wanted {want}")
        if want[0] <= want[2]:
            expect(box[0] <= want[0] + 1e-9 and box[1] <= want[1] + 1e-9 and box[2] >= want[2] - 1e-9 and box[3] >= want[3] - 1e-9,
                   f"bbox {box} is rounded inwards of {want}")
        g = item["geometry"]
        same(g["type"], t["geometry"], "geometry type")
        geometry = shape(g)
        expect(geometry.is_valid, "geometry is not valid")
        difference = geometry.symmetric_difference(truth_geometry(want)).area
        expect(difference < 1e-3, f"geometry differs from the box by {difference} square degrees")
        for polygon in getattr(geometry, "geoms", [geometry]) if g["type"] != "Point" else []:
            expect(polygon.exterior.is_ccw, "outer ring must be counter-clockwise")
            expect(-180 <= polygon.bounds[0] and polygon.bounds[2] <= 180, "longitude beyond 180 in the geometry")

    def check_time(self, item: dict, t: dict) -> None:
        p = item["properties"]
        expect(p.get("datetime"), "datetime must be set")
        start, end = p.get("start_datetime", p["datetime"]), p.get("end_datetime", p["datetime"])
        for stamp in (p["datetime"], start, end, p["created"], p["updated"]):
            expect(STAMP.fullmatch(stamp), f"not RFC 3339 in UTC: {stamp!r}")
        same((start, end), (t["start"], t["end"]), "start and end")
        same(p["datetime"], start, "datetime equals start_datetime")
        expect(("start_datetime" in p) == ("end_datetime" in p), "start_datetime and end_datetime come together")
        expect(seconds(p["updated"]) < time.time() + 86400, "updated lies in the future")
        dims = [d for d in p["cube:dimensions"].values() if d["type"] == "temporal"]
        if t.get("no_time"):
            same(dims, [], "no time axis: no temporal dimension")
            return
        expect(dims, "no temporal dimension")
        same(dims[0]["extent"], [t["start"], t["end"]], "temporal extent")
        expect(t["calendar"] in str(dims[0].get("description", "")), f"calendar {t['calendar']} is not named in the description")
        if "step" in t:
            wanted = t["step"] if isinstance(t["step"], list) else [t["step"]]
            expect(dims[0].get("step") in wanted, f"step {dims[0].get('step')}, wanted {wanted}")

    def local(self, ident: str, **kwargs: Any) -> xr.Dataset:
        return xr.open_dataset(self.files / f"{ident}.nc", engine=self.truth[ident].get("reader", "netcdf4"), **kwargs)

    def check_cube(self, ident: str, item: dict, t: dict) -> None:
        dims = item["properties"]["cube:dimensions"]
        with self.local(ident, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)) as ds:
            data = {v for v, d in item["properties"]["cube:variables"].items() if d["type"] == "data"}
            expect({str(d) for v in data for d in ds[v].dims} <= set(dims), f"dimensions {sorted(dims)} lack one of {dict(ds.sizes)}")
            for name, d in dims.items():
                if name not in ds.variables or d["type"] == "temporal" or "extent" not in d:
                    continue
                values = np.asarray(ds[name].values, "f8")
                expect(np.allclose(d["extent"], [values.min(), values.max()], rtol=1e-12), f"{name}: extent {d['extent']}")
                if d["type"] == "spatial":
                    same(d.get("unit"), ds[name].attrs.get("units"), f"{name}: unit")
            for name, (axis, low, high, step) in t.get("dims", {}).items():
                d = dims[name]
                same((d["type"], d["axis"], d["extent"], abs(d["step"] or 0)), ("spatial", axis, [low, high], abs(step)), name)
            for name, size in t.get("index_dims", {}).items():
                same((dims[name]["type"], dims[name].get("extent")), ("index", [0, size - 1]), name)
            times = [n for n in ds.variables if ds[n].dtype == object and ds[n].size and isinstance(ds[n].values.ravel()[0], cftime.datetime) and n in dims]
            for n in times:
                first = ds[n].values.min()
                if first.calendar in ("noleap", "proleptic_gregorian") or (first.calendar == "standard" and first.year > 1582):
                    text = dims[n]["extent"][0]
                    bounded = "bounds" in ds[n].attrs
                    expect(bounded or text.startswith(first.strftime("%Y-%m-%dT%H:%M:%S")), f"{n}: {text} is not {first}")

    def check_variables(self, ident: str, item: dict, t: dict) -> None:
        with self.local(ident, decode_cf=False) as ds:
            variables = item["properties"]["cube:variables"]
            data = [v for v in ds.data_vars if ds[v].dims and "cell_methods" not in ds[v].attrs and ds[v].dtype.kind == "f"
                    and v in ("tas", "pr", "tos", "siconc", "ta", "zos", "thetao")]
            expect(data, "the fixture has no data variable")
            for v in data:
                d = variables.get(v) or {}
                same(d.get("type"), "data", f"{v}: type")
                same(d.get("dimensions"), list(ds[v].dims), f"{v}: dimensions")
                same(d.get("data_type"), str(ds[v].dtype), f"{v}: data_type")
                for key, attr in (("unit", "units"), ("description", "long_name"), ("cf:standard_name", "standard_name")):
                    same(d.get(key), ds[v].attrs.get(attr), f"{v}: {key}")
                fill = ds[v].attrs.get("_FillValue")
                finite = fill is not None and np.isfinite(fill)
                expect(np.float32(d["nodata"]) == np.float32(fill) if finite and "nodata" in d else not finite and "nodata" not in d,
                       f"{v}: nodata {d.get('nodata')}, _FillValue {fill}")
            for v, d in variables.items():
                expect(d["type"] in ("data", "auxiliary"), f"{v}: type {d['type']!r}")
                expect(d["type"] == "auxiliary" or not v.endswith(("_bnds", "lat", "lon", "latitude", "longitude")), f"{v} is no data variable")

    def check_extensions(self, item: dict) -> None:
        same(item["stac_version"], "1.1.0", "stac_version")
        text = json.dumps({**item, "stac_extensions": []})
        names = {u.split("/")[3] for u in item["stac_extensions"]}
        expect({"datacube", "zarr"} <= names, f"datacube and zarr are not declared: {sorted(names)}")
        for name in names:
            expect(name in EXTENSION_MARKS, f"unknown extension {name}")
            expect(EXTENSION_MARKS[name] in text, f"{name} is declared, no field of it is there")
        for name in ("order", "storage", "file", "xarray-assets"):
            expect(name in names or EXTENSION_MARKS[name] not in text, f"fields of {name} without the declaration")
        expect("cf/v" not in str(item["stac_extensions"]), "cf is not declared (its tag requires cf:parameter)")

    def assets(self) -> None:
        for ident, raw in self.api.items():
            item = pystac.Item.from_dict(raw)
            stored = self.truth[ident].get("stored", True)
            self.report.case("assets", f"{ident}: keys, media types, roles", lambda i=raw, s=stored: self.check_assets(i, s))
            for key in ASSETS:
                if key in item.assets:
                    self.report.case("assets", f"{ident}: xpystac opens {key}", lambda n=ident, a=item.assets[key]: self.compare(
                        n, xr.open_dataset(a, engine="stac")))
            if "zarr" in item.assets:
                def by_hand(n: str = ident, a: pystac.Asset = item.assets["zarr"]) -> None:
                    self.compare(n, xr.open_dataset(a.href, engine="zarr", **a.extra_fields["xarray:open_kwargs"]))
                self.report.case("assets", f"{ident}: open_dataset(href, engine=zarr, **open_kwargs)", by_hand)
            if "kerchunk" in item.assets:
                self.report.case("assets", f"{ident}: open_dataset(href, engine=kerchunk)", lambda n=ident, a=item.assets["kerchunk"]: self.compare(
                    n, xr.open_dataset(a.href, engine="kerchunk", chunks={})))
            self.report.case("assets", f"{ident}: source and thumbnail", lambda i=raw, n=ident: self.check_files(n, i))

    def check_assets(self, item: dict, stored: bool) -> None:
        assets = item["assets"]
        expect({"zarr", "zarr3"} <= set(assets), f"assets {sorted(assets)}")
        expect("kerchunk" in assets or not stored, "no kerchunk asset, although the stored chunks can be read")
        for key, kind in ASSETS.items():
            a = assets.get(key)
            if a is None:
                continue
            same(a["type"], kind, f"{key}: type")
            expect(urlsplit(a["href"]).netloc, f"{key}: relative href")
            expect(call("GET", a["href"]).status_code == 200, "")
            if key != "kerchunk":
                expect("engine" not in a.get("xarray:open_kwargs", {}), f"{key}: engine in xarray:open_kwargs")
                same((a.get("zarr:node_type"), a.get("zarr:zarr_format"), a.get("zarr:consolidated")),
                     ("group", 2 if key == "zarr" else 3, True), f"{key}: zarr:*")
            else:
                expect({"index", "references"} <= set(a["roles"]), f"roles {a['roles']}")
                same(a.get("xarray:open_kwargs", {}).get("engine"), "kerchunk", "engine")
                same(call("GET", a["href"]).json().get("version"), 1, "version of the reference document")
        for key, a in assets.items():
            expect(";" not in a.get("type", ""), f"{key}: media type with a parameter")

    def check_files(self, ident: str, item: dict) -> None:
        for key, a in item["assets"].items():
            if "thumbnail" in a.get("roles", []):
                expect(call("GET", a["href"]).content.startswith(b"\x89PNG"), "the thumbnail is no PNG")
            if "source" in a.get("roles", []):
                expect(a["type"] in ("application/netcdf", "application/x-hdf5"), f"{key}: {a['type']}")
                if urlsplit(a["href"]).netloc == urlsplit(self.url).netloc:
                    part = call("GET", a["href"], 206, headers={"Range": "bytes=0-7"}).content
                    same(part, (self.files / f"{ident}.nc").read_bytes()[:8], "the first bytes of the source")
                if "file:size" in a:
                    same(a["file:size"], (self.files / f"{ident}.nc").stat().st_size, "file:size")
        expect(not any("source" in a.get("roles", []) and urlsplit(a["href"]).scheme not in ("http", "https", "s3") for a in item["assets"].values()),
               "a source href is a local path")

    def compare(self, ident: str, remote: xr.Dataset) -> None:
        """Same variables, dimensions, types and values as the file."""
        with remote, self.local(ident) as local:
            remote, local = remote.load(), local.load()
            same({str(v) for v in remote.variables}, {str(v) for v in local.variables}, "variables")
            for v in local.variables:
                same(remote[v].dims, local[v].dims, f"{v}: dimensions")
                same(str(remote[v].dtype), str(local[v].dtype), f"{v}: dtype")
            xr.testing.assert_equal(remote.reset_coords(), local.reset_coords())

    def docs(self) -> None:
        case, s, c = self.report.case, self.stac, f"{self.stac}/collections/{self.collection}"
        routes = {s: JSON, f"{s}/conformance": JSON, f"{s}/collections": JSON, c: JSON, f"{c}/items": GEO, f"{s}/search": GEO,
                  f"{s}/queryables": "application/schema+json", f"{c}/queryables": "application/schema+json",
                  f"{s}/sortables": "application/schema+json", f"{c}/sortables": "application/schema+json",
                  f"{self.url}/openapi.json": "application/vnd.oai.openapi+json", f"{self.url}/docs": "text/html"}
        for url, kind in routes.items():
            name = url.removeprefix(self.url)
            case("docs", f"{name}: media type {kind}", lambda u=url, k=kind: same(media(call("GET", u)), k))
            case("docs", f"{name}: HEAD equals GET", lambda u=url: self.head(u))
            case("docs", f"{name}: strong ETag, 304", lambda u=url: self.etag(u))
            case("docs", f"{name}: CORS", lambda u=url: self.cors(call("GET", u, headers={"Origin": "http://a.example"})))
        live = [f"{c}/items", f"{s}/search", f"{c}/items/{next(iter(self.api), 'x')}"]
        for url in live:
            case("docs", f"{url.removeprefix(self.url)}: Cache-Control no-cache", lambda u=url: expect(
                "no-cache" in call("GET", u).headers.get("Cache-Control", ""), "order:status is live"))
        for url in (s, c, f"{self.url}/stac-collection-all.json"):
            case("docs", f"{url.removeprefix(self.url)}: Cache-Control max-age", lambda u=url: expect(
                re.search(r"max-age=\d+", call("GET", u).headers.get("Cache-Control", "")), "no max-age"))
        page = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        for url in (s, f"{s}/collections", c, live[2]):
            name = url.removeprefix(self.url)
            case("docs", f"{name}: HTML for a browser", lambda u=url: same(media(call("GET", u, headers=page)), "text/html"))
            case("docs", f"{name}: f=json wins over Accept", lambda u=url: expect("json" in media(call("GET", u, params={"f": "json"}, headers=page)), "not JSON"))
            case("docs", f"{name}: f=html wins over Accept", lambda u=url: same(media(call("GET", u, params={"f": "html"}, headers={"Accept": JSON})), "text/html"))
        landing = case("docs", "landing page", lambda: call("GET", s).json()) or {"links": [], "conformsTo": []}
        case("docs", "landing page: links resolve with their type", lambda: self.resolve(landing["links"]))
        case("docs", "landing page: needed links", lambda: self.check_landing(landing))
        case("docs", "conformance", lambda: same(set(REQUIRED_CONFORMANCE) - set(landing["conformsTo"]), set(), "not declared"))
        case("docs", "/stac/conformance says the same", lambda: same(call("GET", f"{s}/conformance").json()["conformsTo"], landing["conformsTo"]))
        collection = case("docs", "collection", lambda: call("GET", c).json()) or {"links": []}
        case("docs", "collection: links resolve with their type", lambda: self.resolve(collection["links"]))
        case("docs", "collection: extent holds every Item", lambda: self.check_extent(collection))
        case("docs", "every Item is reached by item or child links", lambda: same(
            {i.id for i in pystac.Catalog.from_file(s).get_items(recursive=True)}, set(self.truth)))
        for url in (s, f"{s}/collections", c, f"{c}/items", f"{c}/items?limit=2", f"{s}/search?limit=2&ids=no,1e3", f"{s}/search?bbox=0,0,1,1&limit=3",
                    f"{s}/collections?f=json"):
            case("docs", f"{url.removeprefix(self.url)}: self is the address asked for", lambda u=url: same(
                [x["href"] for x in call("GET", u).json()["links"] if x["rel"] == "self"], [u]))
        for url in (f"{s}/queryables", f"{c}/queryables"):
            case("docs", f"{url.removeprefix(self.url)}: queryables schema", lambda u=url: self.check_queryables(u))
        for path in ("/stac/nothing", "/stac/collections/nothing", "/stac/collections/nothing/items", f"/stac/collections/{self.collection}/items/nothing",
                     "/datasets/nothing/stac"):
            case("docs", f"{path}: 404 problem", lambda p=path: self.problem(call("GET", self.url + p, 404, headers={"Origin": "http://a.example"})))

    def head(self, url: str) -> None:
        a, b = call("HEAD", url), call("GET", url)
        same(a.content, b"", "HEAD has a body")
        for name in ("Content-Type", "ETag", "Cache-Control"):
            same(a.headers.get(name), b.headers.get(name), name)

    def etag(self, url: str) -> None:
        first = call("GET", url)
        tag = first.headers.get("ETag", "")
        expect(re.fullmatch(r'"[^"]+"', tag), f"ETag {tag!r} is not strong")
        again = call("GET", url, 304, headers={"If-None-Match": tag})
        same(again.content, b"", "304 with a body")

    def cors(self, answer: requests.Response) -> None:
        expect(answer.headers.get("Access-Control-Allow-Origin") in ("*", "http://a.example"), "no Access-Control-Allow-Origin")
        exposed = {h.strip().lower() for h in answer.headers.get("Access-Control-Expose-Headers", "").split(",")}
        expect({"etag", "link", "location", "retry-after", "content-range"} <= exposed or exposed == {"*"}, f"exposed headers {sorted(exposed)}")

    def problem(self, answer: requests.Response) -> None:
        """An error answer: problem+json that also carries STAC's words, with CORS."""
        same(media(answer), "application/problem+json", "media type of the error")
        body = answer.json()
        expect(body.get("status") == answer.status_code and body.get("title"), f"problem document {body}")
        expect("code" in body and "description" in body, f"code and description of STAC are missing: {body}")
        self.cors(answer)

    def check_landing(self, landing: dict) -> None:
        rels = {x["rel"] for x in landing["links"]}
        needed = {"self", "root", "data", "conformance", "search", "service-desc", "service-doc", QUERYABLES, "child"}
        same(needed - rels, set(), "missing links")
        search = [x for x in landing["links"] if x["rel"] == "search"]
        same((sorted(x.get("method", "") for x in search), len({x["href"] for x in search}), {x["type"] for x in search}), (["GET", "POST"], 1, {GEO}), "search links")
        desc = next(x for x in landing["links"] if x["rel"] == "service-desc")
        same(call("GET", desc["href"]).headers["Content-Type"].replace(" ", ""), desc["type"].replace(" ", ""), "Content-Type of service-desc")

    def check_extent(self, collection: dict) -> None:
        box = collection["extent"]["spatial"]["bbox"][0]
        start, end = collection["extent"]["temporal"]["interval"][0]
        members = [i for i, item in self.api.items() if item["collection"] == self.collection]
        for ident in members:
            g, (a, b) = truth_geometry(self.truth[ident]["bbox"]), self.span(ident)
            expect(g is None or shapely.box(*box).buffer(1e-6).covers(g), f"{ident} lies outside {box}")
            expect(start is None or seconds(start) <= a, f"{ident} begins before {start}")
            expect(end is None or seconds(end) >= b, f"{ident} ends after {end}")
        expect(start and seconds(start) == min(self.span(i)[0] for i in members), f"the collection begins {start}, its first Item later")

    def check_queryables(self, url: str) -> None:
        q = call("GET", url).json()
        expect(q.get("$schema", "").startswith("https://json-schema.org/draft/20"), f"$schema {q.get('$schema')}")
        same((q.get("$id"), q.get("type"), q.get("additionalProperties", True)), (url, "object", True))
        expect({"id", "collection", "geometry", "datetime"} <= set(q["properties"]), f"queryables {sorted(q['properties'])}")

    def forwarded(self) -> None:
        ident = next(iter(self.api), "x")
        paths = ["/stac", "/stac/collections", f"/stac/collections/{self.collection}/items/{quote(ident)}", "/stac/search?limit=2",
                 "/stac-collection-all.json", f"/datasets/{quote(ident)}/stac", "/intake.yaml", f"/datasets/{quote(ident)}/catalog.yaml",
                 "/intake-esm.json", "/intake-esm.csv", "/sitemap.xml", f"/stac/collections/{self.collection}/queryables"]
        host = urlsplit(self.url).netloc
        kinds = {"Host": ({"Host": "other.example:8080"}, "http://other.example:8080"),
                 "X-Forwarded": ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "data.example.org", "X-Forwarded-Prefix": "/tape"}, "https://data.example.org/tape"),
                 "Forwarded": ({"Forwarded": 'for=10.0.0.1;proto=https;host="data.example.org"'}, "https://data.example.org"),
                 "none": ({}, self.url)}
        for kind, (headers, base) in kinds.items():
            for path in paths:
                def check(headers: dict = headers, base: str = base, path: str = path, kind: str = kind) -> None:
                    text = call("GET", self.url + path, headers=headers).text
                    found = set(re.findall(r"https?://[^\s\"'<>,]+", text))
                    mine = {u for u in found if u.startswith(base)}
                    expect(mine, f"no address begins with {base}: {sorted(found)[:3]}")
                    local = {u for u in found if urlsplit(u).netloc == host and not u.startswith(base)}
                    expect(not local, f"addresses of the server itself: {sorted(local)[:3]}")
                    wrong = {u for u in found if urlsplit(u).netloc == urlsplit(base).netloc and not u.startswith(base)}
                    expect(not wrong, f"wrong scheme or prefix: {sorted(wrong)[:3]}")
                self.report.case("forwarded", f"{kind}: {path}", check)
        self.report.case("forwarded", "X-Forwarded on the kerchunk document", lambda: expect("127.0.0.1" not in "".join(re.findall(
            r'\["(http[^"]+)"', call("GET", f"{self.url}/datasets/tas-noleap/kerchunk", headers=kinds["X-Forwarded"][0]).text))
            , "references point to the server's own address"))

    def find(self) -> None:
        """bbox, datetime, ids, collections, intersects: exactly the Items of the truth."""
        case = self.report.case
        boxes = {"Greenwich": [-5, 45, 5, 50], "world": [-180, -90, 180, 90], "antimeridian": [172, -10, -172, 10], "antimeridian, thin": [179.9, 0, -179.9, 1],
                 "north cap": [-180, 85, 180, 90], "south pole": [0, -90, 10, -89], "point": [25, 3, 25, 3], "line": [20, 3, 30, 3],
                 "six numbers": [-5, 45, 0, 5, 50, 100], "Pacific east of the line": [-179, -10, -175, 10], "Pacific west": [175, -10, 179, 10],
                 "west of region-wrap": [-12, 45, -11, 50], "350 as -10": [-10.4, 53, -9.6, 54], "touching": [10.5, 50, 10.9, 51]}
        for name, b in boxes.items():
            window = truth_geometry(b if len(b) == 4 else [b[0], b[1], b[3], b[4]]) if b[0] != b[2] or b[1] != b[3] else shapely.Point(b[0], b[1])
            if b[1] == b[-1] and b[0] != b[2]:
                window = shapely.LineString([(b[0], b[1]), (b[2], b[1])])
            wanted = self.where(lambda i, t, w=window: t["bbox"] is not None and truth_geometry(t["bbox"]).intersects(w))
            case("search", f"bbox {name}", lambda b=b, w=wanted: self.agree(w, bbox=b))
        ranges = ["2000-06-01T00:00:00Z", "1995-01-01T00:00:00Z/1995-12-31T23:59:59Z", "../1600-01-01T00:00:00Z", "2020-01-01T00:00:00Z/..", "/1600-01-01T00:00:00Z",
                  "2020-01-01T00:00:00Z/", "2001-12-31T00:00:00Z", "2001-12-31T00:00:00.000001Z/2002-06-01T00:00:00Z", "2005-01-01t00:00:00.25z",
                  "9999-12-31T12:00:00Z/..", "2010-06-02T18:00:00Z/2010-06-03T00:00:00Z", "2003-03-31T12:00:00Z"]
        for text in ranges:
            low, _, high = text.partition("/") if "/" in text else (text, "", text)
            a = seconds(low) if low not in ("", "..") else float("-inf")
            b = seconds(high) if high not in ("", "..") else float("inf")
            wanted = {i for i in self.truth if self.span(i)[0] <= b and self.span(i)[1] >= a}
            case("search", f"datetime {text}", lambda x=text, w=wanted: self.agree(w, datetime=x))
        noon = {i for i in self.truth if self.span(i)[0] <= seconds("2010-06-01T06:00:00Z") <= self.span(i)[1]}
        case("search", "datetime with an offset", lambda: self.agree(noon, datetime="2010-06-01T14:00:00+08:00"))
        everything = set(self.truth)
        case("search", "no parameter", lambda: self.agree(everything))
        case("search", "ids", lambda: self.agree({"no", "1e3", "era5.t2m"}, ids=["no", "1e3", "era5.t2m", "absent"]))
        case("search", "ids AND bbox", lambda: self.agree({"no"}, ids=["no", "1e3"], bbox=[40, 0, 41, 1]))
        case("search", "ids AND datetime", lambda: self.agree(set(), ids=["no"], datetime="1990-01-01T00:00:00Z"))
        case("search", "collections", lambda: self.agree(everything, collections=[self.collection]))
        case("search", "collections, absent", lambda: self.agree(set(), collections=["absent"]))
        case("search", "collections as a text in POST", lambda: same(len(self.search("POST", collections=self.collection, limit=1000)["features"]), len(everything)))
        shapes = {"Polygon": {"type": "Polygon", "coordinates": [[[0, 40], [12, 40], [12, 55], [0, 55], [0, 40]]]},
                  "Polygon with a hole": {"type": "Polygon", "coordinates": [[[-30, 30], [60, 30], [60, 75], [-30, 75], [-30, 30]],
                                                                             [[-20, 35], [-20, 65], [55, 65], [55, 35], [-20, 35]]]},
                  "Point": {"type": "Point", "coordinates": [22, 3]}, "MultiPoint": {"type": "MultiPoint", "coordinates": [[22, 3], [40.5, 0]]},
                  "LineString": {"type": "LineString", "coordinates": [[-60, -45], [-50, -10]]},
                  "MultiPolygon": {"type": "MultiPolygon", "coordinates": [[[[171, -5], [180, -5], [180, 5], [171, 5], [171, -5]]],
                                                                           [[[-180, -5], [-171, -5], [-171, 5], [-180, 5], [-180, -5]]]]},
                  "GeometryCollection": {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [100, -29]},
                                                                                      {"type": "Point", "coordinates": [-10, 53.55]}]}}
        for name, g in shapes.items():
            wanted = self.where(lambda i, t, g=g: t["bbox"] is not None and truth_geometry(t["bbox"]).intersects(shape(g)))
            case("search", f"intersects {name}", lambda g=g, w=wanted: self.agree(w, intersects=g))
        case("search", "no position never matches", lambda: expect("no-horizontal" not in self.ids(self.search(bbox=[-180, -90, 180, 90], limit=1000)), "matched"))
        case("search", "unknown parameter is ignored", lambda: same(len(self.search(limit=1000, nonsense=1)["features"]), len(everything)))
        case("search", "default limit 10", lambda: same(self.search()["numberReturned"], min(10, len(everything))))
        case("search", "limit above the maximum is clamped", lambda: same(len(self.search(limit=1_000_000)["features"]), len(everything)))
        case("search", "numberMatched", lambda: same(self.search(limit=1)["numberMatched"], len(everything)))
        items = f"{self.stac}/collections/{self.collection}/items"
        case("search", "/items takes bbox and datetime", lambda: same(set(self.ids(self.search(url=items, bbox=[40, 0, 41, 1], datetime="2020-02-01T00:00:00Z"))), {"no"}))
        for good in ("1996-12-19T16:39:57-00:00", "1985-04-12T23:20:50.52Z", "1985-04-12t23:20:50.000z", "2020-07-23T00:00:00.012345678Z", "1990-12-31T23:59:60Z",
                     "1937-01-01T12:00:27.87+01:00", "1985-04-12T23:20:50.52+01:00/1986-04-12T23:20:50.52+01:00", "../1985-04-12T23:20:50.52Z"):
            case("search", f"datetime {good} is accepted", lambda x=good: [self.search(m, datetime=x, limit=1) for m in ("GET", "POST")])
        self.with_client()

    def with_client(self) -> None:
        """pystac-client, as users call it."""
        case = self.report.case
        client = case("search", "pystac_client opens", lambda: pystac_client.Client.open(self.stac, timeout=60))
        if client is None:
            return
        case("search", "pystac_client get_collections", lambda: expect(self.collection in {c.id for c in client.get_collections()}, "not there"))
        case("search", "pystac_client get_items of a collection", lambda: same({i.id for i in client.get_collection(self.collection).get_items()}, set(self.truth)))
        case("search", "pystac_client get_item", lambda: same(client.get_collection(self.collection).get_item("era5.t2m").id, "era5.t2m"))
        for method in ("GET", "POST"):
            def pages(method: str = method, **kwargs: Any) -> list[str]:
                return [i.id for i in client.search(method=method, limit=4, **kwargs).items()]
            case("search", f"pystac_client {method}: all Items over pages", lambda p=pages: same(sorted(p()), sorted(self.truth)))
            case("search", f"pystac_client {method}: ids", lambda p=pages: same(set(p(ids=["no", "1e3"])), {"no", "1e3"}))
            case("search", f"pystac_client {method}: month", lambda p=pages: same(set(p(datetime="1995-03")), self.where(
                lambda i, t: t["start"] < "1995-04" and t["end"] >= "1995-03")))
            case("search", f"pystac_client {method}: bbox", lambda p=pages: same(set(p(bbox=[40, 0, 41, 1], datetime="2020-02-01T00:00:00Z")), {"no"}))
            case("search", f"pystac_client {method}: filter text", lambda p=pages: same(set(p(filter="title LIKE 'cal-%'", filter_lang="cql2-text")),
                                                                                     {i for i in self.truth if i.startswith("cal-")}))
            case("search", f"pystac_client {method}: sortby", lambda p=pages: same(p(sortby="-id"), sorted(self.truth, reverse=True)))
            case("search", f"pystac_client {method}: query", lambda p=pages: same(set(p(query=["title=cal-360"])), {"cal-360"}))
            case("search", f"pystac_client {method}: fields", lambda m=method: same({tuple(sorted(d["properties"])) for d in client.search(
                method=m, fields=["id", "properties.title"]).items_as_dicts()}, {("title",)}))
        case("search", "pystac_client matched()", lambda: same(client.search(ids=["no", "1e3"]).matched(), 2))

    def filters(self) -> None:
        all_ids, start, end = set(self.truth), (lambda i: self.truth[i]["start"]), (lambda i: self.truth[i]["end"])
        title = {i: item["properties"].get("title", "") for i, item in self.api.items()}
        hit = lambda g: self.where(lambda i, t: t["bbox"] is not None and truth_geometry(t["bbox"]).intersects(g))  # noqa: E731
        cases: dict[str, set[str]] = {
            "id = 'no'": {"no"}, "id <> 'no'": all_ids - {"no"}, "id IN ('no', '1e3', 'absent')": {"no", "1e3"},
            "collection = 'absent'": set(), "title LIKE 'cal-%'": {i for i in title if title[i].startswith("cal-")},
            "NOT (title LIKE 'cal-%')": {i for i in title if not title[i].startswith("cal-")}, "title LIKE 'cal-___'": {"cal-360"},
            "title LIKE '%{{ 7 * 7 }}%'": {"1e3"}, "title = 'it''s'": set(), "properties.title = 'cal-360'": {"cal-360"},
            "\"eo:cloud_cover\" < 10": set(), "NOT (\"eo:cloud_cover\" < 10)": set(), "\"eo:cloud_cover\" IS NULL": all_ids, "title IS NOT NULL": all_ids,
            "\"eo:cloud_cover\" < 10 OR id = 'no'": {"no"}, "NOT (\"eo:cloud_cover\" < 10 AND id = 'no')": all_ids - {"no"},
            "(id = 'no' OR id = '1e3') AND datetime > TIMESTAMP('2020-01-15T00:00:00Z')": {"no"},
            "datetime >= TIMESTAMP('2010-01-01T00:00:00Z')": {i for i in all_ids if start(i) >= "2010"},
            "datetime >= TIMESTAMP('1995-03-01T12:00:00Z') AND datetime <= TIMESTAMP('1995-03-10T00:00:00Z')": {
                i for i in all_ids if "1995-03-01T12:00:00Z" <= start(i) <= "1995-03-10T00:00:00Z"},
            "datetime < DATE('1990-01-01')": {i for i in all_ids if start(i) < "1990-01-01"},
            "end_datetime < TIMESTAMP('1600-01-01T00:00:00Z')": {i for i in all_ids if end(i) < "1600"},
            "T_AFTER(datetime, TIMESTAMP('2014-01-01T00:00:00Z'))": {i for i in all_ids if start(i) > "2014"},
            "T_BEFORE(datetime, TIMESTAMP('1990-01-01T00:00:00Z'))": {i for i in all_ids if start(i) < "1990"},
            "T_INTERSECTS(INTERVAL(start_datetime, end_datetime), INTERVAL('2000-06-01T00:00:00Z', '2001-01-15T00:00:00Z'))": {
                i for i in all_ids if start(i) != end(i) and start(i) <= "2001-01-15T00:00:00Z" and end(i) >= "2000-06-01T00:00:00Z"},
            "T_DURING(datetime, INTERVAL('2012-01-01T00:00:00Z', '..'))": {i for i in all_ids if start(i) > "2012-01-01T00:00:00Z"},
            "S_INTERSECTS(geometry, POLYGON((0 40, 12 40, 12 55, 0 55, 0 40)))": hit(shapely.box(0, 40, 12, 55)),
            "S_INTERSECTS(geometry, POINT(22 3))": hit(shapely.Point(22, 3)),
            "S_INTERSECTS(geometry, BBOX(172, -10, -172, 10))": hit(truth_geometry([172, -10, -172, 10])),
            "NOT S_INTERSECTS(geometry, BBOX(-180, -90, 180, 90))": set(),
            "\"cmip6:source_id\" = 'EX-1'": {"tas-noleap"}, "\"attrs:table_id\" > 130": {"region-wrap"}, "\"attrs:table_id\" BETWEEN 100 AND 139": {"era5.t2m"},
            "\"attrs:table_id\" IN (128, 140)": {"era5.t2m", "region-wrap"}}
        if "http://www.opengis.net/spec/cql2/1.0/conf/spatial-functions" in call("GET", self.stac).json()["conformsTo"]:
            boxes = {i: truth_geometry(t["bbox"]) for i, t in self.truth.items() if t["bbox"] is not None}
            cases |= {"S_WITHIN(geometry, POLYGON((-20 30, 30 30, 30 70, -20 70, -20 30)))": {i for i, g in boxes.items() if g.within(shapely.box(-20, 30, 30, 70))},
                      "S_DISJOINT(geometry, POLYGON((0 -90, 180 -90, 180 90, 0 90, 0 -90)))": {i for i, g in boxes.items() if g.disjoint(shapely.box(0, -90, 180, 90))}}
        for text, wanted in cases.items():
            tree = cql2.parse_text(text).to_json()
            ways = {"GET text": ("GET", {"filter": text}), "GET text, named": ("GET", {"filter": text, "filter-lang": "cql2-text"}),
                    "GET json": ("GET", {"filter": tree, "filter-lang": "cql2-json"}), "POST json": ("POST", {"filter": tree}),
                    "POST json, named": ("POST", {"filter": tree, "filter-lang": "cql2-json", "filter-crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}),
                    "POST text": ("POST", {"filter": text, "filter-lang": "cql2-text"})}
            for way, (method, params) in ways.items():
                self.report.case("filter", f"{text} ({way})", lambda m=method, p=params, w=wanted: same(set(self.ids(self.search(m, limit=1000, **p))), w))
        draft = {"op": "between", "args": [{"property": "attrs:table_id"}, [100, 139]]}
        self.report.case("filter", "draft form of between (as the validator sends it)", lambda: same(self.ids(self.search("POST", filter=draft)), ["era5.t2m"]))
        self.report.case("filter", "filter AND bbox AND datetime", lambda: self.agree({"no"}, filter="id IN ('no', '1e3', 'lzf')", bbox=[40, 0, 41, 1],
                                                                                      datetime="2020-02-01T12:00:00Z", **{"filter-lang": "cql2-text"}))
        items = f"{self.stac}/collections/{self.collection}/items"
        self.report.case("filter", "filter on /items", lambda: same(self.ids(self.search(url=items, filter="id = 'no'")), ["no"]))

    def sort(self) -> None:
        title = {i: item["properties"]["title"] for i, item in self.api.items()}
        start = {i: seconds(self.truth[i]["start"]) for i in self.truth}
        number = {i: item["properties"].get("attrs:table_id", float("inf")) for i, item in self.api.items()}
        ids = sorted(self.truth)
        down = [{"field": "attrs:table_id", "direction": "desc"}]
        cases = {"id": ([{"field": "id", "direction": "asc"}], ids), "-id": ([{"field": "id", "direction": "desc"}], ids[::-1]),
                 "title": ([{"field": "properties.title", "direction": "asc"}], sorted(ids, key=lambda i: title[i])),
                 "-datetime, ties by id": ([{"field": "properties.datetime", "direction": "desc"}], sorted(ids, key=lambda i: -start[i])),
                 "datetime, -id": ([{"field": "datetime", "direction": "asc"}, {"field": "id", "direction": "desc"}], sorted(ids[::-1], key=lambda i: start[i])),
                 "number, NULL last": ([{"field": "attrs:table_id", "direction": "asc"}], sorted(ids, key=lambda i: number[i])),
                 "-number, NULL last": (down, sorted(ids, key=lambda i: -number[i] if number[i] < float("inf") else float("inf")))}
        for name, (sortby, wanted) in cases.items():
            self.report.case("sort", f"sortby {name}", lambda s=sortby, w=wanted: self.agree(w, sortby=s))
        for text in ("id", "+id", "%20id", "%2Bid"):
            self.report.case("sort", f"GET sortby={text}", lambda x=text: same(self.ids(call("GET", f"{self.stac}/search?limit=1000&sortby={x}").json()), ids))
        self.report.case("sort", "the order is stable", lambda: same(self.ids(self.search(limit=1000)), self.ids(self.search(limit=1000))))

    def fields(self) -> None:
        base, always = "no", {"type", "stac_version", "id", "collection"}
        default = {"type", "stac_version", "id", "geometry", "bbox", "links", "assets", "properties"}
        full = self.api[base]

        def one(method: str, fields: Any) -> dict:
            return self.search(method, ids=[base], fields=fields)["features"][0]

        def check(method: str, fields: Any, keys: set[str], properties: set[str] | None) -> None:
            item = one(method, fields)
            same(set(item), keys, "members")
            if properties is not None:
                same(set(item.get("properties", {})), properties, "properties")

        some = {"title", "datetime"}
        cases: dict[str, tuple[str, Any, set[str], set[str] | None]] = {
            "GET empty": ("GET", "", default, {"datetime"}), "POST {}": ("POST", {}, default, {"datetime"}),
            "POST null and null": ("POST", {"include": None, "exclude": None}, default, {"datetime"}),
            "POST exclude, include empty": ("POST", {"exclude": ["geometry"], "include": []}, default - {"geometry"}, {"datetime"}),
            "GET +id": ("GET", "+id", always, None), "GET id": ("GET", "id", always, None), "POST include id": ("POST", {"include": ["id"]}, always, None),
            "GET properties.title,properties.datetime": ("GET", "properties.title,properties.datetime", always | {"properties"}, some),
            "POST nested": ("POST", {"include": ["properties.title", "properties.datetime"]}, always | {"properties"}, some),
            "GET -geometry": ("GET", "-geometry", set(full) - {"geometry"}, set(full["properties"])),
            "POST exclude only": ("POST", {"exclude": ["geometry"]}, set(full) - {"geometry"}, set(full["properties"])),
            "POST exclude a property": ("POST", {"exclude": ["properties.title"]}, set(full), set(full["properties"]) - {"title"}),
            "GET -properties,+properties.title": ("GET", "-properties,+properties.title", always | {"properties"}, {"title"}),
            "POST both the same: kept": ("POST", {"include": ["geometry"], "exclude": ["geometry"]}, always | {"geometry"}, None),
            "POST include properties, exclude one": ("POST", {"include": ["properties"], "exclude": ["properties.title"]}, always | {"properties"},
                                                     set(full["properties"]) - {"title"}),
            "GET unknown": ("GET", "nonsense", always, None)}
        for name, args in cases.items():
            self.report.case("fields", name, lambda a=args: check(*a))
        self.report.case("fields", "asset path", lambda: same(one("POST", {"include": ["assets.zarr.href"]})["assets"], {"zarr": {"href": full["assets"]["zarr"]["href"]}}))

    def query(self) -> None:
        title = {i: item["properties"]["title"] for i, item in self.api.items()}
        start = {i: self.truth[i]["start"] for i in self.truth}
        cases: list[tuple[dict, set[str]]] = [
            ({"title": {"eq": "cal-360"}}, {"cal-360"}), ({"attrs:table_id": {"eq": 128}}, {"era5.t2m"}), ({"attrs:table_id": {"neq": 128}}, {"region-wrap"}),
            ({"attrs:table_id": {"lt": 140}}, {"era5.t2m"}), ({"attrs:table_id": {"lte": 140}}, {"era5.t2m", "region-wrap"}),
            ({"attrs:table_id": {"gt": 128}}, {"region-wrap"}), ({"attrs:table_id": {"gte": 128, "lt": 140}}, {"era5.t2m"}),
            ({"title": {"startsWith": "cal"}}, {i for i in title if title[i].startswith("cal")}), ({"title": {"endsWith": "julian"}}, {"cal-julian"}),
            ({"title": {"contains": "near-surface"}}, {"tas-noleap"}), ({"title": {"in": ["cal-360", "no-time"]}}, {"cal-360", "no-time"}),
            ({"datetime": {"gte": "2015-01-01T00:00:00Z"}}, {i for i in start if start[i] >= "2015"}), ({"absent": {"eq": 1}}, set()),
            ({"title": {"startsWith": "cal"}, "attrs:table_id": {"gt": 1}}, set())]
        for q, wanted in cases:
            self.report.case("query", json.dumps(q), lambda q=q, w=wanted: self.agree(w, query=q))

    def paging(self) -> None:
        case, everything = self.report.case, sorted(self.truth)

        def walk(method: str, url: str | None = None, **params: Any) -> list[str]:
            """All ids by following `next`."""
            answer, out, matched = self.search(method, url=url, **params), [], None
            for _ in range(len(everything) + 2):
                out += self.ids(answer)
                same(answer["numberReturned"], len(answer["features"]), "numberReturned")
                matched = answer["numberMatched"] if matched is None else matched
                same(answer["numberMatched"], matched, "numberMatched over pages")
                link = next((x for x in answer["links"] if x["rel"] == "next"), None)
                if link is None:
                    same(len(out), matched, "Items over all pages")
                    return out
                same(link["type"], GEO, "type of next")
                expect(answer["features"], "an empty page has a next link")
                if link.get("method", "GET") == "POST":
                    expect(link.get("merge") is False and "token" in link["body"], "POST next holds the whole body, merge false")
                    answer = call("POST", link["href"], json=link["body"]).json()
                else:
                    answer = call("GET", link["href"]).json()
            raise AssertionError("paging does not end")

        for method in ("GET", "POST"):
            for limit in (1, 3, 7, len(everything), len(everything) + 1):
                case("paging", f"{method} limit {limit}: complete, no repeats", lambda m=method, n=limit: same(sorted(walk(m, limit=n)), everything))
            case("paging", f"{method} sorted by number with ties", lambda m=method: same(
                walk(m, limit=3, sortby=[{"field": "attrs:table_id", "direction": "desc"}]),
                self.ids(self.search(m, limit=1000, sortby=[{"field": "attrs:table_id", "direction": "desc"}]))))
            case("paging", f"{method} with a filter and a box", lambda m=method: same(
                walk(m, limit=2, bbox=[-180, -90, 180, 90], filter="title LIKE 'cal-%'", **{"filter-lang": "cql2-text"}),
                self.ids(self.search(m, limit=1000, bbox=[-180, -90, 180, 90], filter="title LIKE 'cal-%'", **{"filter-lang": "cql2-text"}))))
        case("paging", "/items", lambda: same(sorted(walk("GET", f"{self.stac}/collections/{self.collection}/items", limit=5)), everything))
        case("paging", "the last full page has no next", lambda: same([x for x in self.search(limit=len(everything))["links"] if x["rel"] == "next"], []))

    def bad(self) -> None:
        times = ["/", "../..", "/..", "../", "/1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z", "1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z/",
                 "1984-04-12T23:20:50Z/1985-04-12T23:20:50Z/1986-04-12T23:20:50Z", "1985-04-12", "1985-04", "1985-12-12T23:20:50", "1985-12-12T23:20Z",
                 "1937-01-01T12:00:27.87+0100", "37-01-01T12:00:27Z", "21985-12-12T23:20:50Z", "1985-13-12T23:20:50Z", "1985-00-12T23:20:50Z", "1985-12-32T23:20:50Z",
                 "1985-02-30T23:20:50Z", "1985-12-01T25:20:50Z", "1985-12-01T00:60:50Z", "1985-12-01T00:06:61Z", "1985-04-12T23:20:50.Z", "1985-04-12T23:20:50,Z",
                 "1985-04-12T23:20:50,52Z", "1986-04-12T23:20:50Z/1985-04-12T23:20:50Z", "1985-04-12 23:20:50", "now", "1985-04-12T23:20:50Z/P1D"]
        boxes: dict[str, Any] = {"1 number": [0], "2 numbers": [0, 0], "3 numbers": [0, 0, 1], "5 numbers": [0, 0, 0, 1, 1], "7 numbers": [0] * 7,
                                 "latitude 1 > latitude 2": [0, 10, 1, 5], "text": ["a", "b", "c", "d"], "NaN": ["nan", 0, 1, 1], "latitude 91": [0, 0, 1, 91],
                                 "longitude 400": [0, 0, 400, 1]}
        both: dict[str, dict] = {f"datetime {t}": {"datetime": t} for t in times} | {f"bbox {n}": {"bbox": b} for n, b in boxes.items()} | {
            "bbox and intersects": {"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}}, "limit -1": {"limit": -1}, "limit 0": {"limit": 0},
            "limit abc": {"limit": "abc"}, "limit 1.5": {"limit": 1.5}, "intersects without a type": {"intersects": {"coordinates": [0, 0]}},
            "intersects open ring": {"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0]]]}}, "unknown filter-lang": {"filter": "id = 'x'", "filter-lang": "sql"},
            "filter does not parse": {"filter": "id = = 'x'", "filter-lang": "cql2-text"}, "filter half": {"filter": "id = 'x' AND", "filter-lang": "cql2-text"},
            "filter bad time": {"filter": "datetime > TIMESTAMP('yesterday')", "filter-lang": "cql2-text"},
            "filter unknown operator": {"filter": {"op": "nonsense", "args": [1]}, "filter-lang": "cql2-json"},
            "filter-crs": {"filter": "id = 'x'", "filter-lang": "cql2-text", "filter-crs": "EPSG:3857"},
            "sortby unknown field": {"sortby": [{"field": "nonsense", "direction": "asc"}]}, "sortby geometry": {"sortby": [{"field": "geometry", "direction": "asc"}]},
            "foreign token": {"token": "bm9uc2Vuc2U="}, "broken token": {"token": "%%%"}, "query unknown operator": {"query": {"title": {"like": "x"}}}}
        for name, params in both.items():
            for method in ("GET", "POST"):
                def refuse(method: str = method, params: dict = params) -> None:
                    if method == "POST":
                        answer = call("POST", f"{self.stac}/search", 400, json=params, headers={"Origin": "http://a.example"})
                    else:
                        flat = {k: ",".join(map(str, v)) if k == "bbox" else json.dumps(v) if isinstance(v, dict) else v for k, v in params.items()}
                        if isinstance(flat.get("sortby"), list):
                            flat["sortby"] = flat["sortby"][0]["field"]
                        answer = call("GET", f"{self.stac}/search", 400, params=flat, headers={"Origin": "http://a.example"})
                    self.problem(answer)
                self.report.case("bad", f"{name} ({method})", refuse)
        for name, query in {"bbox in brackets": "bbox=[0,0,1,1]", "bbox empty": "bbox=0,0,,1", "intersects no JSON": "intersects={", "query no JSON": "query={",
                            "limit empty": "limit="}.items():
            self.report.case("bad", f"{name} (GET)", lambda q=query: self.problem(call("GET", f"{self.stac}/search?{q}", 400, headers={"Origin": "http://a.example"})))
        bodies = {"no JSON": b"{", "an array": b"[]", "bbox as a text": b'{"bbox":"0,0,1,1"}', "fields null": b'{"fields":null}', "limit as a text": b'{"limit":"5"}',
                  "sortby direction": b'{"sortby":[{"field":"id","direction":"up"}]}', "not UTF-8": b'{"ids":["\xff"]}'}
        for name, data in bodies.items():
            self.report.case("bad", f"{name} (POST)", lambda d=data: self.problem(call(
                "POST", f"{self.stac}/search", 400, data=d, headers={"Content-Type": JSON, "Origin": "http://a.example"})))
        items = f"{self.stac}/collections/{self.collection}/items"
        for query in ("limit=-1", "bbox=0,0,1", "datetime=1985-04-12"):
            self.report.case("bad", f"/items?{query}", lambda q=query: self.problem(call("GET", f"{items}?{q}", 400, headers={"Origin": "http://a.example"})))
        self.report.case("bad", "a parse error names its place", lambda: expect(re.search(r"\d", call("GET", f"{self.stac}/search", 400, params={
            "filter": "id = = 'x'"}).json()["description"]), "no position in the description"))

    def order(self) -> None:
        for ident, item in self.api.items():
            def state(ident: str = ident, item: dict = item) -> None:
                p, links = item["properties"], [x for x in item["links"] if x["rel"] == "order"]
                retrieve = [(x["method"], x["body"], x["href"]) for x in item["links"] if x["rel"] == "retrieve"]
                own = next(x["href"] for x in item["links"] if x["rel"] == "self")
                same(retrieve, [("POST", {}, f"{own}/order")] if ident in self.cold else [], "retrieve link")
                status = p.get("order:status")
                declared = any("/order/" in e for e in item["stac_extensions"])
                same(status is not None, declared, "order:status and the extension come together")
                if ident not in self.cold:
                    expect(status is None, f"order:status {status!r} on a data set that has no cold tier")
                    return
                expect(status in ORDER, f"order:status {status!r}")
                expect((status != "succeeded") == bool(links), f"order link while {status}")
                expect(all(x.get("method") == "POST" and x["type"] == JSON for x in links), "order link: method POST, application/json")
            self.report.case("order", f"{ident}: status and link", state)
        for ident in self.cold:
            self.report.case("order", f"{ident}: orderable → succeeded", lambda i=ident: self.stage(i))

    def stage(self, ident: str) -> None:
        url = f"{self.stac}/collections/{self.collection}/items/{quote(ident)}"
        before = call("GET", url)
        item = before.json()
        same(item["properties"]["order:status"], "orderable", "before staging (start the server afresh)")
        by_filter = lambda s: self.ids(self.search(filter=f"\"order:status\" = '{s}'", limit=1000))  # noqa: E731
        expect(ident in by_filter("orderable"), "the search for orderable lacks it")
        link = next(x for x in item["links"] if x["rel"] == "order")
        call("POST", link["href"], (200, 201, 202), json={})
        seen, deadline = [], time.time() + self.wait
        while time.time() < deadline:
            answer = call("GET", url, (200, 304), headers={"If-None-Match": before.headers["ETag"]})
            expect(answer.status_code == 200, "the ETag did not follow the staging state")
            p = answer.json()["properties"]
            if not seen or seen[-1] != p["order:status"]:
                seen.append(p["order:status"])
            if seen[-1] in ("succeeded", "failed", "canceled"):
                break
            time.sleep(0.2)
        same(seen[-1], "succeeded", f"states seen {seen}")
        rank = ["ordered", "pending", "shipping", "succeeded"]
        same(seen, sorted(seen, key=rank.index), "order of the states")
        expect(p.get("order:id") and STAMP.fullmatch(p.get("order:date", "")), "order:id and order:date")
        expect("expires" not in p or STAMP.fullmatch(p["expires"]) and p["expires"] > p["order:date"], f"expires {p.get('expires')}")
        expect(p["updated"] >= item["properties"]["updated"], "updated went back")
        expect(abs(datetime.now(UTC) - datetime.fromisoformat(p["order:date"])) < timedelta(hours=1), f"order:date {p['order:date']}")
        same([x for x in answer.json()["links"] if x["rel"] == "order"], [], "order link after success")
        expect(ident in by_filter("succeeded") and ident not in by_filter("orderable"), "the search does not follow the state")


GROUPS = {"static": Check.static, "items": Check.items, "assets": Check.assets, "docs": Check.docs, "forwarded": Check.forwarded, "search": Check.find,
          "filter": Check.filters, "sort": Check.sort, "fields": Check.fields, "query": Check.query, "paging": Check.paging, "bad": Check.bad, "order": Check.order}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--fixtures", required=True, type=Path)
    parser.add_argument("--only", action="append", choices=sorted(GROUPS), help="run this group (may be given again)")
    parser.add_argument("--cold", action="append", help="id of a data set whose file is cold, to be staged")
    parser.add_argument("--stage-timeout", type=float, default=60)
    parser.add_argument("--verbose", action="store_true", help="print the cases that hold, too")
    args = parser.parse_args()
    check = Check(args)
    check.report.case(next(iter(args.only or ["static"])), "the API lists every data set", check.load)
    for name, run in GROUPS.items():
        if check.report.wants(name):
            try:
                run(check)
            except Exception as e:  # a group that cannot go on is a failed case
                check.report.case(name, "the group ends early", lambda e=e: (_ for _ in ()).throw(e))
    return check.report.finish()


if __name__ == "__main__":
    sys.exit(main())
