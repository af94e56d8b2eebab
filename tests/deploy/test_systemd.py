"""deploy/systemd/: units that systemd understands, for each process, with no more rights than it needs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.process import REFUSED
from shared.settings import PROCESSES
from tests.needs import require

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy/systemd"


def said(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text().splitlines():
        if re.match(r"[A-Z]\w+=", line):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_target_is_all_processes() -> None:
    wanted = said("tasuki.target")["Wants"][0].split()
    assert sorted(wanted) == sorted(f"tasuki@{name}.service" for name in PROCESSES)


def test_a_unit_runs_the_process_that_it_is_named_after() -> None:
    unit = said("tasuki@.service")
    assert unit["ExecStart"] == ["/opt/tasuki/.venv/bin/python -m services.%i"]
    assert all((ROOT / "services" / name / "__main__.py").exists() for name in PROCESSES)
    assert unit["Restart"] == ["always"]
    assert unit["RestartPreventExitStatus"] == [str(REFUSED)]
    assert said("tasuki-migrate.service")["ExecStart"] == ["/opt/tasuki/.venv/bin/tasuki migrate"]


def test_migrating_stops_nothing_that_runs() -> None:
    assert "Requires" not in said("tasuki@.service")


def test_a_process_has_the_time_that_it_may_take() -> None:
    grace = re.search(r"^TASUKI_SHUTDOWN_GRACE_S=(\d+)$", (UNITS / "tasuki.env.example").read_text(), re.MULTILINE)
    assert grace is not None
    assert int(said("tasuki@.service")["TimeoutStopSec"][0]) >= int(grace[1]) + 5


def test_a_process_may_lower_its_priority_as_back_tests_do() -> None:
    assert "os.nice" in (ROOT / "services/handoff/backtest/process.py").read_text()
    assert "@resources" not in " ".join(said("tasuki@.service")["SystemCallFilter"])


@pytest.fixture
def unit_folder(tmp_path: Path) -> Path:
    """The units as they lie on a machine, but for the programs and the user that are not on this one."""
    if shutil.which("systemd-analyze") is None:
        require("systemd", "systemd-analyze, of Debian's package systemd, is not there")
    for path in UNITS.glob("tasuki*.[st]*"):
        text = re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", path.read_text(), flags=re.MULTILINE)
        text = re.sub(r"(?<==)tasuki$", "daemon", text, flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text)
    for name in PROCESSES:
        (tmp_path / f"tasuki@{name}.service").write_text((tmp_path / "tasuki@.service").read_text())
    return tmp_path


def _analyze(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin"}
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, env=environment)


def test_systemd_understands_every_line(unit_folder: Path) -> None:
    units = [str(path) for path in sorted(unit_folder.iterdir()) if "@.service" not in path.name]
    done = _analyze(unit_folder, "verify", "--man=no", *units)
    ours = [line for line in done.stderr.splitlines() if "tasuki" in line]
    assert (done.returncode, ours) == (0, [])


def test_a_process_is_little_exposed(unit_folder: Path) -> None:
    """By systemd's own measure, of 10; what remains is the network, which the services are for."""
    path = str(unit_folder / "tasuki@ingest.service")
    done = _analyze(unit_folder, "security", "--offline=true", "--threshold=25", "--no-pager", path)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
