"""A server of files on disk and of files on a simulated tape library, whose log is the witness of recalls."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import requests

from _server import Server

TIMEOUT = 60
TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"


class Tape:
    """A server; the cold files are indexed while they are online and lie on tape when it starts."""

    def __init__(self, binary: str, folder: Path, hot: list[Path], cold: list[Path], config: str = "", speed: int = 60) -> None:
        self.log, self.binary, self.folder = folder / "recalls.log", binary, folder
        for name, files in (("hot", hot), ("archive", cold)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copy2(file, folder / name / file.name)
        self.paths = [str(folder / "hot"), str(folder / "archive")]
        roots = f'[roots.archive]\npath = "{folder}/archive"\n'
        (folder / "index.toml").write_text(roots)
        index = [binary, "index", *self.paths, "--config", str(folder / "index.toml"), "--state", str(folder / "state")]
        subprocess.run(index, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        operator = f'[tokens.operator]\nhash = "sha256:{digest}"\nscopes = ["read", "stage", "admin"]\n'
        library = f'kind = "simulated"\nspeed = {speed}\npoll_every = "200ms"\nrecall_log = "{self.log}"\n'
        self.config = f'{roots}[cold.tape]\nroots = ["archive"]\n{library}[staging]\nanonymous = true\nstaged_files_dir = "{folder}/staged"\n{operator}{config}'
        self.server = Server(binary, folder, self.paths, self.config)

    def recalls(self) -> int:
        """Recalls so far, as the library counts them."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET below the server root, without following anything."""
        return requests.get(self.server.base + path, headers=headers, timeout=TIMEOUT, allow_redirects=False)

    def evict(self) -> int:
        """Makes everything cold again that nobody keeps online; how many objects became so."""
        got = requests.post(f"{self.server.base}/objects/evict", json={"all": True}, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=TIMEOUT)
        got.raise_for_status()
        return got.json()["evicted"]
