"""Checks the intake, intake-esm and intake-stac faces of a server that serves the files of make_fixtures.py.

    python check_intake.py --server URL --fixtures DIR [--verbose]

Run it in both environments: `intake07` (intake 0.7, Zarr 2) and `catalogs` (intake 2, Zarr 3).
Proves: /intake.yaml and /intake-nested.yaml list every data set under its own id; each opens with method=kerchunk and
method=zarr with the values of the file; no user text is evaluated; /datasets/{id}/catalog.yaml holds the same;
intake-esm opens all; intake-stac (0.7 only) and the STAC reader of intake 2 open the Zarr assets.
Exit 0 only when every case holds.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

import intake
import numpy as np
import xarray as xr
import yaml

from _check import Report, call, expect, media, same

warnings.filterwarnings("ignore")
OLD = intake.__version__.startswith("0.")
# intake itself must not be asked for all of these again and again
SAMPLE = ["tas-noleap", "era5.t2m", "1e3", "no", "curvilinear", "no-horizontal", "bounds", "lzf"]


class Check:
    """One run against one server."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.url: str = args.server.rstrip("/")
        self.files: Path = args.fixtures
        self.truth: dict[str, dict] = json.loads((self.files / "truth.json").read_text())
        self.report = Report(f"check_intake (intake {intake.__version__})", None, args.verbose)

    def equal(self, ident: str, remote: xr.Dataset) -> None:
        """Data variables have the values of the file; times are compared undecoded."""
        with xr.open_dataset(self.files / f"{ident}.nc", engine="h5netcdf", decode_times=False) as local:
            same(dict(remote.sizes), dict(local.sizes), "sizes")
            for v in local.data_vars:
                if local[v].dtype.kind == "f" and "time" not in str(v):
                    np.testing.assert_array_equal(remote[v].values, local[v].values, err_msg=str(v))

    def sources(self) -> None:
        case = self.report.case
        case("yaml", "media type text/yaml", lambda: same(media(call("GET", f"{self.url}/intake.yaml")), "text/yaml"))
        case("yaml", "HEAD, then a range", lambda: (call("HEAD", f"{self.url}/intake.yaml"), call("GET", f"{self.url}/intake.yaml", 206, headers={"Range": "bytes=0-99"})))
        raw = case("yaml", "parses, ids are texts", lambda: yaml.safe_load(call("GET", f"{self.url}/intake.yaml").content)) or {"sources": {}}
        case("yaml", "every data set, nothing else", lambda: same({k if isinstance(k, str) else f"not text: {k!r}" for k in raw["sources"]}, set(self.truth)))
        case("yaml", "version 1", lambda: same(raw["metadata"]["version"], 1))
        for ident, source in raw["sources"].items():
            def form(ident: str = ident, source: dict = source) -> None:
                same(source["driver"], "zarr", "driver")
                same(source["args"]["consolidated"], True, "consolidated")
                same(source["args"]["urlpath"], f"{self.url}/datasets/{quote(str(ident))}/{{{{ method }}}}", "urlpath")
                p = source["parameters"]["method"]
                stored = self.truth[ident].get("stored", True)
                forms = [("str", "kerchunk", ["kerchunk", "zarr"])] + ([] if stored else [("str", "zarr", ["zarr"])])
                expect((p["type"], p["default"], p["allowed"]) in forms, f"parameter method {p}")
            case("yaml", f"{ident}: form of the source", form)
        cat = case("open", "intake.open_catalog", lambda: intake.open_catalog(f"{self.url}/intake.yaml"))
        if cat is None:
            return
        case("open", "list(cat)", lambda: same(set(cat), set(self.truth)))
        for ident in self.truth:
            for method in raw["sources"][ident]["parameters"]["method"]["allowed"]:
                case("open", f"cat[{ident!r}](method={method!r}).to_dask()", lambda i=ident, m=method: self.equal(
                    i, cat[i](method=m).to_dask()) if i in SAMPLE
                     else same(dict(cat[i](method=m).to_dask().sizes), self.sizes(i)))
        case("open", "default of method opens", lambda: same(dict(cat["bounds"].to_dask().sizes), self.sizes("bounds")))
        case("open", "user text is not evaluated", lambda: self.text(cat))

    def sizes(self, ident: str) -> dict:
        with xr.open_dataset(self.files / f"{ident}.nc", engine="h5netcdf", decode_times=False) as ds:
            return dict(ds.sizes)

    def text(self, cat: Any) -> None:
        """intake evaluates templates in metadata (not in the description): the title must come out as it is in the file."""
        with xr.open_dataset(self.files / "1e3.nc", engine="h5netcdf", decode_times=False) as ds:
            title = ds.attrs["title"]
        entry = cat["1e3"]
        same(entry.description, title, "description")
        if OLD:
            same(entry.metadata["title"], title, "metadata title")

    def nested(self) -> None:
        case = self.report.case
        outer = case("nested", "/intake-nested.yaml opens", lambda: intake.open_catalog(f"{self.url}/intake-nested.yaml"))
        if outer is not None:
            case("nested", "every data set", lambda: same(set(outer), set(self.truth)))
            if OLD:
                case("nested", "a nested catalog opens", lambda: self.equal("bounds", outer["bounds"]["bounds"](method="zarr").to_dask()))
        for ident in SAMPLE:
            stored = self.truth[ident].get("stored", True)
            cat = case("nested", f"{ident}: catalog.yaml opens", lambda i=ident: intake.open_catalog(f"{self.url}/datasets/{quote(i)}/catalog.yaml"))
            if cat is None:
                continue
            names = {ident, f"{ident}-zarr"} | ({f"{ident}-kerchunk"} if stored else set())
            case("nested", f"{ident}: sources", lambda c=cat, n=names: same(set(c), n))
            for name in names - {ident}:
                case("nested", f"{name}: values", lambda c=cat, n=name, i=ident: self.equal(i, c[n].to_dask()))

    def esm(self) -> None:
        case = self.report.case
        doc = case("esm", "document", lambda: call("GET", f"{self.url}/intake-esm.json").json()) or {}
        case("esm", "needed members", lambda: same((doc["esmcat_version"], doc["assets"], doc["aggregation_control"]["variable_column_name"]),
                                                   ("0.1.0", {"column_name": "uri", "format": "zarr"}, "variable_id")))
        case("esm", "at least two groupby_attrs", lambda: expect(len(doc["aggregation_control"]["groupby_attrs"]) >= 2, doc["aggregation_control"]["groupby_attrs"]))
        case("esm", "csv: media type", lambda: same(media(call("GET", doc["catalog_file"])), "text/csv"))
        rows = case("esm", "csv: one row per data set and variable", lambda: list(csv.DictReader(io.StringIO(call("GET", doc["catalog_file"]).content.decode())))) or []
        case("esm", "csv: every data set", lambda: same({r["dataset_id"] for r in rows}, set(self.truth)))
        case("esm", "csv: columns of the document", lambda: same({a["column_name"] for a in doc["attributes"]} - set(rows[0]), set()))
        case("esm", "csv: attributes", lambda: same([(r["source_id"], r["experiment_id"], r["variable_id"]) for r in rows if r["dataset_id"] == "tas-noleap"],
                                                    [("EX-1", "historical", "tas")]))
        cat = case("esm", "open_esm_datastore", lambda: intake.open_esm_datastore(f"{self.url}/intake-esm.json"))
        if cat is None:
            return
        case("esm", "search", lambda: same(len(cat.search(source_id="EX-1").df), 1))
        for ident in ("tas-noleap", "bounds", "era5.t2m"):
            def load(ident: str = ident) -> None:
                kwargs = {"consolidated": True, "chunks": {}, "decode_times": False}
                out = cat.search(dataset_id=ident).to_dataset_dict(progressbar=False, xarray_open_kwargs=kwargs, skip_on_error=False)
                same(len(out), 1, "data sets")
                got = next(iter(out.values()))
                with xr.open_dataset(self.files / f"{ident}.nc", engine="h5netcdf", decode_times=False) as local:
                    v = "pr" if ident == "bounds" else "tas"
                    np.testing.assert_array_equal(got[v].squeeze().values, local[v].values)
            case("esm", f"{ident}: to_dataset_dict, values", load)

    def stac(self) -> None:
        case, item = self.report.case, f"{self.url}/stac/collections/datasets/items/tas-noleap"
        if OLD:
            case("stac", "open_stac_collection lists every data set", lambda: same(set(intake.open_stac_collection(f"{self.url}/stac-collection-all.json")), set(self.truth)))
            case("stac", "open_stac_item(…)['zarr'].to_dask()", lambda: self.equal("tas-noleap", intake.open_stac_item(item)["zarr"].to_dask()))
            return
        from intake.readers import catalogs, datatypes, readers as by_class

        def readers() -> dict[str, Any]:
            cat = catalogs.StacCatalogReader(datatypes.STACJSON(item), cls="Item", prefer="xarray").read()
            # Which of its readers of xarray an asset gets is left to chance; that of file name patterns opens no Zarr.
            return {k: by_class.XArrayDatasetReader(cat[k].data) for k in ("zarr", "zarr3") if k in cat.entries}

        found = case("stac", "StacCatalogReader of an Item", readers) or {}
        for key in ("zarr", "zarr3"):
            case("stac", f"asset {key} is an xarray reader", lambda k=key: self.equal("tas-noleap", found[k].read()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--fixtures", required=True, type=Path)
    parser.add_argument("--verbose", action="store_true")
    check = Check(parser.parse_args())
    for group in (check.sources, check.nested, check.esm, check.stac):
        try:
            group()
        except Exception as e:  # a group that cannot go on is a failed case
            check.report.case(group.__name__, "the group ends early", lambda e=e: (_ for _ in ()).throw(e))
    return check.report.finish()


if __name__ == "__main__":
    sys.exit(main())
