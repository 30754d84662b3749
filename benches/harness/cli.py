"""The command line of the harness."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from . import data, setup
from .bench import Bench
from .effort import FULL, QUICK
from .report import markdown
from .rounds import FAILURES
from .sections import SECTIONS


def main() -> int:
    """Runs the sections asked for and prints their tables; 0 when all of them could be measured."""
    options = _options()
    # Every ending must unwind as Ctrl-C does, or servers would outlive the run.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    try:
        tools = setup.tools(options.cache, options.server)
        return _run(options, tools)
    except setup.SetupError as error:
        print(f"benches: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benches: interrupted, everything is stopped", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, tools: setup.Tools) -> int:
    names = options.only or list(SECTIONS)
    _say("making data")
    made = data.make(options.cache, tools, {kind for name in names for kind in SECTIONS[name].DATA})
    machine = setup.machine(tools)
    results: dict[str, Any] = {"machine": machine, "quick": options.quick, "sections": {}}
    print("\n".join(f"- {name}: {value}" for name, value in machine.items()), end="\n\n")
    failed = False
    with ExitStack() as stack:
        bench = Bench(tools, made, QUICK if options.quick else FULL, options.cache, stack)
        for name in names:
            section = SECTIONS[name]
            begin = time.monotonic()
            _say(f"measuring {name}")
            try:
                rows = list(section.measure(bench))
            except FAILURES as error:
                failed = True
                print(f"### {section.TITLE}\n\nNot measured: {error}\n", flush=True)
                results["sections"][name] = {"error": str(error)}
                continue
            print(markdown(section.TITLE, rows), flush=True)
            results["sections"][name] = {"title": section.TITLE, "rows": [row.as_json() for row in rows]}
            _say(f"{name} took {time.monotonic() - begin:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benches/run",
        description="Measures Thermocline beside nginx, xpublish, kerchunk and VirtualiZarr on this machine.",
    )
    parser.add_argument("--quick", action="store_true", help="short rounds: minutes instead of half an hour")
    parser.add_argument("--only", nargs="+", metavar="SECTION", choices=list(SECTIONS), help=", ".join(SECTIONS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    parser.add_argument("--server", type=Path, metavar="FILE", help="measure this binary instead of building one")
    parser.add_argument(
        "--cache", type=Path, default=setup.default_cache(), metavar="DIR", help="environments and data [%(default)s]"
    )
    options = parser.parse_args()
    options.cache = options.cache.resolve()
    return options


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(message: str) -> None:
    print(f"benches: {message}", file=sys.stderr, flush=True)
