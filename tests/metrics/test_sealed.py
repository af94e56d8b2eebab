"""What others wrote to the log of a person is sealed where metrics stores it, and known again by what it says."""

import asyncio
from typing import Any

import msgspec
import pytest

from services.metrics.store import SCHEMA
from shared import dead_letters, lead_keys
from shared.db import driver, transaction
from shared.dead_letters import DeadLetter
from shared.events import Correction, Event, Identity, LeadErased
from shared.inbox import Fresh
from tests.metrics.desk import Desk, appointment, utc
from tests.metrics.numbers import Numbers, received
from tests.metrics.strategies import RECORDED

CANARY = "canary-mei"
WHEN = utc(2026, 11, 2, 3)


def noted(note: str) -> Event:
    """An appointment."""
    return appointment("a1", WHEN, note=note, accepted_by={"name": note, "has_authority": True})


def replaced(note: str) -> Event:
    """A correction of it, in JSON as nobody here writes it."""
    who = f'{{ "has_authority": true, "shoes": "{note}", "name": "{note}" }}'
    data = {"appointment_id": '"A-lead-a"', "status": '"held"', "rep": '"tanaka"', "accepted_by": who}
    raw = {name: msgspec.Raw(text.encode()) for name, text in data.items()}
    said = Correction(corrects=Identity("test", "a1"), action="replace", data=raw)
    return msgspec.structs.replace(noted(note), id="c1", name="correction", data=said)


class Held:
    """What the service knows and has stored."""

    def __init__(self, numbers: Numbers, runner: asyncio.Runner) -> None:
        self._numbers = numbers
        self._runner = runner

    def known(self, event: Event) -> Fresh:
        async def ask() -> Fresh:
            async with transaction(self._numbers.engine) as conn:
                return await self._numbers.fold.fresh(conn, [received(event)])

        return self._runner.run(ask())

    def rows(self, statement: str) -> list[dict[str, Any]]:
        async def ask() -> list[dict[str, Any]]:
            async with transaction(self._numbers.engine) as conn:
                return [dict(row) for row in await (await driver(conn)).fetch(statement)]

        return self._runner.run(ask())

    def destroy_key(self) -> None:
        async def destroy() -> None:
            async with transaction(self._numbers.engine) as conn:
                await lead_keys.destroy(conn, ["lead-a"])

        self._runner.run(destroy())

    def keep(self, letter: DeadLetter) -> None:
        async def keep() -> None:
            async with transaction(self._numbers.engine) as conn:
                await dead_letters.store(conn, SCHEMA, [letter], RECORDED)

        self._runner.run(keep())


@pytest.fixture
def held(desk: Desk, runner: asyncio.Runner) -> Held:
    found = Held(desk.numbers, runner)
    found.rows("delete from access.lead_keys")
    return found


@pytest.mark.parametrize("said", [noted, replaced])
def test_it_is_stored_sealed_and_a_repetition_is_known(desk: Desk, held: Held, said: Any) -> None:
    desk.take(noted(CANARY), said(CANARY))
    stored = held.rows("select data from metrics.events")
    assert len(stored) == len({noted, said})
    assert CANARY.encode() not in b"".join(row["data"] for row in stored)
    assert len(held.known(said(CANARY)).duplicates) == 1
    assert len(held.known(said("another")).conflicts) == 1
    held.destroy_key()
    assert len(held.known(said(CANARY)).duplicates) == 1, "of an erased lead, too"
    assert CANARY.encode() not in b"".join(row["data"] for row in stored)


def test_what_was_sealed_by_who_wrote_it_stays_as_it_is(desk: Desk, held: Held) -> None:
    desk.take(noted("sealed:v1:AAAA"))
    (row,) = held.rows("select data from metrics.events")
    assert msgspec.json.decode(row["data"])["note"] == "sealed:v1:AAAA"


def test_dead_letters_of_an_erased_lead_hold_nothing(desk: Desk, held: Held) -> None:
    letters = [DeadLetter(received(noted(CANARY)).record, "identity_conflict", "known")]
    letters.append(letters[0]._replace(record=msgspec.structs.replace(letters[0].record, key="another", offset=1)))
    for letter in letters:
        held.keep(letter)
    gone = msgspec.structs.replace(noted(""), id="gone", name="lead-erased", data=LeadErased(reason="x"))
    desk.take(gone)
    kept = held.rows('select key, value, resolved_at from metrics.dead_letters order by "offset"')
    assert [(row["key"], row["value"] is None, row["resolved_at"] is None) for row in kept] == [
        ("lead-a", True, False),
        ("another", False, True),
    ]
