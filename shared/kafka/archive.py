"""`python -m shared.kafka.archive HOME`: archives the classes that a broker loads; it then starts in half the time."""

import sys
import tempfile
from pathlib import Path

from shared.kafka.cluster import Cluster
from shared.kafka.install import BrokerError, find_install


def make_archive(home: Path) -> None:
    """Runs a broker once; at its end Java writes the archive. BrokerError when it does not (not every Java can)."""
    archive = find_install(home).archive
    part = archive.with_suffix(".part")
    archive.unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tasuki-kafka-") as folder,
        Cluster(Path(folder), home=home, options=[f"-XX:ArchiveClassesAtExit={part}"]),
    ):
        pass
    if not part.exists():
        raise BrokerError("Java has written no archive of its classes.")
    part.replace(archive)


if __name__ == "__main__":
    try:
        make_archive(Path(sys.argv[1]))
    except BrokerError as error:
        sys.exit(f"tasuki: {error}")
