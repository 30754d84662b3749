"""Asks every route of the server as everybody, and judges by the rules who may see what.

    python run.py --binary target/release/thermocline [--pystac PYTHON]

The routes come from the server's own OpenAPI document: one that is not known here fails. Each is asked by callers without
credentials, with wrong ones, with a token without scopes, by the owner of a dataset, by another owner, by an administrator and
from a network, for a dataset that is open, for two that are not, and for one that does not exist. Then real clients read a
protected dataset with `.netrc` or a header (clients.py). `--pystac` is a Python with pystac-client. The last line is
"N passed, N failed".
"""
from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

HERE = Path(__file__).resolve().parent

OPEN, CLIMATE, INSIDE, UNKNOWN = "opendata", "climatedata", "insidedata", "nowheredata"
HIDDEN = {CLIMATE: ("Hiddentitleone", "11.0625", "hiddencollone"), INSIDE: ("Hiddentitletwo", "22.0625", "hiddencolltwo")}
"""Protected datasets: what only documents about them say (title, an edge of the box, collection)."""

SECRETS = {name: f"tcl_{name}-of-the-tests-of-the-repository" for name in ("noscope", "owner", "other", "admin")}
CALLERS = {
    "anonymous": {},
    "wrong": {"Authorization": "Bearer nonsense"},
    **{name: {"Authorization": f"Bearer {secret}"} for name, secret in SECRETS.items()},
    "network": {"X-Forwarded-For": "10.1.2.3"},
}
UNKNOWN_TO_US = {"anonymous", "wrong", "network"}
READERS = {OPEN: set(CALLERS), CLIMATE: {"owner", "admin"}, INSIDE: {"network", "admin"}, UNKNOWN: {"admin"}}

CONFIG = """
[roots.archive]
path = "{folder}/files"
[catalogs]
dirs = ["{folder}/catalogs"]
scan_every = "200ms"
[access.climate]
read = ["group:climate"]
[access.inside]
read = ["network:10.0.0.0/8"]
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
CATALOG = """
version: 1
datasets:
  - {id: opendata, title: Open to all, collection: opencoll, source: {paths: [opendata.nc]}}
  - {id: climatedata, title: Hiddentitleone, collection: hiddencollone, access: climate, source: {paths: [climatedata.nc]}}
  - {id: insidedata, title: Hiddentitletwo, collection: hiddencolltwo, access: inside, source: {paths: [insidedata.nc]}}
"""

# What a path's names stand for; a name that is not here fails.
KEYS = {"zarr": "tas/c/0/0", "zarr-v2": "tas/0.0", "zarr-v3": "tas/c/0/0", "zarr-core": "tas/c/0/0", "kerchunk": "tas/0.0",
        "kerchunk.parq": "tas/refs.0.parq"}
PARAMETERS = {"path": "info", "plot": "tas.png", "legend": "tas.png", "request": "tas/time.month/mean.json", "object": "0",
              "rest": "nothing", "beginning": "c", "store": "tape", "action": "resume", "webhook_id": "1"}
NAMES = {"/problems/{name}": "not-found", "/plot/colormaps/{name}": "viridis"}
DOCUMENTS = {"intake": "{}.yaml", "intake-nested": "{}.yaml", "catalog": "{}.xml", "sitemap": "1.xml"}

# Who may: the right that a call needs beyond reading.
STAGE, ADMIN = "stage", "admin"
RIGHTS = {
    ("get", "/requests"): STAGE, ("post", "/requests"): STAGE, ("get", "/objects"): STAGE, ("get", "/recalls"): STAGE,
    ("get", "/pins"): STAGE, ("get", "/cold"): STAGE, ("post", "/objects/locality"): STAGE, ("post", "/upload"): STAGE,
    ("post", "/objects/evict"): ADMIN, ("post", "/cold/{store}/{action}"): ADMIN,
    ("get", "/webhooks"): ADMIN, ("post", "/webhooks/{webhook_id}/retry"): ADMIN,
    ("post", "/api/v1/stage"): STAGE, ("post", "/api/v1/archiveinfo"): STAGE,
}
# Of one request or job: `dataset` decides whether it is there at all.
OF_REQUEST = re.compile(r"\{(request_id|job_id|request)\}")
ANY_READ = {("post", "/stac/search"), ("post", "/datasets/{dataset_id}/groupby")}


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
        print(f"FAIL  {title}: {str(found)[:300]}", flush=True)


class Server:
    def __init__(self, binary: str, folder: Path) -> None:
        self.binary, self.folder, self.process = binary, folder, None
        self.host, self.log = "", folder / "server.log"
        self.config = folder / "thermocline.toml"
        hashes = {name: "sha256:" + hashlib.sha256(secret.encode()).hexdigest() for name, secret in SECRETS.items()}
        self.text = CONFIG.format(folder=folder, **hashes)
        (folder / "catalogs").mkdir()
        (folder / "catalogs" / "all.yaml").write_text(CATALOG)
        make_files(folder / "files")

    def command(self, what: str, *more: str) -> list[str]:
        return [self.binary, what, "--config", str(self.config), "--state", str(self.folder / "state"), *more]

    def start(self) -> None:
        # Files are indexed before they go cold, as everywhere.
        self.config.write_text(self.text)
        subprocess.run(self.command("index"), check=True, capture_output=True, timeout=300)
        self.config.write_text(self.text + COLD)
        with open(self.log, "w") as log:
            command = self.command("serve", "--listen", "127.0.0.1:0", "--log", "json")
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(1200):
            found = re.search(r'"address":"http://([^"]*)"', self.log.read_text(errors="replace"))
            if found:
                self.host = found[1]
                if self.ask("GET", "/ready").status == 200:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"the server did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

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

    def ask(self, method: str, path: str, caller: str = "anonymous", body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = dict(CALLERS[caller])
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            got = connection.getresponse()
            # Streams of events of what has not ended are not waited for.
            is_stream = "event-stream" in (got.getheader("content-type") or "")
            content = b"" if is_stream else got.read()
            headers = {name.lower(): value for name, value in got.getheaders()}
            headers["vary"] = ", ".join(value for name, value in got.getheaders() if name.lower() == "vary")
            return Answer(got.status, headers, content)
        finally:
            connection.close()


def make_files(folder: Path) -> None:
    folder.mkdir()
    for number, (name, west) in enumerate([(OPEN, 1.0), (CLIMATE, 11.0625), (INSIDE, 22.0625)]):
        with netCDF4.Dataset(folder / f"{name}.nc", "w") as file:
            for dim, values in (("time", np.arange(4.0)), ("lon", west + np.arange(4.0))):
                file.createDimension(dim, len(values))
                file.createVariable(dim, "f8", (dim,))[:] = values
            file["time"].units, file["time"].standard_name = "days since 2000-01-01", "time"
            file["lon"].units, file["lon"].standard_name = "degrees_east", "longitude"
            tas = file.createVariable("tas", "f4", ("time", "lon"), chunksizes=(2, 4), zlib=True)
            tas[:] = number * 100 + np.arange(16.0).reshape(4, 4)


def is_bytes(path: str) -> bool:
    last = path.rsplit("/", 1)[-1]
    return "/objects/" in path or last == "c" or re.fullmatch(r"[0-9.]+", last) is not None or last.startswith("refs.")


def fill(path: str, dataset: str, collection: str, request: str) -> str | None:
    """A path with everything named; None for a name that is not known here."""
    view = path.split("/")[3] if path.startswith("/datasets/{dataset_id}/") else path.split("/")[1]
    known = {**PARAMETERS, "dataset_id": dataset, "id": dataset, "collection": collection, "request_id": request, "job_id": request,
             "key": KEYS.get(view), "name": NAMES.get(path), "document": DOCUMENTS.get(view, "").format(collection)}
    if "/order/{request}" in path:
        known["request"] = request
    names = re.findall(r"\{([a-z_]+)\}", path)
    if any(not known.get(name) for name in names):
        return None
    return re.sub(r"\{([a-z_]+)\}", lambda name: known[name[1]], path)


def same(one: Answer, other: Answer, name: str, other_name: str) -> bool:
    """Whether two answers say the same, each of its own name."""
    return one.status == other.status and one.body.replace(name.encode(), other_name.encode()) == other.body


def check_dataset_route(server: Server, checks: Checks, path: str) -> None:
    unknown = {caller: server.ask("GET", fill(path, UNKNOWN, "", ""), caller) for caller in CALLERS}
    usual = server.ask("GET", fill(path, OPEN, "", ""))
    for dataset in (OPEN, CLIMATE, INSIDE, UNKNOWN):
        url = fill(path, dataset, "", "")
        for caller in CALLERS:
            got = server.ask("GET", url, caller)
            title = f"GET {url} by {caller}"
            if dataset != UNKNOWN and caller in READERS[dataset]:
                checks.that(title, got.status == usual.status, (got.status, usual.status, got.body))
                if dataset != OPEN and got.status == 200:
                    control = got.headers.get("cache-control", "")
                    is_kept = "private" in control or "no-store" in control or "no-cache" in control
                    checks.that(f"{title} is private", is_kept and "public" not in control, control)
                    checks.that(f"{title} varies", "authorization" in got.headers["vary"].lower(), got.headers["vary"])
            elif caller in READERS[dataset]:
                checks.that(title, got.status == 404, (got.status, got.body))
            elif is_bytes(url):
                checks.that(title, got.status == 401 and "www-authenticate" in got.headers, (got.status, got.body))
            elif dataset != UNKNOWN and caller in UNKNOWN_TO_US:
                checks.that(title, got.status == 401 and "www-authenticate" in got.headers, (got.status, got.body))
            else:
                checks.that(title, got.status == 404 and same(got, unknown[caller], dataset, UNKNOWN), (got.status, got.body))
            head = server.ask("HEAD", url, caller)
            checks.that(f"HEAD {url} by {caller}", head.status == got.status or got.status in (406, 501), (head.status, got.status))


def check_staging_of_dataset(server: Server, checks: Checks) -> None:
    for dataset in (OPEN, CLIMATE, INSIDE, UNKNOWN):
        for caller in CALLERS:
            got = server.ask("POST", f"/datasets/{dataset}/stage?dry_run=true", caller, b"{}")
            if caller in UNKNOWN_TO_US:
                expected = 401
            elif dataset != OPEN and dataset != UNKNOWN and caller not in READERS[dataset]:
                # The token without scopes may not stage what does not exist either.
                expected = 403 if caller == "noscope" else 404
            elif caller == "noscope":
                expected = 403
            else:
                expected = 404 if dataset == UNKNOWN else 200
            checks.that(f"POST stage of {dataset} by {caller}", got.status == expected, (got.status, expected, got.body))


def check_right(server: Server, checks: Checks, method: str, path: str, right: str) -> None:
    for caller in CALLERS:
        got = server.ask(method.upper(), fill(path, OPEN, "opencoll", "none"), caller, b"{}" if method == "post" else None)
        may = caller == "admin" or (right == STAGE and caller in ("owner", "other"))
        expected = {401} if caller in UNKNOWN_TO_US else {403}
        holds = got.status not in (401, 403) if may else got.status in expected
        checks.that(f"{method} {path} by {caller}", holds, (got.status, got.body))


def check_request_route(server: Server, checks: Checks, method: str, path: str, request: str) -> None:
    """A request of the owner for the dataset of climate: there for its readers, and for nobody else."""
    for caller in ("anonymous", "wrong", "network", "noscope", "other"):
        url = fill(path, CLIMATE, "hiddencollone", request)
        got = server.ask(method.upper(), url, caller, b"{}" if method == "post" else None)
        # A tape site is asked by those only who may stage.
        allowed = {404} if method == "get" and not path.startswith("/api/") else {401, 403, 404}
        checks.that(f"{method} {url} by {caller}", got.status in allowed, (got.status, got.body))
    # The orders of STAC are named by it too, those of tape sites are of paths only.
    if method == "get" and "/order/" not in path and not path.startswith("/api/"):
        url = fill(path, CLIMATE, "hiddencollone", request)
        got = server.ask("GET", url, "owner")
        checks.that(f"{method} {url} by owner", got.status < 400 or got.status == 409, (got.status, got.body))


def check_list(server: Server, checks: Checks, path: str) -> None:
    """A document of the whole server, or of a collection: what is hidden is nowhere in it."""
    for hidden, words in HIDDEN.items():
        url, other = fill(path, hidden, words[2], "none"), fill(path, UNKNOWN, "nowherecoll", "none")
        for caller in set(CALLERS) - READERS[hidden]:
            got = server.ask("GET", url, caller)
            said = [word for word in (hidden, words[0], words[1], words[2]) if word.encode() in got.body.replace(url.encode(), b"")]
            if got.status < 400:
                checks.that(f"GET {url} by {caller} tells nothing of {hidden}", not said, said)
            elif url != other:
                unknown = server.ask("GET", other, caller)
                body = got.body.replace(hidden.encode(), UNKNOWN.encode()).replace(words[2].encode(), b"nowherecoll")
                checks.that(f"GET {url} by {caller} as of what is not there", (got.status, body) == (unknown.status, unknown.body),
                            (got.status, got.body, unknown.status, unknown.body))


def check_lists_show(server: Server, checks: Checks) -> None:
    for path in ("/datasets", "/stac/search", "/intake-esm.csv", "/stac-collection-all.json"):
        for dataset in (OPEN, CLIMATE, INSIDE):
            for caller in CALLERS:
                got = server.ask("GET", path, caller)
                checks.that(f"{path} by {caller} shows {dataset}", (dataset.encode() in got.body) == (caller in READERS[dataset]), got.body)


def check_reload(server: Server, checks: Checks) -> None:
    """Rules and tokens count from the next request on; a rule that is gone hides its datasets."""
    url = f"/datasets/{CLIMATE}/zarr/tas/c/0/0"

    def becomes(title: str, caller: str, status: int) -> None:
        found = None
        for _ in range(100):
            found = server.ask("GET", url, caller).status
            if found == status:
                break
            time.sleep(0.05)
        checks.that(title, found == status, (found, status))

    text = server.text + COLD
    server.reload(text.replace("group:climate", "group:ocean"))
    becomes("the owner lost its right", "owner", 401)
    becomes("the other owner got it", "other", 200)
    server.reload(re.sub(r"\[tokens\.other\][^\[]*\[\"read[^\n]*\n", "", text))
    becomes("a token that is gone is none", "other", 401)
    becomes("the owner has its right again", "owner", 200)
    server.reload(re.sub(r"\[access\.climate\][^\[]*\[\"group[^\n]*\n", "", text))
    becomes("without its rule a dataset is nobody's", "owner", 401)
    without = re.sub(r"\[access\.[a-z]*\]\nread = [^\n]*\n", "", text)
    server.reload(without)
    time.sleep(1)
    becomes("also without any rule", "anonymous", 401)
    server.reload(text)
    becomes("and the owner's again with it", "owner", 200)


def check_tokens(server: Server, checks: Checks) -> None:
    """`thermocline token` writes, lists and revokes."""
    def token(*more: str) -> subprocess.CompletedProcess:
        command = [server.binary, "token", *more, "--config", str(server.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    made = token("new", "fresh", "--groups", "climate", "--scopes", "read", "--write")
    secret = made.stdout.strip()
    checks.that("token new --write", made.returncode == 0 and secret.startswith("tcl_"), made.stderr)
    listed = token("list")
    checks.that("token list", "fresh" in listed.stdout and secret not in listed.stdout, listed)
    url, CALLERS["fresh"] = f"/datasets/{CLIMATE}/zarr/tas/c/0/0", {"Authorization": f"Bearer {secret}"}
    for what, status in ((None, 200), ("revoke", 401)):
        if what:
            checks.that("token revoke", token(what, "fresh").returncode == 0)
        server.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            found = server.ask("GET", url, "fresh").status
            if found == status:
                break
            time.sleep(0.05)
        checks.that(f"a token after {what or 'new'}", found == status, found)
    del CALLERS["fresh"]
    checks.that("token revoke of none", token("revoke", "fresh").returncode == 2)


def check_audit(server: Server, checks: Checks) -> None:
    server.ask("POST", "/objects/evict", "other", b'{"all": true}')
    time.sleep(0.2)
    lines = [line for line in server.log.read_text(errors="replace").splitlines() if '"audit"' in line]
    refused = [line for line in lines if "token:other" in line and "/objects/evict" in line and "403" in line]
    checks.that("a refused call is in the audit log", len(refused) >= 1, lines[-3:])


def matrix(server: Server, checks: Checks) -> None:
    paths = json.loads(server.ask("GET", "/openapi.json", "admin").body)["paths"]
    accepted = server.ask("POST", f"/datasets/{CLIMATE}/stage", "owner", b"{}")
    checks.that("the owner stages its dataset", accepted.status == 202, accepted.body)
    request = json.loads(accepted.body)["id"]
    n_routes = 0
    for path, operations in paths.items():
        for method in operations:
            n_routes += 1
            if fill(path, OPEN, "opencoll", request) is None:
                checks.that(f"{method} {path} is tried here", False, "a name in the path is not known")
            elif (method, path) in RIGHTS:
                check_right(server, checks, method, path, RIGHTS[method, path])
            elif (method, path) == ("post", "/datasets/{dataset_id}/stage"):
                check_staging_of_dataset(server, checks)
            elif path.startswith("/datasets/{dataset_id}") and method == "get":
                check_dataset_route(server, checks, path)
            elif OF_REQUEST.search(path) and not path.startswith("/datasets"):
                check_request_route(server, checks, method, path, request)
            elif path.endswith("/order") and method == "post":
                check_order(server, checks)
            elif method == "get":
                check_list(server, checks, path)
            elif (method, path) not in ANY_READ:
                checks.that(f"{method} {path} is tried here", False, "a call whose right is not known")
    checks.that("there are routes", n_routes > 80, n_routes)
    print(f"      {n_routes} routes, {len(CALLERS)} callers", flush=True)


def check_order(server: Server, checks: Checks) -> None:
    for caller in CALLERS:
        got = server.ask("POST", f"/stac/collections/hiddencollone/items/{CLIMATE}/order", caller, b"{}")
        if caller in READERS[CLIMATE]:
            checks.that(f"order by {caller}", got.status < 300, (got.status, got.body))
        else:
            checks.that(f"order by {caller}", got.status in (401, 403, 404), (got.status, got.body))


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", required=True)
    arguments.add_argument("--pystac", help="a Python with pystac-client")
    given = arguments.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="access-") as folder:
        server = Server(str(Path(given.binary).resolve()), Path(folder))
        try:
            server.start()
            matrix(server, checks)
            check_lists_show(server, checks)
            check_audit(server, checks)
            netrc = Path(folder) / "netrc"
            netrc.write_text(f"machine 127.0.0.1 login me password {SECRETS['owner']}\n")
            netrc.chmod(0o600)
            pythons = [sys.executable] + ([given.pystac] if given.pystac else [])
            for number, python in enumerate(pythons):
                which = "pystac" if number else "readers"
                command = [python, str(HERE / "clients.py"), which, f"http://{server.host}", CLIMATE, SECRETS["owner"], str(netrc)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
                print(done.stdout, end="", flush=True)
                said = re.search(r"(\d+) passed, (\d+) failed\s*$", done.stdout)
                checks.that(f"clients, {which}", done.returncode == 0 and said is not None, done.stderr[-600:])
                if said:
                    checks.passed, checks.failed = checks.passed + int(said[1]), checks.failed + int(said[2])
            check_tokens(server, checks)
            check_reload(server, checks)
        finally:
            server.stop()
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 0 if checks.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
