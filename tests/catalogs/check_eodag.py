"""Orders and downloads a data set on tape with eodag, unmodified: search, order, wait, download, compare.

    python check_eodag.py --server URL --cold ID --file archive/ID.nc [--token TOKEN]

ID is a data set of one file on a cold store that nobody has staged yet; `--file` holds its bytes; with a token nobody else
may see it. What eodag is told of the
server is the configuration below: that of any catalog which orders by a link `retrieve`.
The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

PROVIDER = """
thermocline:
  search:
    type: StacSearch
    api_endpoint: {server}/stac/search
    need_auth: {need_auth}
    metadata_mapping:
      order:status: '{{$.properties."order:status"#get_group_name((?P<succeeded>succeeded)|(?P<ordered>ordered|pending|shipping)|(?P<orderable>orderable))}}'
      _order_href: '$.links[?rel=="retrieve"].href'
      _order_body: '$.links[?rel=="retrieve"].body'
      eodag:order_link: '{{_order_href}}?{{{{{{_order_body#replace_str("''", ''"'')}}}}}}'
      eodag:download_link: '$.assets.source.href'
      assets: '$.null'
  products:
    GENERIC_COLLECTION:
      _collection: '{{collection}}'
  download:
    type: HTTPDownload
    extract: false
    order_enabled: true
    order_method: POST
    order_on_response:
      metadata_mapping:
        eodag:status_link: '$.json.links[?rel=="self"].href'
        eodag:order_status: '$.json.properties."order:status"'
    order_status:
      request:
        method: GET
      metadata_mapping:
        order:status: '$.json.properties."order:status"'
      success:
        http_code: 200
      on_success:
        metadata_mapping:
          eodag:download_link: '$.json.assets.downloadLink.href'
          order:status: '$.json.properties."order:status"'
"""
AUTH = """
  auth:
    type: HTTPHeaderAuth
    headers:
      Authorization: 'Bearer {token}'
    credentials:
      token: {token}
"""


class Check:
    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        os.environ["HOME"], os.environ["EODAG_CFG_DIR"] = str(folder), str(folder / "eodag")
        os.environ["EODAG_EXT_COLLECTIONS_CFG_URI"] = ""
        from eodag import EODataAccessGateway
        self.args, self.folder = args, folder
        self.gateway = EODataAccessGateway()
        config = PROVIDER.format(server=args.server, need_auth="true" if args.token else "false")
        if args.token:
            config += AUTH.replace("{token}", args.token)
        self.gateway.update_providers_config(config)
        self.gateway.set_preferred_provider("thermocline")
        self.gateway.fetch_collections_list("thermocline")

    def find(self) -> object:
        found = self.gateway.search(provider="thermocline", collection=self.args.collection, id=self.args.cold, raise_errors=True)
        assert len(found) == 1, f"{len(found)} products"
        return found[0]

    def orders(self) -> None:
        product = self.find()
        assert product.properties["order:status"] == "orderable", f"start the server afresh: {product.properties['order:status']}"
        self.download(product, "ordered")

    def online(self) -> None:
        product = self.find()
        assert product.properties["order:status"] == "succeeded", product.properties["order:status"]
        self.download(product, "again")

    def download(self, product: object, name: str) -> None:
        """Within two minutes, looking every second. eodag names files by media types that it knows, or without an ending."""
        folder = self.folder / name
        folder.mkdir()
        product.download(output_dir=str(folder), wait=1 / 60, timeout=2, extract=False)
        assert product.properties["order:status"] == "succeeded", product.properties["order:status"]
        files = [file for file in folder.rglob("*") if file.is_file() and ".downloaded" not in file.parts]
        assert [file.read_bytes() == self.args.file.read_bytes() for file in files] == [True], files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--cold", required=True)
    parser.add_argument("--file", required=True, type=Path)
    parser.add_argument("--collection", default="datasets")
    parser.add_argument("--token")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        check = Check(args, Path(folder))
        cases: list[tuple[str, Callable[[], None]]] = [("an orderable item is ordered, waited for and downloaded", check.orders),
                                                       ("what is online is downloaded at once", check.online)]
        for title, case in cases:
            try:
                case()
                passed += 1
                print(f"PASS  {title}", flush=True)
            except Exception as error:  # noqa: BLE001, one case must not hide the others
                failed += 1
                traceback.print_exc(file=sys.stdout)
                print(f"FAIL  {title}: {type(error).__name__}: {error}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
