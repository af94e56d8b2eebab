"""What a service that is started by itself says when it cannot start."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.process import REFUSED
from tests.system import ROOT

NOBODY = "postgresql://127.0.0.1:1/tasuki"


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(service: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"services.{service}"],
            cwd=ROOT,
            env={"TASUKI_DATA_DIR": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_a_service_without_a_database_is_refused_by_the_setting(
    start: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ended = start("outreach")
    assert ended.returncode == REFUSED, "starting it again would not help"
    first, last = ended.stderr.splitlines()
    assert first.startswith("TASUKI_DATABASE_URL: set it")
    assert "outreach does not start" in last


@pytest.mark.parametrize("service", ["outreach", "console"])
def test_a_port_that_is_taken_is_told_with_its_setting(
    start: Callable[..., subprocess.CompletedProcess[str]], service: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = start(service, TASUKI_DATABASE_URL=NOBODY, **{f"TASUKI_{service.upper()}_PORT": port})
    assert ended.returncode == 1, "it may be free in a moment"
    told = ended.stdout + ended.stderr
    assert f"Port {port} is taken" in told
    assert f"set TASUKI_{service.upper()}_PORT" in told
    assert "exception" not in told
