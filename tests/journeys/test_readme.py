"""The README's calls, run as they stand there against a running system: the answers must be those that it shows."""

import json
import re
import subprocess
import time
from pathlib import Path

from tests.system import SERVICES, System

README = Path(__file__).parents[2] / "README.md"
CALL = re.compile(r"```console\n\$ (?P<command>.+)\n(?P<answer>.+)\n```")
VOLATILE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|tasuki\.\w+\.v1/\d+")
NOW = re.compile(r'"(?!2026-11-20T01:00:00Z)\d{4}-\d\d-\d\dT[0-9:.]+Z"')


def calls() -> list[tuple[str, str]]:
    return [(match["command"], match["answer"]) for match in CALL.finditer(README.read_text(encoding="utf-8"))]


def test_there_are_five_calls() -> None:
    assert len(calls()) == 5


def test_every_call_answers_as_the_readme_says(system: System) -> None:
    lead = ""
    for command, shown in calls():
        answer = _answer(system, command, lead, shown)
        assert _plain(answer) == _plain(shown), command
        lead = lead or json.loads(answer)["lead_id"]


def _answer(system: System, command: str, lead: str, shown: str) -> str:
    """The answer; of what only reads, the one shown if it comes: facts may still be on their way through the log."""
    answer = _run(system, command, lead)
    deadline = time.monotonic() + 30
    while " -d " not in command and _plain(answer) != _plain(shown) and time.monotonic() < deadline:
        time.sleep(0.2)
        answer = _run(system, command, lead)
    return answer


def _run(system: System, command: str, lead: str) -> str:
    for service, port in zip(SERVICES, (8001, 8002, 8003), strict=True):
        command = command.replace(f"localhost:{port}", f"127.0.0.1:{system.port[service]}")
    environment = {"KEY": system.key, "LEAD": lead, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=True)
    return done.stdout.decode()


def _plain(answer: str) -> str:
    """Without ids and times, which are others each time."""
    return NOW.sub('"now"', VOLATILE.sub("id", answer))
