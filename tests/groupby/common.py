"""What all checks of groupby share: what runs them, servers to ask, and the report."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "plots"))

from _run import Checks, parser, run  # noqa: E402 - these lie beside the checks of plots
from _server import Server, bytes_read, metrics, resident_mb, status  # noqa: E402
from _tape import Tape  # noqa: E402

from check_groupby import Report  # noqa: E402

__all__ = ["Checks", "Report", "Server", "Tape", "bytes_read", "metrics", "parser", "resident_mb", "run", "status"]
