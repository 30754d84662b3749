"""Check `thermocline catalog export`: what it writes is what the server sends, and clients open it from a static web server.

    python check_export.py --binary target/debug/thermocline --fixtures FIX

Exports while a server runs on the same state, compares every document with what that server sends under the same public
address, serves the folder with `python -m http.server`, and opens it there with pystac and intake. Needs the environment `catalogs`.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
import intake  # noqa: E402
import pystac  # noqa: E402

from _check import Report, call, expect, same  # noqa: E402
from run import Server  # noqa: E402


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static web server as everybody has it."""

    def log_message(self, *_: Any) -> None:
        pass


class Check:
    """One export."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder, self.dir = args, folder, folder / "export"
        self.report = Report("export", None, args.verbose)
        self.ids = {file.stem for file in args.fixtures.glob("*.nc")}
        self.dir.mkdir()
        static = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(self.dir)))
        self.static, self.base = static, f"http://127.0.0.1:{static.server_port}"

    def export(self, folder: Path, state: str = "server/state") -> subprocess.CompletedProcess[str]:
        command = [self.args.binary, "catalog", "export", str(folder), "--base-url", self.base, str(self.args.fixtures), "--state", str(self.folder / state)]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def all(self) -> int:
        config = f'[server]\npublic_url = "{self.base}"\n'
        with Server(self.args.binary, self.folder / "server", [str(self.args.fixtures)], config).listed(len(self.ids)) as server:
            self.report.case("export", "it is written", self.is_written)
            for row in self.listed():
                self.report.case("bytes", row["path"], lambda row=row: self.is_as_served(server, row))
        threading.Thread(target=self.static.serve_forever, daemon=True).start()
        for name, check in (("pystac: the static collection", self.collection), ("pystac: the tree of the API", self.tree), ("intake", self.intake),
                            ("intake-esm", self.esm), ("THREDDS", self.thredds)):
            self.report.case("clients", name, check)
        self.report.case("folder", "an export is replaced", self.is_replaced)
        self.report.case("folder", "anything else is left alone", self.is_refused)
        self.static.shutdown()
        return self.report.finish()

    def is_written(self) -> None:
        done = self.export(self.dir)
        same(done.returncode, 0, f"exit status: {done.stdout} {done.stderr}")
        # The folder was exchanged: the static server follows its name.
        paths = {row["path"] for row in self.listed()}
        wanted = {"/stac-collection-all.json", "/stac", "/stac/collections", "/stac/collections/datasets", "/intake.yaml", "/intake-nested.yaml",
                  "/intake-esm.json", "/intake-esm.csv", "/catalog.xml", "/sitemap.xml"}
        wanted |= {f"/datasets/{i}/{document}" for i in self.ids for document in ("stac", "catalog.yaml")}
        expect(wanted <= paths, f"missing: {sorted(wanted - paths)[:5]}")

    def listed(self) -> list[dict[str, str]]:
        file = self.dir / ".thermocline-export"
        return [json.loads(line) for line in file.read_text().splitlines()[1:]] if file.is_file() else []

    def is_as_served(self, server: Server, row: dict[str, str]) -> None:
        answer = call("GET", server.base + row["path"], headers={"Accept-Encoding": "identity"})
        file = self.dir / row["path"].lstrip("/")
        file = file / "index.json" if file.is_dir() else file
        expect(file.read_bytes() == answer.content, "other bytes than the server's")
        same((row["type"], row["etag"]), (answer.headers["Content-Type"], answer.headers["ETag"]), "type and ETag")

    def collection(self) -> None:
        same({item.id for item in pystac.Collection.from_file(f"{self.base}/stac-collection-all.json").get_all_items()}, self.ids, "Items")

    def tree(self) -> None:
        same({item.id for item in pystac.Catalog.from_file(f"{self.base}/stac").get_items(recursive=True)}, self.ids, "Items")

    def intake(self) -> None:
        expect(self.ids <= set(intake.open_catalog(f"{self.base}/intake.yaml")), "datasets are missing")

    def esm(self) -> None:
        table = intake.open_esm_datastore(f"{self.base}/intake-esm.json").df
        expect(self.ids >= set(table.dataset_id) and len(table) >= len(self.ids) - 2, f"{len(table)} rows")

    def thredds(self) -> None:
        from siphon.catalog import TDSCatalog
        found = TDSCatalog(f"{self.base}/catalog.xml")
        names = set(found.datasets) | {name for ref in found.catalog_refs.values() for name in ref.follow().datasets}
        same(names, self.ids, "datasets")

    def is_replaced(self) -> None:
        (self.dir / "leftover").write_text("of an earlier export")
        same(self.export(self.dir).returncode, 0, "exit status")
        expect(not (self.dir / "leftover").exists() and (self.dir / "intake.yaml").is_file(), "the old export is still there")

    def is_refused(self) -> None:
        other = self.folder / "other"
        other.mkdir()
        (other / "thesis.tex").write_text("years of work")
        same(self.export(other).returncode, 2, "exit status")
        same([file.name for file in other.iterdir()], ["thesis.tex"], "what is there")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--fixtures", required=True, type=Path)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    args.fixtures = args.fixtures.absolute()
    with tempfile.TemporaryDirectory() as folder:
        return Check(args, Path(folder)).all()


if __name__ == "__main__":
    sys.exit(main())
