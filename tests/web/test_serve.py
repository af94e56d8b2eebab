"""A service as a process: it drains on SIGTERM, ends when a task dies, and says what is wrong with its settings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.web.conftest import ADMIN_KEY, problem

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}


class Process:
    """`tests/web/served.py` as a process of its own."""

    def __init__(self, database_url: str, port: int, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        given = {"TASUKI_DATABASE_URL": database_url, "TASUKI_INGEST_PORT": str(port), **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.web.served"],
            cwd=ROOT,
            env=os.environ | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                if httpx.get(self.url + "/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def end(self) -> tuple[int, list[dict[str, object]], str]:
        """Exit status, log lines, stderr."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, [json.loads(line) for line in out.splitlines()], err


@pytest.fixture
def start(database_url: str, free_port: Callable[[], int]) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def run(**environment: str) -> Process:
        started.append(Process(database_url, free_port(), **environment))
        return started[-1]

    yield run
    for process in started:
        if process.process.poll() is None:
            process.process.kill()
            process.process.communicate()


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[list[object]]:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    try:
        yield found
    finally:
        thread.join()


def test_sigterm_lets_running_requests_and_tasks_finish(start: Callable[..., Process]) -> None:
    service = start()
    service.wait_ready()

    def slow() -> int:
        answer = httpx.post(service.url + "/v1/slow", content=b'{"seconds": 1.5}', headers=HEADERS, trust_env=False)
        return answer.status_code

    with in_thread(slow) as answered:
        metrics = service.url + "/v1/running"
        while httpx.get(metrics, headers=HEADERS, trust_env=False).json() == 0:
            time.sleep(0.02)
        service.process.send_signal(signal.SIGTERM)
    status, lines, err = service.end()
    assert answered == [200]
    assert status == 0, err
    events = [line["event"] for line in lines]
    # The task is asked to stop only after the request has been answered: requests may need it.
    assert events[-3:] == ["request_done", "task_done", "stopped"]
    assert err == ""


def test_garbage_is_looked_for_once_a_service_serves(start: Callable[..., Process]) -> None:
    service = start()
    service.wait_ready()
    answer = httpx.get(service.url + "/v1/collects", headers=HEADERS, trust_env=False)
    assert answer.json() == {"now": True, "while_loading": False}


def test_request_that_does_not_end_is_cut_off_at_the_grace(start: Callable[..., Process]) -> None:
    service = start(TASUKI_SHUTDOWN_GRACE_S="2")
    service.wait_ready()

    def endless() -> httpx.Response:
        return httpx.post(service.url + "/v1/slow", content=b'{"seconds": 600}', headers=HEADERS, trust_env=False)

    with in_thread(endless) as answered:
        while httpx.get(service.url + "/v1/running", headers=HEADERS, trust_env=False).json() == 0:
            time.sleep(0.02)
        service.process.send_signal(signal.SIGTERM)
        status, lines, _ = service.end()
    assert status == 0
    (answer,) = answered
    assert isinstance(answer, httpx.Response)
    assert problem(answer, 503)["type"] == "urn:tasuki:problem:stopping"
    assert answer.headers["retry-after"]
    assert lines[-1]["event"] == "stopped"


@pytest.mark.parametrize("how", ["raise", "return"])
def test_task_that_ends_unasked_ends_the_process(start: Callable[..., Process], how: str) -> None:
    status, lines, _ = start(TEST_TASK=how).end()
    assert status == 1
    told = [line for line in lines if line["event"] == "task_ended"]
    assert [line["task"] for line in told] == ["worker"]
    assert ("RuntimeError" in str(told[0].get("exception"))) == (how == "raise")


def test_mistake_in_the_configuration_is_told_with_file_and_line(start: Callable[..., Process], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path, dirs_exist_ok=True)
    with (tmp_path / "fields.yaml").open("a") as fields:
        fields.write("  - id: again\n    typo: integer\n")
    status, lines, err = start(TASUKI_CONFIG_DIR=str(tmp_path)).end()
    assert status == 2
    assert err.startswith(str(tmp_path / "fields.yaml") + ":")
    assert err.split(":")[1].isdecimal()
    assert lines == []


def test_mistake_in_a_setting_is_told_by_its_name(start: Callable[..., Process]) -> None:
    status, _, err = start(TASUKI_POOL_SIZE="many").end()
    assert status == 2
    assert err.startswith("TASUKI_POOL_SIZE: ")


def test_port_in_use_ends_the_start(start: Callable[..., Process]) -> None:
    first = start()
    first.wait_ready()
    status, lines, _ = start(TASUKI_INGEST_PORT=first.url.rpartition(":")[2]).end()
    assert status == 1
    assert lines[-1]["event"] == "start_failed"
    assert "set TASUKI_INGEST_PORT to another port" in str(lines[-1]["reason"])
