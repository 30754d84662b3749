"""The server by HTTPS, with clients that people have.

    python check_tls.py --binary target/release/thermocline

curl by HTTP/2 and HTTP/1.1, by TLS 1.2 and 1.3; requests; xarray over fsspec and over obstore. Certificates are made here
by openssl, renewed under the running server, and replaced by a pair that does not fit. The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from certificates import Authority
from serving import Report, Server, temperatures, until, write


def curl(ca: Path, url: str, *options: str) -> tuple[int, str, str]:
    """Exit code, version of HTTP with the status, and body."""
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "--cacert", str(ca), "-w", "\n%{http_version} %{http_code}",
                           *options, url], capture_output=True, text=True, check=False)
    body, _, last = done.stdout.rpartition("\n")
    return done.returncode, last, body


def speaks(report: Report, server: Server, ca: Path) -> None:
    url = f"{server.url}/datasets"
    report.check("the server says that it speaks HTTPS", server.url.startswith("https://"), server.url)
    for options, expected in [(("--http2",), "2 200"), (("--http1.1",), "1.1 200"), ((), "2 200"),
                              (("--http2", "--tls-max", "1.2"), "2 200"), (("--tlsv1.3",), "2 200")]:
        found = curl(ca, url, *options)
        report.check(f"curl {' '.join(options)} is answered {expected}", found[:2] == (0, expected), found)
    refused = subprocess.run(["curl", "-sS", url], capture_output=True, text=True, check=False)
    report.check("whoever does not know the authority refuses", refused.returncode == 60, refused)
    old = curl(ca, url, "--tlsv1.0", "--tls-max", "1.1")
    report.check("TLS 1.1 is not spoken", old[0] != 0, old)
    _, last, body = curl(ca, url.replace("https", "http"))
    report.check("who asks in clear is told so", last == "1.1 400" and "https://" in body, (last, body))
    _, _, headers = curl(ca, url, "-I")
    report.check("nothing is promised for other ports of the host", "strict-transport" not in headers.lower(), headers)


def links(report: Report, server: Server, ca: Path) -> None:
    clear, n_links = f"http://127.0.0.1:{server.port}", 0
    for path in ["/", "/datasets", "/stac", "/stac/collections", "/intake.yaml", "/datasets/field", "/datasets/field/kerchunk"]:
        _, last, body = curl(ca, server.url + path, "-H", "accept: application/json")
        n_links += body.count(server.url)
        report.check(f"no link of {path} is in clear", clear not in body and last.startswith("2 "), (last, body[:200]))
    report.check("there are links", n_links > 5, n_links)


def streams(report: Report, server: Server, ca: Path, folder: Path) -> None:
    """All chunks at once over one connection."""
    config = folder / "urls"
    config.write_text("".join(f'url = "{server.url}/datasets/field/zarr/t2m/c/{n}/0/0"\noutput = "{folder}/chunk-{n}"\n'
                              for n in range(48)))
    done = subprocess.run(["curl", "-sS", "--http2", "--cacert", str(ca), "-Z", "--parallel-max", "48", "-K", str(config),
                           "-w", "%{num_connects}\n"], capture_output=True, text=True, check=False)
    one = [curl_bytes(ca, f"{server.url}/datasets/field/zarr/t2m/c/{n}/0/0") for n in (0, 47)]
    same = [(folder / f"chunk-{n}").read_bytes() for n in (0, 47)] == one
    connects = sum(int(line) for line in done.stdout.split())
    report.check("48 chunks come at once", done.returncode == 0 and same and len(one[0]) > 100, (done, connects))
    report.check("over few connections", connects <= 4, connects)


def curl_bytes(ca: Path, url: str) -> bytes:
    return subprocess.run(["curl", "-sSf", "--http1.1", "--cacert", str(ca), url], capture_output=True, check=True).stdout


def clients(report: Report, server: Server, ca: Path) -> None:
    import requests
    import xarray as xr
    found = requests.get(f"{server.url}/datasets", verify=ca, timeout=20)
    report.check("requests", found.status_code == 200, found.text[:200])
    url, truth = f"{server.url}/datasets/field/zarr", temperatures()
    try:
        context = ssl.create_default_context(cafile=ca)
        opened = xr.open_dataset(url, engine="zarr", storage_options={"ssl": context}, chunks=None)
        report.check("xarray over fsspec reads the values", (opened.t2m.values == truth).all())
    except Exception as error:
        report.check("xarray over fsspec reads the values", False, repr(error))
    try:
        from obstore.store import HTTPStore
        from zarr.storage import ObjectStore
        store = ObjectStore(HTTPStore.from_url(url), read_only=True)
        opened = xr.open_dataset(store, engine="zarr", chunks=None)
        report.check("xarray over obstore reads the values", (opened.t2m.values == truth).all())
    except Exception as error:
        report.check("xarray over obstore reads the values", False, repr(error))


def shown(server: Server, ca: Path) -> bytes:
    """The certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection(("127.0.0.1", server.port), 20) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as stream:
        return stream.getpeercert(binary_form=True) or b""


def replace(source: Path, target: Path) -> None:
    """As those who renew certificates do it."""
    shutil.copy(source, target.with_suffix(".new"))
    os.replace(target.with_suffix(".new"), target)


def renewal(report: Report, server: Server, authority: Authority, folder: Path) -> None:
    ca, before = authority.certificate, shown(server, authority.certificate)
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=20,
                                             context=ssl.create_default_context(cafile=ca))
    connection.request("GET", "/datasets")
    first = connection.getresponse().read()
    for kind in ("pem", "key"):
        replace(authority.folder / f"renewed.{kind}", folder / f"tls.{kind}")
    report.check("a renewed certificate is shown soon", until(lambda: shown(server, ca) != before))
    after = shown(server, ca)
    connection.request("GET", "/datasets")
    report.check("a connection from before goes on", connection.getresponse().read() == first and b"field" in first, first)

    def health() -> str:
        return curl(ca, f"{server.url}/health")[2]

    replace(authority.folder / "first.pem", folder / "tls.pem")
    report.check("a pair that does not fit shows on /health", until(lambda: "server.tls" in health()), health())
    report.check("the pair before stays in force", shown(server, ca) == after)
    replace(authority.folder / "first.key", folder / "tls.key")
    report.check("a mended pair is taken over", until(lambda: shown(server, ca) == before))
    report.check("and nothing is wrong any more", until(lambda: "server.tls" not in health()), health())
    secret = (authority.folder / "first.key").read_text().splitlines()[1]
    report.check("the log holds no key", secret not in server.log.read_text())


def mistakes(report: Report, binary: Path, authority: Authority, folder: Path) -> None:
    first, renewed = authority.folder / "first.pem", authority.folder / "renewed.key"
    for what, tls, says in [
        ("a key of another certificate", f'cert = "{first}"\nkey = "{renewed}"', "is not that of the first certificate"),
        ("a file that is not there", f'cert = "{first}"\nkey = "/nowhere/key"', "cannot read /nowhere/key"),
        ("a certificate without a key", f'cert = "{first}"', "server.tls.key"),
        ("a key instead of a certificate", f'cert = "{renewed}"\nkey = "{renewed}"', "server.tls.cert"),
    ]:
        ended, said = outcome(Server(binary, folder, f"[server.tls]\n{tls}\n"))
        report.check(f"{what} is a mistake of the configuration", ended == 2 and says in said, said)
    issuer = '[oidc.a]\nissuer = "https://login.example.org"\naudience = ["thermocline"]\n'
    ended, said = outcome(Server(binary, folder, issuer))
    report.check("so are issuers of tokens for a program that was built without them",
                 ended == 2 and 'without the feature "oidc"' in said, said)


def outcome(server: Server) -> tuple[int | None, str]:
    """The exit status of a server that is not expected to start, none if it does; and what it said."""
    ended, said = server.process.poll(), server.log.read_text()
    if ended is None:
        server.stop()
    return ended, said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    binary = parser.parse_args().binary.resolve()
    report = Report("the server by HTTPS")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        write(folder / "files" / "field.nc")
        authority = Authority(folder / "authority")
        authority.issue("first")
        authority.issue("renewed", "rsa:2048")
        # What obstore trusts is what the system does.
        os.environ["SSL_CERT_FILE"] = str(authority.certificate)
        for kind in ("pem", "key"):
            shutil.copy(authority.folder / f"first.{kind}", folder / f"tls.{kind}")
        server = Server(binary, folder, '[server.tls]\ncert = "tls.pem"\nkey = "tls.key"\n')
        ca = authority.certificate
        try:
            if report.check("the server starts", server.url, server.log.read_text()):
                until(lambda: curl(ca, f"{server.url}/datasets/field/zarr/zarr.json")[1] == "2 200")
                speaks(report, server, ca)
                links(report, server, ca)
                streams(report, server, ca, folder)
                clients(report, server, ca)
                renewal(report, server, authority, folder)
        finally:
            report.check("it ends well", server.stop() == 0, server.log.read_text()[-2000:])
        mistakes(report, binary, authority, folder)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
