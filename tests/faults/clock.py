"""A service whose machine's clock is wrong: `python -m tests.faults.clock SERVICE SECONDS` (negative: it is late)."""

import runpy
import sys
from datetime import UTC, datetime, timedelta

from shared.clock import SystemClock
from shared.settings import SERVICES

if __name__ == "__main__":
    _service, _seconds = sys.argv[1:]
    assert _service in SERVICES
    _wrong_by = timedelta(seconds=int(_seconds))

    def _now(_clock: SystemClock) -> datetime:
        return datetime.now(UTC) + _wrong_by

    SystemClock.now = _now  # type: ignore[assignment]
    runpy.run_module(f"services.{_service}", run_name="__main__")
