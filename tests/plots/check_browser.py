"""The page of a plot in a real browser: what its controls do, what it asks for, how it looks in the dark and on a telephone.

    python check_browser.py --binary target/release/thermocline [--browser chromium] [--server URL] [--screenshots DIR]

The server serves the demonstration's files; with `--server` one is asked that serves them already. Values are compared with what
netCDF4 reads. The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import netCDF4
import numpy as np
import requests
from PIL import Image

from _browser import Browser, Tab, program
from _server import Server
from check_plots import TIMEOUT, Report

FILES = Path(__file__).resolve().parents[2] / "src/server/demo"
PIXELS = """(() => {const p = document.getElementById('picture'), c = document.createElement('canvas');
    c.width = p.naturalWidth; c.height = p.naturalHeight; c.getContext('2d').drawImage(p, 0, 0); return c.toDataURL()})()"""
IDLE = "(() => {const p = document.getElementById('picture'); return p.complete && p.naturalWidth > 0 && !p.classList.contains('waits')})()"
SLIDER, PLAY = "input[data-dim=time]", "button[data-slider]"


class Page:
    """The page of air temperature in a tab."""

    def __init__(self, browser: Browser, base: str, query: str = "", has_script: bool = True, **screen: object) -> None:
        self.tab, self.base = browser.tab(), base
        self.plot = f"{base}/datasets/air_temperature/plot/air"
        if not has_script:
            self.tab.call("Emulation.setScriptExecutionDisabled", value=True)
        self.tab.screen(**{"width": 1200, "height": 900, **screen})
        self.tab.open(f"{self.plot}.html{query}")
        self.settled()

    def settled(self) -> None:
        """Waits until the picture is there."""
        self.tab.wait(lambda: self.tab.value(IDLE), "the picture")

    def source(self) -> str:
        """What the picture is loaded from."""
        return self.tab.value("document.getElementById('picture').src")

    def text(self, name: str) -> str:
        """The text of an element."""
        return self.tab.value(f"document.getElementById({json.dumps(name)}).textContent")

    def pixels(self) -> np.ndarray:
        """The picture that is shown."""
        self.settled()
        return decoded(base64.b64decode(self.tab.value(PIXELS).partition(",")[2]))

    def changed(self, act: Callable[[], object], what: str) -> np.ndarray:
        """The picture after something was done, when it is another one than before."""
        before = self.source()
        act()
        self.tab.wait(lambda: self.source() != before, f"another picture after {what}")
        return self.pixels()

    def expected(self, **words: str) -> np.ndarray:
        """What the server draws for the same words."""
        return decoded(requests.get(f"{self.plot}.png", params=words, timeout=TIMEOUT).content)


def decoded(image: bytes) -> np.ndarray:
    """The colours of a picture."""
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGBA"))


def same(got: np.ndarray, wanted: np.ndarray) -> str | None:
    """Whether two pictures are the same; a browser may round colours below alpha."""
    if got.shape != wanted.shape:
        return f"{got.shape[1]} × {got.shape[0]} pixels instead of {wanted.shape[1]} × {wanted.shape[0]}"
    n_bad = int((np.abs(got.astype(int) - wanted.astype(int)).max(axis=2) > 1).sum())
    return f"{n_bad} pixels differ" if n_bad else None


class Checks:
    """All claims of the page."""

    def __init__(self, browser: Browser, base: str, report: Report, screenshots: Path | None) -> None:
        self.browser, self.base, self.report, self.screenshots = browser, base, report, screenshots

    @contextmanager
    def page(self, query: str = "", **how: object) -> Iterator[Page]:
        """A page in a tab that is closed afterwards."""
        page = Page(self.browser, self.base, query, **how)
        try:
            yield page
        finally:
            page.tab.close()

    def keep(self, page: Page, name: str) -> None:
        """Keeps a screenshot, if wanted."""
        if self.screenshots:
            self.screenshots.mkdir(parents=True, exist_ok=True)
            page.tab.screenshot(self.screenshots / f"{name}.png")

    def all(self) -> None:
        """Everything."""
        for section, names in SECTIONS.items():
            for name, test in names.items():
                self.report.claim(section, name, lambda test=test: test(self))

    def quiet(self) -> str | None:
        """It loads without a complaint, and asks nobody but the server."""
        with self.page() as page:
            page.changed(lambda: page.tab.choose("select[name=kind]", "contourf"), "kind")
            page.tab.click("#picture")
            page.tab.wait(lambda: page.text("value"), "a value")
            page.tab.value("new Promise(done => setTimeout(done, 300))")
            outside = [url for url in page.tab.asked if not url.startswith((f"{self.base}/", "blob:", "data:"))]
            self.keep(page, "contourf")
            return str((page.tab.complaints + outside)[:3]) if page.tab.complaints or outside else None

    def sharp(self) -> str | None:
        """The picture is the server's own, and not stretched out of shape."""
        with self.page() as page:
            self.keep(page, "light")
            shown = page.tab.value("(() => {const p = document.getElementById('picture'); return [p.width / p.naturalWidth, p.height / p.naturalHeight]})()")
            if abs(shown[0] - shown[1]) > 0.01:
                return f"stretched by {shown}"
            return same(page.pixels(), page.expected())

    def slides(self) -> str | None:
        """A slider moved with the keys shows that step, and says it."""
        with self.page("?isel=time%3D3") as page:
            page.tab.value(f"document.querySelector({json.dumps(SLIDER)}).focus()")
            page.changed(lambda: [page.tab.key("ArrowRight") for _ in range(2)], "the slider")
            page.tab.value("new Promise(done => setTimeout(done, 300))")
            if not re.match("2014-02-25[T ]06:00", page.text("label-0")):
                return f"the label says {page.text('label-0')!r}"
            if "isel=time%3D5" not in page.tab.value("location.search"):
                return f"the address says {page.tab.value('location.search')}"
            return same(page.pixels(), page.expected(isel="time=5"))

    def chooses(self) -> str | None:
        """Kind, colours, limits, scale and projection change the picture to the server's for these words."""
        with self.page("?isel=time%3D3") as page:
            words, steps = {"isel": "time=3"}, [
                ("cmap", lambda: page.tab.write("input[name=cmap]", "magma"), "magma"),
                ("vmin", lambda: page.tab.write("input[name=vmin]", "250"), "250"),
                ("vmax", lambda: page.tab.write("input[name=vmax]", "290.5"), "290.5"),
                ("norm", lambda: page.tab.choose("select[name=norm]", "log"), "log"),
                ("kind", lambda: page.tab.choose("select[name=kind]", "contour"), "contour"),
                ("proj", lambda: page.tab.choose("select[name=proj]", "robinson"), "robinson"),
            ]
            for name, act, word in steps:
                words[name] = word
                wrong = same(page.changed(act, name), page.expected(**words))
                if wrong:
                    return f"{name}={word}: {wrong}"
            said = dict(parse_qsl(urlsplit(page.tab.value("document.querySelector('a[data-form=svg]').href")).query))
            return None if {**words, **said} == said and not page.tab.complaints else f"the links say {said}, {page.tab.complaints[:2]}"

    def plays(self) -> str | None:
        """Play goes on and on, and stops when asked to."""
        with self.page("?isel=time%3D18") as page:
            seen: list[str] = []

            def moves() -> bool:
                now = page.tab.value(f"document.querySelector({json.dumps(SLIDER)}).value")
                seen.extend([now] if not seen or seen[-1] != now else [])
                return len(seen) >= 5

            page.tab.click(PLAY)
            page.tab.wait(moves, f"five steps, not {seen}")
            page.tab.click(PLAY)
            page.settled()
            at = page.tab.value(f"document.querySelector({json.dumps(SLIDER)}).value")
            page.tab.value("new Promise(done => setTimeout(done, 500))")
            if page.tab.value(f"document.querySelector({json.dumps(SLIDER)}).value") != at:
                return "it does not stop"
            if "0" not in seen:
                return f"it does not begin again after the last step: {seen}"
            return same(page.pixels(), page.expected(isel=f"time={at}"))

    def tells(self) -> str | None:
        """A click tells the value of the cell there: that of the JSON, and that of the file."""
        with self.page("?isel=time%3D4") as page, netCDF4.Dataset(FILES / "air_temperature.nc") as file:
            facts = requests.get(f"{page.plot}.json", params={"isel": "time=4"}, timeout=TIMEOUT).json()
            size = page.pixels().shape
            west, east, south, north = facts["extent"]
            for u, v in ((0.31, 0.42), (0.77, 0.13), (0.052, 0.91)):
                at = [(facts["panel"][k] + w * facts["panel"][2 + k]) / size[1 - k] for k, w in ((0, u), (1, v))]
                page.tab.value("document.getElementById('value').textContent = ''")
                page.tab.click("#picture", *at)
                said = page.tab.wait(lambda: (text := page.text("value")) and "Reading" not in text and text, "a value")
                asked = next(url for url in reversed(page.tab.asked) if "at=" in url)
                json_says = requests.get(asked, timeout=TIMEOUT).json()["at"]["value"]
                lon, lat = west + u * (east - west), north - v * (north - south)
                told = re.fullmatch(r"([\d.]+)° W, ([\d.]+)° N: ([\d.]+) K", said)
                row = int(np.abs(file["lat"][:] - lat).argmin())
                column = int(np.abs(file["lon"][:] - lon % 360).argmin())
                truth = float(file["air"][4, row, column])
                wrong = not told or abs(-float(told[1]) - lon) > 0.2 or abs(float(told[2]) - lat) > 0.2
                if wrong or abs(float(told[3]) - json_says) > 1e-6 or abs(json_says - truth) > 1e-6:
                    return f"at {lon:.2f}, {lat:.2f}: the page says {said!r}, JSON {json_says}, the file {truth}"
                page.tab.click("#along")
                page.tab.wait(lambda: page.tab.value("document.querySelectorAll('#value svg polyline').length") == 1, "the line of the series")
            self.keep(page, "value")
            return str(page.tab.complaints[:2]) if page.tab.complaints else None

    def refuses(self) -> str | None:
        """Limits that make no sense are said to be so; the page goes on afterwards."""
        with self.page() as page:
            page.tab.write("input[name=vmin]", "500")
            page.tab.write("input[name=vmax]", "100")
            page.tab.wait(lambda: page.tab.value("document.getElementById('status').classList.contains('bad')") and "vm" in page.text("status"), f"an error about vmin or vmax, not {page.text('status')!r}")
            self.keep(page, "refused")
            page.tab.write("input[name=vmin]", "")
            page.tab.write("input[name=vmax]", "280")
            page.tab.wait(lambda: page.text("status") == "", "the error to go")
            return same(page.pixels(), page.expected(vmax="280"))

    def scriptless(self) -> str | None:
        """Without scripts the form draws what it says."""
        with self.page("?isel=time%3D3", has_script=False) as page:
            self.keep(page, "scriptless")
            page.tab.value("void (document.querySelector('select[name=kind]').value = 'contourf')")
            page.tab.value(f"void (document.querySelector({json.dumps(SLIDER)}).value = 7)")
            page.tab.value("void (document.querySelector('input[name=vmax]').value = '285')")
            before = page.source()
            page.tab.click("form button[type=submit]")
            page.tab.wait(lambda: page.tab.value("document.readyState === 'complete'") and page.source() != before, "another page")
            words = parse_qs(urlsplit(page.source()).query)
            wanted = {"kind": "contourf", "vmax": "285", "isel": "time=7"}
            if any(value not in words.get(name, []) for name, value in wanted.items()):
                return f"the picture is of {words}"
            if page.tab.value("document.querySelector('button[data-slider]').offsetWidth"):
                return "a button that needs a script is shown"
            return same(decoded(requests.get(page.source(), timeout=TIMEOUT).content), page.expected(**wanted))

    def dark(self) -> str | None:
        """In the dark the page is dark, and its text is read easily."""
        with self.page(is_dark=True) as page:
            self.keep(page, "dark")
            return readable(page.tab, is_dark=True)

    def light(self) -> str | None:
        """In the light it is light."""
        with self.page() as page:
            return readable(page.tab, is_dark=False)

    def narrow(self) -> str | None:
        """A telephone shows everything without scrolling sideways, with controls that a finger meets."""
        with self.page(width=360, height=740, is_mobile=True) as page:
            self.keep(page, "narrow")
            width = page.tab.value("document.documentElement.scrollWidth")
            if width > 360:
                return f"{width} pixels wide"
            small = page.tab.value("[...document.querySelectorAll('input:not([type=hidden]), select, button')].filter(e => e.offsetWidth && e.offsetHeight < 24).map(e => e.name || e.textContent)")
            return f"too small: {small}" if small else None


def readable(tab: Tab, is_dark: bool) -> str | None:
    """Contrast of at least 4.5 between text and background, as WCAG defines it."""
    colours = tab.value("""['body', 'h1', 'h1 small', '.links a', 'label', '.options label', 'button', 'select', '#status'].map(name => {
        const e = document.querySelector(name); return [name, getComputedStyle(e).color]}).concat([['', getComputedStyle(document.body).backgroundColor]])""")

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    paper = luminance(colours[-1][1])
    if (paper < 0.2) != is_dark:
        return f"the background is {colours[-1][1]}"
    for name, colour in colours[:-1]:
        low, high = sorted((paper, luminance(colour)))
        if (high + 0.05) / (low + 0.05) < 4.5:
            return f"{name}: {colour} on {colours[-1][1]}"
    return None


SECTIONS: dict[str, dict[str, Callable[[Checks], str | None]]] = {
    "loading": {"no complaints, nobody else asked": Checks.quiet, "the server's picture": Checks.sharp},
    "controls": {"sliders": Checks.slides, "choices": Checks.chooses, "play": Checks.plays, "bad limits": Checks.refuses},
    "values": {"a click": Checks.tells},
    "without scripts": {"the form": Checks.scriptless},
    "looks": {"dark": Checks.dark, "light": Checks.light, "narrow": Checks.narrow},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--browser", default=program())
    parser.add_argument("--server", help="a server that runs already")
    parser.add_argument("--screenshots", type=Path)
    args = parser.parse_args()
    if not args.browser:
        parser.error("no browser was found: install chromium")
    if not (args.binary or args.server):
        parser.error("--binary or --server is needed")
    report, begin = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        with Browser(args.browser, Path(scratch) / "browser") as browser:
            if args.server:
                Checks(browser, args.server.rstrip("/"), report, args.screenshots).all()
            else:
                with Server(args.binary, Path(scratch) / "server", [str(FILES)]) as server:
                    Checks(browser, server.base, report, args.screenshots).all()
    print(f"{time.monotonic() - begin:.1f} s")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
