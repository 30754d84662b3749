"""Small shared parts: a table of cases with a last summary line, and HTTP with time-outs."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

import requests

TIMEOUT = 60
socket.setdefaulttimeout(TIMEOUT)  # for the libraries that set none


class Report:
    """Runs cases, prints one line each, and counts."""

    def __init__(self, title: str, only: list[str] | None = None, verbose: bool = False) -> None:
        self.title, self.only, self.verbose, self.began = title, only, verbose, time.time()
        self.good = 0
        self.bad: list[str] = []

    def wants(self, group: str) -> bool:
        return not self.only or group in self.only

    def case(self, group: str, name: str, check: Callable[[], Any]) -> Any:
        """Run one check: it fails by raising. Its return value is handed on."""
        if not self.wants(group):
            return None
        try:
            out = check()
        except Exception as e:  # every kind of failure is a failed case
            text = " ".join(f"{'' if isinstance(e, AssertionError) else type(e).__name__ + ': '}{e}".split())[:300] or traceback.format_exc(limit=-1)
            self.bad.append(f"{group}/{name}")
            print(f"FAIL  {group:9} {name}: {text}", flush=True)
            return None
        self.good += 1
        if self.verbose:
            print(f"ok    {group:9} {name}", flush=True)
        return out

    def finish(self) -> int:
        """Print the summary, return the exit code: 0 if something passed and nothing failed."""
        print(f"{self.title}: {time.time() - self.began:.0f} s\n{self.good} passed, {len(self.bad)} failed")
        return 0 if self.good and not self.bad else 1


def same(got: Any, wanted: Any, what: str = "") -> None:
    """Equality with a readable message; sets show the difference."""
    if got == wanted:
        return
    if isinstance(got, set) and isinstance(wanted, set):
        raise AssertionError(f"{what}: missing {sorted(wanted - got)}, too many {sorted(got - wanted)}")
    raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def expect(condition: Any, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def call(method: str, url: str, status: int | tuple[int, ...] = 200, **kwargs: Any) -> requests.Response:
    """An HTTP request whose status must be one of those named."""
    kwargs.setdefault("timeout", TIMEOUT)
    kwargs.setdefault("allow_redirects", False)
    answer = requests.request(method, url, **kwargs)
    wanted = status if isinstance(status, tuple) else (status,)
    if answer.status_code not in wanted:
        raise AssertionError(f"{method} {answer.request.url} gave {answer.status_code}, wanted {wanted}: {answer.text[:150]}")
    return answer


def media(answer: requests.Response) -> str:
    """Content-Type without parameters."""
    return answer.headers.get("Content-Type", "").split(";")[0].strip()
