"""Starts the server over generated files and lets every check of catalogs ask it, with the clients that people have.

    python run.py --binary target/release/thermocline --bridge target/debug/summary-bridge --envs DIR --fixtures FIX
                  [--all] [--only NAME]... [--dir DIR]

`--envs` is the folder of `tests/clients/setup` with the environments `catalogs` and `intake07`, FIX what `make_fixtures.py`
wrote. Checks (`--only`): files, stac, cold, intake, thredds, validate, extents, export, scale, harvest, and with `--all` selftest;
`--all` lets scale and harvest have their full size and their figures hold: a machine that others use answers some searches late.
A check that could not run counts as failed.
The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import hashlib
import os
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLD = "tas-noleap"
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"
START = 5.0  # seconds until a server that was here before answers
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed")


class Total:
    """What passed and what failed, of all checks."""

    def __init__(self) -> None:
        self.passed, self.failed, self.lock = 0, 0, threading.Lock()

    def add(self, title: str, done: subprocess.CompletedProcess[str] | str) -> None:
        """Counts the last line of a check; prints what it said in one piece."""
        text = done if isinstance(done, str) else done.stdout
        status = 1 if isinstance(done, str) else done.returncode
        found = SUMMARY.fullmatch((text.strip().splitlines() or [""])[-1])
        good, bad = (int(found[1]), int(found[2])) if found else (0, 1)
        if not bad and (status or not good):
            bad = 1
        with self.lock:
            self.passed, self.failed = self.passed + good, self.failed + bad
            print(f"== catalogs: {title}\n{text.strip()}", flush=True)

    def claim(self, title: str, holds: bool, said: str) -> None:
        """Counts one case that is judged here."""
        last = f"{int(holds)} passed, {int(not holds)} failed"
        self.add(title, subprocess.CompletedProcess([], int(not holds), f"{said}\n{last}"))


class Server:
    """The server over some folders, and whatever else a configuration says."""

    def __init__(self, binary: str, folder: Path, arguments: list[str], config: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log, self.base = folder / "server.log", ""
        file = folder / "thermocline.toml"
        file.write_text(config)
        command = [binary, "serve", *arguments, "--config", str(file), "--state", str(folder / "state"), "--listen", "127.0.0.1:0", "--log", "json"]
        self.began = time.monotonic()
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        end = self.began + 120
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r'"address":"([^"]*)"', self.log.read_text(errors="replace"))
            if found and answers(found[1] + "/ready"):
                self.base = found[1]
                return
            time.sleep(0.05)
        self.stop()
        raise OSError(f"the server did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def listed(self, n_items: int, token: str = "") -> Server:
        """Waits until so many Items are found by whoever has the token."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if f'"numberMatched":{n_items}' in text(f"{self.base}/stac/search?limit=1", token).replace(" ", ""):
                return self
            time.sleep(0.1)
        self.stop()
        raise OSError(f"{n_items} Items are not found within two minutes")

    def since(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self.began

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def text(url: str, token: str = "") -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError) as error:
        return str(error)


class Run:
    """All checks over one set of fixtures."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder, self.total = args, folder, Total()
        self.n_items = len(list(args.fixtures.glob("*.nc")))

    def wants(self, name: str) -> bool:
        return name in self.args.only if self.args.only else name != "selftest" or self.args.all

    def check(self, title: str, script: str, *more: str, env: str = "catalogs", timeout: float = 1200) -> None:
        """Runs a script of this folder and counts."""
        command = [str(self.args.envs / env / "bin" / "python"), "-W", "ignore", str(HERE / script), *more]
        scratch = {**os.environ, "TMPDIR": str(self.folder)}  # What a check that is ended leaves goes with the rest.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder, env=scratch, start_new_session=True)
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # With the servers that it started.
            said, _ = process.communicate()
            self.total.add(title, f"{said}\nno end after {timeout} s")
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        else:
            self.total.add(title, subprocess.CompletedProcess(command, process.returncode, said))

    def all(self) -> None:
        for name, what in (("files", self.files), ("extents", self.extents), ("clients", self.clients), ("cold", self.cold), ("export", self.export),
                           ("scale", self.scale), ("harvest", self.harvest), ("selftest", self.selftest)):
            if name != "clients" and not self.wants(name):
                continue
            try:
                what()
            except (OSError, subprocess.SubprocessError) as error:
                self.total.add(name, str(error))

    def files(self) -> None:
        self.check("catalog files", "check_catalog_files.py", "--command", f"{self.args.binary} catalog check")

    def extents(self) -> None:
        if not self.args.bridge:
            self.total.add("extents", "no --bridge was given")
            return
        bridge, files = str(Path(self.args.bridge).resolve()), HERE.parent / "data" / "files"
        self.check("extents", "check_extents.py", "--bridge", bridge, "--fixtures", str(self.args.fixtures), str(files))

    def clients(self) -> None:
        """Whatever asks one server of all fixtures, two at a time."""
        tasks: list[Callable[[Server], None]] = []
        if self.wants("stac"):
            tasks.append(lambda s: self.check("STAC", "check_stac.py", *self.of(s)))
        if self.wants("intake"):
            tasks.append(lambda s: self.check("intake 0.7", "check_intake.py", *self.of(s), env="intake07"))
            tasks.append(lambda s: self.check("intake 2", "check_intake.py", *self.of(s)))
        if self.wants("validate"):
            tasks.append(lambda s: self.check("stac-api-validator", "stac_api_validator.py", "--server", s.base))
            tasks.append(lambda s: self.check("schemas, pystac", "validate.py", "--server", s.base))
            tasks.append(lambda s: self.check("schemas, stac-valid", "validate.py", "--server", s.base, "--tool", "stac-valid"))
        if self.wants("thredds"):
            tasks.append(lambda s: self.check("THREDDS", "check_thredds.py", *self.of(s), env="intake07"))
        if not tasks:
            return
        with Server(self.args.binary, self.folder / "fixtures", [str(self.args.fixtures)]).listed(self.n_items) as server, ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda task: task(server), tasks))

    def of(self, server: Server) -> list[str]:
        return ["--server", server.base, "--fixtures", str(self.args.fixtures)]

    def cold(self) -> None:
        with self.cold_server("cold") as server:
            self.check("a dataset on tape", "check_stac.py", *self.of(server), "--cold", COLD, "--only", "order")
        if self.args.all:  # The environment is large.
            self.eodag("eodag")
            self.eodag("eodag-protected", TOKEN)

    def eodag(self, name: str, token: str = "") -> None:
        """Orders what everybody may, or what the token alone may see."""
        with self.cold_server(name, token) as server:
            file = str(self.folder / name / "archive" / f"{COLD}.nc")
            known = ["--token", token] if token else []
            self.check(name, "check_eodag.py", "--server", server.base, "--cold", COLD, "--file", file, *known, env="eodag")

    def cold_server(self, name: str, token: str = "") -> Server:
        """One of the fixtures lies on tape: indexed while it was online, cold when the server starts. A token may read and
        stage alone."""
        folder = self.folder / name
        for place in ("hot", "archive"):
            (folder / place).mkdir(parents=True)
        for file in self.args.fixtures.glob("*.nc"):
            shutil.copy2(file, folder / ("archive" if file.stem == COLD else "hot") / file.name)
        paths = [str(folder / "hot"), str(folder / "archive")]
        roots = f'[roots.archive]\npath = "{folder}/archive"\n'
        (folder / "index.toml").write_text(roots)
        index = [self.args.binary, "index", *paths, "--config", str(folder / "index.toml"), "--state", str(folder / "state")]
        subprocess.run(index, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
        library = 'kind = "simulated"\nspeed = 60\npoll_every = "200ms"\n'
        everybody = "false" if token else "true"
        config = f'{roots}[cold.tape]\nroots = ["archive"]\n{library}[staging]\nanonymous = {everybody}\nstaged_files_dir = "{folder}/staged"\n'
        if token:
            digest = hashlib.sha256(token.encode()).hexdigest()
            config += f'[tokens.me]\nhash = "sha256:{digest}"\nscopes = ["read", "stage"]\n[access.default]\nread = ["token:me"]\nstage = ["token:me"]\n'
        return Server(self.args.binary, folder, paths, config).listed(self.n_items, token)

    def export(self) -> None:
        self.check("static export", "check_export.py", "--binary", self.args.binary, "--fixtures", str(self.args.fixtures))

    def scale(self) -> None:
        n_items, p95_ms = (100_000, 20) if self.args.all else (5_000, 100)
        folder = self.folder / "big"
        subprocess.run([sys.executable, str(HERE / "make_big_catalog.py"), str(folder), str(n_items)], timeout=300, check=True)
        config = f'[roots.files]\npath = "{self.args.fixtures}"\n[catalogs]\ndirs = ["{folder}/catalogs"]\n'
        with Server(self.args.binary, self.folder / "scale", [], config) as server:
            limits = ["--pid", str(server.process.pid), "--p95-ms", str(p95_ms)]
            self.check(f"{n_items} Items", "scale.py", "--server", server.base, "--truth", str(folder / "big.json"), *limits)
        with Server(self.args.binary, self.folder / "scale", [], config) as server:
            took = server.since()
            whole = server.listed(n_items).since()
        self.total.claim(f"start with {n_items} Items", took <= START, f"answers after {took:.1f} s, limit {START:.0f} s; all Items are found after {whole:.1f} s")

    def harvest(self) -> None:
        size = ["--files", "10000", "--min-rate", "500"] if self.args.all else ["--files", "300", "--kills", "6"]
        self.check("harvest", "harvest.py", self.args.binary, *size)

    def selftest(self) -> None:
        self.check("the checks themselves", "selftest.py", "--envs", str(self.args.envs), "--fixtures", str(self.args.fixtures), timeout=3600)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--bridge", help="summary-bridge, for extents")
    parser.add_argument("--envs", required=True, type=Path)
    parser.add_argument("--fixtures", required=True, type=Path)
    parser.add_argument("--all", action="store_true", help="everything, at full size")
    parser.add_argument("--only", action="append")
    parser.add_argument("--dir", type=Path, help="keep what is made here")
    args = parser.parse_args()
    args.binary, args.envs, args.fixtures = str(Path(args.binary).resolve()), args.envs.absolute(), args.fixtures.absolute()
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(args, (args.dir or Path(scratch)).absolute())
        run.folder.mkdir(parents=True, exist_ok=True)
        run.all()
    print(f"{run.total.passed} passed, {run.total.failed} failed")
    return 0 if run.total.passed and not run.total.failed else 1


if __name__ == "__main__":
    sys.exit(main())
