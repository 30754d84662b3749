"""Proves that the plot checks can pass and can fail: the stand-in is green, and each of its defects is found.

    python selftest.py [DIR [DEFECT…]]        (DIR from make_grids.py; made in a scratch folder when left out)

The last line is "N passed, N failed", the exit code 0 only when the stand-in passes and every defect makes check_plots.py
exit with 1.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# Section of check_plots.py that must notice each defect.
TRAPS = {
    "flip": "rectilinear", "lon-shift": "rectilinear", "no-wrap": "rectilinear", "half-pixel": "rectilinear", "bilinear": "rectilinear",
    "extend-edge": "rectilinear", "norm255": "norms", "log-linear": "norms", "reverse": "norms", "over-wrap": "norms",
    "centered-plain": "norms", "levels-smooth": "norms", "range-of-extent": "norms", "jpeg-colours": "norms", "white-missing": "missing",
    "packed-raw": "missing", "last-lev": "missing", "opaque-outside": "projections", "mercator-linear": "projections",
    "robinson-wide": "projections", "polar-mirror": "projections", "ortho-noclip": "projections", "radians": "unstructured",
    "nest-as-ring": "unstructured", "depth-up": "other", "points-late": "other", "line-flat": "other", "all404": "bad", "no-limit": "bad",
    "clock": "http", "etag": "http", "webp-lossy": "http", "seed-404": "http", "brewer": "colormaps",
}


def run(folder: Path, defect: str | None, sections: list[str]) -> tuple[int, str]:
    """Starts the stand-in, runs the check against it, stops the stand-in."""
    command = [sys.executable, str(HERE / "reference_server.py"), str(folder), *(["--defect", defect] if defect else [])]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        base = server.stdout.readline().split()[-1]
        check = [sys.executable, str(HERE / "check_plots.py"), "--server", base, str(folder), *(["--only", *sections] if sections else [])]
        done = subprocess.run(check, capture_output=True, text=True, timeout=900)
        return done.returncode, done.stdout
    finally:
        server.terminate()
        server.wait(timeout=20)


def main() -> int:
    names = sys.argv[2:] or ["no defect", *TRAPS]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        if len(sys.argv) == 1:
            subprocess.run([sys.executable, str(HERE / "make_grids.py"), str(folder)], check=True, timeout=300, capture_output=True)
        bad = 0
        if "no defect" in names:
            code, text = run(folder, None, [])
            print(f"{'no defect':18}{'green' if code == 0 else 'RED'}   {(text.strip().splitlines() or ['no output'])[-1]}", flush=True)
            bad += code != 0
        for defect in (n for n in names if n in TRAPS):
            code, text = run(folder, defect, [TRAPS[defect]])
            first = next((line for line in text.splitlines() if line.startswith("FAIL ")), "nothing failed")
            print(f"{defect:18}{'found' if code == 1 else 'MISSED'}   {first[:130]}", flush=True)
            bad += code != 1
    print(f"{len(names) - bad} passed, {bad} failed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
