"""The endpoints of dead letters: look at what a service could not take, and take it once it can be."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.consume import Consumer, Rejected
from shared.db import DatabaseUnavailable, driver, in_transaction, is_retryable, snapshot
from shared.dead_letters import take_open
from shared.eventlog.port import LogUnavailable
from shared.events import Undecodable
from shared.telemetry import Telemetry, in_words
from shared.web.endpoint import Answer, Call, Endpoint
from shared.web.problems import Problem, not_found
from shared.web.query import Paging, page, read_cursor


class DeadLetter(msgspec.Struct):
    """A record of the log that could not be taken. `value`: its bytes as text, what is no UTF-8 replaced."""

    id: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: str | None
    reason: str
    error: str
    at: datetime


class DeadLetterPage(msgspec.Struct):
    """Open dead letters, newest first."""

    items: list[DeadLetter]
    next_cursor: str | None


class Retried(msgspec.Struct):
    """A dead letter that was taken after all."""

    id: str
    status: Literal["taken"] = "taken"


class DeadLetters:
    """Handlers over `<schema>.dead_letters`, which the consumer fills. Every service keeps its own: what one of them
    could not take, another may have taken."""

    def __init__(self, engine: AsyncEngine, consumer: Consumer, schema: str, telemetry: Telemetry) -> None:
        self._engine = engine
        self._consumer = consumer
        self._schema = schema
        self._log = telemetry.log

    def table(self) -> list[Endpoint]:
        """Both endpoints."""
        return [
            Endpoint(
                method="GET",
                path="/v1/dead-letters",
                handler=self.listed,
                scope="admin",
                summary="Records of the log that this service could not take, newest first",
                query=Paging,
                answers={200: DeadLetterPage},
            ),
            Endpoint(
                method="POST",
                path="/v1/dead-letters/{id}/retry",
                handler=self.retry,
                scope="admin",
                summary="Take a dead letter once more, after what hindered it was mended",
                answers={200: Retried, 409: None, 422: None},
            ),
        ]

    async def listed(self, call: Call[None, Paging]) -> Answer:
        before = read_cursor(call.query.cursor, UUID)
        async with snapshot(self._engine) as conn:
            rows = await (await driver(conn)).fetch(
                f"""
                select id, topic, partition, "offset", key, value, reason, error, at from {self._schema}.dead_letters
                where resolved_at is null and ($1::uuid is null or id < $1) order by id desc limit $2
                """,  # noqa: S608 - the schema is ours
                before,
                call.query.limit + 1,
            )
        return Answer(page([_letter(row) for row in rows], call.query.limit, lambda letter: letter.id))

    async def retry(self, call: Call[None, None]) -> Answer:
        try:
            wanted = UUID(call.path["id"])
        except ValueError:
            raise _unknown(call.path["id"]) from None
        if not await self._take(wanted):
            raise _unknown(call.path["id"])
        return Answer(Retried(str(wanted)))

    async def _take(self, wanted: UUID) -> bool:
        """Take the record of a letter; False when there is no open letter of this id. Where it fails nothing is done,
        and the letter stays open."""

        async def work(conn: AsyncConnection) -> bool:
            try:
                await take_open(conn, self._schema, wanted)  # by itself: a handler's KeyError is a LookupError, too
            except LookupError:
                return False
            await self._consumer.retry(conn, wanted)
            return True

        try:
            return await in_transaction(self._engine, work)
        except (DatabaseUnavailable, LogUnavailable):
            raise
        except (Undecodable, Rejected) as error:
            raise Problem(409, "still-dead", "The record still cannot be taken", str(error)) from error
        except Exception as error:
            if is_retryable(error):  # others were at the same rows every time: the record may be as good as any
                raise DatabaseUnavailable(f"a dead letter's transaction met others: {error}") from error
            self._log.error("dead_letter_still_fails", dead_letter=str(wanted), exc_info=error)
            raise _still_fails(error) from error


def _letter(row: Mapping[str, Any]) -> DeadLetter:
    value = None if row["value"] is None else row["value"].decode(errors="replace")
    return DeadLetter(**{**row, "id": str(row["id"]), "value": value})


def _unknown(dead_letter_id: str) -> Problem:
    return not_found(f"There is no open dead letter {dead_letter_id[:100]!r}; /v1/dead-letters lists them.")


def _still_fails(error: Exception) -> Problem:
    detail = (
        f"The service failed on the record: {in_words(error)}. Nothing was changed and the letter stays open; the "
        "service's line dead_letter_still_fails has the trace."
    )
    return Problem(422, "dead-letter-still-fails", "Taking the record still fails", detail)
