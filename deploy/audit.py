"""Known holes in what the locks name, by pip-audit: `python -m deploy.audit`.

Exit status 1 for a hole. Where no service of advisories can be asked about all of it, that is said, and it is a failure
with TASUKI_REQUIRE_AUDIT=1: whoever releases sets that.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")


def judge(packages: Sequence[Any], required: bool) -> tuple[list[str], bool]:
    """What to say of pip-audit's `dependencies`, and whether it passes."""
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
        for package in packages
        for hole in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    said = holes or [f"no known holes in {len(packages) - len(unknown)} of {len(packages)} packages"]
    if unknown:
        said.append(f"NOT AUDITED: {len(unknown)} packages, of which no advisories can be had here ({unknown[0]}, ...)")
    return said, not holes and not (unknown and required)


def main() -> int:
    """Exit status 0 where it passes."""
    required = os.environ.get("TASUKI_REQUIRE_AUDIT") == "1"
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--disable-pip"]
    command += ["--require-hashes", *(f"--requirement={ROOT / lock}" for lock in LOCKS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"audit: NOT AUDITED: pip-audit could not go on:\n{ran.stderr[-2000:]}", file=sys.stderr)
        return int(required)
    said, passes = judge(packages, required)
    for line in said:
        print(f"audit: {line}")
    return int(not passes)


if __name__ == "__main__":
    sys.exit(main())
