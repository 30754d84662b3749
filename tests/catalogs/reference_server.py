"""A small catalog server in plain Python against which every check here can be green. For tests only.

    python reference_server.py DIR [--port 0] [--cold ID] [--big DIR] [--defect NAME …]

It serves each NetCDF file of DIR (see make_fixtures.py) as one data set, with the documents of the
catalog contract. `--defect` breaks one rule at a time, so that one can see which check notices.
Prints `listening on http://127.0.0.1:PORT` when ready. Needs the environment `catalogs`.
"""

from __future__ import annotations

import argparse
import copy
import csv
import hashlib
import html
import io
import json
import re
import sys
import tempfile
import time
import zlib
from datetime import datetime, timezone, UTC
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

sys.path.insert(0, str(Path(__file__).parent / "reference"))
import extent  # noqa: E402
import search as searching  # noqa: E402
from store import Store  # noqa: E402

DEFECTS = {
    "child-links": "static collection lists Items as rel=child (Cloudify)",
    "global-bbox": "every bbox is global (Cloudify)",
    "bbox-360": "longitudes stay in 0..360",
    "no-bounds": "extents from cell centres, bounds ignored",
    "calendar-blind": "calendar dates are counted in the Gregorian calendar",
    "force-https": "hrefs say https whatever the request was (Cloudify)",
    "ignore-forwarded": "X-Forwarded-* headers are not read",
    "media-param": "media type application/vnd.zarr; version=3",
    "kerchunk-role": "kerchunk asset without the role index or references",
    "engine-kwarg": "xarray:open_kwargs of the Zarr asset holds engine",
    "no-range": "Range is not honoured",
    "no-consolidated": "no .zmetadata",
    "null-datetime": "datetime null for ranges",
    "no-nodata": "cube:variables lack nodata",
    "time-now": "no time axis: the clock (Cloudify)",
    "order-word": "order:status 'staged'",
    "order-everywhere": "order:status on data sets without a cold tier",
    "stuck-etag": "ETag does not follow the staging state",
    "lenient": "bad parameters are ignored, not 400",
    "ignore-filter": "filter is ignored",
    "null-true": "NOT of an unknown property is true",
    "bbox-dateline": "search box across the antimeridian is read as empty",
    "instant-search": "datetime search looks at datetime only, not at the range",
    "post-differs": "POST ignores datetime",
    "page-repeat": "paging repeats the last Item",
    "self-noquery": "self links lack the query",
    "sort-text": "sortby descending is ignored",
    "fields-ignored": "fields is ignored",
    "query-ignored": "query is ignored",
    "head-missing": "HEAD is 501",
    "cors-errors": "error answers lack CORS headers (Starlette-like)",
    "yaml-unquoted": "intake ids and titles are not quoted",
    "jinja": "user text is not escaped for Jinja",
    "method-missing": "intake has no parameter method",
    "esm-single": "one groupby attribute in intake-esm",
    "thredds-relative": "THREDDS urlPath of another data set",
    "thredds-title": "THREDDS data sets are named by one title",
    "script-open": "JSON-LD is not escaped",
    "bad-schema": "zarr:node_type has a value outside its schema",
}
EXT = "https://stac-extensions.github.io"
QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
SORTABLES = "http://www.opengis.net/def/rel/ogc/1.0/sortables"
GEO, JSON, OPENAPI = "application/geo+json", "application/json", "application/vnd.oai.openapi+json;version=3.0"
CONFORMANCE = [f"https://api.stacspec.org/v1.0.0/{c}" for c in (
    "core", "collections", "ogcapi-features", "item-search", "browseable", "item-search#filter", "item-search#sort", "item-search#fields",
    "item-search#query", "ogcapi-features#sort", "ogcapi-features#fields", "ogcapi-features#query")] + [
    f"http://www.opengis.net/spec/{c}" for c in (
        "ogcapi-features-1/1.0/conf/core", "ogcapi-features-1/1.0/conf/oas30", "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-features-3/1.0/conf/filter", "ogcapi-features-3/1.0/conf/features-filter", "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/cql2-json", "cql2/1.0/conf/basic-cql2", "cql2/1.0/conf/advanced-comparison-operators",
        "cql2/1.0/conf/basic-spatial-operators", "cql2/1.0/conf/basic-spatial-functions", "cql2/1.0/conf/spatial-functions", "cql2/1.0/conf/temporal-operators",
        "cql2/1.0/conf/temporal-functions")]
SEARCH_ATTRS = ["activity_id", "institution_id", "source_id", "experiment_id", "member_id", "table_id", "variable_id", "grid_label"]
ESM_COLUMNS = ["collection", "dataset_id", *SEARCH_ATTRS, "uri"]
STARTED = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
STATES = [(0.0, "ordered"), (0.7, "pending"), (1.4, "shipping"), (3.0, "succeeded")]


def png() -> bytes:
    """A grey pixel."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    head = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")


def link(rel: str, href: str, kind: str = JSON, **more: Any) -> dict:
    return {"rel": rel, "href": href, "type": kind, **more}


class Catalog:
    """All data sets and the documents made from them."""

    def __init__(self, args: argparse.Namespace, scratch: Path) -> None:
        self.cold: dict[str, float | None] = {i: None for i in args.cold}
        self.stores: dict[str, Store] = {}
        self.raw: dict[str, dict] = {}
        self.cache: dict[str, list[dict]] = {}
        for path in sorted(args.dir.glob("*.nc")):
            self.stores[path.stem] = Store(path, scratch, "h5netcdf")
            self.raw[path.stem] = extent.describe(path)
        self.break_rules(set(args.defect))
        for path in sorted(args.big.glob("*.yaml")) if args.big else []:
            self.add_catalog(path)

    def break_rules(self, defects: set[str]) -> None:
        """Start again with these defects."""
        self.defects, self.cold = defects, dict.fromkeys(self.cold)
        self.facts: dict[str, dict] = {i: self.spoil(copy.deepcopy(f)) for i, f in self.raw.items()}

    def add_catalog(self, path: Path) -> None:
        """Entries of a catalog file: id, title, source.paths, spatial.bbox, temporal, attributes.global."""
        import yaml
        for entry in yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["datasets"]:
            source = Path(entry["source"]["paths"][0]).stem
            base, (start, end) = self.facts[source], entry["temporal"]
            self.stores[entry["id"]] = self.stores[source]
            self.facts[entry["id"]] = {**base, "collection": entry["collection"], "bbox": entry["spatial"]["bbox"], "geometry": extent.geometry(entry["spatial"]["bbox"]),
                                       "attrs": {**base["attrs"], "title": entry["title"], **entry["attributes"]["global"]},
                                       "times": {"datetime": start, "start_datetime": start, "end_datetime": end}}

    def spoil(self, f: dict) -> dict:
        """Apply the extent defects."""
        b = f["bbox"]
        if "global-bbox" in self.defects:
            b = extent.GLOBAL
        if b and "bbox-360" in self.defects and b != extent.GLOBAL:
            b = [b[0] % 360, b[1], b[2] % 360, b[3]]
        if b and "no-bounds" in self.defects and b != extent.GLOBAL:
            b = [b[0] + 0.5, b[1] + 0.5, b[2] - 0.5, b[3] - 0.5]
        if b is not f["bbox"]:
            f["bbox"], f["geometry"] = b, extent.geometry(b)
        t = f["times"]
        if "no-nodata" in self.defects:
            for v in f["vars"].values():
                v.pop("nodata", None)
        if "time-now" in self.defects and not any(d["type"] == "temporal" for d in f["dims"].values()):
            f["times"] = {"datetime": STARTED}
        if "calendar-blind" in self.defects and "end_datetime" in t and "noleap" in str(f["dims"]):
            t["end_datetime"] = t["end_datetime"].replace("12-31", "12-30")
        if "null-datetime" in self.defects and "start_datetime" in t:
            f["times"] = {**t, "datetime": None}
        return f

    def status(self, ident: str) -> str | None:
        if ident not in self.cold:
            return "succeeded" if "order-everywhere" in self.defects else None
        began = self.cold[ident]
        if began is None:
            return "staged" if "order-word" in self.defects else "orderable"
        return [s for t, s in STATES if time.time() - began >= t][-1]

    def item(self, ident: str, base: str) -> dict:
        f, d = self.facts[ident], f"{base}/datasets/{quote(ident)}"
        attrs, status = f["attrs"], self.status(ident)
        stored = self.stores[ident].refs is not None
        props: dict[str, Any] = {"title": attrs.get("title", ident), "description": attrs.get("summary", attrs.get("title", ident)), **f["times"],
                                 "created": STARTED, "updated": STARTED, "license": attrs.get("license", "other")}
        prefix = "cmip6" if "mip_era" in attrs else "attrs"
        props |= {f"{prefix}:{k}": attrs[k] for k in SEARCH_ATTRS if k in attrs}
        props |= {"cube:dimensions": f["dims"], "cube:variables": f["vars"]}
        ext = ["datacube/v2.3.0", "zarr/v1.1.0", "xarray-assets/v1.0.0", "file/v2.1.0"]
        links = [link("self", f"{base}/stac/collections/datasets/items/{quote(ident)}", GEO), link("root", f"{base}/stac"),
                 link("parent", f"{base}/stac/collections/datasets"), link("collection", f"{base}/stac/collections/datasets"),
                 link("preview", d, "text/html", title="Data set page"), link("alternate", f"{d}/catalog.yaml", "text/yaml")]
        if status:
            ext += ["order/v1.1.0"]
            props["order:status"] = status
            began = self.cold.get(ident)
            if began:
                stamp = [datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for t in (began, began + 1209600)]
                props |= {"order:id": f"job-{ident}", "order:date": stamp[0], "expires": stamp[1]}
                props["updated"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if status != "succeeded" else stamp[0]
                ext += ["timestamps/v1.1.0"]
            if status != "succeeded":
                links.append(link("order", f"{d}/stage", JSON, method="POST"))
        kwargs: dict[str, Any] = {"consolidated": True, "chunks": {}}
        if "engine-kwarg" in self.defects:
            kwargs["engine"] = "zarr"
        v3 = "application/vnd.zarr" + ("; version=3" if "media-param" in self.defects else "")
        common = {"roles": ["data"], "zarr:consolidated": True, "zarr:node_type": "tree" if "bad-schema" in self.defects else "group"}
        assets = {"zarr": {"href": f"{d}/zarr", "type": "application/vnd+zarr", "title": "Zarr v2", **common, "zarr:zarr_format": 2,
                           "xarray:open_kwargs": kwargs},
                  "zarr3": {"href": f"{d}/zarr", "type": v3, "title": "Zarr v3", **common, "zarr:zarr_format": 3,
                            "xarray:open_kwargs": {"chunks": {}}},
                  "source": {"href": f"{d}/files/{quote(ident)}.nc", "type": "application/netcdf", "title": "Original file", "roles": ["source"],
                             "file:size": self.stores[ident].path.stat().st_size},
                  "thumbnail": {"href": f"{d}/plot/{f['data'][0]}.png", "type": "image/png", "title": "Preview", "roles": ["thumbnail"]}}
        if stored:
            assets["kerchunk"] = {"href": f"{d}/kerchunk", "type": JSON, "title": "kerchunk references",
                                  "roles": ["data"] if "kerchunk-role" in self.defects else ["index", "references"],
                                  "xarray:open_kwargs": {"engine": "kerchunk", "chunks": {}}}
        out = {"type": "Feature", "stac_version": "1.1.0", "stac_extensions": [f"{EXT}/{e}/schema.json" for e in ext], "id": ident,
               "collection": f.get("collection", "datasets"), "geometry": f["geometry"], "properties": props, "links": links, "assets": assets}
        if f["bbox"]:
            out["bbox"] = f["bbox"]
        return out

    def items(self, base: str) -> list[dict]:
        """All Items; kept when nothing is cold and the set is large."""
        if self.cold or len(self.facts) < 500:
            return [self.item(i, base) for i in self.facts]
        if base not in self.cache:
            self.cache = {base: [self.item(i, base) for i in self.facts]}
        return self.cache[base]

    def collection(self, base: str, static: bool = False) -> dict:
        boxes = [f["bbox"] for f in self.facts.values() if f["bbox"]]
        spans = [searching.item_interval({"properties": {"datetime": f["times"].get("start_datetime"), **{k: v for k, v in f["times"].items() if v}}})
                 for f in self.facts.values()]
        texts = [(f["times"].get("start_datetime") or f["times"]["datetime"], f["times"].get("end_datetime") or f["times"]["datetime"])
                 for f in self.facts.values()]
        first = texts[min(range(len(spans)), key=lambda k: spans[k][0])][0]
        last = texts[max(range(len(spans)), key=lambda k: spans[k][1])][1]
        union = [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)]
        if any(b[0] > b[2] for b in boxes):
            union[0], union[2] = -180.0, 180.0
        here = f"{base}/stac-collection-all.json" if static else f"{base}/stac/collections/datasets"
        rel = "child" if static and "child-links" in self.defects else "item"
        links = [link("self", here), link("root", here if static else f"{base}/stac")]
        if not static:
            links += [link("parent", f"{base}/stac"), link("items", f"{here}/items", GEO), link(QUERYABLES, f"{here}/queryables", "application/schema+json")]
        links += [link(rel, f"{base}/datasets/{quote(i)}/stac" if static else f"{here}/items/{quote(i)}", GEO) for i in list(self.facts)[:20000 if static else 1000]]
        return {"type": "Collection", "stac_version": "1.1.0", "stac_extensions": [], "id": "all" if static else "datasets", "title": "All data sets",
                "description": "Every data set served here.", "license": "other", "keywords": ["zarr"],
                "providers": [{"name": "Example", "roles": ["host"]}], "extent": {"spatial": {"bbox": [union]}, "temporal": {"interval": [[first, last]]}},
                "item_assets": {"zarr": {"type": "application/vnd+zarr", "roles": ["data"], "title": "Zarr v2"}}, "links": links}

    def landing(self, base: str) -> dict:
        b = f"{base}/stac"
        return {"type": "Catalog", "stac_version": "1.1.0", "id": "reference", "title": "Reference", "description": "Reference catalog.",
                "conformsTo": CONFORMANCE, "links": [
                    link("self", b), link("root", b), link("data", f"{b}/collections"), link("conformance", f"{b}/conformance"),
                    link("search", f"{b}/search", GEO, method="GET"), link("search", f"{b}/search", GEO, method="POST"),
                    link("service-desc", f"{base}/openapi.json", OPENAPI), link("service-doc", f"{base}/docs", "text/html"),
                    link(QUERYABLES, f"{b}/queryables", "application/schema+json"), link(SORTABLES, f"{b}/sortables", "application/schema+json"),
                    link("child", f"{b}/collections/datasets", title="All data sets")]}

    def sortable(self) -> set[str]:
        return {"id", "collection", "datetime", "start_datetime", "end_datetime", "created", "updated", "title", "order:status"} | {
            f"{p}:{a}" for p in ("cmip6", "attrs") for a in SEARCH_ATTRS}

    def schema(self, here: str) -> dict:
        kinds = {n: {"type": "string", **({"format": "date-time"} if n.endswith(("datetime", "created", "updated")) else {})} for n in sorted(self.sortable())}
        if here.endswith("queryables"):
            kinds["geometry"] = {"$ref": "https://geojson.org/schema/Geometry.json"}
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": here, "type": "object", "title": "Properties",
                "properties": kinds, "additionalProperties": True}

    # --- intake, intake-esm, THREDDS ---

    def scalar(self, text: str, template: bool = False) -> str:
        """A YAML scalar; intake evaluates templates in args and metadata, so user text is escaped there."""
        if "yaml-unquoted" in self.defects:
            return text
        if template and "jinja" not in self.defects:
            text = re.sub(r"\{[{%#]", lambda m: "{{ '" + m[0] + "' }}", text)
        return json.dumps(text, ensure_ascii=False)

    def intake_source(self, ident: str, base: str, indent: str = "  ") -> list[str]:
        f, stored = self.facts[ident], self.stores[ident].refs is not None
        if "force-https" in self.defects:
            base = base.replace("http:", "https:")
        d = f"{base}/datasets/{quote(ident)}"
        lines = [f"{self.scalar(ident)}:", f"  description: {self.scalar(f['attrs'].get('title', ident))}", "  driver: zarr", "  args:"]
        if "method-missing" in self.defects:
            lines += [f"    urlpath: {d}/zarr", "    consolidated: true"]
        else:
            lines += [f'    urlpath: "{d}/{{{{ method }}}}"', "    consolidated: true"]
        lines += ["  metadata:", f"    title: {self.scalar(f['attrs'].get('title', ident), True)}", f"    variables: {json.dumps(f['data'])}",
                  f'    stac: "{d}/stac"']
        if "method-missing" not in self.defects:
            allowed = "[kerchunk, zarr]" if stored else "[zarr]"
            lines += ["  parameters:", "    method:", "      type: str", "      description: stored chunks (kerchunk) or re-encoded (zarr)",
                      f"      default: {'kerchunk' if stored else 'zarr'}", f"      allowed: {allowed}"]
        return [indent + line for line in lines]

    def intake(self, base: str, only: str | None = None, nested: bool = False) -> str:
        out = []
        if only:
            stored = self.stores[only].refs is not None
            out = [f"name: {self.scalar(only)}", f'metadata: {{version: 1, source: reference, access_url: "{base}/datasets/{quote(only)}/catalog.yaml"}}', "sources:"]
            out += self.intake_source(only, base)
            for method in ("zarr", "kerchunk") if stored else ("zarr",):
                out += [f"  {self.scalar(f'{only}-{method}')}:", "    driver: zarr", "    args:",
                        f'      urlpath: "{base}/datasets/{quote(only)}/{method}"', "      consolidated: true"]
            return "\n".join(out) + "\n"
        out = [f'metadata: {{version: 1, source: reference, access_url: "{base}/intake.yaml"}}', "sources:"]
        for ident in self.facts:
            if nested:
                out += [f"  {self.scalar(ident)}:", "    driver: intake.catalog.local.YAMLFileCatalog", "    args:",
                        f'      path: "{base}/datasets/{quote(ident)}/catalog.yaml"']
            else:
                out += self.intake_source(ident, base)
        return "\n".join(out) + "\n"

    def esm(self, base: str) -> dict:
        group = ["dataset_id"] if "esm-single" in self.defects else ["collection", "dataset_id"]
        return {"esmcat_version": "0.1.0", "id": "reference", "description": "All data sets", "catalog_file": f"{base}/intake-esm.csv",
                "attributes": [{"column_name": c} for c in ESM_COLUMNS if c != "uri"], "assets": {"column_name": "uri", "format": "zarr"},
                "aggregation_control": {"variable_column_name": "variable_id", "groupby_attrs": group,
                                        "aggregations": [{"type": "union", "attribute_name": "variable_id"}]}}

    def esm_csv(self, base: str) -> str:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(ESM_COLUMNS)
        for ident, f in self.facts.items():
            for var in f["data"]:
                row = {**f["attrs"], "collection": "datasets", "dataset_id": ident, "variable_id": var, "uri": f"{base}/datasets/{quote(ident)}/zarr"}
                writer.writerow([row.get(c, "") for c in ESM_COLUMNS])
        return out.getvalue()

    def thredds(self, base: str) -> str:
        path = urlsplit(base).path
        out = ['<?xml version="1.0" encoding="UTF-8"?>', '<catalog xmlns="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0"'
               ' xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.1" name="reference">',
               '<service name="all" serviceType="Compound" base="">', f'<service name="zarr" serviceType="ZARR" base="{path}/datasets/"/>',
               f'<service name="http" serviceType="HTTPServer" base="{path}/datasets/"/>', "</service>"]
        idents = list(self.facts)
        for k, ident in enumerate(idents):
            target = idents[k - 1] if "thredds-relative" in self.defects else ident
            f, b = self.facts[ident], self.facts[ident]["bbox"]
            name = "data" if "thredds-title" in self.defects else ident
            out.append(f"<dataset name={quoteattr(name)} ID={quoteattr(ident)}><documentation type=\"title\">"
                       f"{html.escape(str(f['attrs'].get('title', ident)))}</documentation>")
            t = f["times"]
            start = t.get("start_datetime") or t["datetime"]
            out.append(f"<dataSize units=\"bytes\">{self.stores[ident].path.stat().st_size}</dataSize><timeCoverage><start>{start}</start>"
                       f"<end>{t.get('end_datetime') or t['datetime']}</end></timeCoverage>")
            if b:
                width = b[2] - b[0] if b[2] >= b[0] else b[2] - b[0] + 360
                out.append(f"<geospatialCoverage><northsouth><start>{b[1]}</start><size>{b[3] - b[1]}</size><units>degrees_north</units></northsouth>"
                           f"<eastwest><start>{b[0]}</start><size>{width}</size><units>degrees_east</units></eastwest></geospatialCoverage>")
            out.append(f"<variables vocabulary=\"CF\">{''.join(f'<variable name={quoteattr(v)}/>' for v in f['data'])}</variables>")
            out.append(f'<access serviceName="zarr" urlPath={quoteattr(target + "/zarr")}/>'
                       f'<access serviceName="http" urlPath={quoteattr(f"{target}/files/{target}.nc")}/></dataset>')
        return "\n".join([*out, "</catalog>"])

    def page(self, ident: str, base: str) -> str:
        f, b = self.facts[ident], self.facts[ident]["bbox"]
        t = f["times"]
        d = f"{base}/datasets/{quote(ident)}"
        ld = {"@context": "https://schema.org/", "@type": "Dataset", "name": f["attrs"].get("title", ident), "identifier": ident, "url": d,
              "description": f["attrs"].get("summary", f["attrs"].get("title", ident)), "variableMeasured": f["data"],
              "temporalCoverage": f"{t.get('start_datetime') or t['datetime']}/{t.get('end_datetime') or t['datetime']}",
              "distribution": [{"@type": "DataDownload", "contentUrl": f"{d}/zarr", "encodingFormat": "application/vnd+zarr"}]}
        if b:
            ld["spatialCoverage"] = {"@type": "Place", "geo": {"@type": "GeoShape", "box": f"{b[1]} {b[0]} {b[3]} {b[2]}"}}
        script = json.dumps(ld) if "script-open" in self.defects else json.dumps(ld).replace("</", "<\\/")
        return f'<!doctype html><title>{html.escape(ident)}</title><script type="application/ld+json">{script}</script>'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    catalog: Catalog
    timeout = 60

    def log_message(self, *_: Any) -> None:
        pass

    def has(self, defect: str) -> bool:
        return defect in self.catalog.defects

    @property
    def base(self) -> str:
        """Public address of this request."""
        h = {} if self.has("ignore-forwarded") else self.headers
        proto = h.get("X-Forwarded-Proto", "http")
        host = h.get("X-Forwarded-Host") or self.headers.get("Host", "")
        fwd = h.get("Forwarded", "")
        if m := re.search(r"proto=\"?([a-z]+)", fwd):
            proto = m[1]
        if m := re.search(r"host=\"?([^;,\"]+)", fwd):
            host = m[1]
        if self.has("force-https"):
            proto = "https"
        return f"{proto}://{host}{h.get('X-Forwarded-Prefix', '').rstrip('/')}"

    def send(self, body: bytes | str | dict, kind: str = JSON, code: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
        stuck = self.has("stuck-etag") and b"order:status" in data
        tag = '"' + hashlib.sha1(self.path.encode() if stuck else data).hexdigest()[:16] + '"'
        send = {"Content-Type": kind, "ETag": tag, **(headers or {})}
        if code == 200 and self.headers.get("If-None-Match") == tag:
            code, data = 304, b""
        elif code == 200 and (m := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))) and not self.has("no-range"):
            first = int(m[1]) if m[1] else max(0, len(data) - int(m[2] or 0))
            last = min(int(m[2]) if m[1] and m[2] else len(data) - 1, len(data) - 1)
            if first > last:
                code, send["Content-Range"], data = 416, f"bytes */{len(data)}", b""
            else:
                code, send["Content-Range"] = 206, f"bytes {first}-{last}/{len(data)}"
                data = data[first:last + 1]
        self.send_response(code)
        if not (self.has("cors-errors") and code >= 400):
            send |= {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag, Link, Location, Retry-After, Content-Range"}
        if not self.has("no-range"):
            send["Accept-Ranges"] = "bytes"
        for k, v in {**send, "Content-Length": str(len(data))}.items():
            self.send_header(k, v)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def problem(self, code: int, title: str) -> None:
        self.send({"type": "about:blank", "title": title, "status": code, "code": str(code), "description": title}, "application/problem+json", code)

    def document(self, doc: dict, kind: str = JSON, live: bool = False) -> None:
        """A JSON document, or a page for a browser."""
        query = dict(parse_qsl(urlsplit(self.path).query))
        wants = query.get("f") or ("html" if self.headers.get("Accept", "").startswith("text/html") else "json")
        cache = {"Cache-Control": "no-cache" if live else "max-age=60", "Vary": "Accept"}
        if wants == "html":
            self.send(f"<!doctype html><pre>{html.escape(json.dumps(doc, indent=1))}</pre>", "text/html; charset=utf-8", headers=cache)
        else:
            self.send(doc, kind, headers=cache)

    def do_HEAD(self) -> None:
        self.problem(501, "HEAD") if self.has("head-missing") else self.do_GET()

    def do_OPTIONS(self) -> None:
        self.send(b"", "text/plain", 204, {"Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS", "Access-Control-Allow-Headers": "content-type, range"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if m := re.fullmatch(r"/datasets/([^/]+)/stage", path):
            ident = unquote(m[1])
            if ident not in self.catalog.cold:
                return self.problem(404, "nothing to stage")
            self.catalog.cold[ident] = time.time()
            return self.send({"id": f"job-{ident}", "status": "ordered"}, code=202, headers={"Location": f"{self.base}/requests/job-{ident}"})
        if path != "/stac/search":
            return self.problem(404, "no such resource")
        try:
            q = json.loads(body or b"{}")
            if not isinstance(q, dict):
                raise searching.Bad("the body must be an object")
        except ValueError as e:
            return self.problem(400, f"JSON: {e}")
        self.find({**q, **({"datetime": None} if self.has("post-differs") else {})}, q)

    def find(self, body: dict, posted: dict | None = None) -> None:
        """Answer an item search."""
        c, body = self.catalog, dict(body)
        if self.has("ignore-filter"):
            body.pop("filter", None)
        if self.has("null-true") and isinstance(body.get("filter"), str) and body["filter"].startswith("NOT"):
            body.pop("filter")
        if self.has("bbox-dateline") and isinstance(body.get("bbox"), list) and len(body["bbox"]) == 4 and float(body["bbox"][0]) > float(body["bbox"][2]):
            body["ids"] = ["-"]
        if self.has("sort-text"):
            body["sortby"] = [{**s, "direction": "asc"} for s in body.get("sortby") or []]
        if self.has("fields-ignored"):
            body.pop("fields", None)
        if self.has("query-ignored"):
            body.pop("query", None)
        items = c.items(self.base)
        if self.has("instant-search"):
            for i in items:
                i["properties"]["end_datetime"] = i["properties"]["start_datetime"] = i["properties"]["datetime"]
        try:
            found, matched, token = searching.search(items, body, c.sortable())
        except searching.Bad as e:
            if not self.has("lenient"):
                return self.problem(400, str(e))
            found, matched, token = searching.search(items, {}, c.sortable())
        if token and self.has("page-repeat") and len(found) > 1:
            token = searching.base64.urlsafe_b64encode(json.dumps([found[-2]["collection"], found[-2]["id"]]).encode()).decode()
        here = f"{self.base}{urlsplit(self.path).path}" if self.has("self-noquery") else f"{self.base}{self.path}"
        links = [link("self", here, GEO), link("root", f"{self.base}/stac")]
        if "/collections/" in self.path:
            links.append(link("collection", f"{self.base}/stac/collections/datasets"))
        if token and posted is not None:
            links.append(link("next", f"{self.base}/stac/search", GEO, method="POST", body={**posted, "token": token}, merge=False))
        elif token:
            parts = urlsplit(self.path)
            query = [(k, v) for k, v in parse_qsl(parts.query) if k != "token"] + [("token", token)]
            links.append(link("next", f"{self.base}{parts.path}?" + "&".join(f"{k}={quote(v)}" for k, v in query), GEO, method="GET"))
        self.document({"type": "FeatureCollection", "features": found, "links": links, "numberMatched": matched, "numberReturned": len(found)}, GEO, True)

    def do_GET(self) -> None:
        try:
            self.route(urlsplit(self.path))
        except searching.Bad as e:
            self.find({}) if self.has("lenient") else self.problem(400, str(e))

    def route(self, parts: Any) -> None:
        c, base, path = self.catalog, self.base, unquote(parts.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        simple = {"/stac": lambda: self.document(c.landing(base)), "/stac/conformance": lambda: self.document({"conformsTo": CONFORMANCE}),
                  "/stac/collections": lambda: self.document({"collections": [c.collection(base)], "links": [
                      link("self", f"{base}{self.path}"), link("root", f"{base}/stac")]}),
                  "/stac/collections/datasets": lambda: self.document(c.collection(base)),
                  "/stac-collection-all.json": lambda: self.send(c.collection(base, True), headers={"Cache-Control": "max-age=60"}),
                  "/intake.yaml": lambda: self.send(c.intake(base), "text/yaml"),
                  "/intake-nested.yaml": lambda: self.send(c.intake(base, nested=True), "text/yaml"),
                  "/intake-esm.json": lambda: self.send(c.esm(base)), "/intake-esm.csv": lambda: self.send(c.esm_csv(base), "text/csv"),
                  "/catalog.xml": lambda: self.send(c.thredds(base), "application/xml"),
                  "/catalog.html": lambda: self.send("<!doctype html><h1>Catalog</h1>", "text/html"),
                  "/sitemap.xml": lambda: self.send('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">' + "".join(
                      f"<url><loc>{base}/datasets/{quote(i)}</loc></url>" for i in c.facts) + "</urlset>", "application/xml"),
                  "/openapi.json": lambda: self.send({"openapi": "3.0.3", "info": {"title": "reference", "version": "1"}, "paths": {}}, OPENAPI),
                  "/docs": lambda: self.send("<!doctype html><h1>API</h1>", "text/html")}
        if path in simple:
            return simple[path]()
        if re.fullmatch(r"/stac(/collections/datasets)?/(queryables|sortables)", path):
            return self.document(c.schema(f"{base}{path}"), "application/schema+json")
        if path in ("/stac/search", "/stac/collections/datasets/items"):
            body = searching.parse_get(query)
            if path.endswith("/items"):
                body["collections"] = ["datasets"]
            return self.find(body)
        if (m := re.fullmatch(r"/stac/collections/datasets/items/([^/]+)", path)) and m[1] in c.facts:
            return self.document(c.item(m[1], base), GEO, True)
        if (m := re.fullmatch(r"/datasets/([^/]+)(/.*)?", path)) and m[1] in c.facts:
            return self.dataset(m[1], (m[2] or "").strip("/"), base)
        self.problem(404, "no such resource")

    def dataset(self, ident: str, rest: str, base: str) -> None:
        c, store = self.catalog, self.catalog.stores[ident]
        head, _, key = rest.partition("/")
        if not rest:
            return self.send(c.page(ident, base), "text/html; charset=utf-8")
        if rest == "stac":
            item = c.item(ident, base)
            item["links"][0]["href"] = f"{base}/datasets/{quote(ident)}/stac"
            return self.document(item, GEO, True)
        if rest == "catalog.yaml":
            return self.send(c.intake(base, ident), "text/yaml")
        if head == "files":
            return self.send(store.path.read_bytes(), "application/netcdf")
        if head == "plot":
            return self.send(png(), "image/png")
        source = f"{base}/datasets/{quote(ident)}/files/{quote(ident)}.nc"
        if head in ("kerchunk", "kerchunk.json") and not key and store.refs is not None:
            return self.send(store.references(source))
        blob = None
        if head == "zarr":
            if not key:
                return self.send("<!doctype html><h1>Zarr</h1>", "text/html")
            blob = store.zarr_key(key, not self.has("no-consolidated"))
        elif head == "kerchunk":
            blob = store.kerchunk_key(key)
        if blob is None:
            return self.problem(404, "no such key")
        self.send(blob, JSON if key.rsplit("/", 1)[-1] in (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json") else "application/octet-stream")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cold", action="append", default=[], help="id of a data set that is on tape until staged")
    parser.add_argument("--big", type=Path, help="folder of catalog YAML (make_big_catalog.py)")
    parser.add_argument("--defect", action="append", default=[], choices=sorted(DEFECTS), metavar="NAME")
    parser.add_argument("--list-defects", action="store_true")
    args = parser.parse_args()
    if args.list_defects:
        print("\n".join(f"{k:18} {v}" for k, v in DEFECTS.items()))
        return
    with tempfile.TemporaryDirectory() as scratch:
        Handler.catalog = Catalog(args, Path(scratch))
        server = Server(("127.0.0.1", args.port), Handler)
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
