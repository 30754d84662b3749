"""Serves a bucket of the Glacier kind end to end, with the bucket itself as the witness of restores.

    python glacier.py --binary target/release/thermocline [--only NAME]... [--dir DIR]

For each world a stand-in for S3 Glacier (mini_glacier.py) holds real netCDF-4 files. The files are indexed while they are hot,
then they are archived, then clients read: what comes is right, or says that it has to be waited for. Every object that was
wanted is restored once, and no other one. The worlds:
  plain         readers of one file at once are one restore; nothing that only looks restores anything
  joined        a restore that somebody else has begun is joined (409), not repeated
  rough         a tenth of all calls are told to slow down, there is no capacity for Expedited, one restore is slow
  failing       a restore that ends without a copy is an error for its own readers only, and can be asked for again
  expiry        copies end: reads of them wait for a new restore, and never see another answer
  restarts      the server is killed while restores run; each of them is found again
  behind        objects are archived again behind the server's back: it notices by the refusal
  moto          another S3 (s3_glacier_moto.py): two of four objects are archived, each of them is restored by one request
The last line is "N passed, N failed"; a check that could not run counts as failed.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from make_cold_files import STEPS, write
from report import Report, free_port, wait_port

HERE = Path(__file__).resolve().parent
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"
SIDE = 128
# What a reader may get instead of the bytes: no client takes these for data or for a chunk that is not there.
WAIT = {503, 502}


class Glacier:
    """The bucket."""

    def __init__(self, folder: Path, files: Path, *options: str) -> None:
        self.folder, self.files, self.options = folder, files, options
        self.port, self.process = free_port(), None
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, storage_class: str) -> None:
        command = [sys.executable, str(HERE / "mini_glacier.py"), "--port", str(self.port), "--dir", str(self.files),
                   "--class", storage_class, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_port(self.port)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(10)

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
        urllib.request.urlopen(urllib.request.Request(self.url + "/_reset", method="POST"), timeout=10).close()

    def restore(self, name: str) -> int:
        """Somebody else asks for a restore, as any tool does."""
        body = (b'<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Days>1</Days>'
                b"<GlacierJobParameters><Tier>Standard</Tier></GlacierJobParameters></RestoreRequest>")
        request = urllib.request.Request(f"{self.url}/archive/{name}?restore", data=body, method="POST",
                                         headers={"Authorization": "AWS4-HMAC-SHA256 of another tool"})
        with urllib.request.urlopen(request, timeout=10) as got:
            return got.status


class Server:
    """The server under test, over the bucket."""

    def __init__(self, binary: str, folder: Path, glacier: Glacier, keys: str = "") -> None:
        self.binary, self.folder, self.glacier, self.keys = binary, folder, glacier, keys
        self.log, self.process, self.base = folder / "server.log", None, ""
        (folder / "key").write_text("key")
        (folder / "secret").write_text("secret")

    def config(self, is_cold: bool) -> Path:
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        cold = f'[cold.glacier]\nkind = "s3-glacier"\nroots = ["bucket"]\npoll_every = "200ms"\npoll_max = "1s"\n{self.keys}\n'
        text = (f'[roots.bucket]\nurl = "s3://archive"\nendpoint = "{self.glacier.url}"\nregion = "us-east-1"\ncredentials = "c"\n'
                f'[credentials.c]\nkind = "static"\nkey_file = "{self.folder}/key"\nsecret_file = "{self.folder}/secret"\n'
                f'{cold if is_cold else ""}[staging]\nhold = "10s"\nprefetch = 0\nmax_attempts = 3\n'
                f'[tokens.operator]\nhash = "sha256:{digest}"\nscopes = ["read", "stage", "admin"]\n')
        path = self.folder / ("cold.toml" if is_cold else "hot.toml")
        path.write_text(text)
        return path

    def command(self, what: str, is_cold: bool) -> list[str]:
        return [self.binary, what, "--config", str(self.config(is_cold)), "--state", str(self.folder / "state"), "s3://archive/"]

    def index(self) -> subprocess.CompletedProcess:
        return subprocess.run(self.command("index", is_cold=True), capture_output=True, text=True, timeout=300, check=False)

    def start(self) -> None:
        with open(self.log, "ab") as log:
            before = log.tell()
            command = [*self.command("serve", is_cold=True), "--listen", "127.0.0.1:0", "--log", "json"]
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

    def read(self, step: int, seconds: float = 60) -> tuple[bytes, list[int]]:
        """The chunk, however long that takes, and what was answered until it came."""
        said, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            status, headers, body = self.chunk(step)
            said.append(status)
            if status == 200:
                return body, said
            if status not in WAIT:
                break
            time.sleep(min(float(headers.get("retry-after", 1)), 1))
        return b"", said


def values() -> np.ndarray:
    return np.arange(1, STEPS * SIDE * SIDE + 1, dtype="f4").reshape(STEPS, SIDE, SIDE)


def expected(step: int) -> bytes:
    """The first chunk of a file: 64 by 64 values, as they are stored."""
    return np.ascontiguousarray(values()[step, :64, :64]).astype("<f4").tobytes()


class World:
    """A bucket with files that are indexed and cold, and a server over it."""

    def __init__(self, binary: str, folder: Path, options: tuple[str, ...] = (), keys: str = "") -> None:
        self.folder = folder
        files = folder / "files"
        files.mkdir(parents=True)
        for step in range(STEPS):
            write(files / f"f{step}.nc", values()[step:step + 1], step)
        self.glacier = Glacier(folder, files, *options)
        self.server = Server(binary, folder, self.glacier, keys)

    def __enter__(self) -> World:
        self.glacier.start("STANDARD")
        done = self.server.index()
        if done.returncode:
            raise RuntimeError(f"the files were not indexed: {done.stdout} {done.stderr}"[-1500:])
        self.indexed = self.glacier.counters()
        self.glacier.archive()
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.glacier.stop()


def is_right(read: tuple[bytes, list[int]], step: int) -> bool:
    body, said = read
    return body == expected(step) and set(said[:-1]) <= WAIT


def plain(r: Report, binary: str, folder: Path) -> None:
    with World(binary, folder, ("--restore-seconds", "3", "--day-seconds", "86400")) as world:
        server, glacier = world.server, world.glacier
        heads, gets = world.indexed["heads"], world.indexed["gets"]
        r.check("indexing looks at an object, not at each read of it", heads <= 4 * STEPS + 4 or heads < gets, f"{heads} HEAD, {gets} GET")
        for path in ("/datasets", "/health", "/metrics", "/datasets/f0", "/datasets/f0/zarr-v2/.zmetadata", "/stac/search"):
            status = server.get(path)[0]
            r.check(f"{path} answers while all is cold", status == 200, status)
        r.check("what only looks restores nothing", glacier.restores() == {}, glacier.restores())
        status, headers, _ = server.chunk(0, wait=0)
        r.check("a cold chunk that is not waited for is 503 with Retry-After", status == 503 and "retry-after" in headers, (status, headers.get("retry-after")))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            reads = list(pool.map(server.read, [0] * 16))
        r.check("sixteen readers get the right bytes", all(is_right(read, 0) for read in reads), [read[1] for read in reads][:4])
        r.check("they are one restore", glacier.restores() == {"f0.nc": 1}, glacier.restores())
        before = glacier.counters()
        for _ in range(20):
            server.read(0)
            server.get("/datasets/f0/zarr-v2/u/0.1.1")
        after = glacier.counters()
        r.check("reads of what is online are not looked at one by one", after["heads"] - before["heads"] <= 4, f"{after['heads'] - before['heads']} HEAD for 40 reads")
        reads = [server.read(step) for step in range(STEPS)]
        r.check("all files come", all(map(is_right, reads, range(STEPS))), [read[1] for read in reads])
        r.check("each is restored once", glacier.restores() == {f"f{step}.nc": 1 for step in range(STEPS)}, glacier.restores())


def joined(r: Report, binary: str, folder: Path) -> None:
    with World(binary, folder, ("--restore-seconds", "4", "--day-seconds", "86400")) as world:
        status = world.glacier.restore("f1.nc")
        read = world.server.read(1)
        r.check("a restore of somebody else is joined", status == 202 and is_right(read, 1), (status, read[1]))
        r.check("it is the only one", world.glacier.restores() == {"f1.nc": 1}, world.glacier.restores())


def rough(r: Report, binary: str, folder: Path) -> None:
    options = ("--restore-seconds", "2", "--day-seconds", "86400", "--slowdown", "0.1", "--no-expedited", "--slow", "f2.nc:6")
    with World(binary, folder, options, 'interactive_tier = "Expedited"') as world:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            steps = [step for step in range(STEPS) for _ in range(4)]
            reads = list(pool.map(world.server.read, steps))
        r.check("all come right", all(map(is_right, reads, steps)), [read[1] for read in reads])
        r.check("each is restored once", world.glacier.restores() == {f"f{step}.nc": 1 for step in range(STEPS)}, world.glacier.restores())
        r.note("told to slow down", world.glacier.counters()["slowdowns"])


def failing(r: Report, binary: str, folder: Path) -> None:
    with World(binary, folder, ("--restore-seconds", "1", "--day-seconds", "86400", "--fail", "f0.nc")) as world:
        good = world.server.read(1)
        bad = world.server.read(0, seconds=30)
        r.check("a restore without a copy is never data, and never a chunk that is not there", bad[0] == b"" and set(bad[1]) <= WAIT, bad[1])
        r.check("the others come", is_right(good, 1), good[1])
        n_tries = world.glacier.restores().get("f0.nc", 0)
        r.check("it is asked for more than once, but not without end", 1 < n_tries <= 12, f"{n_tries} restores")


def expiry(r: Report, binary: str, folder: Path) -> None:
    with World(binary, folder, ("--restore-seconds", "1", "--day-seconds", "8")) as world:
        first = world.server.read(0)
        r.check("the copy is read", is_right(first, 0), first[1])
        said, end, is_all_right = set(), time.monotonic() + 20, True
        while time.monotonic() < end:
            status, _, body = world.server.chunk(0)
            said.add(status)
            is_all_right = is_all_right and (body == expected(0) if status == 200 else status in WAIT)
            # What is kept in memory would never show that the copy has ended.
            world.server.call("POST", "/objects/evict", {"all": True})
            time.sleep(0.2)
        r.check("reads over the end of copies are right, or wait", is_all_right, sorted(said))
        again = world.server.read(0)
        r.check("it is restored again when it is wanted again", is_right(again, 0), again[1])


def restarts(r: Report, binary: str, folder: Path) -> None:
    with World(binary, folder, ("--restore-seconds", "8", "--day-seconds", "86400")) as world:
        server = world.server
        body = {"objects": [f"s3://archive/f{step}.nc" for step in range(STEPS)], "lifetime": "P1D"}
        status, _, answer = server.call("POST", "/requests", body)
        name = json.loads(answer).get("id")
        r.check("a request is accepted", status in (200, 201, 202), (status, answer[:200]))
        for number in range(3):
            time.sleep(1 + number)
            server.kill()
            server.start()
        reads = [server.read(step) for step in range(STEPS)]
        r.check("after three kills all come right", all(map(is_right, reads, range(STEPS))), [read[1] for read in reads])
        r.check("and each was restored once", world.glacier.restores() == {f"f{step}.nc": 1 for step in range(STEPS)}, world.glacier.restores())
        r.check("the request has succeeded", succeeds(server, name, 20))


def behind(r: Report, binary: str, folder: Path) -> None:
    with World(binary, folder, ("--restore-seconds", "2", "--day-seconds", "86400")) as world:
        server, glacier = world.server, world.glacier
        r.check("a file is read", is_right(server.read(0), 0))
        glacier.reset()
        server.call("POST", "/objects/evict", {"all": True})
        again = server.read(0)
        r.check("a copy that is gone behind the server's back is restored again", is_right(again, 0), again[1])
        r.check("by one restore", glacier.restores() == {"f0.nc": 1}, glacier.restores())


def moto(r: Report, binary: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, str(HERE / "s3_glacier_moto.py"), "--serve", "60", "--port", str(port)]
    with open(folder / "moto.log", "w") as log:
        store = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    server = Server(binary, folder, SimpleNamespace(url=f"http://127.0.0.1:{port}"))
    try:
        wait_port(port, 60)
        end = time.monotonic() + 30
        while "restore_seconds" not in (folder / "moto.log").read_text() and time.monotonic() < end:
            time.sleep(0.1)
        server.start()
        names = [f"s3://archive/data/{name}.bin" for name in ("glacier", "deep_archive", "glacier_ir", "standard")]
        status, _, answer = server.call("POST", "/requests", {"objects": names, "lifetime": "P1D"})
        r.check("moto: a request is accepted", status in (200, 201, 202), (status, answer[:200]))
        r.check("moto: the request has succeeded", succeeds(server, json.loads(answer).get("id"), 60))
        code = store.wait(90)
        r.check("moto: each archived object was restored by one request", code == 0, (folder / "moto.log").read_text()[-300:])
    finally:
        server.stop()
        store.kill()
        store.wait(10)


def succeeds(server: Server, name: str, seconds: float) -> bool:
    """True once a request has succeeded."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = json.loads(server.get(f"/requests/{name}")[2] or b"{}").get("state", "")
        if state == "succeeded":
            return True
        if state in ("failed", "partial", "cancelled"):
            break
        time.sleep(0.2)
    return False


WORLDS = {world.__name__: world for world in (plain, joined, rough, failing, expiry, restarts, behind, moto)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", action="append", choices=list(WORLDS))
    parser.add_argument("--dir", help="folder to work in, kept afterwards")
    args = parser.parse_args()
    binary = str(Path(args.binary).resolve())
    folder = Path(args.dir or tempfile.mkdtemp(prefix="glacier-")).resolve()
    report = Report("Glacier, end to end")
    for name in args.only or WORLDS:
        print(f"== {name}", flush=True)
        shutil.rmtree(folder / name, ignore_errors=True)
        try:
            WORLDS[name](report, binary, folder / name)
        except (RuntimeError, OSError, ValueError) as error:
            report.check(name, False, error)
    if not args.dir:
        shutil.rmtree(folder, ignore_errors=True)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
