"""`thermocline groupby` writes the very values that the server sends, and says what is wrong.

    python check_command.py --binary target/release/thermocline FIELDS

The last line is "N passed, N failed".
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from asking import Client, address
from common import Report, Server

SAME = [
    ("daily_noleap", "tas", "time.month", "mean", []), ("daily_standard", "pr", "time.season", "std", ["ddof=1"]), ("types_noleap", "t2m", "zone", "max", []),
    ("daily_360_day", "pr", "time.month", "quantile", ["q=0.1,0.9"]), ("daily_noleap", "tas", "lat", "mean", ["bins=-90,-30,30,90"]), ("daily_standard", "sst", "time", "mean", ["freq=QS-DEC"]),
    ("daily_noleap", "tas", "time.month", "mean", ["over=lat,lon", "weights=coslat"]), ("daily_noleap", "tas", "time.month", "mean", ["sel=lat=-30:30"]), ("daily_noleap", "sst", "time.month", "mean", ["anomaly=1"]),
]
WRONG = [
    (["daily_noleap.nc", "nope", "time.month", "mean"], "nope"), (["daily_noleap.nc", "tas", "nope.month", "mean"], "nope"), (["daily_noleap.nc", "tas", "time.fortnight", "mean"], "fortnight"),
    (["daily_noleap.nc", "tas", "time.month", "shout"], "shout"), (["daily_noleap.nc", "tas", "time.month", "quantile"], "q"), (["nowhere.nc", "tas", "time.month", "mean"], "nowhere"),
    (["undecodable.nc", "tas", "time.month", "mean"], "time"), (["types_noleap.nc", "big", "time.month", "sum"], ""),
]


def run(binary: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs the command."""
    return subprocess.run([binary, "groupby", *arguments], capture_output=True, text=True, timeout=120)


def flags(pairs: list[str]) -> list[str]:
    """Options of a request as those of the command."""
    return [word for pair in pairs for word in (f"--{pair.partition('=')[0]}", pair.partition("=")[2])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", type=Path)
    parser.add_argument("--binary", required=True)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with Server(args.binary, folder / "command", [str(args.fields)]) as server:
            client = Client(server.base)
            for dataset, var, grouper, action, pairs in SAME:
                def test(dataset=dataset, var=var, grouper=grouper, action=action, pairs=pairs) -> str | None:
                    want = client.get(address(dataset, var, grouper, action, *pairs) + "?f=nc")
                    out = folder / "out.nc"
                    out.unlink(missing_ok=True)
                    done = run(args.binary, str(args.fields / f"{dataset}.nc"), var, grouper, action, *flags(pairs), "-o", str(out))
                    if done.returncode or want.status_code != 200:
                        return f"exit status {done.returncode} {done.stderr[-200:]}, server {want.status_code}"
                    return None if out.read_bytes() == want.content else f"other bytes: {out.stat().st_size}, the server sends {len(want.content)}"

                report.claim("same", " ".join([dataset, var, grouper, action, *pairs]), test)
        for arguments, text in WRONG:
            def refused(arguments=arguments, text=text) -> str | None:
                out = folder / "wrong.nc"
                done = run(args.binary, str(args.fields / arguments[0]), *arguments[1:], "-o", str(out))
                if done.returncode == 0 or out.exists() or "panicked" in done.stderr:
                    return f"exit status {done.returncode}, {done.stderr[-200:]}"
                return None if text in done.stderr else f"{done.stderr[-200:]!r} does not name {text!r}"

            report.claim("wrong", " ".join(arguments), refused)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
