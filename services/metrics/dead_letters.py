"""The endpoints of dead letters: look at what could not be taken, and take it once it can be."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics.forms import DeadLetter, DeadLetterPage, Retried
from shared.consume import Consumer, Rejected
from shared.db import driver, retried, snapshot, transaction
from shared.events import Undecodable
from shared.web import Answer, Call, Endpoint, Paging, Problem, not_found, page, read_cursor


class DeadLetters:
    """Handlers over `metrics.dead_letters`."""

    def __init__(self, engine: AsyncEngine, consumer: Consumer) -> None:
        self._engine = engine
        self._consumer = consumer

    def table(self) -> list[Endpoint]:
        """Both endpoints."""
        return [
            Endpoint(
                method="GET",
                path="/v1/dead-letters",
                handler=self.listed,
                scope="admin",
                summary="Records of the log that could not be understood, newest first",
                query=Paging,
                answers={200: DeadLetterPage},
            ),
            Endpoint(
                method="POST",
                path="/v1/dead-letters/{id}/retry",
                handler=self.retry,
                scope="admin",
                summary="Take a dead letter once more, after what hindered it was mended",
                answers={200: Retried},
            ),
        ]

    async def listed(self, call: Call[None, Paging]) -> Answer:
        before = read_cursor(call.query.cursor, UUID)
        async with snapshot(self._engine) as conn:
            rows = await (await driver(conn)).fetch(
                """
                select id, topic, partition, "offset", key, value, reason, error, at from metrics.dead_letters
                where resolved_at is null and ($1::uuid is null or id < $1) order by id desc limit $2
                """,
                before,
                call.query.limit + 1,
            )
        return Answer(page([_letter(row) for row in rows], call.query.limit, lambda letter: letter.id))

    async def retry(self, call: Call[None, None]) -> Answer:
        try:
            wanted = UUID(call.path["id"])
        except ValueError:
            raise _unknown(call.path["id"]) from None

        async def take() -> None:
            async with transaction(self._engine) as conn:
                await self._consumer.retry(conn, wanted)

        try:
            await retried(take)
        except LookupError:
            raise _unknown(call.path["id"]) from None
        except (Undecodable, Rejected) as error:
            raise Problem(409, "still-dead", "The record still cannot be taken", str(error)) from error
        return Answer(Retried(str(wanted)))


def _letter(row: Mapping[str, Any]) -> DeadLetter:
    value = None if row["value"] is None else row["value"].decode(errors="replace")
    return DeadLetter(**{**row, "id": str(row["id"]), "value": value})


def _unknown(dead_letter_id: str) -> Problem:
    return not_found(f"There is no open dead letter {dead_letter_id[:100]!r}; /v1/dead-letters lists them.")
