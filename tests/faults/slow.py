"""A metrics service whose handler is slow: `python -m tests.faults.slow metrics SECONDS_PER_EVENT`."""

import asyncio
import runpy
import sys
from typing import Any

from services.metrics.fold.fold import Fold

if __name__ == "__main__":
    service, seconds = sys.argv[1:]
    work: Any = Fold.handle

    async def slowly(fold: Fold, conn: Any, received: Any) -> None:
        await asyncio.sleep(float(seconds) * len(received))
        await work(fold, conn, received)

    Fold.handle = slowly  # type: ignore[method-assign,assignment]
    sys.argv[1:] = []
    runpy.run_module(f"services.{service}", run_name="__main__")
