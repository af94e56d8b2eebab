"""Runs a command with one folder on a small disk of its own: `python -m tests.faults.small_disk FOLDER MIB COMMAND...`.

The disk is a tmpfs in a mount namespace, so that nobody else sees it and it goes with the last of the processes. Root
may make one; where the kernel lets others do so too, they need no more. Others reach it by `/proc/PID/root`.
"""

import ctypes
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_FILL_EVERY_S = 0.02
_MIB = 1024 * 1024


def why_not(folder: Path) -> str | None:
    """None when a small disk can be had on this machine, else the reason."""
    if sys.platform != "linux":
        return "mount namespaces are Linux's"
    command = [sys.executable, "-m", "tests.faults.small_disk", str(folder), "1", "true"]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else None


class Filler:
    """`with Filler(folder) as filler:` keeps the disk of a folder full: what becomes free there is taken at once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"
        self._stop = threading.Event()
        self._full = threading.Event()
        self._thread = threading.Thread(target=self._fill)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._full.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._path.unlink()

    def _fill(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            while not self._stop.wait(_FILL_EVERY_S if self._full.is_set() else 0):
                for size in (_MIB, 4096):
                    with suppress(OSError):  # ENOSPC: full, which is what we are for
                        while file.write(bytes(size)) == size:
                            pass
                self._full.set()


def main(folder: str, mib: str, command: list[str]) -> None:
    """Mount, and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    _call(libc.unshare, _CLONE_NEWNS if uid == 0 else _CLONE_NEWNS | _CLONE_NEWUSER)
    if uid != 0:
        for name, words in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path(f"/proc/self/{name}").write_text(words)
    _call(libc.mount, b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)
    _call(libc.mount, b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(0), f"size={mib}m,mode=700".encode())
    os.execvp(command[0], command)  # noqa: S606 - the command is the test's


def _call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        sys.exit(f"no small disk: {function.__name__}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
