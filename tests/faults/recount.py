"""The recount of all numbers from the log, by the operator's own command."""

import re
import subprocess
import sys
from typing import NamedTuple

from tests.faults.inside import database
from tests.system import ROOT, System


class Recounted(NamedTuple):
    """How many values and events differ from the live ones, and what the command has said."""

    differences: int
    said: str


def recount(system: System) -> Recounted:
    """Run `tasuki kpi verify` on a system, while nothing is on its way."""
    done = subprocess.run(
        [sys.executable, "-m", "shared.cli", "kpi", "verify"],
        cwd=ROOT,
        env=system.environment | {"TASUKI_DATABASE_URL": database(system), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"([0-9,]+) differences|none: ", done.stdout)
    assert found is not None, done.stdout + done.stderr
    differences = int((found[1] or "0").replace(",", ""))
    assert done.returncode == (differences > 0)
    return Recounted(differences, done.stdout)
