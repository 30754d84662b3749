"""Prove that the checks can fail: green against the reference server, red for each of its defects.

    python selftest.py --envs DIR --fixtures DIR [--only NAME …]

Runs in the environment `catalogs`; `--envs` is the folder of `tests/clients/setup`. Takes about 15 minutes for everything. Exit 0 only when
every check is green without a defect and the named check is red, by failed cases and not by a crash, with each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import reference_server as ref  # noqa: E402

HERE = Path(__file__).parent
COLD = "tas-noleap"
STAC, INTAKE, THREDDS = "check_stac.py", "check_intake.py", "check_thredds.py"
CLEAN = [("catalogs", STAC, ["--cold", COLD]), ("intake07", INTAKE, []), ("catalogs", INTAKE, []), ("intake07", THREDDS, []), ("catalogs", "validate.py", []),
         ("catalogs", "validate.py", ["--tool", "stac-valid"]), ("catalogs", "stac_api_validator.py", [])]
GROUPS = {"child-links": "static", "global-bbox": "items", "bbox-360": "items", "no-bounds": "items", "calendar-blind": "items", "force-https": "forwarded",
          "ignore-forwarded": "forwarded", "media-param": "assets", "kerchunk-role": "assets", "engine-kwarg": "assets", "no-range": "assets",
          "no-consolidated": "assets", "null-datetime": "items", "time-now": "items", "no-nodata": "items", "order-word": "order", "order-everywhere": "order", "stuck-etag": "order",
          "lenient": "bad", "ignore-filter": "filter", "null-true": "filter", "bbox-dateline": "search", "instant-search": "search", "post-differs": "search",
          "page-repeat": "paging", "self-noquery": "docs", "sort-text": "sort", "fields-ignored": "fields", "query-ignored": "query", "head-missing": "docs",
          "cors-errors": "bad"}
OTHERS = {"yaml-unquoted": ("intake07", INTAKE), "jinja": ("intake07", INTAKE), "method-missing": ("catalogs", INTAKE), "esm-single": ("intake07", INTAKE),
          "thredds-relative": ("intake07", THREDDS), "thredds-title": ("intake07", THREDDS), "script-open": ("intake07", THREDDS),
          "bad-schema": ("catalogs", "validate.py")}


class Runner:
    """The reference server in this process, the checks in others."""

    def __init__(self, args: argparse.Namespace, scratch: Path) -> None:
        self.envs, self.fixtures = args.envs, args.fixtures
        options = argparse.Namespace(dir=args.fixtures, cold=[COLD], big=None, defect=[])
        ref.Handler.catalog = ref.Catalog(options, scratch)
        self.server = ref.Server(("127.0.0.1", 0), ref.Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def check(self, venv: str, script: str, more: list[str], timeout: float = 900) -> tuple[int, list[str], str]:
        """(exit code, failed cases, summary line)."""
        command = [str(self.envs / venv / "bin" / "python"), "-W", "ignore", str(HERE / script), "--server", f"http://127.0.0.1:{self.server.server_port}", *more]
        if script.startswith("check_"):
            command += ["--fixtures", str(self.fixtures)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=tempfile.gettempdir())
        lines = done.stdout.strip().splitlines() or [done.stderr.strip()[-300:]]
        return done.returncode, [x for x in lines[:-1] if x.startswith(("FAIL", "error"))], lines[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", required=True, type=Path)
    parser.add_argument("--fixtures", required=True, type=Path)
    parser.add_argument("--only", action="append", help="a defect, or `none` for the green runs")
    args = parser.parse_args()
    args.envs, args.fixtures = args.envs.absolute(), args.fixtures.absolute()
    good = 0
    missing = set(ref.DEFECTS) - set(GROUPS) - set(OTHERS)
    bad = [f"no check for {d}" for d in missing]
    with tempfile.TemporaryDirectory() as scratch:
        runner = Runner(args, Path(scratch))
        for venv, script, more in CLEAN if not args.only or "none" in args.only else []:
            ref.Handler.catalog.break_rules(set())
            code, failed, last = runner.check(venv, script, more)
            print(f"{'ok  ' if code == 0 else 'FAIL'}  {'no defect':18} {venv:9} {last}", flush=True)
            good += not code
            bad += [f"{script} is not green"] if code else []
        for defect in ref.DEFECTS:
            if args.only and defect not in args.only:
                continue
            began = time.time()
            ref.Handler.catalog.break_rules({defect})
            venv, script = OTHERS.get(defect, ("catalogs", STAC))
            more = ["--only", GROUPS[defect], "--cold", COLD] if script == STAC else []
            code, failed, last = runner.check(venv, script, more)
            caught = code == 1 and bool(failed) and "Traceback" not in last
            print(f"{'ok  ' if caught else 'FAIL'}  {defect:18} {len(failed):4} cases fail in {time.time() - began:3.0f} s; first: "
                  f"{' '.join(failed[0].split())[:120] if failed else last[:120]}", flush=True)
            good += caught
            bad += [] if caught else [f"{defect} is not noticed"]
        runner.server.shutdown()
    print(f"selftest: {'every defect is noticed' if not bad else '; '.join(bad)}")
    print(f"{good} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
