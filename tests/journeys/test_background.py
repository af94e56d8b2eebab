"""`tasuki up` and `down`, and what `tasuki doctor` says of a system that runs, from outside."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import private_folder
from tests.system import ROOT, System, tasuki, until


@pytest.fixture(scope="module")
def machine(free_port: Callable[[], int]) -> Iterator[System]:
    """A data folder and ports of one's own; whatever runs on them at the end is killed."""
    with private_folder() as folder:
        system = System(folder / "data", free_port)
        yield system
        for pid in system.processes("shared.cli"):
            os.kill(pid, signal.SIGKILL)
        until(lambda: system.processes() == [])


@pytest.fixture
def up(machine: System) -> System:
    """What `up` has started, or had started already."""
    answer = tasuki(machine, "up")
    assert answer.returncode == 0, answer.stderr
    assert "ready" in answer.stdout
    return machine


def test_up_returns_when_all_is_ready_and_what_it_started_stays(up: System) -> None:
    assert all(up.is_ready(name) for name in up.port)
    log = up.data_dir / "tasuki.log"
    assert "ready after" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_up_again_starts_nothing(up: System) -> None:
    before = up.processes("shared.cli")
    again = tasuki(up, "up")
    assert "runs already" in again.stdout
    assert up.processes("shared.cli") == before


def test_the_doctor_finds_nothing_wrong(up: System) -> None:
    answer = tasuki(up, "doctor", "--json")
    findings = json.loads(answer.stdout)
    assert [f for f in findings if f["state"] != "ok"] == []
    assert answer.returncode == 0
    areas = list(dict.fromkeys(f["area"] for f in findings))
    assert areas == ["machine", "settings", "configuration", "data folder", "database", "schemas", "keys", "log",
                     "waiting", "processes"]  # fmt: skip
    for secret in (up.key, (up.data_dir / "database.url").read_text().strip(), "console.secret"):
        assert secret not in answer.stdout.replace("console.secret may be read", "")


def test_the_doctor_says_what_is_wrong_and_what_to_do(up: System) -> None:
    (up.data_dir / "console.secret").chmod(0o644)
    (handoff,) = up.processes("services.handoff")
    os.kill(handoff, signal.SIGSTOP)
    try:
        answer = tasuki(up, "doctor", TASUKI_LOG_PARTITION="3")
    finally:
        os.kill(handoff, signal.SIGCONT)
        (up.data_dir / "console.secret").chmod(0o600)
    assert answer.returncode == 1
    assert "TASUKI_LOG_PARTITION is no setting" in answer.stdout
    assert "did you mean TASUKI_LOG_PARTITIONS?" in answer.stdout
    assert "wrong console.secret may be read by others" in answer.stdout
    assert f"chmod 600 {up.data_dir / 'console.secret'}" in answer.stdout
    assert "wrong handoff does not answer" in answer.stdout
    assert "2 wrong" in answer.stdout


def test_up_beside_another_system_on_its_ports_says_so(up: System, free_port: Callable[[], int]) -> None:
    with private_folder() as folder:
        other = System(folder / "data", free_port)
        ports = {f"TASUKI_{name.upper()}_PORT": str(port) for name, port in up.port.items()}
        answer = tasuki(other, "up", **ports)
    assert answer.returncode == 1
    assert "is taken" in answer.stderr


def test_what_up_cannot_start_is_told_with_the_reason_and_leaves_nothing(free_port: Callable[[], int]) -> None:
    with private_folder() as folder:
        system = System(folder / "data", free_port, {"TASUKI_CONFIG_DIR": str(folder / "nowhere")})
        answer = tasuki(system, "up")
        assert answer.returncode == 1
        assert "fields.yaml" in answer.stderr
        assert system.processes() == []


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_broken_off_leaves_nothing(free_port: Callable[[], int], order: signal.Signals) -> None:
    with private_folder() as folder:
        system = System(folder / "data", free_port)
        command = [sys.executable, "-m", "shared.cli", "up"]
        with subprocess.Popen(command, cwd=ROOT, env=system.environment, stderr=subprocess.PIPE, text=True) as starting:
            until(lambda: len(system.processes("shared.cli")) > 1)
            starting.send_signal(order)
            _, said = starting.communicate(timeout=60)
        assert starting.returncode == 1
        assert "broken off; what was started has been ended" in said
        assert system.processes() == []


def test_a_killed_supervisor_is_not_taken_for_a_running_one(up: System) -> None:
    (supervisor,) = up.processes("shared.cli")
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: up.processes() == [])
    assert "nothing" in tasuki(up, "down").stdout
    assert "everything is ready" in tasuki(up, "up").stdout


def test_down_ends_all_of_it(up: System) -> None:
    answer = tasuki(up, "down")
    assert answer.stdout == "stopped\n"
    until(lambda: up.processes() == [], within=5)
    assert "nothing" in tasuki(up, "down").stdout
