"""Draws the pictures of `plugins/serve/plot/GALLERY.md`, each from the address that stands beside it.

    python make_gallery.py --binary target/release/thermocline FILES

FILES is what `make_grids.py` and `make_more_grids.py` wrote into `FILES/grids` and `FILES/more`; the demonstration is started by
itself. For the page pictures are compressed with loss. The exit code is 0 when each was drawn and none has more than 40 kB.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from PIL import Image

from _server import Server

PLUGIN = Path(__file__).resolve().parents[2] / "plugins" / "serve" / "plot"
LARGEST = 40_000
QUALITIES = (90, 80, 70, 55, 40, 25)
DEMO = "http://127.0.0.1:9000"


@dataclass(frozen=True)
class Picture:
    """A picture: file name, what it shows, its address below /datasets without extension, and its form."""

    name: str
    shows: str
    address: str
    form: str = "png"


DEMO_PICTURES = [
    Picture("air-temperature", "nothing but the variable: the last step, colours and map from the metadata", "air_temperature/plot/air?width=640"),
    Picture("winds", "zonal wind at 300 hPa, diverging around 0", "winds/plot/U?cmap=RdBu_r&norm=centered&width=640"),
    Picture("winds-robinson", "the same on Robinson's projection", "winds/plot/U?proj=robinson&cmap=cmo.balance&norm=centered&width=640"),
    Picture("winds-orthographic", "from above the North Atlantic", "winds/plot/U?proj=orthographic&center=-40,45&width=480"),
    Picture("winds-northpolar", "around the north pole", "winds/plot/U?proj=northpolar&bound=30&width=480"),
    Picture("winds-contourf", "filled levels, on Equal Earth", "winds/plot/U?kind=contourf&levels=-20,-10,0,10,20,30,40,50&proj=equalearth&width=640"),
    Picture("winds-contour", "lines of equal value", "winds/plot/U?kind=contour&levels=-10,0,10,20,30,40&width=640"),
    Picture("winds-quiver", "arrows of two variables", "winds/plot/U?kind=quiver&u=U&v=V&extent=-100,40,0,75&width=640"),
    Picture("winds-scatter", "two variables against each other", "winds/plot/V?kind=scatter&x=U&size=3&width=480"),
    Picture("air-hist", "the distribution", "air_temperature/plot/air?kind=hist&width=480"),
    Picture("air-line", "a series at one place", "air_temperature/plot/air?kind=line&x=time&lat=nearest::50&lon=nearest::260&width=640"),
    Picture("air-hovmoller", "time over longitude", "air_temperature/plot/air?kind=section&x=lon&y=time&lat=nearest::50&width=560"),
    Picture("air-dark", "a box across the Rocky Mountains, dark", "air_temperature/plot/air?extent=-130,-90,30,60&borders=on&theme=dark&cmap=cmo.thermal&width=560"),
    Picture("sst-swath", "one orbit of a satellite, on two-dimensional coordinates", "sea_surface_temperature/plot/sea_surface_temperature?width=640"),
    Picture("air-animation", "an animation along time", "air_temperature/plot/air?dim=time&frames=10&width=320&colorbar=off", "gif"),
]

FIXTURE_PICTURES = [
    Picture("tripolar", "tripolar ocean grid, land missing", "tripolar/plot/sst?proj=mollweide&width=600"),
    Picture("rotated", "rotated pole with two-dimensional coordinates", "rotated/plot/tas?width=600"),
    Picture("lambert", "Lambert conformal, drawn in its own plane", "lambert/plot/tas?proj=data&width=560"),
    Picture("polarstereo", "polar stereographic, drawn around the pole", "polarstereo/plot/tas?proj=northpolar&bound=40&width=480"),
    Picture("geostationary", "geostationary, the disc as the satellite sees it", "geos/plot/tas?proj=data&width=480"),
    Picture("icon", "ICON's triangles", "icon/plot/tas?proj=orthographic&center=10,50&width=480"),
    Picture("ugrid", "UGRID, triangles and quadrilaterals across the antimeridian", "ugrid_mixed/plot/tas?width=560"),
    Picture("mpas", "MPAS's hexagons", "mpas/plot/tas?proj=robinson&width=600"),
    Picture("healpix", "HEALPix", "healpix_nested/plot/tas?proj=mollweide&cmap=cmc.batlow&width=600"),
    Picture("reduced", "a reduced Gaussian grid", "reduced_gaussian/plot/tas?width=600"),
    Picture("stations", "stations", "stations/plot/tas?kind=scatter&size=9&width=600"),
    Picture("section", "a section, depth downwards", "section/plot/thetao?cmap=cmo.thermal&width=560"),
    Picture("lines", "several series", "dsg/plot/tas?kind=line&hue=station&width=600"),
    Picture("precipitation", "precipitation, levels by hand", "steps/plot/pr?levels=0,2e-6,5e-6,1e-5,1.5e-5,2e-5&width=600"),
]


class Demo:
    """`thermocline demo`, until it is left."""

    def __init__(self, binary: str) -> None:
        self.process = subprocess.Popen([binary, "demo", "--listen", "127.0.0.1:0", "--log-level", "error"], stdout=subprocess.PIPE, text=True)
        self.base = ""

    def __enter__(self) -> Demo:
        end = time.monotonic() + 120
        while not self.base and time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"files at (http://\S+)", self.process.stdout.readline())
            self.base = found[1] if found else ""
        if not self.base:
            raise OSError("the demonstration did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


def draw(base: str, picture: Picture, folder: Path) -> tuple[str, int]:
    """Draws a picture and compresses it for the page; the name of its file and its size."""
    path, _, query = picture.address.partition("?")
    got = requests.get(f"{base}/datasets/{path}.{picture.form}?{query}", timeout=60)
    if got.status_code != 200:
        raise ValueError(f"{picture.name}: status {got.status_code} {got.text[:200]}")
    image, file = Image.open(io.BytesIO(got.content)), folder / f"{picture.name}.webp"
    for quality in QUALITIES:
        image.save(file, "WEBP", quality=quality, method=6, save_all=getattr(image, "n_frames", 1) > 1)
        if file.stat().st_size <= LARGEST:
            break
    return file.name, file.stat().st_size


def page(title: str, intro: str, base: str, rows: list[tuple[Picture, str]]) -> str:
    """A part of the page: each picture with its address."""
    text = f"## {title}\n{intro}\n\n"
    for picture, file in rows:
        path, _, query = picture.address.partition("?")
        address = f"{base}/datasets/{path}.{picture.form}?{query}"
        text += f"**{picture.shows[0].upper()}{picture.shows[1:]}**\n\n![{picture.shows}](gallery/{file})\n\n`{address}`\n\n"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("--binary", required=True)
    args = parser.parse_args()
    folder = PLUGIN / "gallery"
    folder.mkdir(exist_ok=True)
    problems: list[str] = []

    def drawn(base: str, pictures: list[Picture]) -> list[tuple[Picture, str]]:
        rows = []
        for picture in pictures:
            try:
                file, size = draw(base, picture, folder)
            except (ValueError, requests.RequestException) as error:
                problems.append(str(error))
                continue
            print(f"{file:28}{size / 1e3:8.1f} kB")
            if size > LARGEST:
                problems.append(f"{file} has {size} bytes")
            rows.append((picture, file))
        return rows

    with Demo(args.binary) as demo:
        first = drawn(demo.base, DEMO_PICTURES)
    with tempfile.TemporaryDirectory() as scratch, Server(args.binary, Path(scratch), [str(args.files / "grids"), str(args.files / "more")]) as server:
        second = drawn(server.base, FIXTURE_PICTURES)
    intro = "Drawn by `tests/plots/make_gallery.py`, and compressed with loss for this page. Every option is explained by `thermocline plot --help`.\n\n"
    text = "# Gallery of plots\n" + intro
    text += page("The demonstration", "`sh .ci/demo` serves these at once.", DEMO, first)
    text += page("Other grids and kinds", "Files of `tests/plots/make_grids.py` and `make_more_grids.py`, served with `thermocline serve FOLDER`.", DEMO, second)
    (PLUGIN / "GALLERY.md").write_text(text.rstrip() + "\n")
    print("\n".join(problems) or f"{len(first) + len(second)} pictures drawn")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
