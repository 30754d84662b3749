#!/usr/bin/env python3
"""Judges the order in which the scheduler recalls files from tape, and what a long queue costs.

    python check_tape_order.py TAPE_SCHEDULE [--quick]      the program of tests/bin/tape_schedule.rs

Each trace goes through the scheduler on virtual time and is scored by tape_order_sim.py against per-tape baselines: mounts,
makespan, shares of equal owners, longest wait for a first file. Beside its own traces (all files wanted at once) others arrive
over hours, bring readers who wait at this moment, or have owners with tapes of their own. The last line is
"N passed, N failed"; the exit code is 0 only if none failed.
"""
from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import tape_order_sim as sim

HERE = Path(__file__).parent
GB = 1e9
Trace = list[dict]


def made(shape: tuple[int, ...], heavy: float | None = None, seed: int = 7) -> Trace:
    """A trace of tape_order_sim."""
    files = sim.make_heavy_trace(*shape, heavy) if heavy else sim.make_trace(*shape, seed=seed)
    return [{"file": f.name, "tape": f.tape, "position": f.position, "bytes": f.bytes, "owner": f.owner} for f in files]


def uneven(n_files: int, n_tapes: int, seed: int) -> Trace:
    """Files of 1 MB to 100 GB, some tapes far fuller than others, written one after the other."""
    rng = random.Random(seed)
    ends: dict[int, float] = defaultdict(float)
    trace = []
    for i in range(n_files):
        tape, size = min(int(rng.expovariate(4 / n_tapes)), n_tapes - 1), 10 ** rng.uniform(6, 11)
        if ends[tape] + size > 11e12:
            continue
        trace.append({"file": f"/u/{i}", "tape": f"U{tape}", "position": int(ends[tape]), "bytes": int(size), "owner": f"user{i % 3}"})
        ends[tape] += size + rng.uniform(0, 3e10)
    return trace


def own_tapes(n_owners: int, tapes_each: int, files_each: int, seed: int) -> Trace:
    """Each owner has tapes of their own, and as much on them as the others; the first asks first."""
    rng = random.Random(seed)
    return [{"file": f"/own/{o}/{i}", "tape": f"O{o}-{i % tapes_each}", "position": rng.randrange(11_990) * GB, "bytes": GB,
             "owner": f"user{o}"} for o in range(n_owners) for i in range(files_each)]


def arriving(trace: Trace, hours: float, seed: int, *, by_owner: bool) -> Trace:
    """The same, wanted over some hours: file by file, or each owner's files together."""
    rng = random.Random(seed)
    starts = {o: rng.uniform(0, hours * 3600) for o in sorted({e["owner"] for e in trace})}
    return [e | {"arrival": round(starts[e["owner"]] if by_owner else rng.uniform(0, hours * 3600), 3)} for e in trace]


def with_readers(trace: Trace, n_readers: int, hours: float, seed: int) -> Trace:
    """The same, and readers who each wait for one file, on any of the tapes."""
    rng = random.Random(seed)
    tapes = sorted({e["tape"] for e in trace})
    return trace + [{"file": f"/read/{i}", "tape": rng.choice(tapes), "position": rng.randrange(11_990) * GB, "bytes": GB,
                     "owner": f"reader{i % 5}", "lane": "interactive", "arrival": round(rng.uniform(60, hours * 3600), 3)}
                    for i in range(n_readers)]


TRACES = {
    "2,000 files, 50 tapes": (made((2000, 50, 4)), []),
    "2,000 files, 200 tapes": (made((2000, 200, 4)), []),
    "200 files, 50 tapes": (made((200, 50, 4)), []),
    "one owner has nine tenths": (made((2000, 50, 4), 0.9), []),
    "one owner, one tape": (made((500, 1, 1), seed=3), ["--drives", "1"]),
    "another seed, 7 owners": (made((3000, 60, 7), seed=11), []),
    "another seed, 40 owners": (made((2000, 80, 40), seed=12), []),
    "one drive": (made((600, 12, 3), seed=13), ["--drives", "1"]),
    "sixteen drives": (made((4000, 160, 4), seed=14), ["--drives", "16"]),
    "few tapes, one owner has nine tenths": (made((2000, 5, 4), 0.9), []),
    "one owner has half": (made((2000, 20, 8), 0.5), []),
    "nearly empty tapes, one owner has nine tenths": (made((500, 200, 3), 0.9), []),
    "20,000 files, 50 tapes": (made((20_000, 50, 4), seed=15), []),
    "files and tapes of all sizes": (uneven(2500, 60, 16), []),
    "owners with tapes of their own": (own_tapes(4, 12, 500, 17), []),
    "more owners than drives, tapes of their own": (own_tapes(8, 6, 240, 18), ["--max-first-wait", "0.3", "--min-jain", "0.85"]),
    # What comes later may need another mount; what was planned with all knowledge is no bound for the makespan.
    "files wanted over six hours": (arriving(made((2000, 50, 4), seed=19), 6, 19, by_owner=False), ["--max-mounts", "8", "--max-makespan", "1"]),
    "owners come over four hours": (arriving(own_tapes(4, 12, 500, 20), 4, 20, by_owner=True), ["--max-makespan", "1.1", "--min-jain", "0"]),
}
QUICK = list(TRACES)[:4]


class Checks:
    """Counts claims."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, name: str, holds: bool, detail: object) -> None:
        self.passed, self.failed = self.passed + holds, self.failed + (not holds)
        print(f"{'PASS' if holds else 'FAIL'}  {name:<58} {detail}", flush=True)


def schedule(program: str, trace: Trace, folder: Path, drives: int) -> tuple[Path, Path]:
    """The files of a trace and of its schedule."""
    asked, answered = folder / "trace.json", folder / "schedule.json"
    asked.write_text(json.dumps(trace))
    with answered.open("w") as out:
        subprocess.run([program, str(asked), "--drives", str(drives)], stdout=out, check=True)
    return asked, answered


def score(checks: Checks, program: str, name: str, trace: Trace, bounds: list[str], folder: Path) -> None:
    drives = int(bounds[bounds.index("--drives") + 1]) if "--drives" in bounds else 4
    asked, answered = schedule(program, trace, folder, drives)
    judge = [sys.executable, str(HERE / "tape_order_sim.py"), "--trace", str(asked), "--schedule", str(answered), *bounds]
    run = subprocess.run(judge, capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if re.match("PASS|FAIL|this", line)]
    print(f"\n# {name}\n" + "\n".join(lines) + run.stderr, flush=True)
    passed, failed = (sum(line.startswith(mark) for line in lines) for mark in ("PASS", "FAIL"))
    checks.passed += passed
    checks.failed += failed or run.returncode != 0 or passed == 0


def readers(checks: Checks, program: str, folder: Path) -> None:
    """Who waits at this moment is served within a piece and two changes of tape, while requests go on."""
    print("\n# readers among requests", flush=True)
    plain = own_tapes(4, 12, 500, 21)
    runs = []
    for trace in (plain, with_readers(plain, 40, 3, 22)):
        asked, answered = schedule(program, trace, folder, 4)
        files = sim.load_trace(str(asked))
        batches, wrong = sim.load_schedule(str(answered), files)
        checks.check("each file once, on its tape", not wrong, wrong[:3] or f"{len(batches)} batches")
        runs.append((files, sim.simulate(batches, 4)))
    (_, without), (files, run) = runs
    waits = sorted(run.done[f.name] - f.arrival for f in files if f.owner.startswith("reader"))
    checks.check("a reader waits 15 minutes at most", waits[-1] <= 900, f"median {waits[len(waits) // 2]:.0f} s, longest {waits[-1]:.0f} s")
    longer = run.makespan / without.makespan
    checks.check("40 readers make the requests a third longer at most", longer <= 1.33, f"{longer:.2f} x, {run.mounts - without.mounts} more mounts")


def costs(checks: Checks, program: str, n_recalls: int) -> None:
    """Memory and time of long queues."""
    for kind, n in (("tapes", n_recalls), ("without-tapes", n_recalls), ("one-tape", 100_000)):
        answer = subprocess.run([program, "--measure", str(n), kind], check=True, capture_output=True, text=True).stdout
        got = json.loads(answer)
        print(f"\n# {n:,} recalls, {kind}: {answer.strip()}", flush=True)
        checks.check("less than 300 bytes a recall", 0 < got["bytes_each"] < 300, f"{got['bytes_each']:.0f}")
        checks.check("adding takes less than 100 µs", got["add_micros"] < 100, f"{got['add_micros']:.2f} µs")
        checks.check("asking why one waits takes less than 100 µs", got["ask_micros"] < 100, f"{got['ask_micros']:.2f} µs")
        checks.check("no hand-out takes 1 s, in a debug build", got["slowest_next_ms"] < 1000, f"{got['slowest_next_ms']:.1f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true", help="four traces and a queue of 200,000")
    args = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        for name in QUICK if args.quick else TRACES:
            score(checks, args.program, name, *TRACES[name], Path(folder))
        readers(checks, args.program, Path(folder))
    costs(checks, args.program, 200_000 if args.quick else 2_000_000)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 0 if checks.failed == 0 and checks.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
