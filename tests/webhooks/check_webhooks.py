"""Tells a real receiver of the end of requests: over failures, over kill -9, and never anybody who is not listed.

    python check_webhooks.py --binary target/release/thermocline

Only the standard library is needed. The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEY = b"a key that only the server and its receivers have"
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"


@dataclass
class Message:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Gives the status that `answer` says, and keeps what it got."""
    answer: Callable[[int], int] = lambda n: 200
    got: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802, as the standard library calls it
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(Message(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status = receiver.answer(len(receiver.got))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"http://127.0.0.1:{receiver.elsewhere}/moved")
                self.end_headers()

            do_GET = do_POST  # noqa: N815, whoever follows a redirection may ask so

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.elsewhere = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, n: int, seconds: float = 60) -> list[Message]:
        """The messages once there are so many."""
        until(lambda: len(self.got) >= n, seconds, f"{n} messages, {len(self.got)} came")
        return self.got


def until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Server:
    """The server over an archive on tape."""

    def __init__(self, binary: str, folder: Path, hosts: list[str], staging: str = "") -> None:
        self.binary, self.folder, self.staging = binary, folder, staging
        self.archive = folder / "archive"
        self.archive.mkdir(parents=True)
        (self.archive / "a.grib").write_bytes(b"GRIB and some more")
        (folder / "webhook.key").write_bytes(KEY + b"\n")
        self.configure(hosts)
        self.start()

    def configure(self, hosts: list[str]) -> None:
        folder = self.folder
        (folder / "thermocline.toml").write_text(
            f'[roots.archive]\npath = "{self.archive}"\n[cold.tape]\nroots = ["archive"]\nkind = "simulated"\nspeed = 1000\npoll_every = "100ms"\n'
            f'[staging]\nanonymous = true\nstaged_files_dir = "{folder}/staged"\nwebhook_key_file = "webhook.key"\nmount_after = "0s"\n{self.staging}[limits]\nwebhook_hosts = {json.dumps(hosts)}\n'
            f'[tokens.root]\nhash = "sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"\nscopes = ["admin"]\n')

    def reload(self, hosts: list[str]) -> None:
        """Has the server read its configuration again, with these hosts."""
        self.configure(hosts)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: "hosts of webhooks taken over" in (self.folder / "server.log").read_text(), 10, "the list is taken over")

    def start(self) -> None:
        log = self.folder / "server.log"
        command = [self.binary, "serve", "--config", str(self.folder / "thermocline.toml"), "--state", str(self.folder / "state"), "--listen", "127.0.0.1:0", "--log", "json"]
        with open(log, "w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

        def listens() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")
            found = [json.loads(line) for line in log.read_text().splitlines() if '"address"' in line]
            self.base = next((entry.get("address") or entry.get("fields", {}).get("address") for entry in found), "")
            return bool(self.base)
        until(listens, 60, "the server listens")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> float:
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        return time.monotonic() - began

    def call(self, path: str, body: dict | None = None, admin: bool = False) -> tuple[int, dict]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {TOKEN}"} if admin else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def stage(self, url: str) -> str:
        """Stages the archive and has an address told of the end."""
        status, document = self.call("/requests", {"objects": [str(self.archive / "a.grib")], "notify": url})
        assert status == 202, (status, document)
        return document["id"]

    def webhooks(self, state: str) -> list[dict]:
        status, document = self.call(f"/webhooks?state={state}", admin=True)
        assert status == 200, (status, document)
        return document["webhooks"]

    def command(self, *arguments: str) -> str:
        command = [self.binary, *arguments, "--server", self.base, "--token", TOKEN]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def check_message(message: Message, request: str, base: str) -> None:
    """It is a CloudEvent about the request, signed in both ways, of this minute."""
    event = json.loads(message.body)
    assert message.headers["content-type"].startswith("application/cloudevents+json"), message.headers
    assert {key: event[key] for key in ("specversion", "id", "type", "subject", "source")} == {
        "specversion": "1.0", "id": f"{request}-ended", "type": "org.thermocline.request.ended", "subject": request, "source": base}, event
    assert event["data"]["state"] == "succeeded" and event["data"]["n_objects"] == 1, event
    signature = "sha256=" + hmac.new(KEY, message.body, hashlib.sha256).hexdigest()
    assert message.headers["x-thermocline-signature"] == signature, message.headers
    ident, stamp = message.headers["webhook-id"], message.headers["webhook-timestamp"]
    assert ident == event["id"] and abs(time.time() - int(stamp)) < 60, message.headers
    dated = hmac.new(KEY, f"{ident}.{stamp}.".encode() + message.body, hashlib.sha256).digest()
    assert message.headers["webhook-signature"] == "v1," + base64.b64encode(dated).decode(), message.headers


def failing_then_well(binary: str, folder: Path) -> None:
    receiver = Receiver(lambda n: 500 if n < 2 else 204)
    server = Server(binary, folder, [f"http://127.0.0.1:{receiver.port}"])
    try:
        base = server.base
        request = server.stage(f"http://127.0.0.1:{receiver.port}/hook?of=me")
        first, second = receiver.wait(2)[:2]
        for message in (first, second):
            assert message.path == "/hook?of=me"
            check_message(message, request, base)
        assert first.body == second.body
        until(lambda: [w["request"] for w in server.webhooks("done")] == [request], 10, "it is done")
        time.sleep(3)
        assert len(receiver.got) == 2, "it was told again after it had answered"
    finally:
        server.stop()


def killed_between(binary: str, folder: Path) -> None:
    """kill -9 while the receiver is at work, and again while it is down: the same message arrives later."""
    release = threading.Event()
    receiver = Receiver(lambda n: 200 if n > 1 else (release.wait(60), 200)[1])
    server = Server(binary, folder, [f"http://127.0.0.1:{receiver.port}"])
    try:
        base, request = server.base, server.stage(f"http://127.0.0.1:{receiver.port}/")
        receiver.wait(1)
        server.kill()
        release.set()
        server.start()
        messages = receiver.wait(2)
        for message in messages:
            check_message(message, request, base)
        assert len({message.headers["webhook-id"] for message in messages}) == 1
        until(lambda: len(server.webhooks("done")) == 1, 10, "it is done")
        server.kill()
        server.start()
        time.sleep(3)
        assert len(receiver.got) == 2, "what had arrived was sent again"
    finally:
        server.stop()


def killed_often(binary: str, folder: Path) -> None:
    """Every request that was accepted is told of, whenever the server was killed, with the same bytes under one id."""
    receiver = Receiver(lambda n: (time.sleep(0.03), 200)[1])
    server = Server(binary, folder, [f"http://127.0.0.1:{receiver.port}"])
    moments = random.Random(8)
    requests = set()
    try:
        for _ in range(5):
            requests.update(server.stage(f"http://127.0.0.1:{receiver.port}/") for _ in range(10))
            time.sleep(moments.uniform(0, 0.2))
            server.kill()
            server.start()
        until(lambda: len(server.webhooks("done")) == len(requests), 30, "all have arrived")
        bodies: dict[str, set[bytes]] = {}
        for message in receiver.got:
            bodies.setdefault(json.loads(message.body)["subject"], set()).add(message.body)
        assert bodies.keys() == requests, requests ^ bodies.keys()
        assert all(len(written) == 1 for written in bodies.values())
    finally:
        server.stop()


def given_up(binary: str, folder: Path) -> None:
    """A receiver that says 410 is left alone until an operator asks for it, by HTTP or from the command line."""
    receiver = Receiver(lambda n: 410 if n < 3 else 200)
    server = Server(binary, folder, [f"http://127.0.0.1:{receiver.port}"])
    try:
        request = server.stage(f"http://127.0.0.1:{receiver.port}/")
        until(lambda: len(server.webhooks("dead")) == 1, 30, "it is dead")
        dead = server.webhooks("dead")[0]
        assert dead["request"] == request and dead["attempts"] == 1 and "410" in dead["last_error"], dead
        assert server.call("/webhooks?state=dead")[0] in (401, 403), "anybody sees addresses"
        assert server.call(f"/webhooks/{dead['id']}/retry", {})[0] in (401, 403), "anybody has them called"
        listed = server.command("webhooks", "list", "--only", "dead")
        assert request in listed and "410" in listed and len(listed.splitlines()) == 1, listed
        assert not server.command("webhooks", "list", "--only", "due")
        assert server.call(f"/webhooks/{dead['id']}/retry", {}, admin=True)[0] == 202
        receiver.wait(2)
        until(lambda: len(server.webhooks("dead")) == 1, 30, "it is dead again")
        server.command("webhooks", "retry", str(dead["id"]))
        receiver.wait(3)
        until(lambda: len(server.webhooks("done")) == 1, 30, "it is done")
        assert "retry webhook" in (folder / "server.log").read_text(), "it is not in the audit log"
        with urllib.request.urlopen(server.base + "/metrics", timeout=30) as answer:
            metrics = answer.read().decode()
        assert 'thermocline_webhooks_total{outcome="delivered"} 1' in metrics, [line for line in metrics.splitlines() if "webhook" in line]
    finally:
        server.stop()


def dead_after_attempts(binary: str, folder: Path) -> None:
    """Whoever never answers rightly is given up after the attempts that the configuration allows, and shows as that in /metrics."""
    receiver = Receiver(lambda n: 503 if n < 3 else 200)
    server = Server(binary, folder, [f"http://127.0.0.1:{receiver.port}"], "webhook_attempts = 2\n")
    try:
        server.stage(f"http://127.0.0.1:{receiver.port}/")
        until(lambda: len(server.webhooks("dead")) == 1, 60, "it is dead")
        dead = server.webhooks("dead")[0]
        assert (dead["attempts"], dead["last_error"], dead["next"]) == (2, "the receiver answers 503", None), dead
        server.kill()
        server.start()
        assert [w["id"] for w in server.webhooks("dead")] == [dead["id"]], "kill -9 has lost it"
        assert len(receiver.got) == 2, "the next start tries it again by itself"
        server.command("webhooks", "retry", str(dead["id"]))
        assert len({message.headers["webhook-id"] for message in receiver.wait(3)}) == 1
        until(lambda: len(server.webhooks("done")) == 1, 30, "it is done")
    finally:
        server.stop()


def another_list(binary: str, folder: Path) -> None:
    """A list that is read again counts at once: for what is accepted, and for what still waits."""
    first, second = Receiver(lambda n: 500), Receiver()
    hosts = [f"http://127.0.0.1:{receiver.port}" for receiver in (first, second)]
    server = Server(binary, folder, hosts[:1])
    try:
        body = {"objects": [str(server.archive / "a.grib")], "notify": hosts[1]}
        assert server.call("/requests", body)[0] == 400
        server.stage(hosts[0])
        first.wait(1)
        server.reload(hosts[1:])
        request = server.stage(hosts[1])
        check_message(second.wait(1)[0], request, server.base)
        assert server.call("/requests", body | {"notify": hosts[0]})[0] == 400
        until(lambda: ["may not call" in w["last_error"] for w in server.webhooks("dead")] == [True], 30, "who is listed no more is given up")
        assert len(first.got) == 1, "who is listed no more was called"
    finally:
        server.stop()


def key_away(binary: str, folder: Path) -> None:
    """Nothing is sent unsigned: messages wait for the key, and /health says so."""
    receiver = Receiver()
    server = Server(binary, folder, [f"http://127.0.0.1:{receiver.port}"])
    try:
        (folder / "webhook.key").write_bytes(b"short")
        request = server.stage(f"http://127.0.0.1:{receiver.port}/")
        until(lambda: any("webhook.key" in (w["last_error"] or "") for w in server.webhooks("due")), 20, "it waits for the key")
        until(lambda: "staging.webhook_key_file" in json.dumps(server.call("/health")[1]), 20, "/health names the key")
        assert not receiver.got
        (folder / "webhook.key").write_bytes(KEY)
        check_message(receiver.wait(1)[0], request, server.base)
        until(lambda: "webhook_key_file" not in json.dumps(server.call("/health")[1]), 20, "/health is well again")
    finally:
        server.stop()


def nobody_else(binary: str, folder: Path) -> None:
    """Hosts that are not listed, private addresses behind listed names, and redirections are not called."""
    bystander, receiver = Receiver(), Receiver(lambda n: 302)
    receiver.elsewhere = bystander.port
    listed = [f"http://127.0.0.1:{receiver.port}", f"http://localhost:{bystander.port}", "hooks.example"]
    server = Server(binary, folder, listed)
    try:
        path = str(server.archive / "a.grib")
        for url in (f"http://127.0.0.1:{bystander.port}/", f"http://localhost:{bystander.port}/", f"http://127.1:{bystander.port}/",
                    f"http://[::1]:{bystander.port}/", f"http://[::ffff:127.0.0.1]:{bystander.port}/", f"http://2130706433:{bystander.port}/",
                    f"http://user@127.0.0.1:{receiver.port}/", "https://hooks.example.evil.example/", "http://hooks.example/",
                    "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "gopher://hooks.example/", "hooks.example"):
            status, problem = server.call("/requests", {"objects": [path], "notify": url})
            assert status == 400 and problem["detail"].startswith("notify"), (url, status, problem)
            assert "hooks.example" not in problem["detail"] or "hooks.example" in url, f"{url}: it tells what is listed: {problem['detail']}"
        server.stage(f"http://127.0.0.1:{receiver.port}/")
        receiver.wait(1)
        until(lambda: any("302" in (w["last_error"] or "") for w in server.webhooks("due")), 10, "the redirection is a failure")
        assert not bystander.got, "a redirection was followed"
    finally:
        server.stop()


def ends_in_time(binary: str, folder: Path) -> None:
    """A receiver that does not answer does not keep the server from ending."""
    release = threading.Event()
    receiver = Receiver(lambda n: (release.wait(60), 200)[1])
    server = Server(binary, folder, [f"http://127.0.0.1:{receiver.port}"])
    server.stage(f"http://127.0.0.1:{receiver.port}/")
    receiver.wait(1)
    took = server.stop()
    release.set()
    assert took < 8, f"{took:.1f} s"


CASES = {
    "a receiver that fails first hears the same signed event again": failing_then_well,
    "kill -9 loses and renames nothing": killed_between,
    "fifty requests over five kills are all told of": killed_often,
    "what was given up is seen and sent again by operators": given_up,
    "who never answers is given up after the attempts that are allowed": dead_after_attempts,
    "nobody who is not listed is called": nobody_else,
    "another list counts at once": another_list,
    "messages wait for a key that is away": key_away,
    "the server ends while a receiver does not answer": ends_in_time,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    binary = str(Path(parser.parse_args().binary).resolve())
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(4) as pool:  # Each waits more than it works.
        running = [pool.submit(case, binary, Path(scratch) / str(n)) for n, case in enumerate(CASES.values())]
        for title, case in zip(CASES, running):
            try:
                case.result()
                print(f"PASS  {title}", flush=True)
            except Exception as error:  # noqa: BLE001, one case must not hide the others
                failed += 1
                print(f"FAIL  {title}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
