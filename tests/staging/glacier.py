"""Serves a bucket of the Glacier kind end to end, with the bucket itself as the witness of restores.

    python glacier.py --binary target/release/thermocline --moto PYTHON [--zarr2 PYTHON] [--zarrita DIR] [--long]
        [--only NAME]... [--at-once N] [--dir DIR]

For each world a stand-in for S3 Glacier (mini_glacier.py) holds real netCDF-4 files. The files are indexed while they are hot,
then they are archived, then clients read: what comes is right, or says that it has to be waited for. Every object that was
wanted is restored once, and no other one. The worlds:
  plain         readers of one file at once are one restore; nothing that only looks restores anything
  clients       Zarr clients read a file that is cold: the truth, by one restore (cold_reads.py)
  unseen        files that were cold from the start are no datasets until they are restored, and are soon after
  joined        a restore that somebody else has begun is joined (409), not repeated
  rough         a tenth of all calls are told to slow down, there is no capacity for Expedited, one restore is slow
  failing       a restore that ends without a copy is an error for its own readers only, and can be asked for again
  expiry        copies end: reads of them wait for a new restore, and never see another answer
  pinned        copies that are pinned are made to last: they are restored once, and are online all the time
  restarts      the server is killed while restores run; each of them is found again
  faster        slow restores of others are made faster once somebody waits: once each, over kills of the server too
  behind        objects are archived again behind the server's back: it notices by the refusal
  told          the bucket says what has ended or is gone: that is looked at at once, however seldom it is otherwise
  changed       objects are written again or removed while they are restored: the new bytes, or an error, and no mixture
  lying         the bucket says that a copy is there and refuses to read it: an answer in time, and no flood of calls
  keys          wrong keys are told by their name, right ones count at once; keys of a program are renewed before they expire
  soak          readers and requests over many files, with all of these troubles and kills at any moment
  moto          another S3 (s3_glacier_moto.py): two of four objects are archived, each of them is restored by one request
In each world no copy is made to end earlier, and no restore is made faster but where that is said.
With --long the soak has many more files and kills, and copies end over kills too. The last line is "N passed, N failed";
a check that could not run counts as failed.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from make_cold_files import STEPS, write
from report import Report, free_port, wait_port

HERE = Path(__file__).resolve().parent
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"
SIDE = 128
# What a reader may get instead of the bytes: no client takes these for data or for a chunk that is not there.
WAIT, FAILED = 503, 500
STATIC = 'kind = "static"\nkey_file = "{folder}/key"\nsecret_file = "{folder}/secret"'


@dataclass
class Run:
    """What all worlds are made of."""
    binary: str
    folder: Path
    moto: str | None
    zarr2: str | None
    zarrita: str | None
    is_long: bool
    # What the bucket has counted in all, by object: see mini_glacier.py.
    upgraded: Counter = field(default_factory=Counter)
    shortened: Counter = field(default_factory=Counter)
    is_counted: bool = False


class Part:
    """The part of a report that is about one world."""

    def __init__(self, report: Report, world: str) -> None:
        self.report, self.world = report, world

    def check(self, name: str, holds: bool, detail: object = "") -> bool:
        return self.report.check(f"{self.world}: {name}", holds, detail)

    def note(self, name: str, detail: object) -> None:
        self.report.note(f"{self.world}: {name}", detail)


class Glacier:
    """The bucket."""

    def __init__(self, folder: Path, files: Path, *options: str) -> None:
        self.folder, self.files, self.options = folder, files, options
        self.port, self.process = free_port(), None
        self.upgraded, self.shortened = Counter(), Counter()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, storage_class: str) -> None:
        command = [sys.executable, str(HERE / "mini_glacier.py"), "--port", str(self.port), "--dir", str(self.files),
                   "--class", storage_class, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_port(self.port)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.count()
            self.process.terminate()
            self.process.wait(10)

    def count(self) -> None:
        """Keeps what is forgotten with the process."""
        counters = self.counters()
        self.upgraded.update(counters["upgraded"])
        self.shortened.update(counters["shortened"])

    def archive(self, storage_class: str = "GLACIER") -> None:
        """The same objects with the same bytes, in a class of storage that is cold."""
        self.stop()
        self.start(storage_class)

    def counters(self) -> dict:
        with urllib.request.urlopen(self.url + "/_counters", timeout=10) as got:
            return json.load(got)

    def restores(self) -> dict[str, int]:
        return self.counters()["restores"]

    def reset(self) -> None:
        self.count()
        urllib.request.urlopen(urllib.request.Request(self.url + "/_reset", method="POST"), timeout=10).close()

    def change(self, method: str, name: str, body: bytes | None = None) -> None:
        """Somebody writes or removes an object."""
        headers = {"Authorization": "AWS4-HMAC-SHA256 of another tool", "x-amz-storage-class": "GLACIER"}
        request = urllib.request.Request(f"{self.url}/archive/{name}", data=body, method=method, headers=headers)
        urllib.request.urlopen(request, timeout=10).close()

    def restore(self, name: str, tier: str = "Standard") -> int:
        """Somebody else asks for a restore, as any tool does."""
        body = ('<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Days>1</Days>'
                f"<GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters></RestoreRequest>").encode()
        request = urllib.request.Request(f"{self.url}/archive/{name}?restore", data=body, method="POST",
                                         headers={"Authorization": "AWS4-HMAC-SHA256 of another tool"})
        with urllib.request.urlopen(request, timeout=10) as got:
            return got.status


class Server:
    """The server under test, over the bucket."""

    def __init__(self, binary: str, folder: Path, glacier: Glacier, keys: str = "", credentials: str = STATIC) -> None:
        self.binary, self.folder, self.glacier, self.keys = binary, folder, glacier, keys
        self.credentials = credentials.replace("{folder}", str(folder))
        self.log, self.process, self.base = folder / "server.log", None, ""
        (folder / "key").write_text("key")
        (folder / "secret").write_text("a-secret-that-nobody-sees")
        self.poll = 'poll_every = "200ms"\npoll_max = "1s"'

    def config(self) -> Path:
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        text = (f'[roots.bucket]\nurl = "s3://archive"\nendpoint = "{self.glacier.url}"\nregion = "us-east-1"\ncredentials = "c"\n'
                f'[credentials.c]\n{self.credentials}\n'
                f'[cold.glacier]\nkind = "s3-glacier"\nroots = ["bucket"]\n{self.poll}\n{self.keys}\n'
                f'[staging]\nhold = "10s"\nprefetch = 0\nmax_attempts = 3\n'
                f'[tokens.operator]\nhash = "sha256:{digest}"\nscopes = ["read", "stage", "admin"]\n')
        path = self.folder / "thermocline.toml"
        path.write_text(text)
        return path

    def command(self, what: str) -> list[str]:
        return [self.binary, what, "--config", str(self.config()), "--state", str(self.folder / "state"), "s3://archive/"]

    def index(self) -> subprocess.CompletedProcess:
        return subprocess.run(self.command("index"), capture_output=True, text=True, timeout=600, check=False)

    def start(self) -> None:
        with open(self.log, "ab") as log:
            before = log.tell()
            command = [*self.command("serve"), "--listen", "127.0.0.1:0", "--log", "json"]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(rb'"address":"([^"]*)"', self.log.read_bytes()[before:])
            if found:
                self.base = found[1].decode()
                if self.get("/ready")[0] == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def call(self, method: str, path: str, body: object = None, seconds: float = 60) -> tuple[int, dict, bytes]:
        """Status, headers and body; status 0 if there was no whole answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as got:
                return got.status, {k.lower(): v for k, v in got.headers.items()}, got.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()
        except OSError as error:
            return 0, {}, repr(error).encode()

    def get(self, path: str, seconds: float = 60) -> tuple[int, dict, bytes]:
        return self.call("GET", path, seconds=seconds)

    def chunk(self, step: int, wait: float = 10) -> tuple[int, dict, bytes]:
        """The first chunk of the variable that is stored as it is."""
        return self.get(f"/datasets/f{step}/zarr-v2/u/0.0.0?wait={wait:g}")

    def read(self, step: int, seconds: float = 40, waits_for: tuple[int, ...] = (WAIT,)) -> tuple[bytes, list[int]]:
        """What came in the end, however long that takes, and what was answered until then."""
        said, end, body = [], time.monotonic() + seconds, b""
        while time.monotonic() < end:
            status, headers, body = self.chunk(step)
            said.append(status)
            if status not in waits_for:
                break
            time.sleep(min(float(headers.get("retry-after", 1)), 1))
        return body, said

    def request(self, steps: list[int], lifetime: str = "P1D") -> tuple[int, dict]:
        """A request for whole files."""
        body = {"objects": [f"s3://archive/f{step}.nc" for step in steps], "lifetime": lifetime}
        status, _, answer = self.call("POST", "/requests", body)
        return status, json.loads(answer or b"{}")

    def succeeds(self, name: str, seconds: float) -> bool:
        """True once a request has succeeded."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = json.loads(self.get(f"/requests/{name}")[2] or b"{}").get("state", "")
            if state == "succeeded":
                return True
            if state in ("failed", "partial", "cancelled"):
                break
            time.sleep(0.2)
        return False


def values(step: int) -> np.ndarray:
    """The values of a file: no two files have one in common."""
    first = 1 + step * SIDE * SIDE
    return np.arange(first, first + SIDE * SIDE, dtype="f4").reshape(1, SIDE, SIDE)


def expected(step: int) -> bytes:
    """The first chunk of a file: 64 by 64 values, as they are stored."""
    return np.ascontiguousarray(values(step)[0, :64, :64]).astype("<f4").tobytes()


def once(steps: list[int] | range) -> dict[str, int]:
    return {f"f{step}.nc": 1 for step in steps}


class World:
    """A bucket with files that are indexed and cold, and a server over it."""

    def __init__(self, run: Run, options: tuple[str, ...] = (), keys: str = "", n_files: int = STEPS, credentials: str = STATIC,
                 is_indexed: bool = True) -> None:
        files = run.folder / "files"
        files.mkdir(parents=True, exist_ok=True)
        for step in range(n_files):
            write(files / f"f{step}.nc", values(step), step)
        self.is_indexed = is_indexed
        self.run, self.glacier = run, Glacier(run.folder, files, *options)
        self.server = Server(run.binary, run.folder, self.glacier, keys, credentials)

    def __enter__(self) -> World:
        try:
            if self.is_indexed:
                self.index()
            self.glacier.archive()
            self.server.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def index(self) -> None:
        self.glacier.start("STANDARD")
        done = self.server.index()
        if done.returncode:
            raise RuntimeError(f"the files were not indexed: {done.stdout} {done.stderr}"[-1500:])
        self.indexed = self.glacier.counters()

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.glacier.stop()
        self.run.upgraded.update(self.glacier.upgraded)
        self.run.shortened.update(self.glacier.shortened)
        self.run.is_counted = True


def is_right(read: tuple[bytes, list[int]], step: int) -> bool:
    body, said = read
    return body == expected(step) and said[-1] == 200


def kind(body: bytes) -> str:
    """The last part of the type of a problem."""
    try:
        return json.loads(body).get("type", "").rpartition("/")[2]
    except ValueError:
        return ""


def plain(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "3", "--day-seconds", "86400")) as world:
        server, glacier = world.server, world.glacier
        heads, gets = world.indexed["heads"], world.indexed["gets"]
        r.check("indexing looks at an object, not at each read of it", heads <= 4 * STEPS < gets, f"{heads} HEAD, {gets} GET")
        for path in ("/datasets", "/health", "/metrics", "/datasets/f0", "/datasets/f0/zarr-v2/.zmetadata", "/datasets/f0/kerchunk", "/stac/search"):
            status = server.get(path)[0]
            r.check(f"{path} answers while all is cold", status == 200, status)
        status, headers, _ = server.call("HEAD", "/datasets/f0/zarr-v2/u/0.0.0")
        r.check("HEAD of a cold chunk has its length and locality", (status, headers.get("content-length"), headers.get("x-locality")) == (200, "16384", "nearline"),
                (status, headers.get("content-length"), headers.get("x-locality")))
        status, _, body = server.call("POST", "/datasets/f0/stage", {"dry_run": True})
        dry = json.loads(body or b"{}")
        r.check("a dry run names what is cold", status == 200 and dry.get("n_objects") == 1 and dry.get("nearline_bytes", 0) > 0, (status, dry))
        status, _, body = server.call("POST", "/objects/locality", {"paths": ["s3://archive/f0.nc"]})
        r.check("its locality is nearline", status == 200 and b"nearline" in body, (status, body[:200]))
        r.check("what only looks restores nothing", glacier.restores() == {}, glacier.restores())
        status, headers, _ = server.chunk(0, wait=0)
        r.check("a cold chunk that is not waited for is 503 with Retry-After", status == 503 and headers.get("retry-after", "").isdigit(), (status, headers.get("retry-after")))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            reads = list(pool.map(server.read, [0] * 16))
        if not r.check("sixteen readers get the right bytes", all(is_right(read, 0) for read in reads), [read[1] for read in reads][:4]):
            return
        r.check("they are one restore", glacier.restores() == once([0]), glacier.restores())
        before = glacier.counters()
        statuses = [server.get(f"/datasets/f0/zarr-v2/u/0.{y}.{x}")[0] for _ in range(10) for y in range(2) for x in range(2)]
        after = glacier.counters()
        r.check("reads of what is online are not looked at one by one", set(statuses) == {200} and after["heads"] - before["heads"] <= 4,
                f"{after['heads'] - before['heads']} HEAD for {len(statuses)} reads")
        reads = [server.read(step) for step in range(STEPS)]
        r.check("all files come", all(map(is_right, reads, range(STEPS))), [read[1] for read in reads])
        r.check("each is restored once", glacier.restores() == once(range(STEPS)), glacier.restores())


def clients(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "3", "--day-seconds", "86400")) as world:
        truth, url = run.folder / "truth.npy", world.glacier.url
        np.save(truth, values(0))
        python = f"{sys.executable} -c"
        command = [sys.executable, str(HERE / "cold_reads.py"), "--server", world.server.base, "--dataset", "f0", "--variable", "t", "--truth", str(truth),
                   "--evict-cmd", f"{python} \"import urllib.request as u; u.urlopen(u.Request('{url}/_reset', method='POST'))\"",
                   "--recalls-cmd", f"{python} \"import urllib.request as u; print(u.urlopen('{url}/_restores').read().decode())\""]
        command += ["--zarr2", run.zarr2] if run.zarr2 else []
        command += ["--zarrita", run.zarrita] if run.zarrita else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        (run.folder / "cold_reads.log").write_text(done.stdout + done.stderr)
        for mark, name in re.findall(r"^(PASS|FAIL|SKIP)  (.*)$", done.stdout, re.MULTILINE):
            r.check(name[:150], mark == "PASS")
        r.check("the clients were tried", done.returncode == 0, (done.stdout + done.stderr)[-200:])


def unseen(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "3", "--day-seconds", "86400"), is_indexed=False) as world:
        server, glacier = world.server, world.glacier
        path = "/datasets/f{}/zarr-v2/.zmetadata"
        status, _, body = server.get(path.format(0))
        r.check("what was never seen online says so", status == 422 and b"has to be recalled" in body, (status, body[:200]))
        r.check("nothing is restored to be indexed", glacier.restores() == {}, glacier.restores())
        status, made = server.request([0])
        r.check("it can be asked for", status == 202 and server.succeeds(made["id"], 40), (status, made))
        restored, status = time.monotonic(), 0
        while status != 200 and time.monotonic() < restored + 90:
            status = server.get(path.format(0))[0]
            time.sleep(0.2)
        took = time.monotonic() - restored
        # Buckets are looked at once a minute otherwise.
        r.check("it is a dataset soon after its restore", status == 200 and took < 20, f"{took:.1f} s, {status}")
        read = server.read(0)
        r.check("it is read", is_right(read, 0), read[1])
        status = server.get(path.format(1))[0]
        r.check("others stay what they are", status == 422, status)
        r.check("it was restored once, and nothing else", glacier.restores() == once([0]), glacier.restores())


def joined(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "4", "--day-seconds", "86400")) as world:
        status = world.glacier.restore("f1.nc")
        read = world.server.read(1)
        r.check("a restore of somebody else is joined", status == 202 and is_right(read, 1), (status, read[1]))
        r.check("it is the only one", world.glacier.restores() == once([1]), world.glacier.restores())


def rough(r: Part, run: Run) -> None:
    options = ("--restore-seconds", "2", "--day-seconds", "86400", "--slowdown", "0.1", "--no-expedited", "--slow", "f2.nc:6")
    with World(run, options, 'interactive_tier = "Expedited"') as world:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            steps = [step for step in range(STEPS) for _ in range(4)]
            reads = list(pool.map(world.server.read, steps))
        counters = world.glacier.counters()
        r.check("all come right", all(map(is_right, reads, steps)), [read[1] for read in reads])
        r.check("each is restored once", counters["restores"] == once(range(STEPS)), counters["restores"])
        r.note("told to slow down, and no capacity", (counters["slowdowns"], counters["restores_refused"]))


def failing(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "1", "--day-seconds", "86400", "--fail", "f0.nc")) as world:
        server, glacier = world.server, world.glacier
        good = server.read(1)
        bad = server.read(0)
        r.check("a restore without a copy is the failure of a recall", bad[1][-1] == FAILED and kind(bad[0]) == "recall-failed", bad)
        r.check("the others come", is_right(good, 1), good[1])
        n_tries = glacier.restores().get("f0.nc", 0)
        r.check("it was asked for as often as is configured", n_tries == 3, f"{n_tries} restores")
        glacier.options = ("--restore-seconds", "1", "--day-seconds", "86400")
        glacier.archive()
        again = server.read(0, seconds=90, waits_for=(WAIT, FAILED))
        r.check("it can be asked for again", is_right(again, 0) and glacier.restores() == once([0]), (again[1], glacier.restores()))


def expiry(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "1", "--day-seconds", "6")) as world:
        server, glacier = world.server, world.glacier
        first = server.read(0)
        if not r.check("the copy is read", is_right(first, 0), first[1]):
            return
        said, end, is_all_right = [], time.monotonic() + 20, True
        while time.monotonic() < end:
            status, _, body = server.chunk(0, wait=0)
            said.append(status)
            is_all_right = is_all_right and (body == expected(0) if status == 200 else status == 503)
            time.sleep(0.1)
            if run.is_long and len(said) % 40 == 0:
                server.kill()
                server.start()
        r.check("reads over the end of copies are right, or wait", is_all_right, sorted(set(said)))
        r.check("most of them are right", said.count(200) > len(said) / 2, f"{said.count(200)} of {len(said)}")
        counters = glacier.counters()
        r.check("copies are made to last, or are restored no more often than they end", 1 <= counters["restores"]["f0.nc"] <= 4, counters["restores"])
        # Nobody reads, and nothing keeps the copy: it ends.
        time.sleep(8)
        again = server.read(0)
        r.check("it is restored again when it is wanted again", is_right(again, 0), again[1])


def pinned(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "1", "--day-seconds", "20")) as world:
        server, glacier = world.server, world.glacier
        status, request = server.request([0, 1])
        r.check("a request is accepted", status == 202, (status, request))
        if not r.check("it has succeeded", server.succeeds(request.get("id", ""), 20)):
            return
        end, said, is_all_right = time.monotonic() + 30, [], True
        while time.monotonic() < end:
            for step in (0, 1):
                status, _, body = server.chunk(step, wait=0)
                said.append(status)
                is_all_right = is_all_right and body == expected(step)
            time.sleep(0.3)
        r.check("what is pinned is online all the time", is_all_right, sorted(set(said)))
        r.check("by one restore of each", glacier.restores() == once([0, 1]), glacier.restores())


def restarts(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "8", "--day-seconds", "86400")) as world:
        server = world.server
        status, request = server.request(list(range(STEPS)))
        r.check("a request is accepted", status == 202, (status, request))
        for number in range(3):
            time.sleep(number)
            server.kill()
            server.start()
        reads = [server.read(step) for step in range(STEPS)]
        r.check("after three kills all come right", all(map(is_right, reads, range(STEPS))), [read[1] for read in reads])
        r.check("and each was restored once", world.glacier.restores() == once(range(STEPS)), world.glacier.restores())
        r.check("the request has succeeded", server.succeeds(request.get("id", ""), 20))


def faster(r: Part, run: Run) -> None:
    n_files = 6
    options = ("--restore-seconds", "12", "--day-seconds", "86400")
    with World(run, options, 'tier = "Bulk"\ninteractive_tier = "Expedited"', n_files) as world:
        server, glacier = world.server, world.glacier
        # By Bulk they take 24 seconds, by Expedited 4.
        said = [glacier.restore(f"f{step}.nc", "Bulk") for step in (0, 1, 2)]
        r.check("somebody else has begun slow restores", said == [202] * 3, said)
        began = time.monotonic()
        for number in range(3):
            statuses = {server.chunk(step, wait=0)[0] for step in (0, 1, 3, 4)}
            r.check("readers are told to wait", statuses <= ({200, WAIT} if number else {WAIT}), statuses)
            # Some restores run whenever it is killed.
            time.sleep(0.5)
            server.kill()
            server.start()
        steps = [0, 1, 3, 4]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            reads = list(pool.map(server.read, steps * 2))
        took = time.monotonic() - began
        r.check("what somebody waits for comes right, and fast", all(map(is_right, reads, steps * 2)) and took < 22, (f"{took:.1f} s", [read[1][-3:] for read in reads]))
        r.check("each was restored once", glacier.restores() == once([0, 1, 2, 3, 4]), glacier.restores())


def behind(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "2", "--day-seconds", "86400")) as world:
        server, glacier = world.server, world.glacier
        r.check("a file is read", is_right(server.read(0), 0))
        glacier.reset()
        again = server.read(0)
        r.check("a copy that is gone behind the server's back is restored again", is_right(again, 0), again[1])
        r.check("by one restore", glacier.restores() == once([0]), glacier.restores())


def told(r: Part, run: Run) -> None:
    world = World(run, ("--restore-seconds", "2", "--day-seconds", "86400"))
    world.server.poll = 'poll_every = "1h"\npoll_max = "1h"'
    with world:
        server, glacier = world.server, world.glacier

        def say(event: str, step: int) -> tuple[int, dict]:
            place = {"bucket": {"name": "archive"}, "object": {"key": f"f{step}.nc"}}
            status, _, body = server.call("POST", "/cold/glacier/events", {"Records": [{"eventName": event, "s3": place}]})
            return status, json.loads(body or b"{}")

        def state(name: str, seconds: float) -> str:
            time.sleep(seconds)
            return json.loads(server.get(f"/requests/{name}")[2] or b"{}").get("state", "")

        # Its copy lasts longer than it is pinned: nothing makes the server look at it again.
        status, request = server.request([0], "PT1H")
        name = request.get("id", "")
        r.check("a request is accepted", status == 202, (status, request))
        r.check("an end that nobody tells is not noticed for an hour", state(name, 6) == "active" and glacier.restores() == once([0]), glacier.restores())
        said = say("ObjectRestore:Post", 0)
        r.check("that a restore began is no end", said == (200, {"objects": 0, "ignored": 1}) and state(name, 3) == "active", said)
        said = say("ObjectRestore:Completed", 0)
        r.check("that it has ended is looked at at once", said == (200, {"objects": 1, "ignored": 0}) and server.succeeds(name, 10), said)
        r.check("and the file is read", is_right(server.read(0), 0))

        def order() -> str:
            return json.loads(server.get("/datasets/f0/stac")[2] or b"{}").get("properties", {}).get("order:status", "")

        # When nothing pins it any more the server looks once more, and then not for ten minutes.
        released = server.call("POST", f"/requests/{name}/release", {})[0]
        time.sleep(3)
        glacier.reset()
        before, said = order(), say("ObjectRestore:Delete", 0)
        end = time.monotonic() + 10
        while order() == before and time.monotonic() < end:
            time.sleep(0.2)
        r.check("that a copy is gone shows in catalogs before anybody reads it", (released, before, said[0], order()) == (200, "succeeded", 200, "orderable"),
                (released, before, said, order()))


def changed(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "3", "--day-seconds", "86400")) as world:
        server, glacier = world.server, world.glacier
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            reads = [pool.submit(server.read, step) for step in (0, 1)]
            time.sleep(1)
            r.check("two files are being restored", glacier.restores() == once([0, 1]), glacier.restores())
            write(run.folder / "new.nc", values(STEPS), 0)
            glacier.change("PUT", "f0.nc", (run.folder / "new.nc").read_bytes())
            glacier.change("DELETE", "f1.nc")
            written, removed = (read.result() for read in reads)
        r.check("one that was written again comes as it is now, after a restore of its own",
                is_right(written, STEPS) and glacier.restores().get("f0.nc") == 2, (written[1], glacier.restores()))
        r.check("one that was removed is said to be gone", removed[1][-1] == FAILED and kind(removed[0]) == "source-lost", removed)
        r.check("others are as they were", is_right(server.read(2), 2))


def lying(r: Part, run: Run) -> None:
    with World(run, ("--restore-seconds", "1", "--day-seconds", "86400", "--lie", "f0.nc")) as world:
        began = time.monotonic()
        status, _, body = world.server.chunk(0, wait=8)
        took, counters = time.monotonic() - began, world.glacier.counters()
        r.check("what cannot be read is an error in time", status in (WAIT, FAILED) and took < 15, (status, kind(body), f"{took:.1f} s"))
        n_calls = counters["heads"] + counters["cold_gets"] + counters["restores_refused"]
        r.check("and no flood of calls", n_calls < 200 and counters["restores"] == once([0]), counters)
        read = world.server.read(1)
        r.check("others are read", is_right(read, 1), read[1])


def keys(r: Part, run: Run) -> None:
    run.folder.mkdir(parents=True)
    valid = run.folder / "valid"
    valid.write_text("key\n")
    options = ("--restore-seconds", "1", "--day-seconds", "86400", "--keys", str(valid))
    with World(run, options) as world:
        server = world.server
        r.check("a file is read", is_right(server.read(0), 0))
        valid.write_text("next\n")
        status = server.chunk(0)[0]
        r.check("a key that is not taken any more gives no data, and no chunk that is not there", status == 503, status)
        health = server.get("/health")[2].decode()
        r.check("/health says whose key is wrong", "[credentials.c]" in health and "InvalidAccessKeyId" in health, health)
        status = server.chunk(1)[0]
        r.check("a cold file cannot be restored then", status == 503 and world.glacier.restores() == once([0]), (status, world.glacier.restores()))
        (run.folder / "key").write_text("next")
        status, _, body = server.chunk(0)
        r.check("the right key counts from the next request on", status == 200 and body == expected(0), status)
        read = server.read(1)
        r.check("also for restores", is_right(read, 1), read[1])
        health = server.get("/health")[2].decode()
        r.check("/health is sound again", "[credentials.c]" not in health, health)
        log = server.log.read_text()
        n_told = log.count("a store does not take these credentials")
        r.check("the log tells it once", n_told == 1, n_told)
        r.check("nowhere is the secret", "a-secret-that-nobody-sees" not in log + health)
    shutil.rmtree(run.folder)
    printed_keys(r, run)


def printed_keys(r: Part, run: Run) -> None:
    run.folder.mkdir(parents=True)
    valid, runs = run.folder / "valid", run.folder / "runs"
    valid.write_text("")
    program = run.folder / "print-key"
    # As with tokens of AWS, the one before is valid until it expires.
    program.write_text(f"""#!/bin/sh
echo x >> {runs}
n=$(wc -l < {runs})
{{ echo "key$((n - 1))"; echo "key$n"; }} > {valid}.next && mv {valid}.next {valid}
printf '{{"AccessKeyId": "key%s", "SecretAccessKey": "secret", "Expiration": "%s"}}' "$n" "$(date -u -d '+6 seconds' +%Y-%m-%dT%H:%M:%SZ)"
""")
    program.chmod(0o755)
    options = ("--restore-seconds", "1", "--day-seconds", "86400", "--keys", str(valid))
    with World(run, options, credentials=f'kind = "command"\ncommand = ["{program}"]') as world:
        server, end = world.server, time.monotonic() + 14
        reads = [server.read(step) for step in range(STEPS)]
        r.check("files are read with keys of a program", all(map(is_right, reads, range(STEPS))), [read[1] for read in reads])
        before, said = len(runs.read_text().split()), []
        while time.monotonic() < end:
            status, _, body = server.chunk(0)
            said.append(status if status != 200 or body == expected(0) else "wrong")
            time.sleep(0.05)
        n_runs = len(runs.read_text().split()) - before
        r.check("keys are renewed before they expire", set(said) == {200} and 1 <= n_runs <= 6, f"{n_runs} runs, {sorted(map(str, set(said)))} in {len(said)} reads")


# What a server answers that was killed, and the file whose restores fail.
KILLED, FAILS = 0, 1


class Crowd:
    """Readers and people with requests, who go on whatever happens to the server."""

    def __init__(self, server: Server, n_wanted: int, seed: int) -> None:
        # The first files are wanted, more and more of them.
        self.server, self.n_wanted, self.random = server, n_wanted, random.Random(seed)
        self.stop, self.wrong, self.accepted, self.n_reads = threading.Event(), [], [], 0

    def read(self) -> None:
        mine = random.Random(self.random.random())
        while not self.stop.is_set():
            step = mine.randrange(self.n_wanted)
            status, _, body = self.server.chunk(step, wait=mine.choice((0, 1, 5)))
            self.n_reads += 1
            is_expected = {200: body == expected(step), WAIT: True, FAILED: step == FAILS and kind(body) == "recall-failed", KILLED: True}
            if not is_expected.get(status, False):
                self.wrong.append((step, status, body[:100]))

    def order(self) -> None:
        mine = random.Random(self.random.random())
        while not self.stop.wait(mine.random()):
            steps = mine.sample(range(self.n_wanted), mine.randint(1, min(self.n_wanted, 8)))
            try:
                status, request = self.server.request(steps)
            except ValueError:
                continue
            if status == 202:
                self.accepted.append((request["id"], steps))


def soak(r: Part, run: Run) -> None:
    n_files, n_kills = (120, 15) if run.is_long else (10, 2)
    slow = [option for step in range(0, n_files, 7) for option in ("--slow", f"f{step}.nc:6")]
    options = ("--restore-seconds", "3", "--day-seconds", "86400", "--slowdown", "0.1", "--no-expedited", "--fail", f"f{FAILS}.nc", *slow)
    with World(run, options, 'interactive_tier = "Expedited"', n_files) as world:
        server, crowd, kills = world.server, Crowd(world.server, n_files // n_kills, 11), random.Random(12)
        threads = [threading.Thread(target=work) for work in [crowd.read] * 8 + [crowd.order] * 2]
        for thread in threads:
            thread.start()
        try:
            for number in range(1, n_kills + 1):
                # Some restores run whenever it is killed.
                crowd.n_wanted = n_files * number // n_kills
                time.sleep(kills.uniform(0.2, 3))
                server.kill()
                server.start()
            time.sleep(3)
        finally:
            crowd.stop.set()
            for thread in threads:
                thread.join()
        r.check("whatever came was right", not crowd.wrong, crowd.wrong[:3])
        good = [step for step in range(n_files) if step != FAILS]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            reads = list(pool.map(lambda step: server.read(step, 120), good))
        r.check("in the end all come", all(map(is_right, reads, good)), [(step, read[1][-3:]) for step, read in zip(good, reads) if not is_right(read, step)][:5])
        whole = [name for name, steps in crowd.accepted if FAILS not in steps]
        lost = [name for name in whole if not server.succeeds(name, 60)]
        r.check("every request that was accepted has succeeded", bool(whole) and not lost, f"{len(whole)} requests; not {lost[:5]}")
        restores = world.glacier.restores()
        failed = restores.pop(f"f{FAILS}.nc", 0)
        r.check("each file was restored once", restores == once(good), {name: n for name, n in restores.items() if n != 1})
        r.note("reads, requests, kills, restores that failed", (crowd.n_reads, len(crowd.accepted), n_kills, failed))


def moto(r: Part, run: Run) -> None:
    run.folder.mkdir(parents=True)
    port = free_port()
    command = [run.moto or sys.executable, str(HERE / "s3_glacier_moto.py"), "--serve", "120", "--port", str(port)]
    with open(run.folder / "moto.log", "w") as log:
        store = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    server = Server(run.binary, run.folder, SimpleNamespace(url=f"http://127.0.0.1:{port}"))
    try:
        end = time.monotonic() + 60
        while "restore_seconds" not in (run.folder / "moto.log").read_text():
            if time.monotonic() > end or store.poll() is not None:
                raise RuntimeError(f"moto did not start: {(run.folder / 'moto.log').read_text()[-300:]}")
            time.sleep(0.1)
        server.start()
        names = [f"s3://archive/data/{name}.bin" for name in ("glacier", "deep_archive", "glacier_ir", "standard")]
        status, _, answer = server.call("POST", "/requests", {"objects": names, "lifetime": "P1D"})
        r.check("a request is accepted", status == 202, (status, answer[:200]))
        r.check("the request has succeeded", server.succeeds(json.loads(answer).get("id", ""), 60))
        code = store.wait(150)
        r.check("each archived object was restored by one request", code == 0, (run.folder / "moto.log").read_text()[-300:])
    finally:
        server.stop()
        store.kill()
        store.wait(10)


# Whose restores are made faster in a world: those of others that were slow.
UPGRADED = {"faster": once([0, 1])}

WORLDS = {world.__name__: world for world in (pinned, faster, expiry, failing, clients, soak, keys, changed, lying, plain, unseen, restarts, rough, moto, joined, behind, told)}


def live(name: str, report: Report, run: Run) -> None:
    began = time.monotonic()
    part = Part(report, name)
    shutil.rmtree(run.folder, ignore_errors=True)
    try:
        WORLDS[name](part, run)
        if run.is_counted:
            part.check("no copy was made to end earlier", not run.shortened, dict(run.shortened))
            part.check("no restore was made faster that need not be", dict(run.upgraded) == UPGRADED.get(name, {}), dict(run.upgraded))
    except Exception as error:  # noqa: BLE001 - whatever ends one world is its own failure.
        part.check("it went to its end", False, repr(error))
    part.note("seconds", f"{time.monotonic() - began:.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--moto", help="Python of an environment with moto and boto3 (default: this one)")
    parser.add_argument("--zarr2", help="Python of the environment with zarr 2.18")
    parser.add_argument("--zarrita", help="folder whose node_modules holds zarrita")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", action="append", choices=list(WORLDS))
    parser.add_argument("--at-once", type=int, default=6, help="worlds at the same time")
    parser.add_argument("--dir", help="folder to work in, kept afterwards")
    args = parser.parse_args()
    folder = Path(args.dir or tempfile.mkdtemp(prefix="glacier-")).resolve()
    report = Report("Glacier, end to end")

    def one(name: str) -> None:
        live(name, report, Run(str(Path(args.binary).resolve()), folder / name, args.moto, args.zarr2, args.zarrita, args.long))

    with concurrent.futures.ThreadPoolExecutor(args.at_once) as pool:
        list(pool.map(one, args.only or WORLDS))
    if not args.dir:
        shutil.rmtree(folder, ignore_errors=True)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
