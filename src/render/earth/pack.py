"""Packs Natural Earth's coastlines and borders into the small files that `earth.rs` reads.

    npm pack world-atlas && tar xf world-atlas-*.tgz && python3 pack.py package .

Coastlines are the arcs of the land, borders the arcs that two countries share. Pieces along the meridian ±180° and
around the pole are no coast: they close polygons, and are dropped.

Form of a file: a line is the number of its points, its first point, and the steps from each point to the next, all as
LEB128 numbers; coordinates are in units of `UNIT` degrees, zigzag coded, longitude before latitude.
"""

import json
import sys
from pathlib import Path

UNIT = {"110m": 0.01, "50m": 0.005}
MARGIN = 0.011  # Of the artificial edges, in degrees.


def arcs_of(topology):
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        places = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            places.append((x * sx + tx, y * sy + ty))
        arcs.append(places)
    return arcs


def arcs_in(geometry):
    """Numbers of the arcs of a geometry, without their direction."""
    def walk(part):
        if isinstance(part, int):
            yield part if part >= 0 else ~part
        else:
            for each in part:
                yield from walk(each)
    if geometry["type"] == "GeometryCollection":
        return {arc for each in geometry["geometries"] for arc in arcs_in(each)}
    return set(walk(geometry.get("arcs", [])))


def is_artificial(a, b):
    at_line = all(abs(abs(x) - 180) < MARGIN for x, _ in (a, b))
    at_pole = all(abs(y) > 89.9 for _, y in (a, b))
    return at_line or at_pole


def without_edges(places):
    """The pieces of a line that are no artificial edges."""
    piece = [places[0]]
    for a, b in zip(places, places[1:]):
        if is_artificial(a, b):
            if len(piece) > 1:
                yield piece
            piece = [b]
        else:
            piece.append(b)
    if len(piece) > 1:
        yield piece


def quantised(places, unit):
    points = []
    for x, y in places:
        point = (round(x / unit), round(y / unit))
        if not points or points[-1] != point:
            points.append(point)
    return points


def leb128(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number):
    return leb128(number * 2 if number >= 0 else -number * 2 - 1)


def pack(lines):
    out = bytearray()
    for points in lines:
        out += leb128(len(points))
        x = y = 0
        for px, py in points:
            out += zigzag(px - x) + zigzag(py - y)
            x, y = px, py
    return bytes(out)


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    for detail, unit in UNIT.items():
        topology = json.loads((source / f"countries-{detail}.json").read_text())
        arcs = arcs_of(topology)
        uses = {}
        for country in topology["objects"]["countries"]["geometries"]:
            for arc in arcs_in(country):
                uses[arc] = uses.get(arc, 0) + 1
        land = json.loads((source / f"land-{detail}.json").read_text())
        land_arcs = arcs_of(land)
        for name, chosen in {
            "coast": [land_arcs[i] for i in sorted(arcs_in(land["objects"]["land"]))],
            "borders": [arcs[i] for i, n in sorted(uses.items()) if n > 1],
        }.items():
            lines = [quantised(piece, unit) for arc in chosen for piece in without_edges(arc)]
            lines = [line for line in lines if len(line) > 1]
            packed = pack(lines)
            (target / f"{name}-{detail}.bin").write_bytes(packed)
            print(name, detail, len(lines), "lines", sum(map(len, lines)), "points", len(packed), "bytes")


main()
