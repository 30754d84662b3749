"""Kinds and forms of pictures that check_plots.py does not have: arrows, levels, distributions, sections, animations, vectors."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import requests
from PIL import Image

from check_plots import Client, Report, colour_index, lut_of, matches, nearest, places, verdict
from more_grids import field, limits

SVG = "{http://www.w3.org/2000/svg}"


def answer(client: Client, path: str, **options: object) -> requests.Response:
    """A plot that must be there."""
    got = client.get(path, params=options)
    if got.status_code != 200:
        raise ValueError(f"{path}: status {got.status_code} {got.text[:150]}")
    return got


def image(client: Client, path: str, **options: object) -> Image.Image:
    """The same, as a picture."""
    return Image.open(io.BytesIO(answer(client, path, **options).content))


def ink(picture: np.ndarray) -> np.ndarray:
    """True where something is drawn on nothing or on white."""
    return (picture[..., 3] > 0) & (picture[..., :3].min(axis=-1) < 250)


def check_arrows(client: Client, report: Report) -> None:
    """Wind of which the direction is known: everywhere eastward at the equator near 0 E, south-eastward near 90 W."""
    def drawn() -> str | None:
        picture = np.asarray(image(client, "vectors/plot/uas.png", kind="quiver", u="uas", v="vas", frame="none", width=720, height=360).convert("RGBA"))
        share = ink(picture).mean()
        return None if 0.01 < share < 0.6 else f"{share:.1%} of the pixels have ink"

    def other() -> str | None:
        one, two = (answer(client, "vectors/plot/uas.png", kind="quiver", u=u, v=v, width=500).content for u, v in (("uas", "vas"), ("vas", "uas")))
        return None if one != two else "exchanging the components changes nothing"

    def needs() -> str | None:
        got = client.get("vectors/plot/uas.png?kind=quiver&u=uas&v=nope")
        return None if got.status_code in (400, 404) and "nope" in got.json()["detail"] else f"{got.status_code} {got.text[:100]}"

    for name, test in (("arrows", drawn), ("components", other), ("unknown component", needs)):
        report.claim("quiver", name, test)


def check_levels(client: Client, report: Report, grids: Path) -> None:
    """Contours lie where the field has their value; filled levels have the colour of their band."""
    values = field(grids, "ascending")
    lon, lat, _ = places("platecarree", size=(720, 360))
    x, y = np.arange(144) * 2.5 - 178.75, np.arange(72) * 2.5 - 88.75
    here = values[nearest(y, lat), nearest(x, lon)]

    def lines() -> str | None:
        picture = np.asarray(image(client, "ascending/plot/tas.png", kind="contour", levels="-0.5,0.25,1", frame="none", width=720, height=360).convert("RGBA"))
        drawn = picture[..., 3] > 0
        if not 0.003 < drawn.mean() < 0.1:
            return f"{drawn.mean():.1%} of the pixels have ink"
        near = np.min(np.abs(here[..., None] - np.array([-0.5, 0.25, 1.0])), axis=-1)
        # A step of the field between neighbouring cells is at most about 0.15.
        away = drawn & (near > 0.2)
        return None if away.sum() < 0.01 * drawn.sum() else f"{int(away.sum())} of {int(drawn.sum())} pixels of lines are away from the value"

    def filled() -> str | None:
        edges = np.array([-1.5, -0.5, 0.25, 1.0, 2.0])
        picture = np.asarray(image(client, "ascending/plot/tas.png", kind="contourf", levels=",".join(map(str, edges)), frame="none", width=720, height=360).convert("RGBA"))
        want = np.clip(np.searchsorted(edges, here) - 1, 0, 3) * 85
        near = np.min(np.abs(here[..., None] - edges), axis=-1) < 0.16
        return verdict(matches(picture, want, lut_of("viridis")), ~near & (here > edges[0]) & (here < edges[-1]))

    report.claim("levels", "contour", lines)
    report.claim("levels", "contourf", filled)


def check_diagrams(client: Client, report: Report, more: Path) -> None:
    """Distributions, series, two variables against each other, sections."""
    def hist() -> str | None:
        picture = np.asarray(image(client, "steps/plot/ta.png", kind="hist", frame="none", width=300, height=200).convert("RGBA"))
        heights = ink(picture).sum(axis=0)
        peak = int(np.argmax(heights))
        return None if heights.max() > 100 and heights[: max(peak, 1)].min() < heights.max() else f"columns of {heights.min()} to {heights.max()} pixels"

    def hovmoller() -> str | None:
        values = field(more, "steps", "ta")[:, 0, 12, :]  # The first level, at 3.75 N.
        picture = np.asarray(image(client, "steps/plot/ta.png", kind="section", x="lon", y="time", isel="lat=12", cmap="viridis", frame="none", width=480, height=240).convert("RGBA"))
        times = np.array([15, 45, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349.0])
        low, high = times[0] - 15, times[-1] + 15
        at = low + (np.arange(240) + 0.5) / 240 * (high - low)
        up, down = (values[nearest(times, t)][:, np.arange(480) // 10] for t in (at[::-1], at))
        lo, hi = limits(values)
        clear = np.min(np.abs(at[:, None] - (times[1:] + times[:-1])[None, :] / 2), axis=1) > 1.5
        results = [verdict(matches(picture, colour_index(want, lo, hi), lut_of("viridis")), np.repeat(c[:, None], 480, 1))
                   for want, c in ((up, clear[::-1]), (down, clear))]
        return None if None in results else results[0]

    def pressure() -> str | None:
        picture = np.asarray(image(client, "steps/plot/ta.png", kind="section", x="lat", y="lev", isel="lon=0", time="2001-03-16", cmap="viridis", frame="none", width=240, height=120).convert("RGBA"))
        values = field(more, "steps", "ta")[2, :, :, 0]
        lo, hi = limits(values)
        top, foot = (matches(picture[[row]], colour_index(values[[level]].repeat(10, 1), lo, hi), lut_of("viridis")) for row, level in ((2, 2), (117, 0)))
        return None if top.mean() > 0.99 and foot.mean() > 0.99 else "500 hPa is not above 1000 hPa"

    def against() -> str | None:
        picture = np.asarray(image(client, "steps/plot/ta.png", kind="scatter", x="ua", width=400).convert("RGBA"))
        return None if ink(picture).mean() > 0.01 else "nothing is drawn"

    def several() -> str | None:
        one, many = (answer(client, "dsg/plot/tas.png", kind="line", width=500, **o).content for o in ({"isel": "station=0"}, {"hue": "station"}))
        return None if one != many and len(many) > 1000 else "several lines are as one"

    for name, test in (("hist", hist), ("Hovmöller", hovmoller), ("pressure downwards", pressure), ("two variables", against), ("several lines", several)):
        report.claim("diagrams", name, test)


def check_forms(client: Client, report: Report) -> None:
    """GIF, WebP and SVG are what they say; frames, sizes, themes."""
    def gif() -> str | None:
        picture = image(client, "steps/plot/ta.gif", dim="time", width=200, frames=12)
        if picture.format != "GIF" or getattr(picture, "n_frames", 1) != 12:
            return f"{picture.format} with {getattr(picture, 'n_frames', 1)} pictures"
        seen = set()
        for k in range(12):
            picture.seek(k)
            seen.add(picture.convert("RGB").tobytes())
        return None if len(seen) == 12 else f"only {len(seen)} of 12 pictures differ"

    def few() -> str | None:
        picture = image(client, "steps/plot/ta.gif", dim="time", width=200, frames=5, fps=2)
        return None if picture.n_frames <= 5 and 400 <= picture.info.get("duration", 0) <= 600 else f"{picture.n_frames} pictures of {picture.info.get('duration')} ms"

    def webp() -> str | None:
        got = answer(client, "steps/plot/ta.webp", width=300)
        picture = Image.open(io.BytesIO(got.content))
        still = np.asarray(image(client, "steps/plot/ta.png", width=300).convert("RGBA"))
        same = np.asarray(picture.convert("RGBA")).shape == still.shape and (np.asarray(picture.convert("RGBA")) == still).all()
        return None if picture.format == "WEBP" and same else "WebP is not the picture of PNG"

    def svg() -> str | None:
        for options in ({}, {"kind": "contour"}, {"kind": "line", "isel": "lat=3", "sel": "lon=7.5"}, {"kind": "hist"}, {"proj": "robinson", "theme": "dark"}):
            got = answer(client, "steps/plot/ta.svg", width=400, **options)
            root = ElementTree.fromstring(got.content)
            if root.tag != f"{SVG}svg" or got.headers["Content-Type"].split(";")[0] != "image/svg+xml":
                return f"{options}: {root.tag} {got.headers['Content-Type']}"
            links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href") and not v.startswith(("data:", "#"))]
            if links or list(root.iter(f"{SVG}script")):
                return f"{options}: links to {links[:2]} or scripts"
            if options.get("kind") == "contour" and not list(root.iter(f"{SVG}path")) and not list(root.iter(f"{SVG}polyline")):
                return "contours are no vectors"
        return None

    def sizes() -> str | None:
        for width, height in ((300, 200), (1000, 500), (4000, 2000)):
            picture = image(client, "steps/plot/ta.png", width=width, height=height)
            if picture.size != (width, height):
                return f"{picture.size} for {width} x {height}"
        return None

    def themes() -> str | None:
        corner = {theme: image(client, "steps/plot/ta.png", width=400, theme=theme).convert("RGBA").getpixel((1, 1)) for theme in ("light", "dark", "transparent")}
        good = min(corner["light"][:3]) > 230 and max(corner["dark"][:3]) < 80 and corner["transparent"][3] == 0
        return None if good else str(corner)

    def legend() -> str | None:
        png = image(client, "steps/legend/ta.png", cmap="plasma", vmin=0, vmax=10)
        colours = {c[:3] for _, c in png.convert("RGBA").getcolors(1 << 24)}
        table = {tuple(c) for c in lut_of("plasma")}
        root = ElementTree.fromstring(answer(client, "steps/legend/ta.svg", cmap="plasma", vmin=0, vmax=10).content)
        body = answer(client, "steps/legend/ta.json", cmap="plasma", vmin=0, vmax=10).json()
        good = len(colours & table) > 100 and root.tag == f"{SVG}svg" and isinstance(body, dict) and body
        return None if good else f"{len(colours & table)} colours of the map, {str(body)[:100]}"

    for name, test in (("gif", gif), ("few frames", few), ("webp", webp), ("svg", svg), ("sizes", sizes), ("themes", themes), ("legends", legend)):
        report.claim("forms", name, test)


def check_kinds(client: Client, report: Report, grids: Path, more: Path) -> None:
    """All of this module."""
    check_arrows(client, report)
    check_levels(client, report, grids)
    check_diagrams(client, report, more)
    check_forms(client, report)
