"""Checks the WLCG Tape REST API from both sides: what gfal2 sees of it, and another server that uses it as its tape.

    python run.py --binary target/release/thermocline [--no-gfal] [--dir DIR]

First `wlcg_gfal2.py` asks a server over a simulated tape library, with gfal2 itself. Then a second server has the first one
as its tape site, and reads over HTTP from a door that answers 500 for what is not on disk there: whatever the second one
reads too early fails. The library's own log is the witness of recalls. Standard library only, but for gfal2, which
wlcg_gfal2.py needs of Debian's Python. The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "staging"))

from report import Report, free_port  # noqa: E402

SOURCE = HERE.parents[1] / "src" / "server" / "demo" / "winds.nc"
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"
NAMES = ["f0.nc", "f1.nc", "f2.nc", "f3.nc", "f4.nc", "f5.nc", "sp ace.nc"]


def ask(method: str, url: str, body: object = None, headers: dict[str, str] | None = None, seconds: float = 60) -> tuple[int, bytes]:
    """Status and body of an answer; 0 without one."""
    data = None if body is None else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {TOKEN}", **({"Content-Type": "application/json"} if data else {}), **(headers or {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, given, method=method), timeout=seconds) as got:
            return got.status, got.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def document(method: str, url: str, body: object = None) -> dict:
    try:
        found = json.loads(ask(method, url, body)[1])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"list": found}


class Server:
    """A server under test."""

    def __init__(self, binary: str, folder: Path, config: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.binary, self.folder, self.port = binary, folder, free_port()
        self.base, self.process = f"http://127.0.0.1:{self.port}", None
        (folder / "thermocline.toml").write_text(config)

    def start(self, *paths: str) -> None:
        with open(self.folder / "server.log", "a") as log:
            command = [self.binary, "serve", "--config", str(self.folder / "thermocline.toml"), "--state", str(self.folder / "state"),
                       "--listen", f"127.0.0.1:{self.port}", "--log", "json", *paths]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            if ask("GET", self.base + "/ready", seconds=5)[0] == 200:
                return
            time.sleep(0.05)
        log = (self.folder / "server.log").read_text(errors="replace")
        raise OSError(f"the server did not start: {log[-3000:]}")

    def stop(self, hard: bool = False) -> None:
        if self.process and self.process.poll() is None:
            (self.process.kill if hard else self.process.terminate)()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()


class Site:
    """A server over a simulated library whose recalls take three seconds."""

    def __init__(self, binary: str, folder: Path, is_open: bool) -> None:
        self.files, self.log = folder / "files", folder / "recalls.log"
        self.files.mkdir(parents=True)
        for name in NAMES:
            shutil.copy(SOURCE, self.files / name)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        self.server = Server(binary, folder, f"""
[roots.archive]
path = "{self.files}"
map = [{{ from = "/archive", to = "{self.files}" }}]
[cold.tape]
kind = "simulated"
roots = ["archive"]
speed = 60
poll_every = "100ms"
recall_log = "{self.log}"
[[cold.tape.faults]]
path = "**"
fault = "slow"
delay = "3s"
[staging]
anonymous = {str(is_open).lower()}
mount_after = "0s"
[plugins.wlcg]
sitename = "toy site"
[tokens.site]
hash = "sha256:{digest}"
scopes = ["read", "stage", "admin"]
""")

    def recalls(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def states(self, path: str) -> list[str]:
        """States of a file in each request that names it."""
        requests = document("GET", self.server.base + "/requests?limit=1000").get("requests", [])
        polls = [document("GET", f"{self.server.base}/api/v1/stage/{request['id']}") for request in requests]
        return [file["state"] for poll in polls for file in poll.get("files", []) if file["path"] == path]

    def asked_for(self, path: str) -> int:
        return len(self.states(path))

    def is_online(self, path: str) -> bool:
        found = document("POST", self.server.base + "/api/v1/archiveinfo", {"paths": [path]}).get("list", [{}])
        return found[0].get("locality") in ("DISK", "DISK_AND_TAPE")


class Door:
    """Serves the files of a site over HTTP, as a tape site does: what is not on disk is not read."""

    def __init__(self, site: Site) -> None:
        self.site, self.is_hot, self.early_reads, self.strangers = site, True, 0, 0
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                door.answer(self, with_body=True)

            def do_HEAD(self) -> None:
                door.answer(self, with_body=False)

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.http.server_port}/webdav"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request: http.server.BaseHTTPRequestHandler, with_body: bool) -> None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.strangers += 1
            return self.send(request, 401, b"")
        name = urllib.parse.unquote(request.path).removeprefix("/webdav/")
        file = self.site.files / name
        if "/" in name or not file.is_file():
            return self.send(request, 404, b"")
        if with_body and not self.is_hot and not self.site.is_online(f"/archive/{name}"):
            self.early_reads += 1
            return self.send(request, 500, b"read before it was on disk")
        body = file.read_bytes()
        tag = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Accept-Ranges": "bytes"}
        span = re.fullmatch(r"bytes=(\d+)-(\d+)?", request.headers.get("Range", ""))
        if not (with_body and span):
            return self.send(request, 200, body if with_body else b"", {**tag, "Content-Length": str(len(body))})
        first, last = int(span[1]), min(int(span[2] or len(body) - 1), len(body) - 1)
        self.send(request, 206, body[first:last + 1], {**tag, "Content-Range": f"bytes {first}-{last}/{len(body)}"})

    @staticmethod
    def send(request: http.server.BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


def client_config(folder: Path, site: Site, door: Door, is_cold: bool) -> str:
    (folder / "token").write_text(TOKEN)
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    cold = f"""
[cold.remote]
kind = "wlcg-tape"
roots = ["tape"]
endpoint = "{site.server.base}"
poll_every = "300ms"
[cold.remote.paths]
"/webdav" = "/archive"
"""
    return f"""
[roots.tape]
url = "{door.base}"
credentials = "site"
[credentials.site]
kind = "bearer"
token_file = "{folder / 'token'}"
{cold if is_cold else ""}
[staging]
recall_on_read = "anyone"
[tokens.user]
hash = "sha256:{digest}"
scopes = ["read", "stage", "admin"]
"""


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    """True once something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def ended(server: Server, request: str, seconds: float = 90) -> dict:
    """The request once it has ended."""
    end, found = time.monotonic() + seconds, {}
    while time.monotonic() < end:
        found = document("GET", f"{server.base}/requests/{request}")
        if found.get("state") not in ("queued", "active", None):
            break
        time.sleep(0.2)
    return found


def gfal2(binary: str, folder: Path, with_gfal: bool) -> tuple[str, int, int]:
    """What gfal2 and plain HTTP see: what was said, how many claims hold, and how many do not."""
    site = Site(binary, folder, is_open=True)
    site.server.start()
    base = site.server.base
    evict = [sys.executable, str(HERE / "make_cold.py"), base, TOKEN]
    command = ["/usr/bin/python3", str(HERE / "wlcg_gfal2.py"), "--server", base, "--path", "/archive/f0.nc", "--path", "/archive/f1.nc",
               "--space-path", "/archive/sp ace.nc", "--evict-cmd", shlex.join(evict), *([] if with_gfal else ["--no-gfal"])]
    try:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "staging")}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, timeout=600, check=False)
    finally:
        site.server.stop()
    said = re.search(r"(\d+) passed, (\d+) failed\s*$", done.stdout)
    good, bad = (int(said[1]), int(said[2])) if said else (0, 1)
    return done.stdout, good, bad if bad or done.returncode == 0 else 1


def bring_online(url: str, token: str | None) -> str:
    """What gfal2 says when it brings a file online as somebody."""
    environment = {name: value for name, value in os.environ.items() if name != "BEARER_TOKEN"}
    environment |= {"GFAL_PYTHONBIN": "/usr/bin/python3", **({"BEARER_TOKEN": token} if token else {})}
    done = subprocess.run(["gfal-bringonline", "--polling-timeout", "30", url], capture_output=True, text=True, env=environment, timeout=60, check=False)
    return done.stdout + done.stderr


def with_token(r: Report, site: Site) -> None:
    """gfal2 at a site that is not open to everybody."""
    url = site.server.base + "/archive/f3.nc"
    said = bring_online(url, None)
    r.check("gfal2 without a token is told that it needs one", "401" in said and "READY" not in said, said)
    said = bring_online(url, TOKEN)
    r.check("gfal2 with a token brings a file online", said.rstrip().endswith("READY"), said)


def loop(r: Report, binary: str, folder: Path, with_gfal: bool) -> None:
    """A second server whose tape is the first one."""
    site = Site(binary, folder / "site", is_open=False)
    door = Door(site)
    urls = [f"{door.base}/{urllib.parse.quote(name)}" for name in NAMES]
    truth = SOURCE.read_bytes()
    client = Server(binary, folder / "client", "")
    toml = folder / "client" / "thermocline.toml"
    try:
        site.server.start()
        toml.write_text(client_config(folder / "client", site, door, is_cold=False))
        done = subprocess.run([binary, "index", "--config", str(toml), "--state", str(client.folder / "state"), *urls[:6]],
                              capture_output=True, text=True, timeout=120, check=False)
        r.check("files are indexed while they are on disk", done.returncode == 0, done.stdout + done.stderr[-200:])
        door.is_hot = False
        toml.write_text(client_config(folder / "client", site, door, is_cold=True))
        client.start(*urls[:6])

        found = document("POST", client.base + "/objects/locality", {"paths": [*urls, urls[0] + ".missing"]}).get("objects", [])
        localities = [entry.get("locality") for entry in found]
        r.check("what is on tape is nearline, what is missing says so",
                localities[:len(urls)] == ["nearline"] * len(urls) and bool(found[-1].get("error")), found[-1:] or found)
        r.check("looking recalls nothing", site.recalls() == 0, site.recalls())

        request = document("POST", client.base + "/requests", {"objects": [urls[0], urls[6], urls[0] + ".missing"]})
        request = ended(client, request.get("id", "none"))
        r.check("a request is partial with a missing file in it", request.get("state") == "partial", request)
        r.check("its two files are two recalls of the site", site.recalls() == 2 and site.is_online("/archive/sp ace.nc"), site.recalls())

        def read(number: int) -> bool:
            url = f"{client.base}/datasets/f{number}/objects/0?wait=60"
            status, body = ask("GET", url, headers={"Range": "bytes=0-4095"}, seconds=90)
            return status in (200, 206) and body[:4096] == truth[:4096]

        r.check("what was recalled is read", read(0), "f0")
        with concurrent.futures.ThreadPoolExecutor(8) as readers:
            right = list(readers.map(read, [1] * 8))
        r.check("eight readers of a cold file wait and get the right bytes", all(right), right)
        r.check("they are one recall of the site", site.recalls() == 3, site.recalls())

        request = document("POST", client.base + "/requests", {"objects": [urls[2]]})
        time.sleep(1)
        client.stop(hard=True)
        client.start(*urls[:6])
        request = ended(client, request.get("id", "none"))
        r.check("killed in the middle of a recall, it goes on", request.get("state") == "succeeded", request)
        r.check("and asks for nothing twice", site.recalls() == 4 and site.asked_for("/archive/f2.nc") == 1,
                (site.recalls(), site.asked_for("/archive/f2.nc")))

        request = document("POST", client.base + "/requests", {"objects": [urls[3]]})
        time.sleep(1)
        ask("DELETE", f"{client.base}/requests/{request.get('id')}")
        r.check("a request that is cancelled is cancelled at the site",
                within(20, lambda: site.states("/archive/f3.nc") == ["CANCELLED"]), site.states("/archive/f3.nc"))

        request = document("POST", client.base + "/requests", {"objects": [urls[4]]})
        time.sleep(1)
        site.server.stop(hard=True)
        time.sleep(2)
        trouble = str(document("GET", client.base + "/cold"))
        r.check("a site that does not answer is reported", "does not answer" in trouble, trouble)
        site.server.start()
        request = ended(client, request.get("id", "none"), 120)
        r.check("and its recalls go on when it does", request.get("state") == "succeeded", request)
        r.check("what it recalled is read", read(4), "f4")
        document("POST", site.server.base + "/requests", {"objects": ["/archive/f5.nc"]})
        within(30, lambda: site.is_online("/archive/f5.nc"))
        n_recalls = site.recalls()
        request = ended(client, document("POST", client.base + "/requests", {"objects": [urls[5]]}).get("id", "none"))
        r.check("what others brought to the disks of the site is not recalled", request.get("state") == "succeeded" and site.recalls() == n_recalls,
                (request, n_recalls, site.recalls()))
        if with_gfal:
            with_token(r, site)
        for name, why in (("f5.nc", "but kept there from now on"), ("f0.nc", "what was pinned before a restart is kept on")):
            r.check(why, within(40, lambda: site.asked_for(f"/archive/{name}") == 2), site.asked_for(f"/archive/{name}"))
        r.check("nothing was read before it was on disk", door.early_reads == 0, door.early_reads)
        r.check("every call to the door had the token", door.strangers == 0, door.strangers)
    finally:
        client.stop()
        site.server.stop()
        door.http.shutdown()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--no-gfal", action="store_true", help="plain HTTP only")
    parser.add_argument("--dir", help="folder to work in, kept afterwards")
    args = parser.parse_args()
    binary = str(Path(args.binary).resolve())
    folder = Path(args.dir or tempfile.mkdtemp(prefix="wlcg-")).resolve()
    for part in ("face", "loop"):
        shutil.rmtree(folder / part, ignore_errors=True)
    r = Report("a server whose tape is another one")
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        face = beside.submit(gfal2, binary, folder / "face", not args.no_gfal)
        try:
            loop(r, binary, folder / "loop", not args.no_gfal)
        except (OSError, IndexError, subprocess.TimeoutExpired) as error:
            r.check("the loop runs to its end", False, error)
    try:
        said, good, bad = face.result()
    except (OSError, subprocess.TimeoutExpired) as error:
        said, good, bad = str(error), 0, 1
    print(said)
    r.finish()
    good += sum(row[0] == "PASS" for row in r.rows)
    bad += sum(row[0] in ("FAIL", "SKIP") for row in r.rows)
    if not args.dir:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{good} passed, {bad} failed")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main())
