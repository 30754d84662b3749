"""Stages millions of objects in one request, as clients send it, and tells how long that takes and how much memory.

    python scale.py --binary target/release/thermocline [--objects 2000000] [--form lines|json|upload]... [--recall]
        [--dir DIR]

The archive is a command that knows every path below its root as 256 MiB on tape, so that no file is needed. For each
form of the list (`POST /requests` as text or as JSON, Chiller's `POST /upload`) curl sends it to a new server. Then:
  * the answer comes within 20 s, and what it promises is there after a kill -9 at that moment;
  * a poll of the request and of what changed takes less than 50 ms, with 19 of 20 polls, while all of it waits and
    while objects come online;
  * a restart after kill -9 takes less than 10 s, until the request can be asked about, and is whole;
  * the server never has more than 1 GiB resident;
  * with --recall, all of the first list comes online, and is pinned, within the same memory;
  * cancelling all of it keeps nobody else waiting.
A program that was built without optimization is not held to times. The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from report import Report

TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"
OBJECT_BYTES = 1 << 28
ANSWER_SECONDS, RESTART_SECONDS, POLL_SECONDS, MEMORY_MEBIBYTES = 20, 10, 0.05, 1024
CONFIG = """
[roots.cmip6]
path = "{folder}/cmip6"

[cold.tape]
kind = "command"
roots = ["cmip6"]
landing = "in-place"
locality = "{folder}/where"
stage = "{folder}/stage"
progress = "{folder}/progress {{key}}"
objects_per_command = 10000
batch_objects = 10000
max_objects = 100000000
poll_every = "2s"

[staging]
networks = ["127.0.0.0/8"]
max_active_per_owner = {n_objects}
max_objects = {n_objects}

[tokens.ada]
hash = "sha256:{hash}"
scopes = ["read", "stage", "admin"]
"""
# Tells where the paths of its input are: on tape, until the archive is let go.
WHERE = r"""#!/bin/sh
if [ -e '{folder}/go' ]; then locality=online+nearline; else locality=nearline; fi
exec awk -v locality=$locality '{{ printf "%s\t%s\t{size}\t2024-01-01T00:00:00\n", locality, $0 }}'
"""
STAGE = "#!/bin/sh\nexec cat >/dev/null\n"
PROGRESS = "#!/bin/sh\nif [ -e '{folder}/go' ]; then echo staged; else echo queued; fi\n"
FORMS = {"lines": ("/requests", "text/plain"), "json": ("/requests", "application/json"), "upload": ("/upload", None)}


def path_of(folder: Path, n: int) -> str:
    """A path as long as those of CMIP6."""
    return f"{folder}/cmip6/CMIP/MPI-M/MPI-ESM1-2-HR/historical/r{n // 1000}i1p1f1/Amon/tas/gn/tas_Amon_{n:08}.nc"


class Server:
    """The server under test over that archive, in a folder of its own."""

    def __init__(self, binary: str, folder: Path, n_objects: int) -> None:
        self.binary, self.folder, self.log, self.base, self.process = binary, folder, folder / "server.log", "", None
        (folder / "cmip6").mkdir(parents=True)
        for name, text in {"where": WHERE, "stage": STAGE, "progress": PROGRESS}.items():
            (folder / name).write_text(text.format(folder=folder, size=OBJECT_BYTES))
            (folder / name).chmod(0o755)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        (folder / "thermocline.toml").write_text(CONFIG.format(folder=folder, n_objects=n_objects, hash=digest))

    def start(self) -> None:
        with open(self.log, "ab") as log:
            before = log.tell()
            command = [self.binary, "serve", "--config", str(self.folder / "thermocline.toml"), "--listen", "127.0.0.1:0",
                       "--state", str(self.folder / "state"), "--log", "json"]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(rb'"address":"http://([^"/]*)', self.log.read_bytes()[before:])
            if found:
                self.base = found[1].decode()
                if self.get("/ready")[0] == 200:
                    return
            time.sleep(0.02)
        sys.exit(f"the server did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.base, timeout=120)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        return self.ask("GET", path)

    def request(self, rid: str) -> dict:
        status, body = self.get(f"/requests/{rid}")
        return json.loads(body) if status == 200 else {"n_objects": 0, "bytes": 0, "state": f"HTTP {status}", "objects": {}}

    def memory(self, name: str) -> int:
        """A figure of its memory, in mebibytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s*(\d+) kB", text)[1]) // 1024

    def cpu_seconds(self) -> float:
        """How long it has computed so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def post(self, form: str, body: Path) -> str:
        """Sends a list with curl; the id of the request."""
        path, media_type = FORMS[form]
        command = ["curl", "-sS", "--fail-with-body", "--max-time", "300", "--data-binary", f"@{body}", f"http://{self.base}{path}",
                   "-H", f"Authorization: Bearer {TOKEN}"]
        command += ["-H", f"Content-Type: {media_type}"] if media_type else []
        got = subprocess.run(command, capture_output=True, text=True, check=False)
        if got.returncode:
            sys.exit(f"the list was refused: {got.stdout[:500]} {got.stderr[:500]}")
        return json.loads(got.stdout)["id"] if form != "upload" else got.stdout.strip().rsplit("/", 1)[1]


class Scale:
    """One form of the list, from the answer to the end."""

    def __init__(self, args: argparse.Namespace, report: Report, folder: Path, form: str) -> None:
        self.report, self.form, self.n = report, form, args.objects
        self.is_timed = "release" in Path(args.binary).resolve().parts or args.timed
        self.server, self.most_mebibytes = Server(args.binary, folder, args.objects), 0
        self.rid = ""

    def timed(self, what: str, seconds: float, at_most: float) -> None:
        text = f"{seconds:.3f} s, at most {at_most} s"
        if self.is_timed:
            self.report.check(f"{self.form}: {what}", seconds <= at_most, text)
        else:
            self.report.note(f"{self.form}: {what}", text)

    def memory(self, when: str) -> None:
        most = self.server.memory("VmHWM")
        self.most_mebibytes = max(self.most_mebibytes, most)
        now = self.server.memory("VmRSS")
        self.report.check(f"{self.form}: memory {when}", most <= MEMORY_MEBIBYTES, f"{now} MiB, {most} MiB at most")

    def body(self) -> Path:
        file, paths = self.server.folder / "list", (path_of(self.server.folder, n) for n in range(self.n))
        with open(file, "w") as out:
            if self.form == "json":
                out.write('{"objects": [' + ",\n".join(f'"{path}"' for path in paths) + '], "lifetime": "P2D"}')
            else:
                out.writelines(f"{path}\n" for path in paths)
        return file

    def run(self, with_recall: bool) -> None:
        body = self.body()
        self.server.start()
        self.report.note(f"{self.form}: memory before", f"{self.server.memory('VmRSS')} MiB")
        began = time.monotonic()
        self.rid = self.server.post(self.form, body)
        self.timed(f"answer to {self.n} objects in {body.stat().st_size >> 20} MiB", time.monotonic() - began, ANSWER_SECONDS)
        self.memory("at the answer")
        self.server.kill()
        self.restart("restart right after the answer")
        self.wait_until_looked_at()
        self.memory("with all of it waiting")
        self.poll("with all of it waiting")
        self.server.kill()
        self.restart("restart with all of it waiting")
        self.wait_until_looked_at()
        self.memory("after the restart")
        (self.server.folder / "go").touch()
        changed = self.poll("while objects come online")
        self.report.check(f"{self.form}: polls tell what changed", changed > 0, changed)
        if with_recall:
            self.recall()
        self.cancel()
        self.memory("in the end")

    def restart(self, what: str) -> None:
        began = time.monotonic()
        self.server.start()
        request = self.server.request(self.rid)
        self.timed(what, time.monotonic() - began, RESTART_SECONDS)
        whole = request["n_objects"] == self.n and request["state"] in ("queued", "active")
        self.report.check(f"{self.form}: whole after kill -9", whole, (request["n_objects"], request["state"]))

    def wait_until_looked_at(self) -> None:
        """Waits until the size of every object is known and the server has nothing to do any more."""
        began, request, computed, idle = time.monotonic(), {}, self.server.cpu_seconds(), 0
        # On a busy disk a write may take seconds, in which the server does nothing else.
        while time.monotonic() < began + 600 and idle < 15:
            time.sleep(1)
            request, before, computed = self.server.request(self.rid), computed, self.server.cpu_seconds()
            idle = idle + 1 if request["objects"]["active"]["n"] and computed - before < 0.1 else 0
            if idle and request["bytes"] == self.n * OBJECT_BYTES:
                break
        took = f"{time.monotonic() - began:.1f} s, {request['bytes']} bytes"
        self.report.check(f"{self.form}: all was looked at", request["bytes"] == self.n * OBJECT_BYTES, took)

    def poll(self, when: str) -> int:
        """What a client does that watches a request: how it stands, and what has changed since it looked last."""
        took, since, changed = [], self.server.request(self.rid)["change"], 0
        for _ in range(60):
            for path in (f"/requests/{self.rid}", f"/requests/{self.rid}/objects?since={since}&limit=1000"):
                began = time.monotonic()
                status, body = self.server.get(path)
                took.append(time.monotonic() - began)
                found = json.loads(body).get("objects") if status == 200 else None
                if isinstance(found, list) and found:
                    changed, since = changed + len(found), found[-1]["change"]
                elif found is None:
                    self.report.check(f"{self.form}: poll {when} is answered", False, (status, body[:200]))
            time.sleep(0.1)
        took.sort()
        worst = f"median {statistics.median(took) * 1000:.1f} ms, longest {took[-1] * 1000:.1f} ms, {changed} changes"
        self.report.note(f"{self.form}: polls {when}", worst)
        self.timed(f"poll {when}, 19 of 20", took[len(took) * 19 // 20], POLL_SECONDS)
        return changed

    def recall(self) -> None:
        began, request = time.monotonic(), {}
        while time.monotonic() < began + 1200:
            request = self.server.request(self.rid)
            if request["state"] not in ("queued", "active"):
                break
            time.sleep(1)
        took = time.monotonic() - began
        hot = request["objects"]["hot"]["n"]
        self.report.check(f"{self.form}: all of it came online", (request["state"], hot) == ("succeeded", self.n), f"{request['state']}, {hot} after {took:.1f} s")
        self.memory("with all of it pinned")
        self.server.kill()
        began = time.monotonic()
        self.server.start()
        hot = self.server.request(self.rid)["objects"]["hot"]["n"]
        self.timed("restart with all of it pinned", time.monotonic() - began, RESTART_SECONDS)
        self.report.check(f"{self.form}: all of it is pinned after kill -9", hot == self.n, hot)
        self.memory("after the restart with all of it pinned")

    def cancel(self) -> None:
        """Cancels the request while somebody else asks for something small, again and again."""
        cancelled: list[tuple[int, bytes]] = []
        cancelling = threading.Thread(target=lambda: cancelled.append(self.server.ask("DELETE", f"/requests/{self.rid}")))
        began, took = time.monotonic(), []
        cancelling.start()
        while cancelling.is_alive():
            asked = time.monotonic()
            self.server.get("/requests?limit=1")
            took.append(time.monotonic() - asked)
            time.sleep(0.01)
        seconds = time.monotonic() - began
        state = self.server.request(self.rid)["state"]
        is_over = cancelled and cancelled[0][0] == 200 and state not in ("queued", "active")
        self.report.check(f"{self.form}: all of it is cancelled", bool(is_over), f"{state} after {seconds:.1f} s, {[c[0] for c in cancelled]}")
        self.timed("longest that others waited meanwhile", max(took, default=0.0), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--objects", type=int, default=2_000_000)
    parser.add_argument("--form", action="append", choices=sorted(FORMS), help="all of them if none is named")
    parser.add_argument("--recall", action="store_true", help="let all of the first list come online, too")
    parser.add_argument("--timed", action="store_true", help="hold any binary to the times")
    parser.add_argument("--dir", help="folder to work in, kept afterwards")
    args = parser.parse_args()
    report = Report(f"{args.objects} objects in one request")
    folder = Path(args.dir or tempfile.mkdtemp(prefix="scale-")).resolve()
    try:
        for n, form in enumerate(args.form or list(FORMS)):
            scale = Scale(args, report, folder / form, form)
            try:
                scale.run(with_recall=args.recall and n == 0)
            finally:
                if scale.server.process and scale.server.process.poll() is None:
                    scale.server.kill()
            if not args.dir:
                shutil.rmtree(folder / form, ignore_errors=True)
    finally:
        if not args.dir:
            shutil.rmtree(folder, ignore_errors=True)
    return report.finish()


if __name__ == "__main__":
    os.environ.setdefault("no_proxy", "*")
    sys.exit(main())
