"""What one client may ask for, with clients that people have.

    python check_limits.py --binary target/release/thermocline

Requests beyond the limit are 429 with the time to wait; whoever keeps to that is never refused; Zarr clients try again or
raise an error, and never take a refusal for data. The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import hashlib
import re
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from serving import Report, Server, temperatures, until, write

TOKEN = "tcl_this-token-is-for-the-tests-of-the-repository-only"
TOKENS = f'[tokens.reader]\nhash = "sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"\nscopes = ["read"]\n'
PROXY = '[server]\ntrusted_proxies = ["127.0.0.1/32"]\n'
RATE = "[limits.per_client]\nrequests_per_second = 20\nburst = 10\n"


def many(server: Server, n: int, address: str, headers: dict[str, str] | None = None) -> list[requests.Response]:
    """Answers to requests at once, as a proxy on this machine forwards them for an address."""
    with requests.Session() as session:
        sent = {"x-forwarded-for": address, **(headers or {})}
        return [session.get(f"{server.url}/datasets", headers=sent, timeout=20) for _ in range(n)]


def refused(answers: list[requests.Response]) -> int:
    return sum(answer.status_code == 429 for answer in answers)


def rates(report: Report, server: Server) -> None:
    answers = many(server, 60, "192.0.2.1")
    late = [answer for answer in answers if answer.status_code == 429]
    report.check("a burst passes", all(answer.status_code == 200 for answer in answers[:10]))
    report.check("what comes beyond is refused", 10 < len(late) <= 50, len(late))
    if late:
        problem = late[0].json()
        report.check("the problem names the limit", problem["type"] == "/problems/too-many" and
                     "limits.per_client.requests_per_second" in problem["detail"], problem)
        report.check("and says when to come again", int(late[0].headers["retry-after"]) >= 1, late[0].headers)
        time.sleep(int(late[0].headers["retry-after"]))
    report.check("whoever waits so long is answered", many(server, 1, "192.0.2.1")[0].status_code == 200)
    report.check("others are not refused", refused(many(server, 10, "192.0.2.2")) == 0)
    many(server, 30, "2001:db8::1")
    report.check("one network of IPv6 is one client", refused(many(server, 10, "2001:db8::2")) > 0)
    report.check("the next one is another", refused(many(server, 10, "2001:db8:0:1::1")) == 0)
    bearer = {"authorization": f"Bearer {TOKEN}"}
    many(server, 30, "192.0.2.3", bearer)
    report.check("the holder of a token is one client wherever he is",
                 refused(many(server, 10, "192.0.2.4", bearer)) > 0)
    report.check("and not the address", refused(many(server, 10, "192.0.2.4")) == 0)
    wrong = {"authorization": "Bearer nonsense"}
    report.check("inventing tokens helps nobody", refused(many(server, 40, "192.0.2.5", wrong)) > 0)
    for path in ("/health", "/ready", "/metrics"):
        with requests.Session() as session:
            found = {session.get(server.url + path, timeout=20).status_code for _ in range(60)}
        report.check(f"{path} is free", found == {200}, found)


def outcomes(server: Server) -> dict[str, str]:
    """What clients make of the dataset: its values, others, or an error."""
    import xarray as xr
    from obstore.store import HTTPStore
    from zarr.storage import ObjectStore
    url, truth = f"{server.url}/datasets/field/zarr", temperatures()
    store = HTTPStore.from_url(url, client_options={"allow_http": True})
    found = {}
    for name, source in (("obstore", ObjectStore(store, read_only=True)), ("fsspec", url)):
        try:
            values = xr.open_dataset(source, engine="zarr", chunks=None).t2m.values
            found[name] = "right" if (values == truth).all() else "wrong"
        except Exception as error:
            found[name] = f"raises {type(error).__name__}"
        print(f"     {name}: {found[name]}")
        time.sleep(1)
    return found


def arrays(report: Report, server: Server) -> None:
    for name, outcome in outcomes(server).items():
        report.check(f"{name} raises, or reads the values", outcome != "wrong", outcome)
    metrics = requests.get(f"{server.url}/metrics", timeout=20).text
    report.check("chunks were refused", re.search(r'plugin="zarr".*status_class="4xx"\} [1-9]', metrics), metrics[:500])


def reloaded(report: Report, server: Server) -> None:
    config = server.folder / "thermocline.toml"
    config.write_text(PROXY + TOKENS)
    server.process.send_signal(signal.SIGHUP)
    report.check("limits are lifted without a restart", until(lambda: refused(many(server, 60, "192.0.2.1")) == 0))
    # Else whoever raises always would pass above.
    for name, outcome in outcomes(server).items():
        report.check(f"{name} reads the values without limits", outcome == "right", outcome)
    config.write_text(PROXY + TOKENS + RATE)
    server.process.send_signal(signal.SIGHUP)
    report.check("and set again", until(lambda: refused(many(server, 60, "192.0.2.1")) > 0))


def computations(report: Report, server: Server) -> None:
    def plot(n: int) -> requests.Response:
        url = f"{server.url}/datasets/field/plot/t2m.png?width=1600&vmin={n}"
        return requests.get(url, headers={"x-forwarded-for": "192.0.2.1"}, timeout=60)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(plot, range(100, 148)))
    statuses = {answer.status_code for answer in answers}
    report.check("plots beyond the limit are refused, others drawn", statuses == {200, 429}, statuses)
    late = [answer for answer in answers if answer.status_code == 429]
    if late:
        report.check("the problem names the limit", "limits.per_client.computations" in late[0].json()["detail"] and
                     int(late[0].headers["retry-after"]) >= 1, late[0].text)
    report.check("one after the other is drawn", all(plot(n).status_code == 200 for n in range(150, 155)))

    def result(n: int) -> requests.Response:
        url = f"{server.url}/datasets/field/groupby/t2m/time.hour/quantile?q=0.{n}&f=csv"
        return requests.get(url, timeout=60)

    with ThreadPoolExecutor(16) as pool:
        statuses = {answer.status_code for answer in pool.map(result, range(100, 148))}
    report.check("so are results of groupby", 200 in statuses and statuses <= {200, 429}, statuses)
    report.check("what was computed is sent to whoever asks", plot(150).status_code == 200)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    binary = parser.parse_args().binary.resolve()
    report = Report("limits of clients")
    for config, checks in [(PROXY + TOKENS + RATE, [rates, arrays, reloaded]),
                           (PROXY + "[limits.per_client]\ncomputations = 1\n", [computations])]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "files").mkdir()
            write(folder / "files" / "field.nc")
            server = Server(binary, folder, config)
            try:
                ready = f"{server.url}/datasets/field/zarr/zarr.json"
                if report.check("the server starts", server.url, server.log.read_text()):
                    until(lambda: requests.get(ready, timeout=20).status_code == 200)
                    time.sleep(1)
                    for check in checks:
                        check(report, server)
            finally:
                report.check("it ends well", server.stop() == 0, server.log.read_text()[-2000:])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
