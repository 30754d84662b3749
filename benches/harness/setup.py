"""What the harness needs on the machine, and how it gets it."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
REPOSITORY = BENCHES.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"

CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")

DEBIAN_PACKAGES = {"nginx": "nginx-light", "wrk": "wrk"}


class SetupError(Exception):
    """Something the harness needs is missing and could not be set up."""


@dataclass(frozen=True)
class Tools:
    """The programs that take part in a run."""

    thermocline: Path
    nginx: Path
    wrk: Path
    clients: Path
    """Python with xarray, zarr, kerchunk and VirtualiZarr."""
    xpublish: Path
    """Python with xpublish."""


def default_cache() -> Path:
    """Where environments, data and logs are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "thermocline-benches"


def tools(cache: Path, server: Path | None) -> Tools:
    """Finds or sets up every program; `server` names a server that is already built."""
    _install_missing_packages()
    return Tools(
        thermocline=server.resolve() if server else _release_build(),
        nginx=_program("nginx"),
        wrk=_program("wrk"),
        clients=_environment(cache, "clients"),
        xpublish=_environment(cache, "xpublish"),
    )


def machine(found: Tools) -> dict[str, str]:
    """What a reader of the figures must know about machine and versions."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    pinned = _pinned("clients") | _pinned("xpublish")
    peers = ("xpublish", "xarray", "zarr", "kerchunk", "virtualizarr")
    return {
        "processor": f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, TCP {CONGESTION_CONTROL.read_text().strip()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "thermocline": _first_line([found.thermocline, "--version"]),
        "nginx": _first_line([found.nginx, "-v"]),
        "python": platform.python_version(),
        **{name: pinned[name] for name in peers},
    }


def _install_missing_packages() -> None:
    missing = [package for program, package in DEBIAN_PACKAGES.items() if _find(program) is None]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None:
        raise SetupError(f"please install {' and '.join(missing)}")
    if os.geteuid() != 0:
        command = ["sudo", "-n", *command]
    _say(f"installing {' '.join(missing)}")
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise SetupError(f"could not install {' and '.join(missing)}: run `apt-get install {' '.join(missing)}`")


def _release_build() -> Path:
    _say("building the server (release)")
    command = ["cargo", "build", "--release", "--locked", "--package", "thermocline"]
    if subprocess.run(command, cwd=REPOSITORY, check=False).returncode != 0:
        raise SetupError("the server does not build")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
    return (target / "release" / "thermocline").resolve()


def _environment(cache: Path, name: str) -> Path:
    """The Python of the environment with `requirements/{name}.txt`, made anew when that file changed."""
    requirements = BENCHES / "requirements" / f"{name}.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    directory = cache / "venvs" / name
    stamp, python = directory / "requirements.sha256", directory / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    _say(f"setting up the Python environment {name!r} in {directory}")
    venv.create(directory, clear=True, with_pip=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
    if subprocess.run(command, check=False).returncode != 0:
        raise SetupError(f"cannot install {requirements}")
    stamp.write_text(wanted)
    return python


def _pinned(name: str) -> dict[str, str]:
    lines = (BENCHES / "requirements" / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def _program(name: str) -> Path:
    found = _find(name)
    if found is None:
        raise SetupError(f"{name} is not installed")
    return Path(found)


def _find(name: str) -> str | None:
    # Debian keeps nginx where an ordinary user's path does not look.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def _first_line(command: list[str | Path]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return (answer.stdout or answer.stderr).strip().partition("\n")[0]


def _say(message: str) -> None:
    print(f"benches: {message}", file=sys.stderr, flush=True)
