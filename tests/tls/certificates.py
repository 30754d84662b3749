"""Certificates of an authority of our own, made by openssl."""
from __future__ import annotations

import subprocess
from pathlib import Path


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """An authority that nobody trusts but who has `certificate`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.certificate = folder / "ca.pem"
        self.key = folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=authority of a test", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name: str, *kind: str) -> tuple[Path, Path]:
        """A certificate for this machine, with the one of the authority behind it, and its key."""
        certificate, key, request, names = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "names"))
        names.write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
        kind = kind or ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        openssl("req", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-days", "2", "-extfile", names, "-out", certificate)
        certificate.write_text(certificate.read_text() + self.certificate.read_text())
        return certificate, key
