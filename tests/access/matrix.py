"""Every route of the OpenAPI document, asked by every caller for every dataset."""
from __future__ import annotations

import json
import re

from serving import (CALLERS, CLIMATE, HIDDEN, INSIDE, LENT, NAMES, OPEN, READERS, STAGERS, UNKNOWN, UNKNOWN_TO_US, Answer, Checks, Names,
                     Server)

# What a path's names stand for; a name that is not here fails. Those of a list are asked for one after the other.
KEYS = {
    "zarr": ["tas/c/0/0", "tas/0.0", "zarr.json", ".zmetadata"],
    "zarr-v2": ["tas/0.0", ".zmetadata"],
    "zarr-v3": ["tas/c/0/0", "zarr.json"],
    "zarr-core": ["tas/c/0/0", "zarr.json"],
    "kerchunk": ["tas/0.0", ".zmetadata"],
    "kerchunk.parq": ["tas/refs.0.parq", ".zmetadata"],
}
GROUPBY = ["tas/time.month/mean", "tas/time.month/mean/zarr/.zmetadata", "tas/time.month/mean/zarr/tas/0.0"]
PARAMETERS = {"path": "info", "plot": "tas.png", "legend": "tas.png", "object": "0", "store": "tape", "action": "resume", "webhook_id": "1"}
OF_PATH = {"/problems/{name}": "not-found", "/plot/colormaps/{name}": "viridis"}
DOCUMENTS = {"intake": "{beginning}.yaml", "intake-nested": "{beginning}.yaml", "sitemap": "1.xml",
             "catalog": {1: "{collection}.xml", 2: "{beginning}.xml"}}

# Who may: the right that a call needs beyond reading.
STAGE, ADMIN = "stage", "admin"
RIGHTS = {
    ("get", "/requests"): STAGE, ("post", "/requests"): STAGE, ("get", "/objects"): STAGE, ("get", "/recalls"): STAGE,
    ("get", "/pins"): STAGE, ("get", "/cold"): STAGE, ("post", "/objects/locality"): STAGE, ("post", "/upload"): STAGE,
    ("post", "/objects/evict"): ADMIN, ("post", "/cold/{store}/{action}"): ADMIN,
    ("post", "/cold/{store}/events"): STAGE,
    ("get", "/webhooks"): ADMIN, ("post", "/webhooks/{webhook_id}/retry"): ADMIN,
    ("post", "/api/v1/stage"): STAGE, ("post", "/api/v1/archiveinfo"): STAGE,
}
# Of one request or job: its dataset decides whether it is there at all.
OF_REQUEST = re.compile(r"\{(request_id|job_id|request)\}")


def is_bytes(path: str) -> bool:
    """Whether a client of Zarr may take "not found" for fill values."""
    last = path.rsplit("/", 1)[-1]
    return "/objects/" in path or last == "c" or re.fullmatch(r"[0-9.]+", last) is not None or last.startswith("refs.")


def fill(path: str, names: Names, request: str = "none") -> list[str]:
    """A path with everything named, in all ways; none for a name that is not known here."""
    segments = path.split("/")
    view = segments[3] if path.startswith("/datasets/{dataset_id}/") else segments[1]
    document = DOCUMENTS.get(view, "")
    document = document[segments.count("{collection}") + 1] if isinstance(document, dict) else document
    known = {
        **PARAMETERS, "dataset_id": names.dataset, "id": names.dataset, "collection": names.collection, "beginning": names.beginning,
        "request_id": request, "job_id": request, "request": request if "/order/" in path else GROUPBY if view == "groupby" else None,
        "key": KEYS.get(view), "name": OF_PATH.get(path), "document": document.format(**vars(names)),
    }
    filled = [""]
    for part in re.split(r"(\{[a-z_]+\})", path):
        values = known.get(part[1:-1]) if part.startswith("{") else part
        values = values if isinstance(values, list) else [values]
        filled = [before + value for before in filled for value in values if value or not part]
    return filled


def same(one: Answer, names: Names, other: Answer, other_names: Names) -> bool:
    """Whether two answers say the same, each of its own name."""
    body, other_body = one.body, other.body
    for field in ("dataset", "collection", "beginning"):
        body = body.replace(getattr(names, field).encode(), b"NAME")
        other_body = other_body.replace(getattr(other_names, field).encode(), b"NAME")
    return (one.status, body) == (other.status, other_body)


def told(answer: Answer, caller: str) -> list[str]:
    """What an answer says of datasets that its caller may not read."""
    words = [word for dataset, words in HIDDEN.items() if caller not in READERS[dataset] for word in words]
    return [word for word in words if word.encode() in answer.body]


def check_dataset_route(server: Server, checks: Checks, path: str) -> None:
    usual_urls, unknown_urls = fill(path, NAMES[OPEN]), fill(path, NAMES[UNKNOWN])
    for dataset in (OPEN, LENT, CLIMATE, INSIDE, UNKNOWN):
        for url, usual_url, unknown_url in zip(fill(path, NAMES[dataset]), usual_urls, unknown_urls):
            usual = server.ask("GET", usual_url)
            checks.that(f"GET {usual_url} asks for something", usual.status == 200, (usual.status, usual.body))
            listing = server.ask("PROPFIND", usual_url, Depth="1").status
            for caller in CALLERS:
                unknown = server.ask("GET", unknown_url, caller)
                checks.that(f"GET {unknown_url} by {caller} tells nothing", not told(unknown, caller), unknown.body)
                check_reading(server, checks, dataset, url, caller, (usual, unknown))
                check_listing(server, checks, dataset, url, caller, listing)


def check_reading(server: Server, checks: Checks, dataset: str, url: str, caller: str, others: tuple[Answer, Answer]) -> None:
    usual, unknown = others
    got = server.ask("GET", url, caller)
    title = f"GET {url} by {caller}"
    refused = got.status == 401 and "www-authenticate" in got.headers and got.headers["cache-control"] == "no-store"
    if dataset != UNKNOWN and caller in READERS[dataset]:
        checks.that(title, got.status == usual.status and len(got.body) > 0, (got.status, usual.status, got.body))
        if READERS[dataset] != set(CALLERS):
            control = got.headers.get("cache-control", "")
            is_kept = "private" in control or "no-store" in control or "no-cache" in control
            checks.that(f"{title} is private", is_kept and "public" not in control, control)
            checks.that(f"{title} varies", "authorization" in got.headers["vary"].lower(), got.headers["vary"])
    elif caller in READERS[dataset]:
        checks.that(title, got.status == 404, (got.status, got.body))
    elif is_bytes(url) or (dataset != UNKNOWN and caller in UNKNOWN_TO_US):
        checks.that(title, refused, (got.status, got.headers, got.body))
    else:
        checks.that(title, got.status == 404 and same(got, NAMES[dataset], unknown, NAMES[UNKNOWN]), (got.status, got.body))
    head = server.ask("HEAD", url, caller)
    checks.that(f"HEAD {url} by {caller}", head.status == got.status, (head.status, got.status))


def check_listing(server: Server, checks: Checks, dataset: str, url: str, caller: str, usual: int) -> None:
    """PROPFIND, by which obstore lists, stands in no OpenAPI document."""
    got = server.ask("PROPFIND", url, caller, Depth="1").status
    is_there = dataset != UNKNOWN and caller in READERS[dataset]
    allowed = {usual} if is_there else {401} if dataset != UNKNOWN and caller in UNKNOWN_TO_US else {404, 405}
    checks.that(f"PROPFIND {url} by {caller}", got in allowed, (got, allowed))


def check_staging_of_dataset(server: Server, checks: Checks) -> None:
    for dataset in (OPEN, LENT, CLIMATE, INSIDE, UNKNOWN):
        for caller in CALLERS:
            got = server.ask("POST", f"/datasets/{dataset}/stage?dry_run=true", caller, b"{}")
            is_there = caller in READERS[dataset] and dataset != UNKNOWN
            if caller in UNKNOWN_TO_US:
                expected = 401
            elif caller in STAGERS[dataset]:
                expected = 200 if is_there else 404
            else:
                # The token without scopes may not stage what does not exist either.
                expected = 403 if is_there or caller == "noscope" else 404
            checks.that(f"POST stage of {dataset} by {caller}", got.status == expected, (got.status, expected, got.body))


def check_right(server: Server, checks: Checks, method: str, path: str, right: str) -> None:
    file = str(server.folder / "files" / f"{OPEN}.nc")
    # Of the others bodies are made by the tests of their plugins: here they are refused as bad ones, after the right is asked.
    query, body, done = {
        ("get", "/objects"): (f"?path={file}", None, {200}),
        ("post", "/objects/locality"): ("", {"paths": [file]}, {200}),
        ("post", "/objects/evict"): ("", {"paths": [file]}, {200}),
        ("post", "/requests"): ("", {"objects": [file]}, {202}),
        ("post", "/api/v1/archiveinfo"): ("", {"paths": [file]}, {200}),
        ("post", "/api/v1/stage"): ("", {"files": [{"path": file}]}, {201}),
        ("post", "/cold/{store}/{action}"): ("", {}, {200}),
        ("post", "/cold/{store}/events"): ("", {}, {400}),
        ("post", "/webhooks/{webhook_id}/retry"): ("", {}, {404}),
        ("post", "/upload"): ("", {}, {400, 415}),
    }.get((method, path), ("", {}, {200}))
    sent = json.dumps(body).encode() if method == "post" else None
    for url in fill(path, NAMES[OPEN]):
        for caller in CALLERS:
            got = server.ask(method.upper(), url + query, caller, sent)
            may = caller == "admin" or (right == STAGE and caller in ("owner", "other"))
            expected = done if may else {401} if caller in UNKNOWN_TO_US else {403}
            title = f"{method} {path} by {caller}"
            checks.that(title, got.status in expected, (got.status, expected, got.body))
            # Who stages paths is told of those below roots that he may read.
            checks.that(f"{title} tells nothing", may or not told(got, caller), got.body)


def check_request_route(server: Server, checks: Checks, method: str, path: str, requests: dict[str, str]) -> None:
    """A request for a dataset is there for its readers, and for nobody else."""
    for dataset, request in requests.items():
        (url,), (none,) = fill(path, NAMES[dataset], request), fill(path, NAMES[dataset])
        for caller in set(CALLERS) - READERS[dataset]:
            got = server.ask(method.upper(), url, caller, b"{}" if method == "post" else None)
            # A tape site is asked by those only who may stage.
            allowed = {404} if method == "get" and not path.startswith("/api/") else {401, 403, 404}
            checks.that(f"{method} {url} by {caller}", got.status in allowed, (got.status, got.body))
            unknown = server.ask(method.upper(), none, caller, b"{}" if method == "post" else None)
            checks.that(f"{method} {none} by {caller} tells nothing", not told(unknown, caller) or dataset in none, unknown.body)
            is_same = (got.status, got.body.replace(request.encode(), b"none")) == (unknown.status, unknown.body)
            checks.that(f"{method} {url} by {caller} as if there were none", is_same, (got.body, unknown.body))
        # The orders of STAC are named by it too, those of tape sites are of paths only.
        if method != "get" or "/order/" in path or path.startswith("/api/"):
            continue
        for caller in READERS[dataset]:
            got = server.ask("GET", url, caller)
            checks.that(f"{method} {url} by {caller}", got.status < 400, (got.status, got.body))


def check_list(server: Server, checks: Checks, path: str) -> None:
    """A document of the whole server, or of a collection: what is hidden is nowhere in it."""
    for accept in ("*/*", "text/html"):
        for url in fill(path, NAMES[OPEN]):
            got = server.ask("GET", url, "anonymous", Accept=accept)
            checks.that(f"GET {url} as {accept} asks for something", got.status == 200, (got.status, got.body))
        for hidden, words in HIDDEN.items():
            for url, other in zip(fill(path, NAMES[hidden]), fill(path, NAMES[UNKNOWN])):
                for caller in CALLERS:
                    got = server.ask("GET", url, caller, Accept=accept)
                    if caller in READERS[hidden]:
                        checks.that(f"GET {url} as {accept} by {caller}", got.status == 200, (got.status, got.body))
                    else:
                        check_hidden(server, checks, (url, other, accept), caller, (hidden, words, got))


def check_hidden(server: Server, checks: Checks, asked: tuple[str, str, str], caller: str, found: tuple[str, tuple, Answer]) -> None:
    (url, other, accept), (hidden, words, got) = asked, found
    title = f"GET {url} as {accept} by {caller}"
    said = [word for word in words if word.encode() in got.body.replace(url.encode(), b"")]
    if got.status < 400:
        checks.that(f"{title} tells nothing of {hidden}", not said, said)
        # Who knows the tag of the whole document learns nothing by it.
        whole = server.ask("GET", url, "admin", Accept=accept)
        if whole.body != got.body and "etag" in whole.headers:
            again = server.ask("GET", url, caller, Accept=accept, If_None_Match=whole.headers["etag"])
            checks.that(f"{title} with the tag of another", again.status == 200, again.status)
    elif url != other:
        unknown = server.ask("GET", other, caller, Accept=accept)
        checks.that(f"GET {other} as {accept} by {caller} tells nothing", not told(unknown, caller), unknown.body)
        checks.that(f"{title} as of what is not there", same(got, NAMES[hidden], unknown, NAMES[UNKNOWN]), (got.body, unknown.body))


def check_search(server: Server, checks: Checks) -> None:
    """What is found by POST, by name too."""
    for dataset in (OPEN, LENT, CLIMATE, INSIDE, UNKNOWN):
        for caller in CALLERS:
            got = server.ask("POST", "/stac/search", caller, json.dumps({"ids": [dataset]}).encode())
            found = json.loads(got.body)
            n = int(dataset != UNKNOWN and caller in READERS[dataset])
            title = f"POST /stac/search of {dataset} by {caller}"
            checks.that(title, (found["numberMatched"], len(found["features"])) == (n, n), found)


def check_order(server: Server, checks: Checks) -> None:
    for names in (NAMES[LENT], NAMES[CLIMATE], NAMES[INSIDE]):
        for caller in CALLERS:
            got = server.ask("POST", f"/stac/collections/{names.collection}/items/{names.dataset}/order", caller, b"{}")
            if caller not in READERS[names.dataset]:
                unknown = server.ask("POST", f"/stac/collections/nowherecoll/items/{UNKNOWN}/order", caller, b"{}")
                holds = got.status == 404 and same(got, names, unknown, NAMES[UNKNOWN])
            elif caller in STAGERS[names.dataset]:
                holds = got.status == 201
            else:
                holds = got.status == (401 if caller in UNKNOWN_TO_US else 403)
            checks.that(f"order of {names.dataset} by {caller}", holds, (got.status, got.body))


def staged(server: Server, checks: Checks) -> dict[str, str]:
    """Requests for protected datasets, by those who may."""
    requests = {}
    for dataset, caller in ((CLIMATE, "owner"), (INSIDE, "admin")):
        accepted = server.ask("POST", f"/datasets/{dataset}/stage", caller, b"{}")
        checks.that(f"{caller} stages {dataset}", accepted.status == 202, accepted.body)
        requests[dataset] = json.loads(accepted.body)["id"]
        # What comes of a job is there once it has ended.
        ended = json.loads(server.ask("GET", f"/jobs/{requests[dataset]}", caller).body)
        checks.that(f"the request for {dataset} succeeds", ended["state"] == "succeeded", ended)
    return requests


def matrix(server: Server, checks: Checks) -> dict[str, str]:
    """Asks everything as everybody; gives the requests that were made, by their datasets."""
    paths = json.loads(server.ask("GET", "/openapi.json", "admin").body)["paths"]
    requests = staged(server, checks)
    n_routes = 0
    for path, operations in paths.items():
        for method in operations:
            n_routes += 1
            if not fill(path, NAMES[OPEN]):
                checks.that(f"{method} {path} is tried here", False, "a name in the path is not known")
            elif (method, path) in RIGHTS:
                check_right(server, checks, method, path, RIGHTS[method, path])
            elif (method, path) == ("post", "/datasets/{dataset_id}/stage"):
                check_staging_of_dataset(server, checks)
            elif path.startswith("/datasets/{dataset_id}") and method == "get":
                check_dataset_route(server, checks, path)
            elif OF_REQUEST.search(path) and not path.startswith("/datasets"):
                check_request_route(server, checks, method, path, requests)
            elif path.endswith("/order") and method == "post":
                check_order(server, checks)
            elif method == "get":
                check_list(server, checks, path)
            elif (method, path) == ("post", "/stac/search"):
                check_search(server, checks)
            else:
                checks.that(f"{method} {path} is tried here", False, "a call whose right is not known")
    checks.that("there are routes", n_routes > 80, n_routes)
    print(f"      {n_routes} routes, {len(CALLERS)} callers: {checks.passed} passed so far", flush=True)
    return requests
