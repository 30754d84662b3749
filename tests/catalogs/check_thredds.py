"""Checks /catalog.xml, /sitemap.xml and the JSON-LD of the data set pages.

    python check_thredds.py --server URL --fixtures DIR [--verbose]

Proves: siphon reads the THREDDS catalog (nested catalogs too), finds every data set under its id, and each access
address leads to that data set; coverage and variables equal the truth; intake-thredds opens a file through it;
the sitemap lists every page; the pages hold schema.org JSON-LD that no title can break out of.
Exit 0 only when every case holds. Needs the environment `intake07`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import intake
import numpy as np
import xarray as xr
from siphon.catalog import TDSCatalog

from _check import Report, call, expect, media, same

warnings.filterwarnings("ignore")
NS = "{http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0}"
XLINK = "{http://www.w3.org/1999/xlink}href"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


class Check:
    """One run against one server."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.url: str = args.server.rstrip("/")
        self.files: Path = args.fixtures
        self.truth: dict[str, dict] = json.loads((self.files / "truth.json").read_text())
        self.report = Report("check_thredds", None, args.verbose)

    def walk(self, cat: TDSCatalog, depth: int = 0) -> list:
        """All data sets of a catalog and of those it refers to."""
        out = list(cat.datasets.values())
        for ref in cat.catalog_refs.values() if depth < 4 else []:
            out += self.walk(ref.follow(), depth + 1)
        return out

    def elements(self, url: str, depth: int = 0) -> dict[str, ET.Element]:
        """ID → dataset element, over nested catalogs."""
        root = ET.fromstring(call("GET", url).content)
        out = {e.get("ID", ""): e for e in root.iter(f"{NS}dataset") if e.find(f"{NS}access") is not None or e.get("urlPath")}
        for ref in root.iter(f"{NS}catalogRef") if depth < 4 else []:
            out |= self.elements(urljoin(url, ref.get(XLINK)), depth + 1)
        return out

    def thredds(self) -> None:
        case, url = self.report.case, f"{self.url}/catalog.xml"
        case("thredds", "media type application/xml", lambda: same(media(call("GET", url)), "application/xml"))
        root = case("thredds", "root element", lambda: ET.fromstring(call("GET", url).content))
        case("thredds", "namespace and version", lambda: same((root.tag, root.get("version")), (f"{NS}catalog", "1.0.1")))
        cat = case("thredds", "siphon reads it", lambda: TDSCatalog(url))
        found = case("thredds", "siphon walks it", lambda: self.walk(cat)) or []
        case("thredds", "siphon: every data set by its id", lambda: same(sorted(d.name for d in found), sorted(self.truth)))
        for d in found:
            case("thredds", f"{d.name}: access addresses", lambda d=d: self.access(d))
        elements = case("thredds", "elements by ID", lambda: self.elements(url)) or {}
        case("thredds", "every ID", lambda: same(set(elements), set(self.truth)))
        for ident, e in elements.items():
            case("thredds", f"{ident}: coverage", lambda i=ident, e=e: self.coverage(self.truth[i], e))
            case("thredds", f"{ident}: size and variables", lambda i=ident, e=e: self.size(i, e))

    def access(self, d: object) -> None:
        urls: dict[str, str] = d.access_urls
        expect(urls, "no access address")
        expect("ZARR" in urls, f"no ZARR service: {sorted(urls)}")
        for kind, href in urls.items():
            expect(urlsplit(href).netloc == urlsplit(self.url).netloc, f"{kind}: {href}")
            expect(f"/{quote(d.name)}" in href, f"{kind} of {d.name} is {href}")
            if kind == "ZARR":
                call("GET", f"{href}/.zmetadata")
            elif kind == "HTTPServer":
                same(call("GET", href, 206, headers={"Range": "bytes=0-3"}).content, b"\x89HDF", "the first bytes of the file")
            elif kind == "OPENDAP":
                call("GET", f"{href}.dds")
            else:
                call("GET", href, (200, 400))

    def coverage(self, t: dict, e: ET.Element) -> None:
        time = e.find(f"{NS}timeCoverage")
        expect(time is not None, "no timeCoverage")
        same((time.findtext(f"{NS}start"), time.findtext(f"{NS}end")), (t["start"], t["end"]), "timeCoverage")
        space = e.find(f"{NS}geospatialCoverage")
        if t["bbox"] is None:
            expect(space is None, "geospatialCoverage without a position")
            return
        w, s, east, n = t["bbox"]
        got = [float(space.findtext(f"{NS}{a}/{NS}{b}")) for a, b in (("eastwest", "start"), ("eastwest", "size"), ("northsouth", "start"), ("northsouth", "size"))]
        want = [w, east - w if east >= w else east - w + 360, s, n - s]
        expect(np.allclose(got, want, atol=4e-6), f"geospatialCoverage {got}, wanted {want}")

    def size(self, ident: str, e: ET.Element) -> None:
        size = e.find(f"{NS}dataSize")
        if size is not None:
            factor = {"bytes": 1, "Kbytes": 1e3, "Mbytes": 1e6, "Gbytes": 1e9}[size.get("units", "bytes")]
            got, want = float(size.text) * factor, (self.files / f"{ident}.nc").stat().st_size
            expect(abs(got - want) <= 0.01 * want, f"dataSize {got}, the file has {want}")
        names = {v.get("name") for v in e.iter(f"{NS}variable")}
        with xr.open_dataset(self.files / f"{ident}.nc", engine="h5netcdf", decode_times=False) as ds:
            expect(names and names <= set(map(str, ds.variables)), f"variables {names}")

    def intake_thredds(self) -> None:
        def entry(cat: object, name: str, depth: int = 0) -> object:
            if name in cat:
                return cat[name]
            for sub in list(cat) if depth < 4 else []:
                if type(cat[sub]).__name__ == "ThreddsCatalog" and (hit := entry(cat[sub], name, depth + 1)) is not None:
                    return hit
            return None

        def check() -> None:
            cat = intake.open_thredds_cat(f"simplecache::{self.url}/catalog.xml", driver="netcdf", intake_xarray_kwargs={"xarray_kwargs": {"engine": "h5netcdf"}})
            got = entry(cat, "bounds").to_dask()
            with xr.open_dataset(self.files / "bounds.nc", engine="h5netcdf") as local:
                np.testing.assert_array_equal(got.pr.values, local.pr.values)
        self.report.case("thredds", "intake-thredds opens a file (HTTPServer)", check)

    def pages(self) -> None:
        case = self.report.case
        case("pages", "/catalog.html", lambda: same(media(call("GET", f"{self.url}/catalog.html")), "text/html"))

        def sitemap() -> None:
            answer = call("GET", f"{self.url}/sitemap.xml")
            expect(media(answer) in ("application/xml", "text/xml"), media(answer))
            locs = {e.text for e in ET.fromstring(answer.content).iter(f"{SITEMAP}loc")}
            missing = {i for i in self.truth if f"{self.url}/datasets/{quote(i)}" not in {x.rstrip("/") for x in locs}}
            same(missing, set(), "pages that are not in the sitemap")
        case("pages", "sitemap lists every page", sitemap)
        for ident, t in self.truth.items():
            case("pages", f"{ident}: JSON-LD", lambda i=ident, t=t: self.jsonld(i, t))

    def jsonld(self, ident: str, t: dict) -> None:
        answer = call("GET", f"{self.url}/datasets/{quote(ident)}", headers={"Accept": "text/html"})
        same(media(answer), "text/html")
        blocks = re.findall(r'<script[^>]*application/ld\+json[^>]*>(.*?)</script', answer.content.decode(), re.DOTALL | re.IGNORECASE)
        expect(blocks, "no JSON-LD")
        ld = json.loads(blocks[0])
        same((ld["@type"], ld["identifier"], ld["url"].rstrip("/")), ("Dataset", ident, f"{self.url}/datasets/{quote(ident)}"))
        with xr.open_dataset(self.files / f"{ident}.nc", engine="h5netcdf", decode_times=False) as ds:
            same(ld["name"], ds.attrs["title"], "name")
        expect(ld["description"], "description is empty")
        same(ld["temporalCoverage"], f"{t['start']}/{t['end']}", "temporalCoverage")
        expect(ld["distribution"] and all(d["@type"] == "DataDownload" and d["contentUrl"].startswith("http") for d in ld["distribution"]), "distribution")
        if t["bbox"]:
            box = [float(x) for x in ld["spatialCoverage"]["geo"]["box"].split()]
            w, s, e, n = t["bbox"]
            expect(np.allclose(box, [s, w, n, e], atol=2e-6), f"box {box}, wanted south west north east of {t['bbox']}")
        else:
            expect("spatialCoverage" not in ld, "spatialCoverage without a position")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--fixtures", required=True, type=Path)
    parser.add_argument("--verbose", action="store_true")
    check = Check(parser.parse_args())
    check.thredds()
    check.intake_thredds()
    check.pages()
    return check.report.finish()


if __name__ == "__main__":
    sys.exit(main())
