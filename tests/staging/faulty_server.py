"""The server that faults.py starts and kills, those who read from it, and those who are in its way."""
from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

TOKEN = "faults"
# What a reader may get instead of the bytes: no client takes these for data or for a chunk that is not there.
ERRORS = {500, 502, 503, 504}
CONFIG = """
[roots.archive]
path = "{folder}/archive"

[state]
cache_dir = "{folder}/cache"
cache_size = "8 MiB"

[tokens.faults]
hash = "sha256:{hash}"
scopes = ["read", "stage", "admin"]

[staging]
max_attempts = 1000
max_active_per_owner = 1000000
min_residency = "0s"
stalled_after = "20s"

[cold.tape]
kind = "simulated"
roots = ["archive"]
recall_log = "{folder}/recalls.jsonl"
forgets_batches = {forgets}
{pace}
"""
# How fast the library is: recalls take fractions of a second; none ever ends.
QUICK = "speed = 20000\nbatch_objects = 5"
FROZEN = "speed = 1e-9\nbatch_objects = 100000"


class Server:
    """The server under test, in a folder of its own."""

    def __init__(self, binary: str, folder: Path, environment: dict[str, str], pace: str = QUICK) -> None:
        self.binary, self.folder, self.environment, self.pace = binary, folder, environment, pace
        self.log, self.base, self.process = folder / "server.log", "", None

    def start(self, forgets_batches: bool) -> float:
        """Starts it, and says how long that took."""
        text = CONFIG.format(folder=self.folder, hash=hashlib.sha256(TOKEN.encode()).hexdigest(), forgets=str(forgets_batches).lower(), pace=self.pace)
        (self.folder / "thermocline.toml").write_text(text + (Path(__file__).parent / "faults.toml").read_text())
        began, self.base = time.monotonic(), ""
        with open(self.log, "ab") as log:
            size = log.tell()
            command = [self.binary, "serve", "--config", str(self.folder / "thermocline.toml"), "--listen", "127.0.0.1:0",
                       "--state", str(self.folder / "state"), "--log", "json", str(self.folder / "references")]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **self.environment})
        while time.monotonic() < began + 60 and self.process.poll() is None:
            for line in self.log.read_bytes()[size:].decode(errors="replace").splitlines():
                if '"address":"' in line:
                    self.base = line.split('"address":"', 1)[1].split('"', 1)[0]
            if self.base and self.call("GET", "/ready")[0] == 200:
                return time.monotonic() - began
            time.sleep(0.02)
        sys.exit(f"the server did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> bool:
        """Kills it as nothing else can, if it lives."""
        was_alive = self.is_alive()
        if self.process:
            if was_alive:
                self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
        return was_alive

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def call(self, method: str, path: str, body: object = None, headers: dict | None = None, seconds: float = 30) -> tuple[int, dict, bytes]:
        """Status, headers in lower case and body; status 0 if there was no whole answer."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}", **(headers or {})}
        try:
            request = urllib.request.Request(path if path.startswith("http") else self.base + path, data=data, method=method, headers=sent)
            with urllib.request.urlopen(request, timeout=seconds) as got:
                return got.status, {k.lower(): v for k, v in got.headers.items()}, got.read()
        except urllib.error.HTTPError as error:
            try:
                return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()
            except (OSError, http.client.HTTPException):
                return 0, {}, b"cut"
        except (OSError, ValueError, http.client.HTTPException) as error:
            return 0, {}, repr(error).encode()

    def post_request(self, wanted: list[str], lifetime: str, key: str) -> tuple[int, dict, bytes]:
        return self.call("POST", "/requests", {"objects": wanted, "lifetime": lifetime}, {"Idempotency-Key": key})

    def read(self, path: str, wait: float) -> tuple[int, dict, bytes]:
        """The bytes of a file of the archive, as a chunk."""
        return self.call("GET", f"/datasets/all/zarr-v2/{Path(path).stem}/0?wait={wait:g}")

    def objects(self, rid: str) -> list[dict]:
        """Every object of a request, page by page."""
        found, url = [], f"/requests/{rid}/objects?limit=1000"
        while url:
            status, _, body = self.call("GET", url)
            if status != 200:
                return []
            page = json.loads(body)
            found, url = found + page["objects"], page.get("next")
        return found

    def states(self, rid: str) -> Counter[str]:
        """How many objects of a request are in each state."""
        status, _, body = self.call("GET", f"/requests/{rid}")
        tallies = json.loads(body)["objects"] if status == 200 else {}
        return Counter({state: tally["n"] for state, tally in tallies.items() if tally["n"]})

    def has_ended(self, rid: str) -> bool:
        status, _, body = self.call("GET", f"/requests/{rid}")
        return status == 200 and json.loads(body)["state"] not in ("queued", "active")


class Reader(threading.Thread):
    """Reads random files until the server is gone, and looks at every answer."""

    def __init__(self, server: Server, contents: dict[str, bytes], claims: object, seed: int) -> None:
        super().__init__(daemon=True)
        self.server, self.contents, self.claims, self.rng = server, contents, claims, random.Random(seed)

    def run(self) -> None:
        while self.server.is_alive():
            path = self.rng.choice(sorted(self.contents))
            status, headers, body = self.server.read(path, self.rng.choice([0, 0, 0.5]))
            if status == 200:
                self.claims.hold("a reader gets the bytes of the archive", body == self.contents[path], (path, len(body), len(self.contents[path])))
            elif status:
                self.claims.hold("a reader who gets no bytes gets an error", status in ERRORS and (status != 503 or "retry-after" in headers), (path, status, body[:300]))
            time.sleep(self.rng.uniform(0, 0.02))


def lock_database(state: Path, seconds: float) -> threading.Thread:
    """Another process's lock on the database, for a while."""
    def hold() -> None:
        try:
            other = sqlite3.connect(state / "state.db", timeout=2)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            other.rollback()
            other.close()
        except sqlite3.Error:
            pass
    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    return thread
