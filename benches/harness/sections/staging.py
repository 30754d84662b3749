"""Cold data: large requests, many readers of one file, opening what is on tape."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import resource
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .. import processes, servers
from ..bench import Bench
from ..load import wait_for
from ..report import AtLeast, AtMost, Better, Row
from ..rounds import PRODUCT, MeasurementError, alternate

TITLE = "Cold data"
DATA = {"one"}

N_FILES = 100_000
N_READERS = 10_000
SETTLE_SECONDS = 12
SIDE, CHUNK = 512, 128
"""Shape and chunks of the float32 array that is read, all in one file."""

ROOTS = """\
[roots.archive]
path = "{archive}"
[roots.references]
path = "{references}"
"""
COLD = """\
[cold.tape]
kind = "simulated"
roots = ["archive"]
speed = {speed}
batch_objects = 10000
max_waiting = 1000000
[staging]
anonymous = true
max_hold = "280s"
[tokens.operator]
hash = "sha256:{digest}"
scopes = ["stage", "admin"]
"""
TOKEN = "operator"
FROZEN, QUICK = "1e-6", "60.0"
"""How fast the library is: nothing ends; a recall takes a second or two."""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields what opening cold data costs, then a request of many files, then many readers of one cold file."""
    yield from _opening(bench)
    yield from _large_request(bench)
    yield from _many_readers(bench)


# ---- opening what is on tape -------------------------------------------------------------------------------
OPENED = ("zarr-v3/zarr.json", "zarr-v2/.zmetadata", "kerchunk", *(f"zarr-v3/{name}/c/0" for name in ("time", "y", "x")))
"""What clients ask for when they open a dataset: metadata and coordinates."""
N_OPENINGS = 300


def _opening(bench: Bench) -> Iterator[Row]:
    """The same indexed file on disk and on tape, two servers that differ in nothing else."""
    with ExitStack() as stack:
        contenders = {}
        for name in ("hot", PRODUCT):
            folder, state = _folder(bench, FROZEN, is_cold=False), bench.folder("state")
            shutil.copy2(bench.data.one / "dataset.nc", folder / "archive")
            command = [bench.tools.thermocline, "index", folder / "archive", "--config", folder / "thermocline.toml", "--state", state]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            if name == PRODUCT:
                _write_config(folder, FROZEN, is_cold=True)
            contenders[name] = stack.enter_context(_start(bench, folder, state, "archive"))
            contenders[name].wait_for("/datasets/dataset/zarr-v3/zarr.json")
        figures, notes = alternate(contenders, bench.effort.rounds, _open_often)
        if n_recalls := _metric(contenders[PRODUCT], "thermocline_recalls_total"):
            raise MeasurementError(f"opening recalled {n_recalls:g} files")
    yield Row("opening a cold dataset: metadata and coordinates", "ms", Better.LOWER, figures, [AtLeast(0.91, "hot")], notes)


def _open_often(server: servers.Server) -> float:
    """Milliseconds for opening once, the median of many times over one connection."""
    connection, times = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30), []
    for _ in range(N_OPENINGS):
        begin = time.monotonic()
        for path in OPENED:
            connection.request("GET", f"/datasets/dataset/{path}")
            answer = connection.getresponse()
            if answer.status != 200 or not answer.read():
                raise MeasurementError(f"{answer.status} on {path}")
        times.append((time.monotonic() - begin) * 1e3)
    connection.close()
    return sorted(times)[len(times) // 2]


# ---- a request of many files -------------------------------------------------------------------------------
def _large_request(bench: Bench) -> Iterator[Row]:
    folder = _folder(bench, FROZEN)
    paths = [folder / "archive" / f"{n // 1000:03d}" / f"f{n:06d}.nc" for n in range(N_FILES)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    body = json.dumps({"objects": [str(path) for path in paths]}).encode()
    accepted, polls, restarts, memory = [], [], [], []
    for _ in range(bench.effort.rounds):
        state = bench.folder("state")
        with _start(bench, folder, state) as server:
            begin = time.monotonic()
            request = _post(server, "/requests", body)
            accepted.append(time.monotonic() - begin)
            url = f"/requests/{request['id']}"
            _wait_until(lambda: _document(server, url)["objects"]["queued"]["n"] < N_FILES, 120)
            polls += [_poll(server, url) for _ in range(20)]
            memory.append(server.memory().peak)
            server.process.kill()
            server.process.wait(30)
        begin = time.monotonic()
        with _start(bench, folder, state) as server:
            found = _document(server, url)
            restarts.append(time.monotonic() - begin)
            if found["n_objects"] != N_FILES:
                raise MeasurementError(f"{found['n_objects']} of {N_FILES} objects after kill -9")
    what = f"request of {N_FILES:,} files"
    yield Row(f"{what}: durable answer", "s", Better.LOWER, {PRODUCT: accepted}, [AtMost(1.0)])
    yield Row(f"{what}: a poll of changes", "ms", Better.LOWER, {PRODUCT: polls}, [AtMost(50.0)])
    yield Row(f"{what}: exec to the request after kill -9", "s", Better.LOWER, {PRODUCT: restarts}, [AtMost(5.0)])
    yield Row(f"{what}: most memory", "MB", Better.LOWER, {PRODUCT: memory})


def _poll(server: servers.Server, url: str) -> float:
    change = _document(server, url)["change"]
    begin = time.monotonic()
    _document(server, f"{url}/objects?since={max(change - 100, 0)}&limit=100")
    return (time.monotonic() - begin) * 1e3


# ---- many readers of one cold file -------------------------------------------------------------------------
def _many_readers(bench: Bench) -> Iterator[Row]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    folder = _folder(bench, QUICK)
    wanted = _write_array(folder)
    held, woken = [], []
    for _ in range(bench.effort.rounds):
        with _start(bench, folder, bench.folder("state")) as server:
            server.wait_for("/datasets/array/zarr-v3/zarr.json")
            before = server.memory().resident
            _post(server, "/cold/tape/pause", b"{}")
            peak, seconds = asyncio.run(_read_at_once(server, wanted))
            held.append((peak - before) * 1e6 / 1024 / N_READERS)
            woken.append(seconds)
            n_recalls = _metric(server, "thermocline_recalls_total")
            if n_recalls != 1:
                raise MeasurementError(f"{n_recalls:g} recalls for {N_READERS} readers of one file")
    yield Row(f"{N_READERS:,} readers of a cold file: memory of one that waits", "KiB", Better.LOWER, {PRODUCT: held}, [AtMost(20.0)])
    yield Row(f"{N_READERS:,} readers of a cold file: recall included, until all have all bytes", "s", Better.LOWER, {PRODUCT: woken})


def _write_array(folder: Path) -> list[bytes]:
    """A file of raw chunks and its references; the hash of each chunk."""
    n_chunks, n_bytes = (SIDE // CHUNK) ** 2, CHUNK * CHUNK * 4
    chunks = [hashlib.sha512(str(n).encode()).digest() * (n_bytes // 64) for n in range(n_chunks)]
    file = folder / "archive" / "array.bin"
    file.write_bytes(b"".join(chunks))
    array = {"zarr_format": 2, "order": "C", "filters": None, "compressor": None, "fill_value": 0, "dtype": "<f4",
             "shape": [SIDE, SIDE], "chunks": [CHUNK, CHUNK]}
    refs: dict[str, object] = {".zgroup": '{"zarr_format": 2}', "v/.zarray": json.dumps(array), "v/.zattrs": '{"_ARRAY_DIMENSIONS": ["y", "x"]}'}
    for n in range(n_chunks):
        refs[f"v/{n // (SIDE // CHUNK)}.{n % (SIDE // CHUNK)}"] = [str(file), n * n_bytes, n_bytes]
    (folder / "references" / "array.json").write_text(json.dumps({"version": 1, "refs": refs}))
    return [hashlib.sha256(chunk).digest() for chunk in chunks]


async def _read_at_once(server: servers.Server, wanted: list[bytes]) -> tuple[float, float]:
    """Memory of the server while all readers wait, and the seconds from letting the recall begin to the last byte."""
    readers = [asyncio.create_task(_read(server.port, n % len(wanted), wanted)) for n in range(N_READERS)]
    for _ in range(600):
        await asyncio.sleep(0.2)
        if await asyncio.to_thread(_metric, server, "thermocline_held_requests") >= N_READERS:
            break
    else:
        raise MeasurementError("not every reader was held")
    # What the burst of connections took for a moment is given back by then.
    await asyncio.sleep(SETTLE_SECONDS)
    peak = server.memory().resident
    begin = time.monotonic()
    await asyncio.to_thread(_post, server, "/cold/tape/resume", b"{}")
    await asyncio.gather(*readers)
    return peak, time.monotonic() - begin


async def _read(port: int, n: int, wanted: list[bytes]) -> None:
    per_row = SIDE // CHUNK
    reader, writer = await _connect(port)
    key = f"/datasets/array/zarr-v3/v/c/{n // per_row}/{n % per_row}?wait=280"
    writer.write(f"GET {key} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or hashlib.sha256(body).digest() != wanted[n]:
        raise MeasurementError(f"a reader got {head[:200]!r} and {body[:300]!r} ({len(body)} bytes)")


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(100):
        try:
            return await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        except OSError:
            await asyncio.sleep(0.1)
    raise MeasurementError("cannot connect")


# ---- the server --------------------------------------------------------------------------------------------
def _folder(bench: Bench, speed: str, *, is_cold: bool = True) -> Path:
    folder = bench.folder("cold")
    for name in ("archive", "references"):
        (folder / name).mkdir()
    _write_config(folder, speed, is_cold=is_cold)
    return folder


def _write_config(folder: Path, speed: str, *, is_cold: bool) -> None:
    config = ROOTS.format(archive=folder / "archive", references=folder / "references")
    if is_cold:
        config += COLD.format(speed=speed, digest=hashlib.sha256(TOKEN.encode()).hexdigest())
    (folder / "thermocline.toml").write_text(config)


def _start(bench: Bench, folder: Path, state: Path, served: str = "references") -> servers.Server:
    port = servers.free_port()
    command = [bench.tools.thermocline, "serve", folder / served, "--config", folder / "thermocline.toml"]
    command += ["--listen", f"127.0.0.1:{port}", "--state", state, "--log-level", "warn"]
    server = servers.Server("thermocline", port, processes.start(command, folder / "thermocline.log"))
    wait_for(port, "/ready", server.process, servers.START_LIMIT, 0.001)
    return server


def _post(server: servers.Server, path: str, body: bytes) -> dict:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(server.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read() or b"{}")


def _document(server: servers.Server, path: str) -> dict:
    with urllib.request.urlopen(server.url + path, timeout=120) as answer:
        return json.load(answer)


def _metric(server: servers.Server, name: str) -> float:
    with urllib.request.urlopen(server.url + "/metrics", timeout=120) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith((name + " ", name + "{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _wait_until(holds, seconds: float) -> None:  # noqa: ANN001
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise MeasurementError(f"not reached in {seconds:.0f} s")
        time.sleep(0.05)
