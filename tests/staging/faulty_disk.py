"""A failing disk and a jumping clock for one process: builds and steers `faulty_disk.c`."""
from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

# In the order of faulty_disk.c.
FAULTS = ["cache EIO", "cache ENOSPC", "cache torn write", "database EIO", "database torn write", "archive EIO", "kill at a system call"]
RATES, COUNTS = 16, 48


class FaultyDisk:
    """What goes wrong with files and clock of a server whose environment is `environment`."""

    def __init__(self, folder: Path, cache: Path, archive: Path, state: Path) -> None:
        library, control = folder / "faulty_disk.so", folder / "faulty_disk.control"
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            raise SystemExit("no C compiler: faulty_disk.c cannot be built")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_suffix(".c")], check=True)
        control.write_bytes(bytes(4096))
        self.environment = {"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(control), "FAULTS_CACHE": str(cache),
                            "FAULTS_ARCHIVE": str(archive), "FAULTS_STATE": str(state)}
        with open(control, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def set(self, per_million: dict[str, int]) -> None:
        """How many of a million calls meet which fault; those that are not named, none."""
        for n, name in enumerate(FAULTS):
            struct.pack_into("<I", self.map, RATES + 4 * n, per_million.get(name, 0))

    def counts(self) -> dict[str, int]:
        return dict(zip(FAULTS, struct.unpack_from(f"<{len(FAULTS)}Q", self.map, COUNTS)))

    def clock_offset(self) -> float:
        """Seconds by which the process's clock is ahead of the machine's."""
        return struct.unpack_from("<q", self.map, 0)[0] / 1e9

    def jump(self, seconds: float) -> None:
        struct.pack_into("<q", self.map, 0, struct.unpack_from("<q", self.map, 0)[0] + int(seconds * 1e9))
