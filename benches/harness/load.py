"""Load on a server: random keys for a time, or every key once."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from .processes import run
from .rounds import MeasurementError

RANDOM_KEYS = Path(__file__).resolve().parent / "random_keys.lua"
READ_SIZE_BYTES = 1 << 20


@dataclass(frozen=True)
class Load:
    """What one load on one server gave."""

    seconds: float
    n_requests: int
    n_bytes: int
    """Bytes received; `random_keys` counts headers too."""
    p99_ms: float

    @property
    def requests_per_second(self) -> float:
        """Answers a second."""
        return self.n_requests / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """10^6 bytes a second."""
        return self.n_bytes / self.seconds / 1e6


def random_keys(wrk: Path, port: int, keys: Path, connections: int, seconds: float) -> Load:
    """Asks for the paths listed in the file `keys`, at random, over `connections` kept-alive connections.

    Raises `MeasurementError` when any answer was not 2xx or any connection failed: errors are fast, and
    would pass for speed.
    """
    threads = min(connections, os.cpu_count() or 1)
    output = run(
        [
            *(wrk, "--threads", str(threads), "--connections", str(connections), "--timeout", "60s"),
            *("--duration", f"{max(round(seconds), 1)}s", "--script", RANDOM_KEYS),
            *(f"http://127.0.0.1:{port}", "--", keys),
        ],
        limit=seconds + 90,
    )
    found = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise MeasurementError(f"wrk gave no result: {output.strip()[-200:]}")
    result = json.loads(found[-1].removeprefix("RESULT "))
    if result["failed"]:
        raise MeasurementError(f"{result['failed']} of {result['requests']} answers failed")
    if result["requests"] == 0:
        raise MeasurementError(f"no answer within {seconds:g} s")
    return Load(result["seconds"], result["requests"], result["bytes"], result["p99_ms"])


def every_key_once(port: int, keys: Sequence[str], connections: int) -> Load:
    """Asks for every key once over `connections` kept-alive connections, in order."""
    waiting: SimpleQueue[str] = SimpleQueue()
    for key in keys:
        waiting.put(key)
    latencies: list[float] = []
    sizes: list[int] = []
    failures: list[str] = []

    def drain() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        buffer = bytearray(READ_SIZE_BYTES)
        try:
            while not failures:
                key = waiting.get_nowait()
                begin = time.perf_counter()
                sizes.append(_read(connection, key, buffer))
                latencies.append(time.perf_counter() - begin)
        except Empty:
            pass
        except (OSError, http.client.HTTPException, MeasurementError) as error:
            failures.append(str(error) or type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=drain, daemon=True) for _ in range(connections)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    if failures:
        raise MeasurementError(failures[0])
    p99_ms = sorted(latencies)[int(0.99 * (len(latencies) - 1))] * 1e3
    return Load(seconds, len(keys), sum(sizes), p99_ms)


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one GET over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_for(port: int, path: str, process: subprocess.Popen[bytes], limit: float, pause: float = 0.02) -> None:
    """Returns with the first 200 on `path`; raises when `process` ends or `limit` seconds pass before it."""
    end = time.monotonic() + limit
    status: int | str = "no answer"
    while time.monotonic() < end:
        if process.poll() is not None:
            raise MeasurementError(f"the server ended with {process.returncode} before it answered {path}")
        try:
            status, body = get(port, path)
        except (OSError, http.client.HTTPException) as error:
            status, body = str(error), b""
        if status == 200:
            return
        # A dataset that was refused stays refused.
        if status == 422:
            raise MeasurementError(f"422 on {path}: {body[:300].decode(errors='replace')}")
        time.sleep(pause)
    raise MeasurementError(f"no 200 on {path} within {limit:g} s: {status}")


def _read(connection: http.client.HTTPConnection, key: str, buffer: bytearray) -> int:
    connection.request("GET", key)
    answer = connection.getresponse()
    n_bytes = 0
    while n_read := answer.readinto(buffer):
        n_bytes += n_read
    if answer.status != 200:
        raise MeasurementError(f"{answer.status} on {key}")
    return n_bytes
