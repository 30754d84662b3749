"""What changes while the server runs: rules, tokens, catalogs; and what else shows datasets: counts, exports, the log."""
from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

from matrix import is_bytes
from serving import (CALLERS, CLIMATE, HIDDEN, INSIDE, LENT, NAMES, OPEN, READERS, STAGERS, TITLES, UNKNOWN, UNKNOWN_TO_US, Checks, Server,
                     catalog)

CHUNK = f"/datasets/{CLIMATE}/zarr/tas/c/0/0"
LISTS = ("/datasets", "/stac/search", f"/stac/collections/{NAMES[CLIMATE].collection}", f"/catalog/{NAMES[CLIMATE].collection}.xml",
         "/intake.yaml", "/intake-nested.yaml", "/intake-esm.csv", "/")


def shows(server: Server, path: str, dataset: str, caller: str) -> bool:
    return dataset.encode() in server.ask("GET", path, caller).body.replace(path.encode(), b"")


def check_lists_show(server: Server, checks: Checks) -> None:
    """Whoever may read a dataset finds it, and it is counted for nobody else."""
    for caller in CALLERS:
        read = [dataset for dataset in TITLES if caller in READERS[dataset]]
        for path in ("/datasets", "/stac/search", "/intake-nested.yaml", "/intake-esm.csv", "/"):
            for dataset in TITLES:
                is_shown = shows(server, path, dataset, caller)
                checks.that(f"{path} by {caller} shows {dataset}", is_shown == (dataset in read), is_shown)
        n_seen = 2 * len(read)
        measured = server.ask("GET", "/metrics", caller).body.decode()
        growing = re.findall(r"^thermocline_(?:search_(?:datasets|summarised_total)|index_\w+_bytes) .*$", measured, re.M)
        checks.that(f"/metrics by {caller} tells what grows with all datasets", (len(growing) == 4) == (caller == "admin") and
                    (caller == "admin" or not growing), growing)
        counts = {
            "/stac/search": json.loads(server.ask("GET", "/stac/search", caller).body)["numberMatched"],
            "/stac/collections": 2 * len(json.loads(server.ask("GET", "/stac/collections", caller).body)["collections"]),
            "/ready": json.loads(server.ask("GET", "/ready", caller).body)["datasets"],
            "/metrics": sum(int(n) for n in re.findall(r"^thermocline_datasets\{[^}]*\} (\d+)$", measured, re.M)),
        }
        for path, n in counts.items():
            checks.that(f"{path} by {caller} counts", n == n_seen, (n, n_seen))


def check_pages_of_others(server: Server, checks: Checks) -> None:
    """A page of another site can tell a missing token from a server that is away."""
    refused = server.ask("GET", CHUNK, "anonymous", Origin="https://portal.example")
    checks.that("401 may be read by pages", refused.status == 401 and "access-control-allow-origin" in refused.headers, refused.headers)
    asked = {"Origin": "https://portal.example", "Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "authorization"}
    before = server.ask("OPTIONS", CHUNK, "anonymous", **asked)
    allowed = before.headers.get("access-control-allow-headers", "")
    checks.that("pages may send a token", before.status == 204 and "authorization" in allowed.lower(), (before.status, before.headers))


def check_audit(server: Server, checks: Checks) -> None:
    server.ask("POST", "/objects/evict", "other", b'{"all": true}')
    time.sleep(0.2)
    lines = [line for line in server.said().splitlines() if '"audit"' in line]
    refused = [line for line in lines if "token:other" in line and "/objects/evict" in line and "403" in line]
    checks.that("a refused call is in the audit log", len(refused) >= 1, lines[-3:])


def becomes(server: Server, checks: Checks, title: str, caller: str, status: int, path: str = CHUNK) -> None:
    """Waits until a change counts."""
    found = None
    for _ in range(200):
        found = server.ask("GET", path, caller).status
        if found == status:
            break
        time.sleep(0.05)
    checks.that(title, found == status, (found, status))


def check_reload(server: Server, checks: Checks) -> None:
    """Rules and tokens count from the next request on, for bytes, documents and lists alike."""
    text = server.text
    server.reload(text.replace("group:climate", "group:ocean"))
    becomes(server, checks, "the owner lost its right", "owner", 401)
    for caller, sees in (("owner", False), ("other", True), ("anonymous", False)):
        for path in LISTS:
            checks.that(f"{path} by {caller} at once", shows(server, path, CLIMATE, caller) == sees)
        document = server.ask("GET", f"/datasets/{CLIMATE}/zarr/.zmetadata", caller).status
        checks.that(f"a document by {caller} at once", document == (200 if sees else 401 if caller == "anonymous" else 404), document)
    becomes(server, checks, "the other owner got it", "other", 200)
    server.reload(re.sub(r"\[tokens\.other\][^\[]*\[\"ocean[^\n]*\n[^\n]*\n", "", text))
    becomes(server, checks, "a token that is gone is none", "other", 401, "/recalls")
    becomes(server, checks, "the owner has its right again", "owner", 200)
    server.reload(text + "\n[access.default]\nread = []\n")
    becomes(server, checks, "what names no rule is under the default", "owner", 200)
    server.reload(text)
    becomes(server, checks, "and is as before", "owner", 200)


def check_missing_rule(server: Server, checks: Checks) -> None:
    """A rule that does not exist hides its datasets from everybody, and says so to operators."""
    text = server.text
    without = text.replace('[access.climate]\nread = ["group:climate"]\n', "")
    server.reload(without)
    becomes(server, checks, "without its rule a dataset is nobody's", "owner", 401)
    for caller in ("anonymous", "owner", "admin"):
        for path in LISTS:
            checks.that(f"{path} without the rule by {caller}", not shows(server, path, CLIMATE, caller))
        status = server.ask("GET", f"/datasets/{CLIMATE}/keys", caller).status
        checks.that(f"a document without the rule by {caller}", status == 404, status)
    told = [line for line in server.said().splitlines() if "access rule that does not exist" in line]
    checks.that("the log names the rule", len(told) == 1 and '"climate"' in told[0] and CLIMATE in told[0], told)
    for caller, is_told in (("admin", True), ("owner", False), ("anonymous", False)):
        health = server.ask("GET", "/health", caller).body
        checks.that(f"/health by {caller}", (b"climate" in health) == is_told and b'"warn"' in health, health)
    found = subprocess.run(server.command("catalog", "check"), capture_output=True, text=True, timeout=60, check=False)
    checks.that("catalog check names the rule", found.returncode == 1 and 'no access rule "climate"' in found.stdout, found)
    nothing = re.sub(r"\[access\.[a-z]*\]\n(?:(?:read|stage) = [^\n]*\n)+", "", text)
    server.reload(nothing)
    becomes(server, checks, "also without any rule: what anybody may not read", "admin", 401, f"/datasets/{INSIDE}/zarr/tas/c/0/0")
    becomes(server, checks, "also without any rule: what is open", "anonymous", 200, f"/datasets/{OPEN}/zarr/tas/c/0/0")
    server.reload(text)
    becomes(server, checks, "and the owner's again with it", "owner", 200)
    found = subprocess.run(server.command("catalog", "check"), capture_output=True, text=True, timeout=60, check=False)
    checks.that("catalog check finds nothing", found.returncode == 0, found)


def check_catalog_change(server: Server, checks: Checks) -> None:
    """A dataset that gets another rule in its catalog is under it."""
    server.catalog.write_text(catalog().replace("access: public", "access: climate"))
    path = f"/datasets/{OPEN}/zarr/tas/c/0/0"
    becomes(server, checks, "what was open is not any more", "anonymous", 401, path)
    becomes(server, checks, "and is not found any more", "anonymous", 404, f"/stac/collections/{NAMES[OPEN].collection}")
    checks.that("but for its readers", server.ask("GET", path, "owner").status == 200)
    server.catalog.write_text(catalog())
    becomes(server, checks, "and open again", "anonymous", 200, path)


def check_withdrawn(server: Server, checks: Checks, requests: dict[str, str]) -> None:
    """What no catalog declares any more tells nobody that it was there, but whose request it was."""
    server.catalog.write_text(catalog(without=CLIMATE))
    document = f"/datasets/{CLIMATE}/keys"
    becomes(server, checks, "a dataset is withdrawn", "owner", 503, document)
    # Its readers are told that it is away, as those of any dataset that is.
    for caller in ("owner", "admin"):
        for path in (document, CHUNK):
            got = server.ask("GET", path, caller)
            checks.that(f"{path} of what is withdrawn by {caller}", got.status in (503, 410), (got.status, got.body))
    for caller in set(CALLERS) - {"admin", "owner"}:
        got, unknown = (server.ask("GET", path, caller) for path in (document, f"/datasets/{UNKNOWN}/keys"))
        is_same = (got.status, got.body.replace(CLIMATE.encode(), UNKNOWN.encode())) == (unknown.status, unknown.body)
        checks.that(f"what is withdrawn is as unknown to {caller}", is_same, (got.status, got.body))
        status = server.ask("GET", CHUNK, caller).status
        checks.that(f"a chunk of what is withdrawn by {caller}", status == 401, status)
    for caller in CALLERS:
        for path in ("/requests/", "/jobs/"):
            status = server.ask("GET", path + requests[CLIMATE], caller).status
            checks.that(f"GET {path} of what is withdrawn by {caller}", status == (200 if caller in ("owner", "admin") else 404), status)
    server.catalog.write_text(catalog())
    becomes(server, checks, "and is there again", "owner", 200)


def check_tokens(server: Server, checks: Checks) -> None:
    """`thermocline token` writes, lists and revokes; the server sees by itself that its file has changed."""
    def token(*more: str) -> subprocess.CompletedProcess:
        command = [server.binary, "token", *more, "--config", str(server.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    made = token("new", "fresh", "--groups", "climate", "--scopes", "read", "--write")
    secret = made.stdout.strip()
    checks.that("token new --write", made.returncode == 0 and secret.startswith("tcl_"), made.stderr)
    checks.that("the file does not hold the token", secret not in server.config.read_text())
    checks.that("token new of a name that is taken", token("new", "fresh", "--write").returncode == 2)
    listed = token("list")
    checks.that("token list", "fresh" in listed.stdout and secret not in listed.stdout, listed)
    CALLERS["fresh"] = {"Authorization": f"Bearer {secret}"}
    becomes(server, checks, "a token after new", "fresh", 200)
    checks.that("token revoke", token("revoke", "fresh").returncode == 0)
    becomes(server, checks, "a token after revoke", "fresh", 401)
    del CALLERS["fresh"]
    checks.that("token revoke of none", token("revoke", "fresh").returncode == 2)
    checks.that("the file is as before", server.config.read_text() == server.text)


def check_export(server: Server, checks: Checks) -> None:
    """Static catalogs are those that anybody sees."""
    folder = server.folder / "exported"
    command = server.command("catalog", "export", "--base-url", "http://data.example", str(folder))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    checks.that("catalog export", done.returncode == 0 and "4 of 8 datasets are left out" in done.stderr, done.stderr[-600:])
    files = [path for path in folder.rglob("*") if path.is_file()]
    for dataset in TITLES:
        is_open = READERS[dataset] == set(CALLERS)
        told = [path.name for path in files if dataset in str(path) or dataset.encode() in path.read_bytes()]
        checks.that(f"the export has {dataset}: {is_open}", bool(told) == is_open, told)
    words = [word for words in HIDDEN.values() for word in words]
    told = [(path.name, word) for path in files for word in words if word.encode() in path.read_bytes()]
    checks.that("the export says nothing of what is hidden", not told and len(files) > 10, told)


def check_single(binary: str, checks: Checks) -> None:
    """The one dataset of a server under a rule for all that names none."""
    with tempfile.TemporaryDirectory(prefix="access-single-") as folder:
        server = Server(binary, Path(folder))
        try:
            server.start_single(LENT, '[access.default]\nread = ["group:climate"]\n')
            for path in ("/zarr/tas/c/0/0", "/objects/0", "/zarr/.zmetadata", "/keys", "/", "/kerchunk.json"):
                for url in (path, f"/datasets/{LENT}{path}"):
                    for caller in CALLERS:
                        got = server.ask("GET", url, caller)
                        if caller in ("owner", "admin"):
                            expected = 200
                        else:
                            expected = 401 if is_bytes(path) or caller in UNKNOWN_TO_US else 404
                        checks.that(f"GET {url} of a single dataset by {caller}", got.status == expected, (got.status, expected, got.body))
            for path in ("/datasets", "/stac/search", "/intake.yaml"):
                shown = [shows(server, path, LENT, caller) for caller in ("anonymous", "owner")]
                checks.that(f"{path} of a single dataset", shown == [False, True], shown)
        finally:
            server.stop()


def check_recalls(binary: str, checks: Checks) -> None:
    """Where reads recall for owners only, they do for who may stage the dataset; all others are told how to ask."""
    with tempfile.TemporaryDirectory(prefix="access-recalls-") as folder:
        server = Server(binary, Path(folder))
        try:
            server.text = server.text.replace("[staging]", '[staging]\nrecall_on_read = "owners"')
            server.start()
            for dataset in TITLES:
                path = f"/datasets/{dataset}/zarr/tas/c/0/0"
                # Who may not recall is asked first: then nothing is online yet.
                for caller in sorted(READERS[dataset], key=lambda caller: caller in STAGERS[dataset]):
                    got = server.ask("GET", path, caller)
                    if caller in STAGERS[dataset]:
                        checks.that(f"{caller} recalls {dataset}", got.status == 200, (got.status, got.body))
                    else:
                        is_told = got.status == 503 and b"/problems/staging-not-allowed" in got.body
                        checks.that(f"{caller} recalls nothing of {dataset}", is_told, (got.status, got.body))
        finally:
            server.stop()
