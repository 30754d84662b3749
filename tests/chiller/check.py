"""Runs `chiller_sdk.py` against a server with a simulated tape library: the `eodc` package, unmodified, and curl users.

    python check.py --binary target/debug/thermocline [--seconds 60]

Needs the packages of `requirements.txt`, and `pip install --no-deps eodc==2026.6.1`. The last line is that of
`chiller_sdk.py`; so is the exit code.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
[state]
dir = "{dir}/state"
[catalogs]
dirs = ["{dir}/catalogs"]
[roots.archive]
path = "{dir}/archive"
map = [{{from = "/eodc/products", to = "{dir}/archive"}}]
[cold.tape]
kind = "simulated"
roots = ["archive"]
speed = 100
poll_every = "100ms"
[staging]
anonymous = true
min_residency = "0s"
staged_files_dir = "{dir}/staged"
[tokens.operator]
hash = "sha256:{digest}"
scopes = ["admin"]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(server: str, process: subprocess.Popen, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server}/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"the server at {server} did not become ready")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="the thermocline program")
    parser.add_argument("--seconds", type=int, default=60, help="seconds a job may take")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="chiller-") as folder:
        archive = Path(folder) / "archive"
        archive.mkdir()
        (Path(folder) / "catalogs").mkdir()
        names = ["f0.nc", "f1.nc", "f2.nc", "a=b&c+d.nc"]
        for number, name in enumerate(names):
            (archive / name).write_bytes(bytes([number]) * 10_000)
        token = secrets.token_hex(16)
        digest = hashlib.sha256(token.encode()).hexdigest()
        port = free_port()
        config = Path(folder) / "thermocline.toml"
        config.write_text(CONFIG.format(port=port, dir=folder, digest=digest))
        server = f"http://127.0.0.1:{port}"
        with (Path(folder) / "server.log").open("w") as log:
            process = subprocess.Popen([args.binary, "serve", "--config", str(config)], stdout=log, stderr=log)
        try:
            wait_until_ready(server, process, 60)
            evict = f"{sys.executable} {HERE / 'evict.py'} {server}"
            return subprocess.run(
                [sys.executable, str(HERE / "chiller_sdk.py"), "--server", server, "--timeout", str(args.seconds),
                 *(part for name in names[:2] for part in ("--path", str(archive / name))),
                 "--path", "/eodc/products/f2.nc", "--odd-path", str(archive / names[3]), "--evict-cmd", evict],
                env={**os.environ, "THERMOCLINE_TOKEN": token}, check=False,
            ).returncode
        finally:
            process.terminate()
            process.wait(30)
            if process.returncode not in (0, -15):
                print((Path(folder) / "server.log").read_text()[-4000:], file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
