"""Starts the server over archives that are really cold, and lets everything read and recall through it.

    python run.py --binary target/release/thermocline --zarr2 PYTHON --zarrita DIR [--archive NAME]... [--dir DIR]

Archives (`--archive`, all by default):
  simulated   the tape library that comes with the server, files copied into its cache
  stubs       a file system whose cold files read as zeros, recalled by a command (posix_hsm/stubs.py)
  fuse        a file system whose cold files block (posix_hsm/hsmfs.py); needs FUSE and the right to mount

For each of them: `cold_reads.py` (eight clients at once, one recall a file, nothing else recalls), then `chiller_sdk.py`
(EODC's SDK recalls lists), with the archive itself as the witness of recalls. Files are indexed before they go cold, as
everywhere. The last line is "N passed, N failed"; a check that could not run counts as failed.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from make_cold_files import STEPS, build, references, truth

HERE = Path(__file__).resolve().parent
HSM = HERE.parent / "posix_hsm"
CHILLER = HERE.parent / "chiller" / "chiller_sdk.py"
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"


@dataclass
class Archive:
    """An archive whose files are at `files` for the server."""
    files: Path
    store: str
    """Keys of `[cold.tape]` but for its roots."""
    recalls: str
    """Command that prints the number of recalls so far."""
    evict: str | None = None
    """Command that makes every file cold; None to ask the server."""
    make_cold: str = "true"
    """Command that makes every file cold at first."""
    process: subprocess.Popen | None = None

    def close(self) -> None:
        if self.process:
            subprocess.run(["fusermount", "-u", "-z", str(self.files)], check=False)
            self.process.terminate()
            self.process.wait(10)


def simulated(folder: Path) -> Archive:
    log = folder / "recalls.log"
    store = f'kind = "simulated"\nspeed = 120\ndrives = 2\npoll_every = "200ms"\nrecall_log = "{log}"\nchecksums = true\n'
    return Archive(folder / "files", store, f"sh -c 'touch {log}; wc -l < {log}'")


def stubs(folder: Path) -> Archive:
    """Files are online at first, and stubs once they are indexed; then the server has to release what it recalled."""
    log, backing, files = folder / "recalls.log", folder / "files", folder / "archive"
    shutil.copytree(backing, files, copy_function=shutil.copy2)
    tool = shlex.join([sys.executable, str(HSM / "stubs.py")])
    store = (f'kind = "posix"\nattributes = []\ntrust_blocks = true\nassume_archived = true\npoll_every = "200ms"\n'
             f'recall = """{tool} recall {backing} {files} {{path}} --delay 1 --fail fails.nc --log {log}"""\n'
             f'release = """{tool} release {backing} {files} {{path}}"""\nexit_codes = {{ "2" = "not-found" }}\n')
    return Archive(files, store, f"{tool} count {log}", make_cold=f"{tool} make {backing} {files}")


def fuse(folder: Path) -> Archive:
    backing, mount = folder / "files", folder / "archive"
    mount.mkdir()
    command = [sys.executable, str(HSM / "hsmfs.py"), str(backing), str(mount), "--delay", "1", "--fail", "fails.nc"]
    toy = subprocess.Popen(command)
    end = time.monotonic() + 15
    while not os.path.ismount(mount) and toy.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    store = ('kind = "posix"\npoll_every = "200ms"\nrecall = "setfattr -n user.hsm.restore -v 1 {path}"\n'
             'release = "setfattr -n user.hsm.release -v 1 {path}"\n')
    archive = Archive(mount, store, f"cat {mount}/.hsm/count", f"sh -c 'echo all > {mount}/.hsm/release'", process=toy)
    if not os.path.ismount(mount):
        archive.close()
        raise OSError("the toy HSM does not mount: is there FUSE, and the right to mount?")
    return archive


ARCHIVES = {"simulated": simulated, "stubs": stubs, "fuse": fuse}


class Server:
    """The server under test."""

    def __init__(self, binary: str, folder: Path, archive: Archive) -> None:
        self.binary, self.folder, self.archive = binary, folder, archive
        self.log, self.process, self.base = folder / "server.log", None, ""

    def config(self, is_cold: bool) -> str:
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        cold = f'[cold.tape]\nroots = ["archive"]\n{self.archive.store}\n' if is_cold else ""
        return (f'[roots.archive]\npath = "{self.archive.files}"\n[roots.hot]\npath = "{self.folder}/hot"\n{cold}'
                f'[staging]\nanonymous = true\nstaged_files_dir = "{self.folder}/staged"\n'
                f'[tokens.operator]\nhash = "sha256:{digest}"\nscopes = ["read", "stage", "admin"]\n')

    def command(self, what: str, is_cold: bool) -> list[str]:
        file = self.folder / f"{what}.toml"
        file.write_text(self.config(is_cold))
        return [self.binary, what, "--config", str(file), "--state", str(self.folder / "state"), str(self.folder / "hot"), str(self.archive.files)]

    def index(self) -> None:
        done = subprocess.run(self.command("index", is_cold=False), capture_output=True, text=True, timeout=300, check=False)
        print(f"      {done.stdout.strip()} {done.stderr.strip()[-300:]}", flush=True)

    def start(self) -> bool:
        with open(self.log, "w") as log:
            command = [*self.command("serve", is_cold=True), "--listen", "127.0.0.1:0", "--log", "json"]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r'"address":"([^"]*)"', self.log.read_text(errors="replace"))
            if found and answers(found[1] + "/ready"):
                self.base = found[1]
                return True
            time.sleep(0.05)
        print(f"the server did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
        return False

    def evict_command(self) -> str:
        ask = ["curl", "-fsS", "-X", "POST", "-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json",
               "--data", '{"all": true}', f"{self.base}/objects/evict"]
        return self.archive.evict or shlex.join(ask)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as got:
            return got.status == 200
    except (OSError, urllib.error.HTTPError):
        return False


def run_check(command: list[str]) -> tuple[int, int]:
    """Runs a check whose last line is "N passed, N failed"; how many passed and failed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, "PYTHONPATH": str(HERE)})
    last = ""
    for last in process.stdout:
        print(last, end="", flush=True)
    code = process.wait()
    said = re.search(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", last)
    good, bad = (int(said[1]), int(said[2]) + int(said[3] or 0)) if said else (0, 0)
    if bad == 0 and (code != 0 or good == 0):
        print(f"FAIL  {Path(command[1]).name}: exit status {code} with {good} passed", flush=True)
        bad = 1
    return good, bad


def over(name: str, folder: Path, args: argparse.Namespace) -> tuple[int, int]:
    """All checks over one archive."""
    build(folder)
    np.save(folder / "truth0.npy", truth()[:1])
    (folder / "hot").mkdir()
    try:
        archive = ARCHIVES[name](folder)
    except OSError as error:
        print(f"FAIL  {name}: {error}", flush=True)
        return 0, 1
    server = Server(args.binary, folder, archive)
    try:
        (folder / "hot" / "joined.json").write_text(json.dumps(references(folder / "files", str(archive.files))))
        server.index()
        subprocess.run(shlex.split(archive.make_cold), check=True, timeout=60)
        if not server.start():
            return 0, 1
        evict = server.evict_command()
        subprocess.run(shlex.split(evict), check=True, stdout=subprocess.DEVNULL, timeout=60)
        python = sys.executable
        good = bad = 0
        for variable in ("t", "u"):
            file = [] if variable == "u" else ["--file", "datasets/f0/objects/0", "--file-truth", str(folder / "truth0.npy")]
            reads = [python, str(HERE / "cold_reads.py"), "--server", server.base, "--dataset", "joined", "--variable", variable,
                     "--truth", str(folder / "truth.npy"), "--files", str(STEPS), "--evict-cmd", evict, "--recalls-cmd", archive.recalls,
                     "--hot", "/datasets", "--hot", "/health", "--hot", "/metrics", *file]
            reads += ["--zarr2", args.zarr2] if args.zarr2 else []
            reads += ["--zarrita", args.zarrita] if args.zarrita else []
            done = run_check(reads)
            good, bad = good + done[0], bad + done[1]
        files = archive.files
        chiller = [python, str(CHILLER), "--server", server.base, "--path", f"{files}/f0.nc", "--path", f"{files}/f1.nc",
                   "--odd-path", f"{files}/a=b&c+d.nc", "--evict-cmd", evict]
        done = run_check(chiller)
        return good + done[0], bad + done[1]
    finally:
        server.stop()
        archive.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--zarr2", help="Python of an environment with zarr 2.18")
    parser.add_argument("--zarrita", help="folder whose node_modules holds zarrita")
    parser.add_argument("--archive", action="append", choices=list(ARCHIVES))
    parser.add_argument("--dir", help="folder to work in, kept afterwards")
    args = parser.parse_args()
    args.binary = str(Path(args.binary).resolve())
    folder = Path(args.dir or tempfile.mkdtemp(prefix="cold-")).resolve()
    good = bad = 0
    for name in args.archive or ARCHIVES:
        print(f"== {name}", flush=True)
        shutil.rmtree(folder / name, ignore_errors=True)
        done = over(name, folder / name, args)
        good, bad = good + done[0], bad + done[1]
    if not args.dir:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{good} passed, {bad} failed")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main())
