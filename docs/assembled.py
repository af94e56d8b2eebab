"""The services put together as their processes do it, but on no database: to be described, not to be run."""

import asyncio
from functools import cache
from pathlib import Path

from services.handoff.app import put_together as handoff
from services.ingest.app import build as ingest
from services.metrics.app import put_together as metrics
from services.metrics.catalogue.compile import compile_catalogue
from services.outreach.app import build as outreach
from shared.clock import SystemClock
from shared.config import load_config
from shared.db import connect
from shared.eventlog.embedded import EmbeddedLog
from shared.serve import Runtime, Service
from shared.settings import ServiceName, Settings
from shared.telemetry import Telemetry
from shared.web.auth import access_of

CONFIG = Path(__file__).resolve().parent.parent / "config"


@cache
def assembled() -> dict[ServiceName, Service]:
    """Every service, with the shipped configuration."""
    return asyncio.run(_assembled())


async def _assembled() -> dict[ServiceName, Service]:
    settings = Settings(database_url="postgresql://nowhere/nothing", config_dir=CONFIG)
    engine, telemetry = connect(settings, "documentation"), Telemetry("documentation")  # it connects when it is asked
    runtime = Runtime(
        settings=settings,
        clock=SystemClock(),
        engine=engine,
        log=EmbeddedLog(engine, settings.log_partitions, {}, settings.consumer_lease_s),
        telemetry=telemetry,
        config=load_config(CONFIG),
        access=access_of(settings, engine, telemetry.log),
    )
    return {
        "ingest": await ingest(runtime),
        "handoff": handoff(runtime, {}),
        "metrics": metrics(runtime, compile_catalogue(runtime.config)),
        "outreach": await outreach(runtime),
    }
