"""A server with open and protected datasets, who asks it, and how claims are counted."""
from __future__ import annotations

import hashlib
import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

OPEN, LENT, CLIMATE, INSIDE, UNKNOWN = "opendata", "lentdata", "climatedata", "insidedata", "nowheredata"
WEST = {OPEN: 1.0, LENT: 5.0, CLIMATE: 11.0625, INSIDE: 22.0625}
"""Datasets, and the western edge of each. Of each collection there are two, so that it is divided where documents are."""


@dataclass(frozen=True)
class Names:
    """What stands for a dataset in paths."""

    dataset: str
    collection: str
    beginning: str


NAMES = {
    OPEN: Names(OPEN, "opencoll", "open"),
    LENT: Names(LENT, "lentcoll", "lent"),
    CLIMATE: Names(CLIMATE, "hiddencollone", "climate"),
    INSIDE: Names(INSIDE, "hiddencolltwo", "inside"),
    UNKNOWN: Names(UNKNOWN, "nowherecoll", "nowhere"),
}
TITLES = {OPEN: "Open to all", LENT: "Staged by others", CLIMATE: "Hiddentitleone", INSIDE: "Hiddentitletwo"}
HIDDEN = {name: (name, name.replace("data", "twin"), TITLES[name], str(WEST[name]), NAMES[name].collection) for name in (CLIMATE, INSIDE)}
"""Protected datasets: what only documents about them say (ids, title, an edge of the box, collection)."""

SECRETS = {name: f"tcl_{name}-of-the-tests-of-the-repository" for name in ("noscope", "owner", "other", "admin")}
CALLERS = {
    "anonymous": {},
    "wrong": {"Authorization": "Bearer nonsense"},
    **{name: {"Authorization": f"Bearer {secret}"} for name, secret in SECRETS.items()},
    "network": {"X-Forwarded-For": "10.1.2.3"},
}
UNKNOWN_TO_US = {"anonymous", "wrong", "network"}
READERS = {OPEN: set(CALLERS), LENT: set(CALLERS), CLIMATE: {"owner", "admin"}, INSIDE: {"network", "admin"}, UNKNOWN: {"admin"}}
"""Who may read what; who sees everything is told the truth of what does not exist."""

STAGERS = {OPEN: {"owner", "other", "admin"}, LENT: {"other", "admin"}, CLIMATE: {"owner", "admin"}, INSIDE: {"admin"},
           UNKNOWN: {"owner", "other", "admin"}}
"""Who may stage what; of what does not exist, who may stage at all."""

ROOTS = """
[roots.archive]
path = "{folder}/files"
[catalogs]
dirs = ["{folder}/catalogs"]
scan_every = "200ms"
[plugins.stac]
static_max_items = 1
[staging]
mount_after = "0s"
[server]
trusted_proxies = ["127.0.0.1/32"]
"""
RULES = """
[access.climate]
read = ["group:climate"]
[access.inside]
read = ["network:10.0.0.0/8"]
[access.lent]
read = ["anyone"]
stage = ["token:other"]
"""
TOKENS = """
[tokens.noscope]
hash = "{noscope}"
groups = ["climate"]
scopes = []
[tokens.owner]
hash = "{owner}"
groups = ["climate"]
scopes = ["read", "stage"]
[tokens.other]
hash = "{other}"
groups = ["ocean"]
scopes = ["read", "stage"]
[tokens.admin]
hash = "{admin}"
scopes = ["admin"]
"""
COLD = """
[cold.tape]
kind = "simulated"
roots = ["archive"]
speed = 1000
poll_every = "100ms"
"""
ACCESS = {OPEN: "public", LENT: "lent", CLIMATE: "climate", INSIDE: "inside"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Checks:
    def __init__(self) -> None:
        self.passed = self.failed = 0

    def that(self, title: str, holds: bool, found: object = "") -> None:
        if holds:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL  {title}: {str(found)[:400]}", flush=True)


def catalog(without: str = "") -> str:
    lines = ["version: 1", "datasets:"]
    for name, access in ACCESS.items():
        for dataset in (name, name.replace("data", "twin")):
            if name != without:
                lines.append(f"  - {{id: {dataset}, title: {TITLES[name]}, collection: {NAMES[name].collection}, "
                             f"access: {access}, source: {{paths: [{name}.nc]}}}}")
    return "\n".join(lines) + "\n"


def make_files(folder: Path) -> None:
    folder.mkdir()
    for number, (name, west) in enumerate(WEST.items()):
        with netCDF4.Dataset(folder / f"{name}.nc", "w") as file:
            for dim, values in (("time", np.arange(4.0)), ("lon", west + np.arange(4.0))):
                file.createDimension(dim, len(values))
                file.createVariable(dim, "f8", (dim,))[:] = values
            file["time"].units, file["time"].standard_name = "days since 2000-01-01", "time"
            file["lon"].units, file["lon"].standard_name = "degrees_east", "longitude"
            tas = file.createVariable("tas", "f4", ("time", "lon"), chunksizes=(2, 4), zlib=True)
            tas[:] = number * 100 + np.arange(16.0).reshape(4, 4)


class Server:
    """A server in a folder of its own, whose files are indexed and then lie on a cold store."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.binary, self.folder, self.process = binary, folder, None
        self.host, self.log = "", folder / "server.log"
        self.config, self.catalog = folder / "thermocline.toml", folder / "catalogs" / "all.yaml"
        hashes = {name: "sha256:" + hashlib.sha256(secret.encode()).hexdigest() for name, secret in SECRETS.items()}
        self.tokens = TOKENS.format(**hashes)
        self.text = ROOTS.format(folder=folder) + RULES + self.tokens
        self.catalog.parent.mkdir()
        self.catalog.write_text(catalog())
        make_files(folder / "files")

    def command(self, *words: str) -> list[str]:
        return [self.binary, *words, "--config", str(self.config), "--state", str(self.folder / "state")]

    def start(self) -> None:
        # Files are indexed before they go cold, as everywhere.
        self.config.write_text(self.text)
        subprocess.run(self.command("index"), check=True, capture_output=True, timeout=300)
        self.text += COLD
        self.config.write_text(self.text)
        self.serve()
        # Lists that do not have the datasets yet would tell nothing of them to anybody.
        self.until("all datasets are found", lambda: self.n_found() == 2 * len(WEST))

    def start_single(self, dataset: str, rules: str) -> None:
        """Serves one file only, also without its name, under other rules."""
        self.config.write_text(f"[catalogs]\ndirs = []\n{rules}{self.tokens}")
        self.serve(str(self.folder / "files" / f"{dataset}.nc"), "--single")
        self.until("the dataset is found", lambda: self.n_found() == 1)

    def n_found(self) -> int:
        found = self.ask("GET", "/stac/search", "admin")
        return json.loads(found.body)["numberMatched"] if found.status == 200 else 0

    def serve(self, *more: str) -> None:
        with open(self.log, "w") as log:
            command = self.command("serve", "--listen", "127.0.0.1:0", "--log", "json", *more)
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

        def is_ready() -> bool:
            found = re.search(r'"address":"http://([^"]*)"', self.said())
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended:\n{self.said()[-3000:]}")
            self.host = found[1] if found else ""
            return bool(found) and self.ask("GET", "/ready").status == 200

        self.until("the server is ready", is_ready)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        for _ in range(1200):
            if holds():
                return
            time.sleep(0.05)
        raise SystemExit(f"it did not come to pass that {what}:\n{self.said()[-3000:]}")

    def reload(self, text: str) -> None:
        self.config.write_text(text)
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def ask(self, method: str, path: str, caller: str = "anonymous", body: bytes | None = None, **more: str) -> Answer:
        """`more` are headers, with `_` for `-`."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        # What becomes a job is waited for.
        headers = {"Prefer": "wait=30", **CALLERS[caller], **{name.replace("_", "-"): value for name, value in more.items()}}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            got = connection.getresponse()
            # Streams of events of what has not ended are not waited for.
            is_stream = "event-stream" in (got.getheader("content-type") or "")
            content = b"" if is_stream else got.read()
            found = {name.lower(): value for name, value in got.getheaders()}
            found["vary"] = ", ".join(value for name, value in got.getheaders() if name.lower() == "vary")
            return Answer(got.status, found, content)
        finally:
            connection.close()
