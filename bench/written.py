"""Writes what a run has told as a page of docs/reports: the machine, what was asked for, every table."""

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.report import Line, Table
from shared.postgres.install import find_install

PACKAGES = ("fastapi", "uvloop", "msgspec", "sqlalchemy", "asyncpg", "aiokafka")


def write(path: Path, command: str, tables: Sequence[Table]) -> None:
    """Write the page."""
    path.write_text(page(command, machine(), datetime.now(UTC).date().isoformat(), tables))


def machine() -> str:
    """What was measured on, in a sentence."""
    asked = [find_install().program("postgres"), "--version"]
    postgres = subprocess.run(asked, capture_output=True, text=True, check=True)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores ({_first('/proc/cpuinfo', 'model name')}), "
        f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) // 1_048_576} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}; Python {platform.python_version()}, {versions}, "
        f"PostgreSQL {postgres.stdout.split()[-1]}"
    )


def page(command: str, machine: str, day: str, tables: Sequence[Table]) -> str:
    """The page's text. Pure."""
    parts = [
        "# Measured in one run",
        f"`{command}`, {day}, on {machine}. One after the other, each in processes of its own. Absolute figures hold "
        "only within this run; ratios carry over. What was tried, and what it brought: [the numbers](metrics.md), "
        "[the door](ingest.md).",
        "## What has to be reached",
        _rows(("", "measured", "must", "aim"), (_held(line) for table in tables for line in table.lines if line.must)),
    ]
    for table in tables:
        beside = max(1, len(table.units) - 1)  # columns
        head = ("", *(table.units or ("",)), *([""] if len(table.units) < 2 else []))
        parts += [f"## {_capital(table.title)}", _rows(head, (_plain(line, beside) for line in table.lines))]
    return "\n\n".join(parts) + "\n"


def _held(line: Line) -> tuple[str, ...]:
    return line.name, line.value, f"{line.must}{'' if line.reached else ': **not reached**'}", line.aim


def _plain(line: Line, beside: int) -> tuple[str, ...]:
    """A row with so many columns of what is noted beside its figure."""
    parts = re.split(r" {2,}", line.note.strip())
    noted = (*parts[: beside - 1], ", ".join(parts[beside - 1 :]))
    return line.name, line.value, *noted, *[""] * (beside - len(noted))


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ("---",) * len(head), *([cell.strip().replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first(path: str, name: str) -> str:
    """The value of a name in a file of /proc."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "0"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "0")
