"""The servers that are measured, each on a free port of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from . import processes
from .load import wait_for
from .setup import PROGRAMS, Tools

START_LIMIT = 300.0

NGINX_CONFIG = """\
daemon off;
{user}
worker_processes auto;
worker_rlimit_nofile 65536;
pid {place}/nginx.pid;
error_log {place}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  open_file_cache max=100000 inactive=600s;
  open_file_cache_valid 600s;
  open_file_cache_min_uses 1;
  default_type application/octet-stream;
  types {{ application/json json zmetadata; }}
  client_body_temp_path {place}/nginx-body;
  proxy_temp_path {place}/nginx-proxy;
  fastcgi_temp_path {place}/nginx-fastcgi;
  uwsgi_temp_path {place}/nginx-uwsgi;
  scgi_temp_path {place}/nginx-scgi;
  server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }}
}}
"""


@dataclass
class Server:
    """A server that runs; leaving its `with` block stops it."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time spent so far, workers included."""
        return processes.cpu_seconds(self.process.pid)

    def memory(self) -> processes.Memory:
        """Memory held now and at most, workers included."""
        return processes.memory(self.process.pid)

    def wait_for(self, path: str) -> None:
        """Returns when `path` answers 200."""
        wait_for(self.port, path, self.process, START_LIMIT)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes.stop(self.process)


def thermocline(tools: Tools, source: Path, place: Path, state: Path, settings: Sequence[str] = ()) -> Server:
    """Starts the product on the files below `source`; logs go to `place`.

    `settings` are keys of its configuration with their values, `SECTION.KEY=VALUE`.
    """
    port = free_port()
    command = [tools.thermocline, "serve", source, "--listen", f"127.0.0.1:{port}", "--state", state]
    command += ["--log-level", "warn", *(part for setting in settings for part in ("--set", setting))]
    return Server("thermocline", port, processes.start(command, place / "thermocline.log"))


def nginx(tools: Tools, root: Path, place: Path) -> Server:
    """Starts nginx on the files below `root`, tuned for static files."""
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    config = place / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(user=user, place=place, port=port, root=root))
    command = [tools.nginx, "-c", config, "-p", place, "-e", place / "nginx-error.log"]
    return Server("nginx", port, processes.start(command, place / "nginx.log"))


def xpublish(tools: Tools, files: Sequence[Path], place: Path) -> Server:
    """Starts xpublish on `files`, dataset ids being their names without extension."""
    port = free_port()
    command = [tools.xpublish, PROGRAMS / "serve_xpublish.py", *files, "--port", str(port)]
    return Server("xpublish", port, processes.start(command, place / "xpublish.log"))


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
