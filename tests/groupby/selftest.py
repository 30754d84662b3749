"""Proves that the groupby checks can pass and can fail: the stand-in is green, and each of its defects is found.

    python selftest.py [DIR [DEFECT…]]        (DIR from make_fields.py; made in a scratch folder when left out)

The last line is "N passed, N failed", the exit code 0 only when the stand-in passes and every defect makes check_groupby.py
exit with 1.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# Defect, section, cases that must notice it.
TRAPS = {
    "f4acc": ("values", "daily_noleap/groupby/tas/time.year/mean"), "season-order": ("values", "daily_noleap/.*season/max"),
    "sum-nan": ("values", "daily_noleap/groupby/sst/time.month/sum"), "dayofyear": ("values", "daily_standard/.*pr/time.dayofyear/max"),
    "weekday": ("values", "daily_noleap/.*weekday/max"), "mutate": ("http", "-"), "all404": ("bad", "-"), "attrs": ("attributes", "-"),
    "units": ("attributes", "-"), "last-nan": ("values", "daily_noleap/groupby/pr/time.month/last"), "nan-any": ("values", "sst/time.month/any"),
    "wrap": ("bad", "-"), "ddof1": ("values", "daily_noleap/groupby/tas/time.month/std"), "clock": ("http", "-"),
    "nan-token": ("values", "daily_noleap/groupby/sst/time.month/mean"), "dim-last": ("values", "daily_noleap/groupby/tas/time.month/mean"),
    "eager": ("lazy", "-"), "full-chunk": ("lazy", "-"), "int-float": ("values", "daily_noleap/groupby/tas/time.month/count"),
    "crash": ("bad", "-"), "eval": ("bad", "-"), "f4decode": ("values", "types_noleap/groupby/t2m/time.month/max"),
    "bins-left": ("options", "tas/lat/mean/bins=-90"), "nc-f8": ("values", "daily_noleap/groupby/tas/time.month/mean"),
    "zarr-transposed": ("values", "daily_noleap/groupby/tas/time.month/mean"), "empty-zero": ("options", "pr/lat/mean/bins"),
    "all-labels": ("values", "short_noleap/.*month/max"), "nan-label": ("values", "types_noleap/.*wind/phase/max"),
    "etag": ("http", "-"), "head": ("http", "-"), "noon": ("options", "sst/time/mean/freq=MS"),
    "drop-first": ("options", "sst/time/mean/freq=QS-DEC"),
}


def run(folder: Path, defect: str | None, arguments: list[str]) -> tuple[int, str]:
    """Starts the stand-in, runs the check against it, stops the stand-in."""
    command = [sys.executable, str(HERE / "reference_server.py"), str(folder), *(["--defect", defect] if defect else [])]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        base = server.stdout.readline().split()[-1]
        check = [sys.executable, str(HERE / "check_groupby.py"), "--server", base, str(folder), *arguments]
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
            subprocess.run([sys.executable, str(HERE / "make_fields.py"), str(folder)], check=True, timeout=300, capture_output=True)
        bad = 0
        if "no defect" in names:
            code, text = run(folder, None, ["--share", "0.01", "--forms", "0.2"])
            print(f"{'no defect':18}{'green' if code == 0 else 'RED'}   {(text.strip().splitlines() or ['no output'])[-1]}", flush=True)
            bad += code != 0
        for defect in (n for n in names if n in TRAPS):
            section, match = TRAPS[defect]
            code, text = run(folder, defect, ["--only", section, "--match", match, "--forms", "1"])
            first = next((line for line in text.splitlines() if line.startswith("FAIL ")), "nothing failed")
            print(f"{defect:18}{'found' if code == 1 else 'MISSED'}   {first[:130]}", flush=True)
            bad += code != 1
    print(f"{len(names) - bad} passed, {bad} failed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
