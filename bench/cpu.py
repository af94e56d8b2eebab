"""CPU time and memory of a process with all its children, from /proc; nan where the kernel does not tell."""

import math
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

_PROC = Path("/proc")
_PARENT, _TIMES = 1, slice(11, 15)  # fields of `stat` after the name: ppid; utime, stime, cutime, cstime


class Spent(msgspec.Struct, frozen=True):
    """Seconds of CPU, user and system, of what is measured and of its PostgreSQL, while `seconds` went by."""

    python_s: float
    postgres_s: float
    seconds: float

    def each(self, n: int) -> str:
        """Microseconds for each of n."""
        return f"CPU {1e6 * self.python_s / n:,.0f} us python + {1e6 * self.postgres_s / n:,.0f} us PostgreSQL"

    def limit(self) -> str:
        """Who was busy, in shares of one core, and therefore what limits."""
        python, postgres = self.python_s / self.seconds, self.postgres_s / self.seconds
        return f"python {python:.0%} + PostgreSQL {postgres:.0%} of a core: {_limit(python, postgres)}"


def _limit(python: float, postgres: float) -> str:
    if math.isnan(python + postgres):
        return "unknown limit"
    if python >= 0.8:
        return "python limits"
    if postgres >= 0.8:
        return "PostgreSQL limits"
    if python + postgres >= 0.8:
        return "they take turns"
    return "both wait for something else"


class Meter:
    """Reads what trees of processes spend from the moment it is made: those of `python` together, and PostgreSQL's;
    without PostgreSQL its part is 0."""

    def __init__(self, *python: int, postgres: int | None = None) -> None:
        self._python = python
        self._postgres = () if postgres is None else (postgres,)
        self._before = self._cpu_s()
        self._begun = time.monotonic()

    def spent(self) -> Spent:
        """What was spent until now."""
        seconds = time.monotonic() - self._begun
        python_s, postgres_s = (now - before for now, before in zip(self._cpu_s(), self._before, strict=True))
        return Spent(python_s, postgres_s, seconds)

    def _cpu_s(self) -> tuple[float, float]:
        return sum(map(cpu_s, self._python)), sum(map(cpu_s, self._postgres))


class _Process(NamedTuple):
    parent: int
    cpu_s: float  # its own, and that of its children that have ended

    @classmethod
    def read(cls, entry: Path) -> Self | None:
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            return None
        return cls(int(fields[_PARENT]), sum(map(int, fields[_TIMES])) / os.sysconf("SC_CLK_TCK"))


def _tree(root: int) -> dict[int, _Process]:
    found = {
        int(entry.name): process
        for entry in (_PROC.iterdir() if _PROC.is_dir() else ())
        if entry.name.isdigit() and (process := _Process.read(entry))
    }
    children: dict[int, list[int]] = defaultdict(list)
    for pid, process in found.items():
        children[process.parent].append(pid)
    tree, todo = {}, [root]
    while todo:
        pid = todo.pop()
        if pid in found:
            tree[pid] = found[pid]
            todo += children[pid]
    return tree


def cpu_s(root: int) -> float:
    """User and system seconds of a process and all below it, since it began."""
    tree = _tree(root)
    return sum(process.cpu_s for process in tree.values()) if tree else math.nan


def memory_mib(root: int) -> float:
    """Resident memory of a process and all below it."""
    found = [_resident_mib(pid) for pid in _tree(root)]
    return sum(found) if found else math.nan


def _resident_mib(pid: int) -> float:
    try:
        return int((_PROC / str(pid) / "status").read_text().partition("VmRSS:")[2].split()[0]) / 1024
    except (OSError, IndexError):  # it has ended
        return 0.0
