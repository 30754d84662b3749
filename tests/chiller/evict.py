"""Makes everything cold again: releases the pins of all requests, then evicts. `python evict.py SERVER`; the token of an
administrator is in THERMOCLINE_TOKEN."""
from __future__ import annotations

import json
import os
import sys
import urllib.request


def call(method: str, url: str, document: dict | None = None) -> dict:
    body = json.dumps(document).encode() if document is not None else None
    headers = {"Authorization": f"Bearer {os.environ['THERMOCLINE_TOKEN']}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method=method, headers=headers), timeout=60) as answer:
        return json.load(answer)


def main() -> None:
    server = sys.argv[1]
    page = f"{server}/requests?owner=*&limit=1000"
    while page:
        document = call("GET", page)
        for request in document["requests"]:
            call("POST", f"{server}/requests/{request['id']}/release", {})
        page = document["next"]
    print(call("POST", f"{server}/objects/evict", {"all": True}))


if __name__ == "__main__":
    main()
