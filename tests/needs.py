"""What tests need of the machine. Where it cannot be had they are skipped, and the last lines say so; where the
environment requires it, they fail."""

import os
import shutil
from collections import defaultdict

import pytest

_SKIPPED = " did not run: "


def require(what: str, reason: str) -> None:
    """`what` (Kafka, Chromium) is not there, and why: fails where TASUKI_REQUIRE_<WHAT>=1, else skips."""
    if os.environ.get(f"TASUKI_REQUIRE_{what.upper()}") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(f"{what}{_SKIPPED}{reason}")


def chromium() -> str:
    """Where Chromium is: of the machine, never one that is downloaded."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        require("Chromium", "`make test` installs it where it may, else install Debian's package chromium.")
    return str(found)


def say_what_did_not_run(reporter: pytest.TerminalReporter) -> None:
    """Says how many tests were skipped for want of what, and what to install."""
    reasons = [report.longrepr[2] for report in reporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    missing: dict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        if _SKIPPED in reason:
            what, _, why = reason.removeprefix("Skipped: ").partition(_SKIPPED)
            missing[what].append(why)
    for what, whys in missing.items():
        reporter.section(f"{what}'s part did not run", yellow=True)
        reporter.line(f"{len(whys)} skipped for want of {what}. {whys[0]}")
