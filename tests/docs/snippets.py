"""The pieces of code in a page of the documentation, and how they are run: as somebody would who follows the page.

A fence's language says what it is: `sh` is run, `console` is run and must answer what is shown, `python` is run, `sql`
too, in the system's database; what has a title is a file of that name. A comment before the fence,
`<!-- not run: why -->`, leaves it out.
"""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from shared.settings import PROCESSES, Settings
from tests.system import ROOT, System

FENCE = re.compile(
    r"""(?:^<!--\ not\ run:\ (?P<why>[^\n]+?)\ -->\n)?
    ^```(?P<language>\w*)(?:\ title="(?P<title>[^"]+)")?\n
    (?P<text>.*?)^```$""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PLACE = re.compile(r"tasuki\.\w+\.v1/\d+")
NOW = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"')
"""A time that a clock has told; those that a page gives are whole seconds."""
CHANGES = re.compile(r" -d | -X | --data|^tasuki (import|keys)")
EXECUTE = """
import asyncio, sys, asyncpg
from shared.db import dsn
from shared.settings import Settings
from shared.terminal import with_database

async def execute():
    connection = await asyncpg.connect(dsn(str(with_database(Settings()).database_url)))
    await connection.execute(sys.stdin.read())

asyncio.run(execute())
"""
"""What a person does by psql, which not every machine has."""
SETTING = re.compile(r"(?:export )?(TASUKI_\w+)=\S+(?: +#.*)?")


class Snippet(NamedTuple):
    """A fence of a page. `not_run`: why it cannot be run here."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    not_run: str

    def calls(self) -> list[tuple[str, str]]:
        """Commands of a `console`, each with the answer that is shown."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [(command, answer.strip("\n")) for command, _, answer in (part.partition("\n") for part in parts)]

    def settings(self) -> list[str]:
        """The variables that it sets, when it does nothing else."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        found = [match[1] for line in lines if (match := SETTING.fullmatch(line.strip()))]
        return found if len(found) == len(lines) else []

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def snippets_of(page: Path) -> list[Snippet]:
    """The fences of a page, from its beginning to its end."""
    text = page.read_text(encoding="utf-8")
    return [
        Snippet(
            page,
            text.count("\n", 0, match.start()) + 1,
            match["language"],
            match["title"] or "",
            match["text"],
            match["why"] or "",
        )
        for match in FENCE.finditer(text)
    ]


class Story:
    """Snippets run one after the other in a folder, against a running system.

    Variables that one sets are there for the next; `variables` are there from the beginning. An id that the page shows
    stands for the one that was answered.
    """

    def __init__(self, system: System, folder: Path, **variables: str) -> None:
        self._system = system
        self._folder = folder
        self._ids: dict[str, str] = {}
        self._state = folder / "state"
        self._state.write_text("".join(f"export {name}={value}\n" for name, value in variables.items()))
        (folder / ".data").mkdir()
        (folder / ".data" / "admin.key").write_text(system.key)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "config").symlink_to(system.environment.get("TASUKI_CONFIG_DIR", ROOT / "config"))

    def run(self, snippet: Snippet) -> None:
        """Fails where a command fails, or answers otherwise than is shown."""
        if snippet.not_run or snippet.title.startswith("config/"):  # a system reads its configuration when it starts
            return
        if snippet.title:
            (self._folder / snippet.title).write_text(snippet.text, encoding="utf-8")
        elif snippet.language == "console":
            for command, shown in snippet.calls():
                self._answer(snippet, command, shown)
        elif snippet.language == "python":
            self._succeed(snippet, f"python - <<'PYTHON'\n{snippet.text}PYTHON")
        elif snippet.language == "sql":
            self._succeed(snippet, f"python -c '{EXECUTE}' <<'SQL'\n{snippet.text}SQL")
        elif snippet.settings():
            unknown = {n for n in snippet.settings() if n.removeprefix("TASUKI_").lower() not in Settings.model_fields}
            assert not unknown, f"{snippet}: {unknown}"
            check = "python -c 'from shared.settings import Settings; Settings()'"
            self._succeed(snippet, f"(set -a\n{snippet.text}\n{check})")
        else:
            assert snippet.language == "sh", f"{snippet}: nobody knows how to run {snippet.language!r}"
            self._succeed(snippet, snippet.text)

    def _answer(self, snippet: Snippet, command: str, shown: str) -> None:
        """Of what only reads, the answer that is shown has time to come: facts may still be on their way."""
        deadline = time.monotonic() + 30
        while True:
            done = self._bash(command)
            answer = done.stdout.strip("\n")
            if done.returncode == 0 and plain(answer) == plain(shown):
                self._ids |= dict(zip(ID.findall(shown), ID.findall(answer), strict=True))
                return
            if CHANGES.search(command) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert done.returncode == 0, f"{snippet}: {command}\n{answer}{done.stderr}"
        assert plain(answer) == plain(shown), f"{snippet}: {command}"

    def _succeed(self, snippet: Snippet, script: str) -> None:
        done = self._bash(script)
        assert done.returncode == 0, f"{snippet}: {script}\n{done.stdout}{done.stderr}"

    def _bash(self, script: str) -> subprocess.CompletedProcess[str]:
        for shown, answered in self._ids.items():
            script = script.replace(shown, answered)
        for process in PROCESSES:
            port = Settings.model_fields[f"{process}_port"].default
            script = script.replace(f"localhost:{port}", f"127.0.0.1:{self._system.port[process]}")
        whole = f"""\
set -aeo pipefail
. {self._state}
curl() {{ command curl --fail-with-body "$@"; }}
{script}
export -p > {self._state}
"""
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = self._system.environment | {"PATH": path, "LC_ALL": "C.UTF-8", "COLUMNS": "200"}
        return subprocess.run(
            ["bash", "-c", whole],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def plain(answer: str) -> str:
    """An answer without ids, places and times, which are others each time."""
    return NOW.sub('"now"', PLACE.sub("place", ID.sub("id", answer)))
