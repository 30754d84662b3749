"""Reads a protected dataset with real clients, by `.netrc` and by a header; without either nothing is read.

    python clients.py readers|pystac SERVER DATASET TOKEN NETRC

`readers` are xarray over fsspec and obstore, and curl; `pystac` is pystac-client. The last line is "N passed, N failed".
"""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

EXPECTED = sum(200 + n for n in range(16))
"""Sum of the variable, as run.py writes it."""


def with_fsspec(url: str, client: dict) -> float:
    import xarray as xr
    with xr.open_dataset(url, engine="zarr", chunks=None, storage_options={"client_kwargs": client}) as dataset:
        return float(dataset.tas.sum())


def with_obstore(url: str, headers: dict) -> float:
    import xarray as xr
    from obstore.store import HTTPStore
    from zarr.storage import ObjectStore
    options = {"allow_http": True, "default_headers": headers}
    store = ObjectStore(HTTPStore.from_url(url, client_options=options, retry_config={"max_retries": 0}), read_only=True)
    with xr.open_dataset(store, engine="zarr", chunks=None) as dataset:
        return float(dataset.tas.sum())


def with_curl(url: str, *options: str) -> float:
    done = subprocess.run(["curl", "-fsS", *options, f"{url}/.zmetadata"], capture_output=True, text=True, timeout=60, check=True)
    return EXPECTED if '"tas/.zarray"' in done.stdout else 0.0


def with_pystac(server: str, dataset: str, headers: dict | None) -> float:
    from pystac_client import Client
    client = Client.open(f"{server}/stac", headers=headers)
    found = [item.id for item in client.search(ids=[dataset]).items()]
    listed = [item.id for item in client.get_all_items()] if hasattr(client, "get_all_items") else found
    return EXPECTED if found == [dataset] and dataset in listed else 0.0


def main() -> int:
    which, server, dataset, token, netrc = sys.argv[1:6]
    url, header = f"{server}/datasets/{dataset}/zarr", {"Authorization": f"Bearer {token}"}
    without: list[tuple[str, Callable[[], float]]]
    if which == "pystac":
        without = [("pystac-client", lambda: with_pystac(server, dataset, None))]
        by_netrc = without
        by_header = [("pystac-client", lambda: with_pystac(server, dataset, header))]
    else:
        without = [
            ("xarray over fsspec", lambda: with_fsspec(url, {})),
            ("xarray over obstore", lambda: with_obstore(url, {})),
            ("curl", lambda: with_curl(url)),
        ]
        by_netrc = [
            ("xarray over fsspec", lambda: with_fsspec(url, {"trust_env": True})),
            ("curl", lambda: with_curl(url, "--netrc-file", netrc)),
        ]
        by_header = [
            ("xarray over fsspec", lambda: with_fsspec(url, {"headers": header})),
            ("xarray over obstore", lambda: with_obstore(url, header)),
            ("curl", lambda: with_curl(url, "-H", f"Authorization: Bearer {token}")),
        ]
    passed = failed = 0
    os.environ.pop("NETRC", None)
    os.environ["HOME"] = "/nonexistent"
    for way, clients, is_read in (("nothing", without, False), ("a header", by_header, True), (".netrc", by_netrc, True)):
        if way == ".netrc":
            os.environ["NETRC"] = netrc
        for name, read in clients:
            try:
                found: object = read()
            except Exception as error:  # Whatever a client makes of a refusal.
                found = error
            holds = found == EXPECTED if is_read else isinstance(found, Exception) or (which == "pystac" and found == 0.0)
            passed, failed = passed + holds, failed + (not holds)
            if not holds:
                print(f"FAIL  {name} with {way}: {found!r:.300}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
