"""Where the peers' programs are; what is not there, or is another version, is fetched first."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.kafka import BrokerError
from shared.kafka.install import find_install
from shared.settings import Settings

_HERE = Path(__file__).parent
_FOLDER = Path(".cache/peers")
_REQUIREMENTS = _HERE / "requirements.txt"
_STREAMS = _HERE / "kafka-streams"


class NotInstalled(Exception):
    """A peer cannot be had here; the message says why."""


def python() -> str:
    """The Python of an environment with the peers that are written in it. Raises NotInstalled."""
    folder = (_FOLDER / "python").absolute()
    inside = folder / "bin" / "python"
    _once(folder, [_REQUIREMENTS], lambda: _install_python(folder, str(inside)))
    return str(inside)


def streams() -> list[str]:
    """The command of our program on Kafka Streams, but for its arguments. Raises NotInstalled."""
    try:
        java = find_install(Settings().kafka_home).java
    except BrokerError as error:
        raise NotInstalled(str(error)) from error
    folder = (_FOLDER / "kafka-streams").absolute()
    sources = [_STREAMS / "pom.xml", *sorted(_STREAMS.rglob("*.java"))]
    _once(folder, sources, lambda: _build_streams(folder, java))
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return [java, quiet, "-cp", f"{folder / 'classes'}:{folder / 'jars'}/*", "Counting"]


def _once(folder: Path, sources: Sequence[Path], make: Callable[[], None]) -> None:
    """Make what is in the folder anew, unless it was made from these very sources."""
    made, wanted = folder / "made-from", b"".join(source.read_bytes() for source in sources)
    if made.exists() and made.read_bytes() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    make()
    made.write_bytes(wanted)  # last, so that an interrupted one is repeated


def _install_python(folder: Path, inside: str) -> None:
    print("    ... installing the peers in Python", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True)
    pip = [inside, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install", "--require-hashes"]
    _run([*pip, "--only-binary", ":all:", "--requirement", str(_REQUIREMENTS)])


def _build_streams(folder: Path, java: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NotInstalled("it needs Maven (Debian and Ubuntu: apt-get install maven)")
    print("    ... building the peer on Kafka Streams", file=sys.stderr, flush=True)
    _run(
        [
            maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(_STREAMS / "pom.xml"),
            f"-Dfolder={folder}", "compile",
            "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}",
        ],
        JAVA_HOME=str(Path(java).parent.parent),
    )  # fmt: skip


def _run(command: list[str], **more: str) -> None:
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise NotInstalled(f"{Path(command[0]).name}: {lines[0]}")
