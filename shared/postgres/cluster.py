"""The files of a PostgreSQL cluster: made whole or not at all."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from shared.postgres.install import Install, PostgresError, ServerUser
from shared.process import die_with_parent


def environment() -> dict[str, str]:
    """For PostgreSQL's programs: no key and no secret of ours, but TASUKI_DATA_DIR, which tells whose process it is."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TASUKI_DATA_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


class Cluster:
    """The cluster in `<home>/data`, owned by `owner`; `home` is the owner's."""

    def __init__(self, home: Path, install: Install, owner: ServerUser) -> None:
        self.data = home / "data"
        self._home = home
        self._install = install
        self._owner = owner

    def make(self, password: str, database: str) -> None:
        """Makes the cluster and its database beside the final place, then renames it into place."""
        unfinished = self._home / "unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        with tempfile.NamedTemporaryFile("w", dir=self._home, prefix="password-") as file:
            file.write(password)
            file.flush()
            os.fchown(file.fileno(), self._owner.uid, self._owner.gid)
            files = ["-D", str(unfinished), f"--pwfile={file.name}"]
            access = ["--username=postgres", "--auth=scram-sha-256"]
            self._run(
                [self._install.program("initdb"), *files, *access, "--encoding=UTF8", *self._install.locale_arguments()]
            )
        self._single_user(unfinished, f'create database "{database}"')
        unfinished.rename(self.data)

    def set_password(self, password: str) -> None:
        """Gives the role `postgres` a password while no server runs."""
        self._single_user(self.data, f"alter role postgres password '{password}'")

    def is_ready(self, pid: int) -> bool:
        """Whether the server `pid` says in its pid file that it takes connections (line 8; pg_ctl looks there too)."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def postmaster(self) -> int | None:
        """The process id in the pid file, which may be stale."""
        first = self._pid_file()[0]
        return int(first) if first.isdigit() else None

    def forget_postmaster(self) -> None:
        """Removes the pid file. Only when it is certain that no server uses the cluster."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return [""]

    def _single_user(self, data: Path, statement: str) -> None:
        command = [self._install.program("postgres"), "--single", "-j", "-D", str(data), "postgres"]
        self._run(command, statement + ";\n\n")

    def _run(self, command: list[str], statement: str = "") -> None:
        done = subprocess.run(
            command,
            input=statement.encode(),
            capture_output=True,
            check=False,
            cwd=self._home,
            env=environment(),
            preexec_fn=die_with_parent(signal.SIGKILL),
            **self._owner.popen_arguments(),
        )
        # Single-user mode ends with 0 after a failed statement: only its words tell.
        if done.returncode != 0 or b"ERROR:" in done.stderr:
            raise PostgresError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")
