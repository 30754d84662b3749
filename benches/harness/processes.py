"""Processes that the harness starts: their end, their CPU time and their memory."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Memory of a process and its children, in MB (10^6 bytes)."""

    resident: float
    """Sum of `VmRSS`."""
    peak: float
    """Sum of `VmHWM`: the most that each process ever held."""


def start(command: list[str | Path], log: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts `command` in a process group of its own, its output going to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """Ends the process group of `process`: politely, then by force."""
    for sent, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, grace)):
        try:
            os.killpg(process.pid, sent)
        except ProcessLookupError:
            pass
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        break
    # A master that ended may have left workers behind; its group is still ours alone.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(command: list[str | Path], limit: float, env: dict[str, str] | None = None) -> str:
    """Runs `command` to its end and returns what it printed; a failure carries the end of its error output.

    Raises `subprocess.TimeoutExpired` after `limit` seconds and `RuntimeError` when it fails; in every case
    nothing of it is left running.
    """
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=limit)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode != 0:
        last_lines = "\n".join((errors or output).strip().splitlines()[-5:])
        raise RuntimeError(f"{Path(str(command[0])).name} ended with {process.returncode}: {last_lines}")
    return output


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, its living children and those it has waited for, in seconds (proc(5), `stat`)."""
    ticks = 0
    for member in tree(pid):
        fields = _stat_fields(member)
        if fields is None:
            continue
        own_ticks = int(fields[11]) + int(fields[12])
        waited_for_ticks = int(fields[13]) + int(fields[14])
        ticks += own_ticks + waited_for_ticks
    return ticks / CLOCK_TICKS_PER_SECOND


def memory(pid: int) -> Memory:
    """Memory of a process and its living children; shared pages count once for each process."""
    resident = peak = 0
    for member in tree(pid):
        try:
            lines = Path(f"/proc/{member}/status").read_text().splitlines()
        except OSError:
            continue
        sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
        resident += int(sizes.get("VmRSS", "0 kB").split()[0])
        peak += int(sizes.get("VmHWM", "0 kB").split()[0])
    return Memory(resident=resident * 1024 / 1e6, peak=peak * 1024 / 1e6)


def tree(pid: int) -> Iterator[int]:
    """The process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        member = waiting.pop()
        yield member
        waiting.extend(children.get(member, []))


def _stat_fields(pid: int) -> list[str] | None:
    """Fields of `/proc/PID/stat` from the state on; the name before it may hold blanks and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
