"""Validate STAC documents against their JSON schemas, offline. Exit 0 only when all are valid.

    python validate.py --server URL [--tool pystac|stac-valid]     every document of a server
    python validate.py FILE …       [--tool pystac|stac-valid]     files (examples/*.json)

Needs the environment `catalogs`. The schemas of the extensions are in
schemas/, those of the core in the pystac package; the PROJJSON schema that datacube refers to is a stub.
An undeclared or unknown schema is an error: nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
import _offline  # noqa: E402
from _check import Report, call, expect  # noqa: E402


def with_pystac() -> Callable[[dict], int]:
    """pystac's validator with a filled cache."""
    import pystac
    from pystac.validation import RegisteredValidator
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    validator = JsonSchemaSTACValidator()
    for url, text in _offline.EXTENSIONS.items():
        validator.schema_cache[url] = json.loads(text)
    validator.schema_cache["https://proj.org/schemas/v0.7/projjson.schema.json"] = json.loads(_offline.PROJJSON)
    RegisteredValidator.set_validator(validator)
    return lambda doc: len(pystac.validation.validate_dict(doc) or [])


def with_stac_valid() -> Callable[[dict], int]:
    """stac-valid with every schema mapped to a file."""
    from stac_validator.stac_validator import StacValidate

    folder = Path(tempfile.mkdtemp())
    mapping = {}
    stub = folder / "projjson.json"
    stub.write_text(_offline.PROJJSON)
    mapping["https://proj.org/schemas/v0.7/projjson.schema.json"] = str(stub)
    for url, text in _offline.EXTENSIONS.items():
        file = folder / (url.split("/")[3] + ".json")
        file.write_text(text)
        mapping[url] = str(file)
    for file in (_offline.BUNDLED / "stac-spec/v1.1.0").glob("*.json"):
        for kind in ("item", "collection", "catalog"):
            mapping[f"https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{file.name}"] = str(file)
    for file in (_offline.BUNDLED / "geojson").glob("*.json"):
        mapping[f"https://geojson.org/schema/{file.name}"] = str(file)

    def run(doc: dict) -> int:
        tool = StacValidate(schema_map=mapping)
        tool.validate_dict(doc)
        message: dict[str, Any] = tool.message[0]
        expect(message.get("valid_stac"), f"{message.get('error_type')}: {message.get('error_message')}")
        return len(message.get("schema") or [])

    return run


def documents(server: str) -> dict[str, dict]:
    """Landing page, collections, static collection, and every Item by both routes."""
    out = {p: call("GET", server + p).json() for p in ("/stac", "/stac-collection-all.json")}
    for c in call("GET", f"{server}/stac/collections").json()["collections"]:
        out[f"/stac/collections/{c['id']}"] = c
    page: dict | None = call("GET", f"{server}/stac/search?limit=1000").json()
    for _ in range(100):
        for f in page["features"]:
            out[f"item {f['id']}"] = f
        href = next((x["href"] for x in page["links"] if x["rel"] == "next"), None)
        if href is None:
            return out
        page = call("GET", href).json()
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--server")
    parser.add_argument("--tool", choices=["pystac", "stac-valid"], default="pystac")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    docs = {f.name: json.loads(f.read_text()) for f in args.files}
    if args.server:
        docs |= documents(args.server.rstrip("/"))
    _offline.install(args.server or "")
    validate = with_pystac() if args.tool == "pystac" else with_stac_valid()
    report = Report(f"validate ({args.tool})", None, args.verbose)
    for name, doc in docs.items():
        def one(doc: dict = doc) -> None:
            unknown = [u for u in doc.get("stac_extensions", []) if u not in _offline.EXTENSIONS]
            expect(not unknown, f"no schema here for {unknown}")
            got, wanted = validate(doc), 1 + len(doc.get("stac_extensions", []))
            expect(got >= wanted, f"{got} schemas were applied, {wanted} are declared")
        report.case("schema", name, one)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
