"""Where the brokers' program is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = Path(".cache/kafka")
"""Where `deploy/kafka/install.sh` puts it."""

_JVM = (
    "-Xmx384m",
    "-XX:TieredStopAtLevel=1",  # starts a quarter faster; a broker waits for disk and network more than it computes
    "-Xlog:disable",  # Java's own words, of which the broker's log would be full while an archive is made
    "-XX:-UsePerfData",  # a file for each process in the system's temporary folder
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)


class BrokerError(Exception):
    """A private broker cannot be run; the message says what to do, or what the broker said last."""


@dataclass(frozen=True)
class Install:
    """A Java, the jars of Kafka, and an archive of their loaded classes, with which a broker starts twice as fast."""

    java: str
    jars: Path
    archive: Path

    def command(self, program: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """The command that runs a class of Kafka; `options` of Java overrule ours."""
        # One that does not fit is passed over: Java compares versions, sizes and times of the jars.
        shared = [f"-XX:SharedArchiveFile={self.archive}"] if self.archive.exists() else []
        return [self.java, *_JVM, *shared, *options, "-cp", f"{self.jars}/*", program, *arguments]


def find_install(home: Path) -> Install:
    """What `deploy/kafka/install.sh` has put into `home`; BrokerError when it is not there or not complete."""
    home = home.absolute()
    if not (home / "java").exists():  # the script writes it when the jars are complete
        missing = home / "missing"
        what = "run deploy/kafka/install.sh, or set TASUKI_KAFKA_HOME."
        raise BrokerError(f"There is no Kafka in {home}: {missing.read_text().strip() if missing.exists() else what}")
    java = (home / "java").read_text().strip()
    if not Path(java).exists():
        raise BrokerError(f"{java}, which Kafka was to run on, is gone: run deploy/kafka/install.sh again.")
    return Install(java, home / "jars", home / "classes.jsa")
