"""Makes every file of a server cold again: ends all pins, then evicts.

    python make_cold.py SERVER TOKEN

Evicting alone leaves what requests pin. TOKEN is one that administers. Exit code 0 only if all was done.
"""
from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request

server, token = sys.argv[1].rstrip("/"), sys.argv[2]


def ask(method: str, path: str, body: object = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(server + path, data, headers, method=method), timeout=30) as got:
        return json.loads(got.read() or b"{}")


path = "/requests?owner=*&limit=1000"
while path:
    page = ask("GET", path)
    for request in page["requests"]:
        try:
            ask("DELETE", f"/requests/{request['id']}")
        except urllib.error.HTTPError as error:
            # It may have been forgotten meanwhile.
            if error.code != 404:
                raise
    path = (page.get("next") or "").removeprefix(server)
ask("POST", "/objects/evict", {"all": True})
