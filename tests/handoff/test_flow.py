"""How leads flow through the stages: what `GET /v1/stages` says is what the histories of the leads say."""

import random
import statistics
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from shared.events import LeadMerged
from tests.handoff.desk import Desk, at, call, created, fields, hearing, made, opportunity

BEGIN = at("2026-08-01 09:00")


async def live(desk: Desk, leads: int) -> list[Any]:
    """Random lives; the histories of all leads."""
    chance = random.Random(3)  # noqa: S311 - no secret
    for n in range(leads):
        lead, when = f"L{n}", BEGIN + timedelta(days=n % 20)
        await desk.deliver(created(lead, when))
        for step in range(chance.randrange(6)):
            when += timedelta(hours=chance.randrange(1, 200))
            desk.clock.at = when
            fact = chance.choice(["call", "size", "needs", "won", "recycle"])
            if fact == "recycle":
                await desk.post(f"/v1/leads/{lead}/recycle", {"reason": "later"}, 200)
                continue
            await desk.deliver(
                {
                    "call": lambda w, s: call(lead, f"{lead}:{s}", w),  # noqa: B023 - called at once
                    "size": lambda w, s: fields(lead, "form", w, employees=50 + s, industry="IT"),  # noqa: B023
                    "needs": lambda w, s: hearing(lead, w, needs="confirmed"),  # noqa: B023
                    "won": lambda w, s: opportunity(lead, f"{lead}:{s}", "won", w),  # noqa: B023
                }[fact](when, step)
            )
    return [(await desk.get(f"/v1/leads/L{n}/stages?limit=200"))["items"] for n in range(leads)]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def expected(histories: list[Any], stage: str, first: datetime) -> dict[str, Any]:
    """The same from the histories, entry by entry."""
    went_on, days, entered, recycled = Counter[str](), list[float](), 0, 0
    for entries in histories:
        for entry, following in zip(entries, [*entries[1:], None], strict=True):
            if entry["stage"] != stage or moment(entry["entered_at"]) < first:
                continue
            entered += 1
            if following is not None and following["cycle"] == entry["cycle"]:
                went_on[following["stage"]] += 1
                days.append((moment(following["entered_at"]) - moment(entry["entered_at"])) / timedelta(days=1))
            recycled += following is not None and following["cycle"] != entry["cycle"]
    gone = sum(went_on.values())
    return {
        "entered": entered,
        "went_on": dict(went_on),
        "recycled": recycled,
        "still_there": entered - gone - recycled,
        "went_on_rate": gone / entered if entered else None,
        "n": gone,
        "median": round(statistics.median(days), 6) if days else None,
    }


def shown(line: Any) -> dict[str, Any]:
    days = line["days"]
    kept = {name: line[name] for name in ("entered", "went_on", "recycled", "still_there", "went_on_rate")}
    return kept | {"n": days["n"], "median": days["median"] and round(days["median"], 6)}


async def test_the_flow_is_what_the_histories_say(desk: Desk) -> None:
    histories = await live(desk, leads=40)
    for query, first in (("", BEGIN), ("?from=2026-08-15", at("2026-08-15 00:00"))):
        found = await desk.get(f"/v1/stages{query}")
        assert [line["stage"] for line in found["items"]] == [stage.id for stage in desk.config.stages]
        for line in found["items"]:
            assert shown(line) == expected(histories, line["stage"], first), line["stage"]
        assert sum(line["recycled"] for line in found["items"]) > 0
        assert sum(line["days"]["n"] for line in found["items"]) > 10
    assert (await desk.call("GET", "/v1/stages?to=never")).status == 422


async def test_a_merged_lead_is_counted_as_its_survivor(desk: Desk) -> None:
    await desk.deliver(created("A", BEGIN), created("B", BEGIN))
    assert (await desk.get("/v1/stages"))["items"][0]["entered"] == 2
    await desk.deliver(made("lead-merged", "B", LeadMerged(into="A"), BEGIN, "m"))
    assert (await desk.get("/v1/stages"))["items"][0]["entered"] == 1
