"""Draws a variable of a file with matplotlib's pcolormesh into a PNG in memory, as a user's service would; prints seconds.

    python draw_matplotlib.py FILE VARIABLE X Y N

The first step of VARIABLE over the coordinates X and Y, on 1600 × 900 pixels with axes, title and colour bar, N times; each time the
file is read anew. Importing the libraries is not counted.
"""

from __future__ import annotations

import argparse
import io
import json
import time

import matplotlib

matplotlib.use("Agg")

import netCDF4  # noqa: E402  (the backend comes first)
from matplotlib import pyplot  # noqa: E402


def main() -> None:
    """Draws, and prints what each picture took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("variable")
    parser.add_argument("x")
    parser.add_argument("y")
    parser.add_argument("n", type=int)
    options = parser.parse_args()
    print(json.dumps([draw(options) for _ in range(options.n)]))


def draw(options: argparse.Namespace) -> float:
    """Seconds of one picture."""
    begin = time.perf_counter()
    with netCDF4.Dataset(options.file) as file:
        variable = file[options.variable]
        x, y, values = file[options.x][:], file[options.y][:], variable[0]
        figure, axes = pyplot.subplots(figsize=(16, 9), dpi=100)
        mesh = axes.pcolormesh(x, y, values, shading="nearest")
        axes.set_title(options.variable)
        figure.colorbar(mesh, label=variable.units)
        figure.savefig(io.BytesIO(), format="png")
        pyplot.close(figure)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
