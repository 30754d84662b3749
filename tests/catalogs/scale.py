"""Page through and search a catalog of N generated entries: complete, right and fast.

    python scale.py --server URL --truth DIR/big.json [--searches 200] [--p95-ms 20] [--pid PID --rss-mb 300] [--wait 600]

Proves: paging by token gives each of the N Items once; random searches match as many Items as brute force does; p95 of a
search page (limit 10, one keep-alive connection, the time includes reading the answer) stays below the limit for
bbox + datetime + CQL2, for a spatial and a time clause in CQL2 alone, for one id and for a sorted page.
Make the catalog with make_big_catalog.py. The limits are meant for N = 100,000. Exit 0 only when all hold.
Needs numpy (the environment `catalogs`).
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import numpy as np

from _check import Report, expect, same


class Client:
    """One keep-alive connection."""

    def __init__(self, server: str) -> None:
        self.parts = urlsplit(server)
        self.link = http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=120)

    def get(self, path: str) -> tuple[dict, float]:
        """(document, seconds)."""
        began = time.perf_counter()
        self.link.request("GET", path, headers={"Accept": "application/geo+json"})
        answer = self.link.getresponse()
        data = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise AssertionError(f"{path} gave {answer.status}: {data[:200]!r}")
        return json.loads(data), took

    def search(self, **params: str | int) -> tuple[dict, float]:
        return self.get("/stac/search?" + urlencode({"collections": "big", **params}, quote_via=quote))


class Truth:
    """The generated entries as columns."""

    def __init__(self, file: Path) -> None:
        rows = json.loads(file.read_text())
        self.ids = [r[0] for r in rows]
        self.box = np.array([r[1:5] for r in rows])
        self.start, self.end = np.array([r[5] for r in rows]), np.array([r[6] for r in rows])
        self.source = np.array([r[7] for r in rows])

    def hits(self, b: list[float]) -> np.ndarray:
        """Which boxes touch a box; west > east crosses the antimeridian."""
        if b[0] > b[2]:
            return self.hits([b[0], b[1], 180.0, b[3]]) | self.hits([-180.0, b[1], b[2], b[3]])
        w, s, e, n = self.box.T
        inside = (s <= b[3]) & (n >= b[1])
        return inside & np.where(w <= e, (w <= b[2]) & (e >= b[0]), (w <= b[2]) | (e >= b[0]))


def show(name: str, times: list[float]) -> float:
    p50, p95 = (float(np.percentile(times, q)) * 1e3 for q in (50, 95))
    print(f"time  {name:32} {len(times):5} requests  p50 {p50:8.1f} ms  p95 {p95:8.1f} ms  max {max(times) * 1e3:8.1f} ms", flush=True)
    return p95


class Scale:
    """One run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.truth, self.client = args, Truth(args.truth), Client(args.server)
        self.report, self.rng = Report("scale", None, True), random.Random(7)

    def ready(self) -> None:
        """Wait until the whole catalog is listed."""
        deadline, matched = time.time() + self.args.wait, -1
        while time.time() < deadline:
            matched = self.client.search(limit=1)[0]["numberMatched"]
            if matched == len(self.truth.ids):
                return
            time.sleep(2)
        same(matched, len(self.truth.ids), "numberMatched")

    def page(self) -> None:
        doc, took = self.client.search(limit=min(1000, max(1, len(self.truth.ids) // 7)))
        times, seen = [took], [f["id"] for f in doc["features"]]
        for _ in range(len(self.truth.ids) // 500 + 10):
            link = next((x for x in doc["links"] if x["rel"] == "next"), None)
            if link is None:
                break
            doc, took = self.client.get(link["href"].removeprefix(f"{self.client.parts.scheme}://{self.client.parts.netloc}"))
            times.append(took)
            seen += [f["id"] for f in doc["features"]]
        show("page", times)
        same(len(seen), len(set(seen)), "Items that come twice")
        same(len(set(seen) ^ set(self.truth.ids)), 0, "Items missing or unknown")

    def window(self, cross: bool) -> tuple[list[float], str, str]:
        """A box, small or large, now and then across the antimeridian, and a range of years."""
        width, height = (self.rng.uniform(1, 15), self.rng.uniform(1, 15)) if self.rng.random() < 0.5 else (self.rng.uniform(60, 120), self.rng.uniform(40, 80))
        w, s = self.rng.uniform(-180, 180 - width), self.rng.uniform(-90, 90 - height)
        b = [round(v, 3) for v in (w, s, w + width, s + height)]
        if cross and self.rng.random() < 0.2:
            b[0], b[2] = round(180 - width / 2, 3), round(-180 + width / 2, 3)
        year = self.rng.randrange(1950, 2040)
        return b, f"{year}-01-01T00:00:00Z", f"{year + self.rng.randrange(1, 10)}-01-01T00:00:00Z"

    def kind(self, name: str) -> None:
        """Random searches of one kind."""
        t, times, found = self.truth, [], 0
        for _ in range(self.args.searches):
            b, low, high = self.window(name.startswith("bbox"))
            source = f"M-{self.rng.randrange(50):02d}"
            ring = f"POLYGON(({b[0]} {b[1]}, {b[2]} {b[1]}, {b[2]} {b[3]}, {b[0]} {b[3]}, {b[0]} {b[1]}))"
            overlap = (t.start <= high) & (t.end >= low)
            if name == "bbox + datetime + CQL2":
                params = {"bbox": ",".join(map(str, b)), "datetime": f"{low}/{high}", "filter": f"\"attrs:source_id\" IN ('{source}', 'M-00', 'M-01', 'M-02', 'M-03', 'M-04')"}
                want = int((t.hits(b) & overlap & np.isin(t.source, [source, "M-00", "M-01", "M-02", "M-03", "M-04"])).sum())
            elif name == "CQL2 space alone":
                params, want = {"filter": f"S_INTERSECTS(geometry, {ring})"}, int(t.hits(b).sum())
            elif name == "CQL2 time alone":
                params = {"filter": f"start_datetime <= TIMESTAMP('{high}') AND end_datetime >= TIMESTAMP('{low}')"}
                want = int(overlap.sum())
            elif name == "one id":
                params, want = {"ids": self.rng.choice(t.ids)}, 1
            else:
                params, want = {"sortby": "-datetime", "datetime": f"{low}/{high}"}, int(overlap.sum())
            doc, took = self.client.search(limit=10, **params)
            times.append(took)
            found += want
            same((doc["numberMatched"], doc["numberReturned"]), (want, min(want, 10)), f"matched and returned of {params}")
        expect(found >= min(20, self.args.searches), f"only {found} Items in all searches: the catalog is too small to prove anything")
        p95 = show(name, times)
        expect(p95 <= self.args.p95_ms, f"p95 {p95:.1f} ms, the limit is {self.args.p95_ms} ms")

    def memory(self) -> None:
        lines = Path(f"/proc/{self.args.pid}/status").read_text().splitlines()
        mb, peak = (int(next(x for x in lines if x.startswith(name)).split()[1]) / 1024 for name in ("VmRSS", "VmHWM"))
        print(f"size  resident memory {mb:.0f} MB, at most {peak:.0f} MB until now")
        expect(mb <= self.args.rss_mb, f"{mb:.0f} MB, the limit is {self.args.rss_mb}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--truth", required=True, type=Path)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--p95-ms", type=float, default=20)
    parser.add_argument("--pid", type=int, help="the server's process, to read its resident memory")
    parser.add_argument("--rss-mb", type=float, default=300)
    parser.add_argument("--wait", type=float, default=600, help="seconds until the whole catalog must be listed")
    scale = Scale(parser.parse_args())
    scale.report.case("scale", "the whole catalog is listed", scale.ready)
    scale.report.case("scale", "paging gives every Item once", scale.page)
    for name in ("bbox + datetime + CQL2", "CQL2 space alone", "CQL2 time alone", "one id", "sorted"):
        scale.report.case("scale", f"{name}: right and fast", lambda n=name: scale.kind(n))
    if scale.args.pid:
        scale.report.case("scale", "resident memory", scale.memory)
    return scale.report.finish()


if __name__ == "__main__":
    sys.exit(main())
