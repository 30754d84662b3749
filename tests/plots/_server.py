"""The server under test, with whatever configuration a check needs; and what a process uses."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

START = 120  # seconds until a server answers


class Server:
    """A server over some paths. Its folder keeps state, log and configuration; a second one there continues the first."""

    def __init__(self, binary: str, folder: Path, paths: list[str], config: str = "", more: list[str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log, self.base = folder / "server.log", ""
        file = folder / "thermocline.toml"
        file.write_text(config)
        command = [binary, "serve", *paths, "--config", str(file), "--state", str(folder / "state"), "--listen", "127.0.0.1:0", "--log", "json", *(more or [])]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + START
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r'"address":"([^"]*)"', self.log.read_text(errors="replace"))
            if found and status(found[1] + "/ready") == 200:
                self.base = found[1]
                return
            time.sleep(0.05)
        self.stop()
        raise OSError(f"the server did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Ends the process and waits for it."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def status(url: str) -> int:
    """The status of GET; 0 without an answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, urllib.error.URLError):
        return 0


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory now and at most, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    now, most = (re.search(rf"{name}:\s+(\d+) kB", text) for name in ("VmRSS", "VmHWM"))
    return (float(now[1]) / 1000 if now else 0.0), (float(most[1]) / 1000 if most else 0.0)


def bytes_read(pid: int) -> int:
    """Bytes that a process has asked its system for (`rchar`), from disk or from the page cache."""
    found = re.search(r"rchar: (\d+)", Path(f"/proc/{pid}/io").read_text())
    return int(found[1]) if found else 0


def metrics(base: str) -> dict[str, float]:
    """All values of /metrics by name with labels."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}
