"""`tasuki run` from outside: what a user types, sees, kills and stops."""

import os
import shutil
import signal
import socket
import stat
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.settings import ServiceName
from tests.system import ROOT, SERVICES, System, until

Environment = dict[str, str | None]


@pytest.fixture
def start(empty_data_dir: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., System]]:
    """Launches systems of one test's own, on one data folder; kills what the test has left running."""
    launched: list[System] = []

    def launch(**environment: str | None) -> System:
        one = System(empty_data_dir, free_port, environment)
        one.launch()
        launched.append(one)
        return one

    yield launch
    for one in launched:
        one.kill()
    until(lambda: all(everything_ended(one) for one in launched))


def everything_ended(system: System) -> bool:
    return system.processes() == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_comes_back_and_it_is_said(system: System, service: ServiceName) -> None:
    (before,) = system.processes(f"services.{service}")
    os.kill(before, signal.SIGKILL)
    system.wait_for(lambda: f"{service} ended (exit status -9, killed by SIGKILL)" in system.output())
    system.wait_for(lambda: system.processes(f"services.{service}") not in ([], [before]))
    system.wait_ready()


def test_a_killed_postgres_comes_back_and_the_services_go_on(system: System) -> None:
    services = [system.processes(f"services.{service}") for service in SERVICES]
    postmaster = system.postgresql()
    os.kill(postmaster, signal.SIGKILL)
    system.wait_for(lambda: "PostgreSQL ended (exit status -9, killed by SIGKILL)" in system.output())
    system.wait_for(lambda: system.processes("bin/postgres") != [] and system.postgresql() != postmaster)
    system.wait_ready()
    assert [system.processes(f"services.{service}") for service in SERVICES] == services


def test_each_service_is_one_process_and_the_supervisor_is_none_of_them(system: System) -> None:
    found = [system.processes(f"services.{service}") for service in SERVICES]
    assert [len(pids) for pids in found] == [1, 1, 1]
    assert [system.process.pid] not in found


def test_the_address_of_the_database_is_kept_for_other_tools(system: System) -> None:
    path = system.data_dir / "database.url"
    assert path.read_text().startswith("postgresql://postgres:")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_addresses_are_printed_and_no_given_key(system: System) -> None:
    for service in SERVICES:
        assert system.url[service] in system.output()
    assert system.key not in system.output()


def test_sigterm_to_the_group_and_again_from_make_ends_everything(start: Callable[..., System]) -> None:
    system = start()
    system.wait_ready()
    os.killpg(system.process.pid, signal.SIGTERM)
    system.process.send_signal(signal.SIGTERM)
    assert system.process.wait(10) == 0
    assert everything_ended(system)
    assert "ended (" not in system.output(), "nothing was killed or restarted on the way"
    assert "stopped" in system.output()


def test_ctrl_c_before_it_is_ready_ends_everything(start: Callable[..., System]) -> None:
    system = start()
    system.wait_for(lambda: system.processes("bin/postgres") != [])
    system.process.send_signal(signal.SIGINT)
    assert system.process.wait(10) == 0
    assert everything_ended(system)


def test_a_killed_supervisor_leaves_nothing_and_can_be_started_again(start: Callable[..., System]) -> None:
    first = start()
    first.wait_ready()
    first.kill()
    again = start()
    again.wait_ready()
    assert again.postgresql() in again.processes()
    assert again.stop() == 0
    assert everything_ended(again)


def test_a_killed_supervisor_leaves_nothing(start: Callable[..., System]) -> None:
    system = start()
    system.wait_ready()
    children = [pid for pid in system.processes() if pid != system.process.pid]
    assert len(children) >= 4
    system.kill()
    until(lambda: everything_ended(system))


def test_a_generated_key_is_shown_once_and_opens_the_door(start: Callable[..., System]) -> None:
    first = start(TASUKI_ADMIN_KEY=None)
    first.wait_ready()
    path = first.data_dir / "admin.key"
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.output().count(key) == 1
    request = urllib.request.Request(f"{first.url['metrics']}/v1/kpis", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    assert first.stop() == 0

    second = start(TASUKI_ADMIN_KEY=None)
    second.wait_for(lambda: second.output().count("admin key in") == 2)
    assert path.read_text().strip() == key
    assert second.output().count(key) == 1


@pytest.mark.parametrize("name", ["admin.key", "console.secret"])
def test_a_secret_that_is_none_is_refused_by_its_file_and_not_told(
    empty_data_dir: Path, free_port: Callable[[], int], empty_database_url: str, name: str
) -> None:
    empty_data_dir.mkdir(parents=True, exist_ok=True)
    (empty_data_dir / name).write_text("too-short\n")
    environment = {"TASUKI_ADMIN_KEY": None, "TASUKI_DATABASE_URL": empty_database_url}
    system = System(empty_data_dir, free_port, environment, services=("console",))
    assert refused(system) == 1
    assert f"{empty_data_dir / name} holds no secret" in system.output()
    assert "remove it" in system.output()
    assert "too-short" not in system.output()


def test_a_second_one_on_the_same_folder_is_refused(system: System, free_port: Callable[[], int]) -> None:
    second = System(system.data_dir, free_port)
    assert refused(second) == 1
    assert "TASUKI_DATA_DIR" in second.output()
    system.wait_ready()


def test_a_taken_port_is_refused_with_its_setting(start: Callable[..., System]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        system = start(TASUKI_HANDOFF_PORT=str(taken.getsockname()[1]))
        assert system.process.wait(30) == 1
    assert "TASUKI_HANDOFF_PORT" in system.output()


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("fields.yaml", "type: integer", "type: nonsense"),  # every service reads it
        ("kpis.yaml", "kind: count", "kind: nonsense"),  # what is in it only metrics knows
    ],
)
def test_a_mistake_in_the_configuration_is_refused_with_file_and_line(
    start: Callable[..., System], tmp_path: Path, file: str, right: str, wrong: str
) -> None:
    broken = shutil.copytree(ROOT / "config", tmp_path / "broken")
    lines = (broken / file).read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if right in line)
    lines[at] = lines[at].replace(right, wrong)
    (broken / file).write_text("\n".join(lines), encoding="utf-8")
    system = start(TASUKI_CONFIG_DIR=str(broken))
    assert system.process.wait(60) == 1
    assert f"{file}:{at + 1}" in system.output()
    assert "nonsense" in system.output()
    assert everything_ended(system)


def test_a_setting_that_makes_no_sense_is_refused_by_name(start: Callable[..., System]) -> None:
    system = start(TASUKI_TIMEZONE="Asia/Nowhere")
    assert system.process.wait(30) == 1
    assert "TASUKI_TIMEZONE" in system.output()


def test_a_given_database_is_used_instead(start: Callable[..., System], empty_database_url: str) -> None:
    system = start(TASUKI_DATABASE_URL=empty_database_url)
    system.wait_ready()
    assert system.processes("bin/postgres") == []
    assert not (system.data_dir / "postgres").exists()
    assert system.stop() == 0


def refused(system: System) -> int:
    system.launch()
    return system.process.wait(30)
