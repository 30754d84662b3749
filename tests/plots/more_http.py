"""What surrounds pictures: the page, lists, thumbnails, statuses, sizes, bytes that stay the same."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

from _server import Server, bytes_read, metrics
from check_plots import TIMEOUT, Client, Report

PAGE = 60 * 1024


class Page(html.parser.HTMLParser):
    """The references of a page, and its first form with the values that a browser would send."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.forms: list[dict[str, object]] = []
        self.images: list[str] = []
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects."""
        at = {k: v or "" for k, v in attrs}
        if tag in ("img", "script", "link", "iframe", "source", "object", "embed") and (ref := at.get("src") or at.get("href") or at.get("data")):
            self.references.append(ref)
            if tag == "img":
                self.images.append(ref)
        if tag == "form":
            self.forms.append({"action": at.get("action", ""), "method": at.get("method", "get").lower(), "fields": []})
        if not self.forms:
            return
        fields = self.forms[-1]["fields"]
        if tag == "select":
            self._select = at.get("name", "")
        if tag == "option" and self._select and "selected" in at:
            fields.append((self._select, at.get("value", "")))
        if tag == "input" and at.get("name") and at.get("type") not in ("submit", "button", "reset"):
            if at.get("type") not in ("checkbox", "radio") or "checked" in at:
                fields.append((at["name"], at.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        """Selects end."""
        if tag == "select":
            self._select = ""


def good(status: requests.Response) -> requests.Response:
    """The answer, if it is 200."""
    if status.status_code != 200:
        raise ValueError(f"{status.url}: status {status.status_code} {status.text[:150]}")
    return status


def check_page(client: Client, report: Report) -> None:
    """The page is small, asks nobody else, and its form works without scripts."""
    url = f"{client.base}/datasets/steps/plot/ta"
    browser = {"Accept": "text/html,application/xhtml+xml"}

    def fetch(**options: str) -> tuple[str, Page]:
        got = good(requests.get(url, params=options, headers=browser, timeout=TIMEOUT))
        return got.text, Page(got.text)

    def small() -> str | None:
        got = good(requests.get(url, headers={**browser, "Accept-Encoding": "identity"}, timeout=TIMEOUT))
        return None if len(got.content) <= PAGE else f"{len(got.content)} bytes"

    def alone() -> str | None:
        text, page = fetch()
        outside = [r for r in page.references if urlsplit(urljoin(url, r)).netloc not in ("", urlsplit(url).netloc) and not r.startswith("data:")]
        loads = re.findall(r"""(?:url\(|@import|import\s*\(?|fetch\(|src=)\s*["']?(https?://[^"')\s]+)""", text)
        outside += [u for u in loads if urlsplit(u).netloc != urlsplit(url).netloc]
        return f"asks {outside[:3]}" if outside else None

    def picture() -> str | None:
        _, page = fetch(cmap="magma", time="2001-03-16")
        if not page.images:
            return "no picture"
        got = good(requests.get(urljoin(url, page.images[0]), timeout=TIMEOUT))
        return None if got.headers["Content-Type"].startswith("image/") and "magma" in page.images[0] else f"{got.headers['Content-Type']} {page.images[0]}"

    def form() -> str | None:
        _, page = fetch(cmap="magma", lev="500")
        form = next((f for f in page.forms if f["method"] == "get" and f["fields"]), None)
        if form is None:
            return "no form"
        names = [n for n, _ in form["fields"]]
        missing = {"time", "lev", "cmap"} - {n.removeprefix("isel.").removeprefix("sel.") for n in names}
        if missing:
            return f"the form has no {missing}, only {names}"
        values = [(n, "plasma" if n == "cmap" else v) for n, v in form["fields"]]
        after = good(requests.get(urljoin(url, str(form["action"])) + "?" + urlencode(values), headers=browser, timeout=TIMEOUT))
        images = Page(after.text).images
        body = good(requests.get(urljoin(after.url, images[0]), timeout=TIMEOUT)) if images else None
        facts = good(requests.get(urljoin(after.url, images[0]).replace("ta.png", "ta.json"), timeout=TIMEOUT)).json() if body is not None else {}
        said = json.dumps(facts)
        return None if "plasma" in said and '"500"' in said else f"the form leads to {images[:1]}"

    def hostile() -> str | None:
        got = requests.get(url, params={"title": "<script>alert(1)</script>\"'><img src=x>"}, headers=browser, timeout=TIMEOUT)
        return "the title is not escaped" if "<script>alert(1)" in got.text or "<img src=x>" in got.text else None

    for name, test in (("60 KB", small), ("no requests elsewhere", alone), ("its picture", picture), ("the form without scripts", form), ("hostile title", hostile)):
        report.claim("page", name, test)


def check_lists(client: Client, report: Report) -> None:
    """Lists of kinds, colour maps and projections, and of what can be plotted."""
    base = client.base

    def listed(path: str, *words: str) -> Callable[[], str | None]:
        def test() -> str | None:
            text = json.dumps(good(requests.get(base + path, timeout=TIMEOUT)).json())
            missing = [w for w in words if f'"{w}"' not in text]
            return f"{missing} are not in {text[:100]}" if missing else None

        return test

    report.claim("lists", "kinds", listed("/plot/kinds", "image", "contour", "contourf", "line", "scatter", "hist", "section", "quiver"))
    report.claim("lists", "projections", listed("/plot/projections", "platecarree", "mercator", "robinson", "mollweide", "equalearth", "orthographic", "northpolar", "southpolar", "lambert"))
    report.claim("lists", "colour maps", listed("/plot/colormaps", "viridis", "cmo.thermal", "cmc.batlow"))

    def one() -> str | None:
        png = good(requests.get(f"{base}/plot/colormaps/viridis.png", timeout=TIMEOUT))
        table = good(requests.get(f"{base}/plot/colormaps/viridis.json", timeout=TIMEOUT)).json()
        return None if png.headers["Content-Type"] == "image/png" and "440154" in json.dumps(table).lower().replace("#", "") or "68, 1, 84" in json.dumps(table) else str(table)[:100]

    def dataset() -> str | None:
        body = good(client.get("steps/plot", headers={"Accept": "application/json"})).json()
        text = json.dumps(body)
        links = [u for u in re.findall(r'"(https?://[^"]+/plot/[^"]+|/datasets/[^"]+/plot/[^"]+)"', text)]
        if not all(f'"{v}"' in text for v in ("ta", "ua", "va", "pr")) or not links:
            return f"no variables or links in {text[:200]}"
        bad = [u for u in links[:8] if requests.get(urljoin(base, u), timeout=TIMEOUT).status_code != 200]
        return f"{bad[:2]} do not answer 200" if bad else None

    def nearest_names() -> str | None:
        body = client.get("steps/plot/ta.png?cmap=virids").json()
        return None if "viridis" in json.dumps(body.get("allowed")) or "viridis" in body["detail"] else str(body)[:150]

    report.claim("lists", "one colour map", one)
    report.claim("lists", "what can be plotted", dataset)
    report.claim("lists", "nearest names", nearest_names)


STATUSES = [
    ("odd/plot/text.png", 422, ""), ("odd/plot/scalar.png", 422, ""), ("odd/plot/nope.png", 404, "Variable 'nope' not found in dataset"),
    ("steps/plot/ta.png?kind=violin", 400, "violin"), ("steps/plot/ta.png?kind=hexbin", 400, "hexbin"), ("steps/plot/ta.png?time=2001-02-01", 400, "time"),
    ("steps/plot/ta.png?lat=100:200", 400, "lat"), ("steps/plot/ta.png?bbox=1,2,3", 400, "bbox"), ("steps/plot/ta.png?isel=time=99", 400, "time"),
    ("steps/plot/ta.png?isel=nope=1", 400, "nope"), ("steps/plot/ta.png?sel=nope=1", 400, "nope"), ("steps/plot/ta.png?proj=data", 400, ""),
    ("steps/plot/ta.png?theme=pink", 400, "pink"), ("steps/plot/ta.png?interp=cubic", 400, "cubic"), ("steps/plot/ta.png?bad=nocolour", 400, "bad"),
    ("steps/plot/ta.gif?dim=nope", 400, "nope"), ("steps/plot/ta.png?group=/nope", 404, ""), ("steps/plot/ta.gif?dim=time&frames=100000", 400, "frames"),
    ("steps/plot/ta.png?dpi=1e9", 400, "dpi"), ("steps/plot/ta.png?scale=-1", 400, "scale"), ("steps/plot/ta/violin/viridis", 400, "violin"),
    ("steps/plot/ta/image/viridis/time", 400, ""), ("steps/plot/ta/image/viridis/time/99_100", 400, "time"),
]


def check_statuses(client: Client, report: Report) -> None:
    """Statuses of what cannot be drawn so, with problem+json."""
    for path, status, text in STATUSES:
        def test(path=path, status=status, text=text) -> str | None:
            got = client.get(path)
            if got.status_code != status:
                return f"status {got.status_code}, expected {status}: {got.text[:120]}"
            if got.headers["Content-Type"].split(";")[0] != "application/problem+json":
                return got.headers["Content-Type"]
            return None if text in got.json().get("detail", "") else f"{got.json().get('detail')!r} does not name {text!r}"

        report.claim("statuses", path, test)


def check_reading(client: Client, report: Report, server: Server) -> None:
    """A picture reads the chunks that it needs; HEAD nothing; too much is refused with an estimate."""
    chunk = 450 * 900 * 4

    def amount(path: str) -> tuple[float, float]:
        """What the server says it read for a plot, and what its process asked the system for."""
        before = bytes_read(server.process.pid)
        facts = good(client.get(path)).json()
        said = find(facts, "bytes_read")
        return said, bytes_read(server.process.pid) - before

    def whole() -> str | None:
        said, asked = amount("huge/plot/tas.json?time=2000-01-10T05&width=800")
        return None if said == 16 * chunk and asked < 16 * chunk * 1.2 + 2e6 else f"said {said:.0f}, asked the system for {asked:.0f}, expected {16 * chunk}"

    def part() -> str | None:
        before = bytes_read(server.process.pid)
        good(client.get("huge/plot/tas.png?time=2000-01-11T05&extent=-170,-100,-80,-50&vmin=-2&vmax=2&width=800"))
        asked = bytes_read(server.process.pid) - before
        return None if asked < chunk * 1.2 + 2e6 else f"asked the system for {asked:.0f}, expected {chunk}"

    def series() -> str | None:
        facts = good(client.get("huge/plot/tas.json?kind=line&x=time&isel=time=0:20&lat=nearest::50&lon=nearest::8&width=800")).json()
        said, n_chunks = find(facts, "bytes_read"), find(facts, "chunks")
        return None if said <= 20 * chunk and n_chunks in (20, 3) else f"said {said:.0f} bytes of {n_chunks:.0f} chunks, expected {20 * chunk} of 20"

    def head() -> str | None:
        before = bytes_read(server.process.pid)
        got = requests.head(f"{client.base}/datasets/huge/plot/tas.png?isel=time=78", timeout=TIMEOUT)
        asked = bytes_read(server.process.pid) - before
        return None if got.status_code == 200 and got.headers.get("ETag") and asked < 2e5 else f"{got.status_code}, {asked} bytes"

    def refused() -> str | None:
        got = client.get("wide/plot/tas.png")
        detail = got.json().get("detail", "")
        return None if got.status_code == 413 and re.search(r"\d", detail) else f"{got.status_code} {got.text[:150]}"

    def cut() -> str | None:
        return None if client.get("wide/plot/tas.png?bbox=0,0,40,30&width=400").status_code == 200 else "a part of it is refused too"

    for name, test in (("one step of 50 GB", whole), ("a corner of it", part), ("a series", series), ("HEAD", head), ("413 with estimate", refused), ("a part of what is too large", cut)):
        report.claim("reading", name, test)


def find(document: object, name: str) -> float:
    """The number of a name anywhere in a document."""
    if isinstance(document, dict):
        if isinstance(document.get(name), (int, float)):
            return float(document[name])
        document = list(document.values())
    for part in document if isinstance(document, list) else []:
        found = find(part, name)
        if found == found:
            return found
    return float("nan")


def check_stable(report: Report, binary: str, folder: Path, more: Path) -> None:
    """After a restart the same bytes and tags; the canonical link leads to the same picture; thumbnails."""
    paths = ["steps/plot/ta.png?width=500", "mpas/plot/tas.webp?proj=robinson&width=400", "steps/plot/ta.svg?kind=contour&width=400", "steps/plot/ta.gif?dim=time&width=150"]
    seen: list[list[tuple[str | None, bytes]]] = []
    for turn in range(2):
        with Server(binary, folder / f"stable{turn}", [str(more)]) as server:
            seen.append([(got.headers.get("ETag"), got.content) for p in paths for got in [requests.get(f"{server.base}/datasets/{p}", timeout=TIMEOUT)] if got.status_code == 200])
            if turn:
                canonical(report, server, paths)
    report.claim("stable", "the same bytes from another process", lambda: None if seen[0] == seen[1] and len(seen[0]) == len(paths) else
                 f"{[a == b for a, b in zip(*seen, strict=False)]} of {len(paths)}")


def canonical(report: Report, server: Server, paths: list[str]) -> None:
    """The canonical link of each picture gives its bytes, whatever the order of its options; HEAD counts no bytes of plots."""
    for path in paths:
        def test(path=path) -> str | None:
            first = good(requests.get(f"{server.base}/datasets/{path}", timeout=TIMEOUT))
            found = re.search(r'<([^>]+)>;\s*rel="?canonical', first.headers.get("Link", ""))
            if not found:
                return f"no canonical link in {first.headers.get('Link')!r}"
            url = urljoin(first.url, found[1])
            again = good(requests.get(url, timeout=TIMEOUT))
            pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
            turned = url.split("?")[0] + "?" + urlencode(pairs[::-1])
            third = good(requests.get(turned, timeout=TIMEOUT))
            same = first.content == again.content == third.content and first.headers["ETag"] == again.headers["ETag"] == third.headers["ETag"]
            return None if same else "another picture or tag"

        report.claim("stable", f"canonical link of {path}", test)

    def thumbnail() -> str | None:
        got = good(requests.get(f"{server.base}/datasets/steps/plot/thumbnail.png", timeout=TIMEOUT))
        return None if got.headers["Content-Type"] == "image/png" and got.content[:4] == b"\x89PNG" else got.headers["Content-Type"]

    def counted() -> str | None:
        names = [n for n in metrics(server.base) if "plot" in n]
        return None if any("/plot/" in n for n in names) else f"{names[:3]}"

    report.claim("stable", "thumbnail", thumbnail)
    report.claim("stable", "metrics of plots", counted)
