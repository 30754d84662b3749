"""Asks every route of the server as everybody, and judges by the rules who may see what.

    python run.py --binary target/release/thermocline [--pystac PYTHON]

The routes come from the server's own OpenAPI document: one that is not known here fails (matrix.py). Each is asked by callers
without credentials, with wrong ones, with a token without scopes, by the owner of a dataset, by another owner, by an
administrator and from a network, for datasets that are open, for two that are not, and for one that does not exist. Then rules,
tokens and catalogs change while the server runs (changes.py), and real clients read a protected dataset with `.netrc` or a
header (clients.py). `--pystac` is a Python with pystac-client. The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import changes
from matrix import matrix
from serving import CLIMATE, SECRETS, Checks, Server

HERE = Path(__file__).resolve().parent


def check_clients(server: Server, checks: Checks, pystac: str | None) -> None:
    netrc = server.folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRETS['owner']}\n")
    netrc.chmod(0o600)
    for which, python in (("readers", sys.executable), ("pystac", pystac)):
        if python is None:
            continue
        command = [python, str(HERE / "clients.py"), which, f"http://{server.host}", CLIMATE, SECRETS["owner"], str(netrc)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        print(done.stdout, end="", flush=True)
        said = re.search(r"(\d+) passed, (\d+) failed\s*$", done.stdout)
        checks.that(f"clients, {which}", done.returncode == 0 and said is not None, done.stderr[-600:])
        if said:
            checks.passed, checks.failed = checks.passed + int(said[1]), checks.failed + int(said[2])


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", required=True)
    arguments.add_argument("--pystac", help="a Python with pystac-client")
    given = arguments.parse_args()
    checks, binary = Checks(), str(Path(given.binary).resolve())
    with tempfile.TemporaryDirectory(prefix="access-") as folder:
        server = Server(binary, Path(folder))
        try:
            server.start()
            requests = matrix(server, checks)
            changes.check_lists_show(server, checks)
            changes.check_pages_of_others(server, checks)
            changes.check_audit(server, checks)
            check_clients(server, checks, given.pystac)
            changes.check_export(server, checks)
            changes.check_tokens(server, checks)
            changes.check_reload(server, checks)
            changes.check_missing_rule(server, checks)
            changes.check_catalog_change(server, checks)
            changes.check_withdrawn(server, checks, requests)
        finally:
            server.stop()
    changes.check_single(binary, checks)
    changes.check_recalls(binary, checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 0 if checks.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
