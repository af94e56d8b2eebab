"""Whether the process lives, whether it can serve, and its figures: open to all, without a key."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from shared.telemetry import CONTENT_TYPE_LATEST, Telemetry
from shared.web.endpoint import Answer, Call, Endpoint

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else one line that says what is not."""

CHECK_TIMEOUT_S = 3.0
TEXT = "text/plain; charset=utf-8"


def health_endpoints(ready: Mapping[str, Check], alive: Mapping[str, Check], telemetry: Telemetry) -> list[Endpoint]:
    """`/livez` (asks `alive`), `/readyz` (asks `ready`) and `/metrics`."""

    async def livez(_call: Call) -> Answer:
        return await _judge(alive)

    async def readyz(_call: Call) -> Answer:
        return await _judge(ready)

    async def metrics(_call: Call) -> Answer:
        return Answer(await telemetry.render(), media_type=CONTENT_TYPE_LATEST)

    return [
        _open("/livez", livez, "Whether the process works", {200: str, 503: str}),
        _open("/readyz", readyz, "Whether requests can be served now", {200: str, 503: str}),
        _open("/metrics", metrics, "The figures of this service for Prometheus", {200: str}),
    ]


def _open(path: str, handler: Callable[[Call], Awaitable[Answer]], summary: str, answers: dict[int, type]) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        handler=handler,
        scope=None,
        summary=summary,
        answers=answers,
        answer_media_type="text/plain",
    )


async def _judge(checks: Mapping[str, Check]) -> Answer:
    failures = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
    lines = [line for line in failures if line]
    if lines:
        return Answer("\n".join(lines) + "\n", 503, {"Retry-After": "2"}, TEXT)
    return Answer("ok\n", media_type=TEXT)


async def _ask(name: str, check: Check) -> str | None:
    """One line for a failed check. A check that raises or hangs has failed."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            failure = await check()
    except TimeoutError:
        failure = f"no answer within {CHECK_TIMEOUT_S:.0f} s"
    except Exception as error:
        failure = type(error).__name__
    return f"{name}: {' '.join(failure.split())}" if failure else None
