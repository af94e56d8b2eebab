"""A service for the tests of `shared.serve`, run as `python -m tests.web.served`."""

import asyncio
import gc
import os

import msgspec

import shared.loading  # noqa: F401 - first, as services do
from shared.serve import Runtime, Service, main
from shared.web import Answer, Call, Endpoint, ensure_admin_key
from tests.web.conftest import ADMIN_KEY


class Slow(msgspec.Struct):
    seconds: float


async def build(runtime: Runtime) -> Service:
    await ensure_admin_key(runtime.engine, ADMIN_KEY)
    log, running, while_loading = runtime.telemetry.log, 0, gc.isenabled()

    async def slow(call: Call[Slow]) -> Answer:
        nonlocal running
        running += 1
        await asyncio.sleep(call.body.seconds)
        log.info("request_done")
        return Answer({})

    async def count(_call: Call) -> Answer:
        return Answer(running)

    async def collects(_call: Call) -> Answer:
        return Answer({"now": gc.isenabled(), "while_loading": while_loading})

    async def worker(stop: asyncio.Event) -> None:
        match os.environ.get("TEST_TASK"):
            case "raise":
                raise RuntimeError("the worker broke")
            case "return":
                return
            case _:
                await stop.wait()
                log.info("task_done")

    endpoints = [
        Endpoint(
            method="POST", path="/v1/slow", handler=slow, scope="admin", summary="slow", body=Slow, answers={200: dict}
        ),
        Endpoint(
            method="GET", path="/v1/running", handler=count, scope="admin", summary="how many", answers={200: int}
        ),
        Endpoint(
            method="GET", path="/v1/collects", handler=collects, scope="admin", summary="garbage", answers={200: dict}
        ),
    ]
    return Service(endpoints, tasks={"worker": worker})


if __name__ == "__main__":
    main("ingest", build)
