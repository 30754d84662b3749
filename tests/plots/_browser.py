"""A real browser, driven by its DevTools protocol: tabs that load, look, type and click, and tell what they asked for."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import websocket

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
START, ANSWER = 60, 30  # seconds until the browser listens, and until it answers
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync", "--mute-audio",
]
KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "End": 35, "Home": 36, "Enter": 13, "Tab": 9}


def program() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """A browser with a profile of its own, below `folder`."""

    def __init__(self, command: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "browser.log"
        with open(self.log, "w") as log:
            flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0", "about:blank"]
            self.process = subprocess.Popen([command, *flags], stdout=log, stderr=subprocess.STDOUT)
        port, end = folder / "profile" / "DevToolsActivePort", time.monotonic() + START
        while time.monotonic() < end and self.process.poll() is None:
            lines = port.read_text().split() if port.exists() else []
            if lines:
                self.base = f"http://127.0.0.1:{lines[0]}"
                return
            time.sleep(0.05)
        self.stop()
        raise OSError(f"the browser did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def tab(self) -> Tab:
        """A new tab."""
        return Tab(requests.put(f"{self.base}/json/new?about:blank", timeout=ANSWER).json()["webSocketDebuggerUrl"])

    def stop(self) -> None:
        """Ends the process and waits for it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Tab:
    """A tab; `asked` are the addresses that it asked for, `complaints` what its console or the network complained about."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=ANSWER, suppress_origin=True)
        self.number, self.asked, self.complaints = 0, [], []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """Closes the tab."""
        self.call("Page.close")
        self.socket.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol; notes the events that come before its answer."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise OSError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.note(message.get("method", ""), message.get("params", {}))

    def note(self, event: str, said: dict[str, Any]) -> None:
        """Keeps requests, errors and warnings."""
        if event == "Network.requestWillBeSent":
            self.asked.append(said["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(said["args"])[:300])
        elif event == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")

    def open(self, url: str) -> None:
        """Loads a page, with its pictures."""
        self.call("Page.navigate", url=url)
        self.wait(lambda: self.value(f"location.href !== 'about:blank' && document.readyState === 'complete' && {json.dumps(url)} !== ''"), f"{url} to load")

    def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise OSError(f"{expression[:80]}: {got['exceptionDetails'].get('exception', {}).get('description', '')}")
        return got["result"].get("value")

    def wait(self, is_so: Callable[[], Any], what: str, seconds: float = ANSWER) -> Any:
        """Waits until something is so, and returns it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := is_so():
                return found
            time.sleep(0.03)
        raise OSError(f"waited {seconds} s for {what}")

    def place(self, selector: str, u: float = 0.5, v: float = 0.5) -> tuple[float, float]:
        """The place in an element, on the screen: it is scrolled to."""
        box = self.value(
            f"(() => {{const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]})()")
        return box[0] + u * box[2], box[1] + v * box[3]

    def click(self, selector: str, u: float = 0.5, v: float = 0.5) -> tuple[float, float]:
        """Clicks into an element as a mouse does; tells where."""
        x, y = self.place(selector, u, v)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        return x, y

    def key(self, name: str) -> None:
        """Presses a key."""
        words = {"key": name, "code": name, "windowsVirtualKeyCode": KEYS[name]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **words, **({"text": "\r"} if name == "Enter" else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **words)

    def write(self, selector: str, text: str) -> None:
        """Writes into a field in place of what it has, and presses Enter."""
        self.value(f"(() => {{const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select()}})()")
        self.call("Input.insertText", text=text)
        self.key("Enter")

    def choose(self, selector: str, word: str) -> None:
        """Chooses a word of a list."""
        self.value(
            f"(() => {{const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(word)};"
            " for (const name of ['input', 'change']) e.dispatchEvent(new Event(name, {bubbles: true}))})()")

    def screen(self, width: int, height: int, is_dark: bool = False, is_mobile: bool = False) -> None:
        """What the page is shown on."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_mobile)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}])

    def screenshot(self, file: Path) -> None:
        """Writes a PNG of the whole page."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]))
