"""`POST /v1/policies/backtest`: what it says of a random past is what somebody else finds out about it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.events import Event, LeadMerged
from shared.money import Money
from tests.handoff.backtest import judge
from tests.handoff.desk import Desk, at, call, created, fields, hearing, made, opportunity

BEGIN, FIRST, LAST, END = at("2026-06-01 00:00"), at("2026-07-01 00:00"), at("2026-08-31 23:59"), at("2026-10-31 00:00")
LABEL = {"ja": "x", "en": "x"}


def policy(limit: int = 2000, days: int | None = None, **required: list[str]) -> dict[str, Any]:
    """A policy of the shipped shape: `small`, `large` and `unknown` name what their leads need."""
    age = {} if days is None else {"within_days": days}
    return {
        "id": "draft",
        "criteria": {
            field: {"field": field, "is": "confirmed", "label": LABEL} | age for field in ("needs", "authority")
        },
        "segments": [
            {
                "id": "smb",
                "label": LABEL,
                "when": {"field": "employees", "between": [1, limit]},
                "require": required["small"],
            },
            {
                "id": "enterprise",
                "label": LABEL,
                "when": {"field": "employees", "at_least": limit + 1},
                "require": required["large"],
            },
        ],
        "unknown_segment": {"require": required["unknown"], "ask": ["employees"]},
        "routing": {
            "smb": {"members": ["sato"], "method": "round_robin"},
            "enterprise": {"members": ["suzuki"], "method": "least_open"},
        },
        "accept_within": {"hours": 4, "calendar": "business"},
    }


def as_judged(document: dict[str, Any], limit: int = 2000, days: int | None = None) -> dict[str, Any]:
    """The same policy for the judge."""
    small, large = (segment["require"] for segment in document["segments"])
    names = {"small": small, "large": large, "unknown": document["unknown_segment"]["require"]}
    return {"limit": limit} | {name: [(field, days) for field in wanted] for name, wanted in names.items()}


async def live(desk: Desk, leads: int, seed: int) -> list[dict[str, Any]]:
    """Five months of random leads at the desk, and the same for the judge."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    past: list[dict[str, Any]] = [
        {"id": f"L{n:04}", "said": [], "history": [], "deals": [], "open": None, "events": []} for n in range(leads)
    ]
    moments = sorted(BEGIN + timedelta(minutes=chance.randrange(150 * 24 * 60)) for _ in range(leads * 9))
    for number, lead in enumerate(past):
        await desk.deliver(created(lead["id"], BEGIN + timedelta(seconds=number)))
    for when in moments:
        desk.clock.at = when
        await _something_happens(desk, chance, chance.choice(past), when)
    desk.clock.at = END
    for number, lead in enumerate(past):
        await _sell(desk, chance, lead, number)
    return past


async def _something_happens(desk: Desk, chance: random.Random, lead: dict[str, Any], when: datetime) -> None:
    what = chance.choice(["hearing", "hearing", "size", "hand", "hand", "decide", "recycle"])
    if what == "hearing":
        field, status = (
            chance.choice(["needs", "authority"]),
            chance.choice(["confirmed", "confirmed", "denied", "assumed"]),
        )
        await _deliver(desk, lead, hearing(lead["id"], when, **{field: status}))
    elif what == "size":
        method, size = chance.choice(["form", "tool", "hearing"]), chance.choice([1, 300, 2000, 2001, 9000])
        await _deliver(desk, lead, fields(lead["id"], method, when, employees=size))
    elif what == "hand" and lead["open"] is None:
        handoff = await desk.hand_over(lead["id"], override={"reason": "for once"})
        lead["open"] = handoff["handoff_id"]
        lead["history"].append((when, "handed"))
    elif what == "decide" and lead["open"] is not None:
        if chance.random() < 0.5:
            await desk.post(f"/v1/handoffs/{lead['open']}/accept", {"sales_rep": "sato"}, 200)
        else:
            said = {"sales_rep": "sato", "reason": chance.choice(["no_need", "bad_data"])}
            await desk.post(f"/v1/handoffs/{lead['open']}/return", said, 200)
            lead["history"].append((when, "returned"))
        lead["open"] = None
    elif what == "recycle" and lead["open"] is None:
        await desk.post(f"/v1/leads/{lead['id']}/recycle", {"reason": "later"}, 200)
        lead["history"].append((when, "recycled"))


async def _deliver(desk: Desk, lead: dict[str, Any], event: Event) -> None:
    await desk.deliver(event)
    for said in event.data.observations:  # type: ignore[attr-defined]
        value = said.value if said.status is None else said.status
        lead["said"].append(
            {
                "field": said.field,
                "method": said.method,
                "at": said.observed_at,
                "id": said.observation_id,
                "value": value,
            }
        )


async def _sell(desk: Desk, chance: random.Random, lead: dict[str, Any], number: int) -> None:
    """Up to two opportunities, closed and opened again."""
    for deal in range(chance.choice([0, 0, 1, 2])):
        steps = []
        for step in range(chance.choice([1, 2, 3])):
            status = "created" if step == 0 else chance.choice(["valid", "won", "lost"])
            amount = chance.choice([None, chance.randrange(1, 10**7)])
            steps.append({"status": status, "amount": amount})
            money = None if amount is None else Money(str(amount), "JPY")
            said = opportunity(
                lead["id"], f"{number}-{deal}-{step}", status, BEGIN + timedelta(hours=step + 1), amount=money
            )
            await desk.deliver(_of(said, f"O-{number}-{deal}"))
        lead["deals"].append({"steps": steps})


def _of(event: Event, opportunity_id: str) -> Event:
    return replace(event, data=replace(event.data, opportunity_id=opportunity_id))


PERIOD = {"from": "2026-07-01", "to": "2026-08-31"}
DRAFTS = [
    (policy(small=["needs", "authority"], large=["needs"], unknown=["needs", "authority"]), {}),
    (policy(small=["needs"], large=["authority"], unknown=[]), {}),
    (policy(300, 20, small=["needs", "authority"], large=["needs"], unknown=["needs"]), {"limit": 300, "days": 20}),
]


async def test_it_says_what_an_independent_judge_says(desk: Desk) -> None:
    past, seen = await live(desk, leads=40, seed=7), set[str]()
    for draft, more in DRAFTS:
        report = await desk.post("/v1/policies/backtest", {"policy": draft, **PERIOD}, 200)
        expected = judge.groups(past, as_judged(draft, **more), FIRST, LAST)
        found = {name: group["lead_ids"] for name, group in report["groups"].items()}
        assert found == expected
        assert all(group["leads"] == len(expected[name]) for name, group in report["groups"].items())
        for name, ids in expected.items():
            booked = [Money("0", "JPY")] if not report["groups"][name]["booked"] else report["groups"][name]["booked"]
            assert sum(int(_value(one)) for one in booked) == judge.money(past, ids), name
        differing = {line["lead_id"]: line for line in report["differing"]}
        assert sorted(differing) == sorted([*expected["only_would"], *expected["only_did"]])
        for lead in past:
            if line := differing.get(lead["id"]):
                passes = judge.passes_at(lead, as_judged(draft, **more), FIRST, LAST)
                assert line["would_pass_at"] == (passes and _utc(passes))
        seen |= {name for name, ids in expected.items() if ids}
    assert seen == set(expected), "every group has had leads"


def _value(amount: Any) -> str:
    return amount.value if isinstance(amount, Money) else amount["value"]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def test_it_does_not_see_what_was_said_later(desk: Desk) -> None:
    """A policy over a field that was only learnt after the period, and again a period later."""
    await desk.deliver(
        created("L1", at("2026-06-01 00:00")),
        hearing("L1", at("2026-07-10 00:00"), needs="confirmed"),
        fields("L1", "tool", at("2026-09-05 12:00"), industry="製造業"),
    )
    draft = DRAFTS[0][0] | {
        "criteria": {"makes": {"field": "industry", "is": "製造業", "label": LABEL}},
        "segments": [],
        "unknown_segment": {"require": ["makes"]},
        "routing": {},
    }
    before = await desk.post("/v1/policies/backtest", {"policy": draft, **PERIOD}, 200)
    assert before["groups"]["neither"]["lead_ids"] == ["L1"]
    later = {"from": "2026-09-01", "to": "2026-09-30"}
    after = await desk.post("/v1/policies/backtest", {"policy": draft, **later}, 200)
    assert after["groups"]["would_pass"]["lead_ids"] == ["L1"]
    assert after["differing"][0]["would_pass_at"] == "2026-09-05T03:00:00Z"
    # everything was recorded in November: who asks what was known here by then gets nothing
    recorded = {"policy": draft, "known": "recorded"} | later
    assert (await desk.post("/v1/policies/backtest", recorded, 200))["groups"]["would_pass"]["leads"] == 0


async def test_a_merged_lead_is_part_of_its_survivor(desk: Desk) -> None:
    when = at("2026-07-02 09:00")
    await desk.deliver(created("A", when), created("B", when), hearing("A", when, needs="confirmed"))
    await desk.deliver(
        fields("B", "form", when, employees=9000), made("lead-merged", "B", LeadMerged(into="A"), when, "m")
    )
    report = await desk.post("/v1/policies/backtest", {"policy": DRAFTS[0][0], **PERIOD}, 200)
    assert report["leads"] == {"considered": 1, "with_sales_already": 0, "erased": 0}
    assert report["segments"] == [{"segment": "enterprise", "would_pass": 1, "did_pass": 0}]
    assert report["load"] == [{"week": "2026-W27", "member": "suzuki", "would_get": 1, "got": 0}]


async def test_nobody_passes_before_there_was_a_lead(desk: Desk) -> None:
    """Also where a policy asks nothing of a lead: it passes when it becomes known, not when the period begins. What was
    said of it is known from then on, however late it was told."""
    await desk.deliver(created("A", at("2026-08-03 12:00")), created("B", at("2026-08-10 12:00")))
    await desk.deliver(fields("B", "form", at("2026-08-06 12:00"), industry="IT"))
    routing = {"unknown": {"members": ["sato"], "method": "least_open"}}
    lenient = policy(small=[], large=[], unknown=[]) | {"routing": routing}
    report = await desk.post("/v1/policies/backtest", {"policy": lenient, **PERIOD}, 200)
    passed = {line["lead_id"]: line["would_pass_at"] for line in report["differing"]}
    assert passed == {"A": "2026-08-03T03:00:00Z", "B": "2026-08-06T03:00:00Z"}
    assert report["load"] == [{"week": "2026-W32", "member": "sato", "would_get": 2, "got": 0}]


async def test_what_was_not_on_record_yet_was_no_lead_then(desk: Desk) -> None:
    """An import of November tells of August: who asks what was on record by then finds a lead in November, not before,
    whether it is known by what was said of it or by an activity alone."""
    august = at("2026-08-03 12:00")
    await desk.deliver(created("A", august), fields("A", "form", august, industry="IT"))
    await desk.deliver(created("B", august), call("B", "c1", august))
    lenient = policy(small=[], large=[], unknown=[]) | {"routing": {}}
    recorded = {"policy": lenient, "known": "recorded"}
    then = await desk.post("/v1/policies/backtest", recorded | PERIOD, 200)
    assert (then["leads"]["considered"], then["groups"]["would_pass"]["leads"]) == (0, 0)
    november = {"from": "2026-11-01", "to": "2026-11-30"}
    later = await desk.post("/v1/policies/backtest", recorded | november, 200)
    passed = {line["lead_id"]: line["would_pass_at"] for line in later["differing"]}
    assert passed == {"A": "2026-11-20T01:00:00Z", "B": "2026-11-20T01:00:00Z"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"from": "gestern"}, "/from"),
        ({"to": "2026-13-01"}, "/to"),
        ({"from": "2026-09-01", "to": "2026-08-31"}, "/to"),
        ({"to": "2026-08-31T00:00:00"}, "/to"),
        ({"policy": DRAFTS[0][0] | {"unknown_segment": {"require": ["nothing"]}}}, "/policy/unknown_segment/require/0"),
        ({"policy": {"criteria": 5}}, "/policy/criteria"),
    ],
)
async def test_what_makes_no_sense_is_said(desk: Desk, change: dict[str, Any], pointer: str) -> None:
    answer = await desk.call("POST", "/v1/policies/backtest", {"policy": DRAFTS[0][0], **PERIOD} | change)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


async def test_nothing_is_changed_and_nothing_runs_on(desk: Desk) -> None:
    await desk.ready_lead("L1")
    before = await desk.told()
    await desk.post("/v1/policies/backtest", {"policy": DRAFTS[0][0], **PERIOD}, 200)
    assert await desk.told() == before
    assert (await desk.get("/v1/policies/backtest"))["items"] == []
    assert [policy["id"] for policy in (await desk.get("/v1/policies"))["items"]] == ["default"]
