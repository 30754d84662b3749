"""Proves that what the server acknowledged survives, and that no wrong byte is served, whatever fails.

    python faults.py --binary target/debug/thermocline [--rounds 60] [--seed 1] [--dir DIR] [--at-least 1000]
        [--active 100000]

The server recalls files of a simulated tape library that fails, lies, stalls, is busy, forgets and damages what it
sends (faults.toml), onto a cache that is too small, on a disk that fails, writes halves and is full (faulty_disk.c, and
a full file system where this may mount one), with a clock that jumps, beside a process that locks its database. Each
round starts it, asks for random sets of files while others read, and ends with kill -9, at a random moment or at a
random system call. After each start, and at the end when everything has been recalled, this must hold:
  * every request that was answered is there, with every object that was asked for, in the order asked for;
  * what was pinned is pinned until its time is over, and can be read at once: it was not evicted, and is never recalled again;
  * no answer to a reader is anything but the right bytes or an error that no client takes for data;
  * no file of the cache that has its final name differs from the file in the archive;
  * the same idempotency key gives the same request, also if its first answer was never seen;
  * a request of `--active` files is whole and the server up again within 5 s of kill -9;
  * in the end every object has the state that it must have, the counts of requests are those of their objects, and
    what the server says of its cache is what is in it.
The last line is "N passed, N failed", each thing that was checked counting once; the line before says how many faults
there were, fewer than `--at-least` is a failure.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from faulty_disk import FaultyDisk
from faulty_server import FROZEN, Reader, Server, lock_database

# What comes damaged from the tape comes right when it is recalled anew.
N_FILES, FINAL = 60, {"lost": "lost", "denied": "failed"}
# What goes wrong in a round, for a million calls.
WEATHER = [
    {},
    {"cache EIO": 40_000},
    {"cache ENOSPC": 200_000},
    {"cache torn write": 200_000},
    {"database EIO": 30_000},
    {"database torn write": 30_000},
    {"archive EIO": 200_000},
    {"kill at a system call": 3_000},
    {"kill at a system call": 15_000},
    {"cache EIO": 10_000, "cache torn write": 30_000, "database EIO": 5_000, "archive EIO": 20_000, "kill at a system call": 2_000},
]


class Claims:
    """Counts what holds, prints what does not."""

    def __init__(self) -> None:
        self.passed, self.failed, self.lock = 0, 0, threading.Lock()

    def hold(self, what: str, holds: bool, detail: object = "") -> None:
        with self.lock:
            if holds:
                self.passed += 1
                return
            self.failed += 1
            if self.failed <= 40:
                print(f"FAIL  {what}: {' '.join(str(detail).split())[:500]}", flush=True)


@dataclass
class Pins:
    """A request whose objects stay pinned for an hour from when they are online: when it was made, and what was online."""

    since: float
    hot: set[str] = field(default_factory=set)


class Truth:
    """What was acknowledged, and what was asked for since."""

    def __init__(self) -> None:
        self.requests: dict[str, list[str]] = {}
        self.keys: dict[str, tuple[str, list[str], str]] = {}
        self.unanswered: dict[str, tuple[list[str], str]] = {}
        self.pinned: dict[str, Pins] = {}
        self.cancelled: set[str] = set()
        self.faults: Counter[str] = Counter()


class Trial:
    """A server, its archive, and what is known of both."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.rng, self.folder, self.claims, self.truth = random.Random(args.seed), folder, Claims(), Truth()
        self.archive, self.cache = folder / "archive", folder / "cache"
        self.bytes = make_archive(self.archive, self.rng)
        self.hashes = {hashlib.sha256(content).hexdigest() for content in self.bytes.values()}
        self.paths = sorted(self.bytes)
        self.is_mounted, self.has_database_faults = mount(self.cache), False
        make_references(folder / "references" / "all.json", self.bytes)
        self.disk = FaultyDisk(folder, self.cache, self.archive, folder / "state")
        self.server, self.seen = Server(args.binary, folder, self.disk.environment), 0.0

    def now(self) -> float:
        return time.time() + self.disk.clock_offset()

    def latest(self) -> float:
        """The latest time there was: a pin that was over once is over, although the clock went back since."""
        self.seen = max(self.seen, self.now())
        return self.seen

    # ---- what is asked for

    def ask(self) -> None:
        rng, truth = self.rng, self.truth
        retried = truth.unanswered and rng.random() < 0.2
        if retried:
            key = rng.choice(sorted(truth.unanswered))
            wanted, lifetime = truth.unanswered[key]
        else:
            key, lifetime = f"key-{rng.randrange(10**12)}", "PT1S"
            wanted = rng.sample(self.paths, rng.randint(1, 12))
            if len(truth.pinned) < 3 and rng.random() < 0.3:
                wanted, lifetime = [path for path in wanted if len(self.bytes[path]) < 400_000][:4] or self.paths[:1], "PT1H"
        truth.unanswered[key] = (wanted, lifetime)
        status, headers, body = self.server.post_request(wanted, lifetime, key)
        if status == 202:
            rid = json.loads(body)["id"]
            self.claims.hold("a new request has an id of its own", rid not in truth.requests, rid)
            truth.requests[rid] = wanted
            truth.keys[key] = (rid, wanted, lifetime)
            truth.unanswered.pop(key)
            if lifetime == "PT1H":
                truth.pinned[rid] = Pins(self.now())
        elif status:
            self.claims.hold("a request is accepted, or refused for a while", status == 503 and "retry-after" in headers or status == 500 and self.has_database_faults, (status, body[:200]))

    def withdraw(self) -> None:
        rng, truth = self.rng, self.truth
        if not truth.requests:
            return
        if truth.pinned and rng.random() < 0.5:
            rid = rng.choice(sorted(truth.pinned))
            truth.pinned.pop(rid)
            self.server.call("POST", f"/requests/{rid}/release")
            return
        rid = rng.choice(sorted(truth.requests)[-20:])
        truth.pinned.pop(rid, None)
        truth.cancelled.add(rid)
        self.server.call("DELETE", f"/requests/{rid}")

    def jump(self) -> None:
        """Mostly forward, so that waiting for the next attempt is over; now and then back, or beyond a lifetime."""
        seconds = self.rng.choice([15, 15, 40, 40, 40, -10, -600, 4000])
        self.disk.jump(seconds)
        self.latest()
        self.truth.faults["clock jump"] += 1

    # ---- rounds

    def run_round(self, number: int) -> None:
        rng, truth = self.rng, self.truth
        forgets = rng.random() < 0.3
        self.disk.set({})
        self.server.start(forgets_batches=forgets)
        truth.faults["lost tickets"] += forgets
        self.check_acknowledged(20)
        weather = WEATHER[number % len(WEATHER)]
        self.disk.set(weather)
        # SQLite takes a page that cannot be read for a damaged one.
        self.has_database_faults = any(name.startswith("database") for name in weather)
        readers = [Reader(self.server, self.bytes, self.claims, rng.randrange(2**32)) for _ in range(2)]
        for reader in readers:
            reader.start()
        others = [lock_database(self.folder / "state", rng.uniform(0.1, 1.0))] if rng.random() < 0.3 else []
        truth.faults["database locked"] += len(others)
        ballast = self.fill_disk() if rng.random() < 0.4 else None
        end = time.monotonic() + rng.uniform(0.3, 2.5)
        while time.monotonic() < end and self.server.is_alive():
            self.ask()
            if rng.random() < 0.2:
                self.withdraw()
            if rng.random() < 0.2:
                self.jump()
            if rng.random() < 0.05:
                self.server.call("POST", "/objects/evict", {"all": True})
            if ballast and rng.random() < 0.3:
                ballast.unlink(missing_ok=True)
            time.sleep(rng.uniform(0, 0.1))
        for rid, pins in list(truth.pinned.items()):
            # Whatever was told before the kill holds after it.
            self.check_pins(rid, pins)
        truth.faults["kill -9"] += self.server.kill()
        for other in [*readers, *others]:
            other.join()
        if ballast:
            ballast.unlink(missing_ok=True)
        self.check_cache()

    def fill_disk(self) -> Path | None:
        """Leaves almost nothing of the cache's file system, where it is one of its own."""
        if not self.is_mounted:
            return None
        self.truth.faults["full disk"] += 1
        ballast, disk = self.cache / "ballast", os.statvfs(self.cache)
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail - self.rng.randrange(200)) * disk.f_frsize)
        return ballast

    # ---- what must hold

    def check_acknowledged(self, n: int) -> None:
        truth = self.truth
        sample = dict(self.rng.sample(sorted(truth.requests.items()), min(n, len(truth.requests))))
        for rid, wanted in (sample | {rid: truth.requests[rid] for rid in truth.pinned}).items():
            status, _, body = self.server.call("GET", f"/requests/{rid}")
            self.claims.hold("an answered request is there after kill -9", status == 200, (rid, status, body[:200]))
            objects = self.server.objects(rid)
            self.claims.hold("an answered request has every object in the order asked for", [o["path"] for o in objects] == wanted,
                             (rid, len(objects), len(wanted)))
        for rid, pins in list(truth.pinned.items()):
            self.check_pins(rid, pins)
            for path in sorted(pins.hot if rid in truth.pinned else ()):
                status, _, body = self.server.read(path, 0)
                self.claims.hold("what is pinned can be read at once, and is right", status == 200 and body == self.bytes[path], (rid, path, status, body[:300]))

    def check_pins(self, rid: str, pins: Pins) -> None:
        """What was online and pinned once stays so, until the time is over."""
        states = {o["path"]: o["state"] for o in self.server.objects(rid)}
        if self.latest() > pins.since + 3500:
            self.truth.pinned.pop(rid)
            return
        gone = {path: states[path] for path in pins.hot if states.get(path, "hot") != "hot"}
        self.claims.hold("what is pinned stays pinned until its time is over", not gone, (rid, gone))
        pins.hot.update(path for path, state in states.items() if state == "hot")

    def check_cache(self) -> int:
        """Files under their final names: each must be a whole file of the archive."""
        n_bytes = 0
        for path in (self.cache / "objects").rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                content = path.read_bytes()
                n_bytes += len(content)
                self.claims.hold("a file of the cache is a whole file of the archive", hashlib.sha256(content).hexdigest() in self.hashes, path)
        return n_bytes

    def check_end(self, seconds: float) -> None:
        self.disk.set({})
        self.server.start(forgets_batches=False)
        self.check_keys()
        # Pins last until the time that was told, however far the clock has gone back since.
        self.disk.jump(40 * 3600)
        waiting, end = sorted(self.truth.requests), time.monotonic() + seconds
        while waiting and time.monotonic() < end:
            waiting = [rid for rid in waiting if not self.server.has_ended(rid)]
            # Nobody waits for the next attempt.
            self.disk.jump(20)
            time.sleep(0.3)
        for rid in waiting[:5]:
            unsettled = [o for o in self.server.objects(rid) if o["state"] in ("queued", "active", "verifying")]
            self.claims.hold("every request ends", False, (rid, self.server.call("GET", f"/requests/{rid}"), unsettled[:2]))
        for rid, wanted in self.truth.requests.items():
            self.check_outcome(rid, wanted)
        self.check_counters()
        self.server.stop()

    def check_keys(self) -> None:
        for key, (rid, wanted, lifetime) in list(self.truth.keys.items())[-50:]:
            status, _, body = self.server.post_request(wanted, lifetime, key)
            again = json.loads(body).get("id") if status == 202 else None
            # Keys are kept for a day.
            self.claims.hold("the same idempotency key gives the same request", again == rid, (key, status, again, rid))
        for key, (wanted, lifetime) in self.truth.unanswered.items():
            ids = {json.loads(self.server.post_request(wanted, lifetime, key)[2]).get("id") for _ in range(2)}
            self.claims.hold("a request whose answer was not seen is made once, however often it is repeated", len(ids) == 1 and None not in ids, (key, ids))
            self.truth.requests.update({rid: wanted for rid in ids if rid})

    def check_outcome(self, rid: str, wanted: list[str]) -> None:
        objects = self.server.objects(rid)
        self.claims.hold("an ended request has every object that was asked for", [o["path"] for o in objects] == wanted, (rid, len(objects)))
        for one in objects:
            name = Path(one["path"]).name
            right = FINAL.get(name.split("-")[0])
            allowed = {right} if right else {"hot", "released"}
            if rid in self.truth.cancelled:
                allowed = allowed | {"cancelled"}
            self.claims.hold("every object ends as it must", one["state"] in allowed, (rid, one))
        status, _, body = self.server.call("GET", f"/requests/{rid}")
        sizes = {state: sum(len(self.bytes[o["path"]]) for o in objects if o["state"] == state) for state in ("hot", "released")}
        told = {state: tally["bytes"] for state, tally in json.loads(body)["objects"].items() if state in sizes} if status == 200 else None
        self.claims.hold("the bytes of a request are those of its objects", told == sizes, (rid, told, sizes))
        counts = {state: tally["n"] for state, tally in json.loads(body)["objects"].items() if tally["n"]} if status == 200 else None
        self.claims.hold("the counts of a request are those of its objects", counts == dict(Counter(o["state"] for o in objects)), (rid, status, counts))

    def check_counters(self) -> None:
        """Once nothing is under way and all pins are over: what the server says is what there is."""
        self.disk.jump(2 * 3600)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            recalls = json.loads(self.server.call("GET", "/recalls")[2])["recalls"]
            pins = json.loads(self.server.call("GET", "/pins")[2])["pins"]
            if not recalls and not pins:
                break
            self.disk.jump(20)
            time.sleep(0.3)
        cold = json.loads(self.server.call("GET", "/cold")[2])
        store, cache = cold["stores"][0], cold["cache"]
        self.claims.hold("nothing is under way in the end", not recalls and store["n_waiting"] == store["n_active"] == 0, (recalls[:2], store))
        self.claims.hold("nothing is pinned or reserved in the end", not pins and cache["pinned_bytes"] == cache["reserved_bytes"] == 0, (pins[:2], cache))
        self.claims.hold("what the server says is in the cache is there", cache["used_bytes"] == self.check_cache(), cache)
        status, _, _ = self.server.call("POST", "/objects/evict", {"all": True})
        used = json.loads(self.server.call("GET", "/cold")[2])["cache"]["used_bytes"]
        self.claims.hold("everything that nobody wants can be evicted", status == 200 and used == 0 == self.check_cache(), used)

    def n_faults(self) -> Counter[str]:
        faults = Counter(self.truth.faults)
        faults.update({name: n for name, n in self.disk.counts().items() if n})
        log = self.folder / "recalls.jsonl"
        if log.exists():
            results = Counter(json.loads(line)["result"] for line in log.read_text(errors="replace").splitlines() if line.endswith("}"))
            faults.update({f"tape: {result}": n for result, n in results.items() if result != "online"})
        return faults


def make_archive(folder: Path, rng: random.Random) -> dict[str, bytes]:
    """Files of many sizes, by absolute path."""
    contents = {}
    folder.mkdir(parents=True)
    for n in range(N_FILES):
        size = rng.choice([1, 100, 5_000, 70_000, 300_000, 300_000, 1_500_000])
        kind = {7: "lost-", 19: "damaged-", 31: "denied-", 43: "damaged-"}.get(n, "f")
        path = folder / f"{kind}{n:03d}.bin"
        contents[str(path)] = rng.randbytes(size)
        path.write_bytes(contents[str(path)])
        os.utime(path, (1_600_000_000 + n, 1_600_000_000 + n))
    return contents


def make_references(path: Path, contents: dict[str, bytes]) -> None:
    """One dataset with an array for each file: a reader of its only chunk gets the whole file."""
    refs: dict[str, object] = {".zgroup": json.dumps({"zarr_format": 2}), ".zattrs": "{}"}
    for file, content in contents.items():
        size, name = len(content), Path(file).stem
        refs[f"{name}/.zarray"] = json.dumps({"zarr_format": 2, "order": "C", "filters": None, "shape": [size], "chunks": [size],
                                              "dtype": "|u1", "compressor": None, "fill_value": 0})
        refs[f"{name}/.zattrs"] = json.dumps({"_ARRAY_DIMENSIONS": [f"n_{name}"]})
        refs[f"{name}/0"] = [file, 0, size]
    path.parent.mkdir()
    path.write_text(json.dumps({"version": 1, "refs": refs}))


def mount(folder: Path) -> bool:
    """A file system of its own for the cache, if this process may: a little more than what is always left free."""
    folder.mkdir()
    image = folder.with_suffix(".img")
    with open(image, "wb") as file:
        file.truncate(1200 << 20)
    for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, folder]):
        if not shutil.which(command[0]) or subprocess.run(command, capture_output=True).returncode:
            print("NOTE  no file system may be mounted here: a disk that is really full is not tried, only writes that say so", flush=True)
            return False
    return True


def check_restart(claims: Claims, binary: str, folder: Path, n_files: int) -> None:
    """A request of many files that are wanted, of which none comes: answered, killed, and taken up again."""
    paths = [folder / "archive" / f"{n // 1000:03d}" / f"m{n:06d}.bin" for n in range(n_files)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    make_references(folder / "references" / "all.json", {str(paths[0]): b"x"})
    server = Server(binary, folder, {}, FROZEN)
    server.start(forgets_batches=False)
    began = time.monotonic()
    status, _, body = server.post_request([str(path) for path in paths], "P1D", "many")
    answered, rid = time.monotonic() - began, json.loads(body).get("id")
    claims.hold("a request of many files is accepted", status == 202, (status, body[:200]))
    # A program that was built without optimization is not measured.
    if "release" in Path(binary).parts:
        claims.hold("a request of many files is answered within a second", answered < 1, answered)
    end = time.monotonic() + 60
    # As many are under way as drives take at once; the others wait for their turn.
    while not server.states(rid)["active"] and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(3)
    before = server.states(rid)
    claims.hold("all of many files are wanted and none is there", all_wait(before, n_files) and before["active"] > 0, before)
    server.kill()
    restarted = server.start(forgets_batches=False)
    after = server.states(rid)
    claims.hold("a request of many files is whole after kill -9, and none is there", all_wait(after, n_files), after)
    claims.hold("a restart with many active files takes less than 5 s", restarted < 5, restarted)
    print(f"      {n_files} files, none of them there: answered after {answered:.2f} s, up again {restarted:.2f} s after kill -9", flush=True)
    server.kill()


def all_wait(states: Counter[str], n_files: int) -> bool:
    """True if every object is still wanted and none has come."""
    return set(states) <= {"queued", "active"} and states.total() == n_files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-least", type=int, default=0, help="faults that there must be")
    parser.add_argument("--active", type=int, default=0, help="files of a request over which the server is killed once more")
    parser.add_argument("--dir", help="folder to work in, kept afterwards")
    args = parser.parse_args()
    folder = Path(args.dir or tempfile.mkdtemp(prefix="faults-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    trial = None
    try:
        trial = Trial(args, folder)
        for n in range(args.rounds):
            trial.run_round(n)
            print(f"      round {n + 1}: {len(trial.truth.requests)} requests answered, {trial.n_faults().total()} faults, {trial.claims.failed} failed", flush=True)
        trial.check_end(180)
        if args.active:
            check_restart(trial.claims, args.binary, folder / "many", args.active)
        faults = trial.n_faults()
        (folder / "acknowledged.json").write_text(json.dumps(trial.truth.requests, indent=1))
        trial.claims.hold(f"at least {args.at_least} faults", faults.total() >= args.at_least, faults)
        print(f"{faults.total()} faults: " + ", ".join(f"{n} {name}" for name, n in sorted(faults.items())))
    finally:
        if trial:
            trial.server.kill()
            if trial.is_mounted:
                subprocess.run(["umount", "-l", trial.cache], check=False)
        if not args.dir:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{trial.claims.passed} passed, {trial.claims.failed} failed")
    return 1 if trial.claims.failed or not trial.claims.passed else 0


if __name__ == "__main__":
    sys.exit(main())
