"""Run stac-api-validator offline against a server. Exit 0 only with 0 errors.

    python stac_api_validator.py --server URL [--collection datasets] [--only CLASS …] [--warnings]

Proves: conformance classes core, browseable, collections, features, item-search, and the filter, sort,
fields and query extensions. Schemas come from schemas/ and the pystac package; any other address the
validator asks for is refused and named at the end. The tool's own command line exits 0 when it crashes,
so its function is called directly. Needs the environment `catalogs`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
import warnings

warnings.filterwarnings("ignore")
import _offline  # noqa: E402  (patches before the validator is imported)

CLASSES = ["core", "browseable", "collections", "features", "item-search", "filter", "item-search#sort", "item-search#fields",
           "item-search#query", "features#sort", "features#fields", "features#query"]
GEOMETRY = {"type": "Polygon", "coordinates": [[[0, 0], [30, 0], [30, 30], [0, 30], [0, 0]]]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--collection", default="datasets")
    parser.add_argument("--only", action="append", choices=CLASSES)
    parser.add_argument("--warnings", action="store_true", help="print the validator's warnings too")
    args = parser.parse_args()
    server = args.server.rstrip("/")
    refused = _offline.install(server)
    # this file has the name of the package: take the package
    sys.path[:] = [p for p in sys.path if p not in ("", str(_offline.HERE))]
    from stac_api_validator.validations import QueryConfig, validate_api

    # numbers and one-letter texts of make_fixtures.py: the tool turns compared values into float, and tests `in` letter by letter
    query = QueryConfig("attrs:table_id", 128, 128, 140, 140, 128, 128, "title", "cal", "julian", "-", "attrs:grid_label", "r,n")
    began = time.time()
    try:
        warned, errors = validate_api(
            root_url=f"{server}/stac", ccs_to_validate=args.only or CLASSES, collection=args.collection, geometry=json.dumps(GEOMETRY),
            auth_bearer_token=None, auth_query_parameter=None, fields_nested_property="properties.title", validate_pagination=True,
            query_config=query, transaction_collection=None, headers={})
    except Exception:
        traceback.print_exc()
        print("the validator crashed\n0 passed, 1 failed")
        return 1
    for e in errors:
        print(f"error    {e}")
    for w in warned if args.warnings else []:
        print(f"warning  {w}")
    count = len(list(errors))
    print(f"stac-api-validator: {len(list(warned))} warnings, {time.time() - began:.0f} s; other addresses asked for: {sorted(refused) or 'none'}")
    print(f"{0 if count else len(args.only or CLASSES)} passed, {count} failed")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
