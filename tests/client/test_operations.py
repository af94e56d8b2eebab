"""What can be asked, and how it is written as a request."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from shared.client import (
    Invalid,
    dead_letters,
    handoff,
    ingest,
    metrics,
    outreach,
    retry_dead_letter,
)
from shared.client.operation import Operation
from tests.client.double import Double, Sender, problem

DRAFT = {"id": "draft", "criteria": {}}
BACKTEST = {"policy": DRAFT, "from": "2026-04-01", "to": "2026-09-30", "known": "observed"}


@pytest.mark.parametrize(
    ("operation", "method", "target", "body"),
    [
        (handoff.policies(limit=5), "GET", "/v1/policies?limit=5", None),
        (handoff.policy("a b", 2), "GET", "/v1/policies/a%20b/versions/2", None),
        (handoff.policy_changes("default", 3), "GET", "/v1/policies/default/versions/3/changes", None),
        (handoff.policy_changes("default", 3, since=1), "GET", "/v1/policies/default/versions/3/changes?since=1", None),
        (handoff.backtest(DRAFT, first="2026-04-01", last="2026-09-30"), "POST", "/v1/policies/backtest", BACKTEST),
        (handoff.results(first="2026-04-01"), "GET", "/v1/handoffs/results?from=2026-04-01", None),
        (handoff.stage_flow(last="2026-04-30"), "GET", "/v1/stages?to=2026-04-30", None),
    ],
)
async def test_what_is_asked_of_policies(
    double: Double, send: Sender, operation: Operation[Any], method: str, target: str, body: Any
) -> None:
    double.script = [JSONResponse({"x": 1})]
    assert await send(operation) == {"x": 1}
    asked, path, _, sent = double.seen[0]
    assert (asked, path.replace(" ", "%20"), sent) == (method, target, body)


async def test_dead_letters_are_asked_of_any_service(double: Double, send: Sender) -> None:
    letter = {"id": "d-1", "topic": "tasuki.leads.v1", "partition": 3, "offset": 7, "reason": "handler_error"}
    double.script = [
        JSONResponse({"items": [letter], "next_cursor": None}),
        problem(422, "dead-letter-still-fails"),
    ]
    (found,) = (await send(dead_letters("handoff", limit=1))).items
    assert (found.id, found.partition, found.offset, found.reason) == ("d-1", 3, 7, "handler_error")
    with pytest.raises(Invalid) as raised:
        await send(retry_dead_letter("outreach", "d-1"))
    assert raised.value.slug == "dead-letter-still-fails"
    assert [target for _, target, _, _ in double.seen] == ["/v1/dead-letters?limit=1", "/v1/dead-letters/d-1/retry"]
    asked = [metrics.dead_letters(1), dead_letters("ingest", 1), metrics.retry_dead_letter("1")]
    assert [operation.service for operation in asked] == ["metrics", "ingest", "metrics"]


def test_activities_are_cut_by_number_and_by_size() -> None:
    small = [{"id": str(n)} for n in range(2500)]
    assert [len(operation.body) for operation in ingest.activity_chunks(small)] == [1000, 1000, 500]
    large = [{"id": str(n), "note": "x" * 20_000} for n in range(100)]
    chunks = list(ingest.activity_chunks(large))
    assert [item for chunk in chunks for item in chunk.body] == large
    assert all(len(json.dumps(chunk.body, separators=(",", ":"))) < 1024 * 1024 for chunk in chunks)


def test_ids_cannot_leave_their_place_in_a_path() -> None:
    assert ingest.lead("../x?y#z").path == "/v1/leads/..%2Fx%3Fy%23z"

    for dots, kept in ((".", "%2E"), ("..", "%2E%2E"), ("...", "...")):
        assert ingest.lead(dots).path == f"/v1/leads/{kept}"


async def test_an_id_of_dots_asks_for_nothing_else(double: Double, send: Sender) -> None:
    await send(ingest.lead(".."))
    await send(ingest.lead("."))
    assert [target for _, target, _, _ in double.seen] == ["/v1/leads/..", "/v1/leads/."]


USE = {"use_id": "m1", "lead_id": "l1", "rep": "r", "kind": "template", "content": "t", "language": "ja"}
SENT = {
    "mail_id": "m1",
    "lead_id": "l1",
    "message_id": "<m1@example.jp>",
    "use": USE | {"used_at": "2026-11-24T00:00:00Z"},
}
CONSENT = {"lead_id": "l1", "basis": "consent", "bases": [{"channel": None, "basis": "consent"}]}
SNIPPET = {"id": "s", "key": ";s", "label": {"ja": "あ", "en": "a"}, "language": "ja", "text": "x"}


@pytest.mark.parametrize(
    ("operation", "answer", "method", "target", "body"),
    [
        (
            ingest.consent("l1", basis="consent", evidence="名刺", channels=["email"]),
            CONSENT,
            "POST",
            "/v1/leads/l1/consent",
            {"basis": "consent", "evidence": "名刺", "channels": ["email"]},
        ),
        (ingest.consents("l1"), CONSENT, "GET", "/v1/leads/l1/consent", None),
        (
            ingest.erase("l1", reason="asked"),
            {"lead_id": "l1", "erased_at": "2026-11-24T00:00:00Z"},
            "POST",
            "/v1/leads/l1/erase",
            {"reason": "asked"},
        ),
        (handoff.definitions(), {"items": []}, "GET", "/v1/definitions", None),
        (
            outreach.send_template("t", "l1", rep="r", values={"a": 1}, language="en"),
            SENT,
            "POST",
            "/v1/templates/t/send",
            {"lead_id": "l1", "rep": "r", "values": {"a": 1}, "language": "en"},
        ),
        (outreach.snippet("s", language="ja"), SNIPPET, "GET", "/v1/snippets/s?language=ja", None),
        (
            metrics.contributors("calls", grain="day", by=("rep",), where={"rep": "a,b"}, limit=5),
            {"items": []},
            "GET",
            "/v1/kpis/calls/contributors?grain=day&by=rep&where=rep%3Aa%5C%2Cb&limit=5",
            None,
        ),
    ],
)
async def test_what_the_contract_offers_can_be_asked(
    double: Double, send: Sender, operation: Operation[Any], answer: Any, method: str, target: str, body: Any
) -> None:
    double.script = [JSONResponse(answer)]
    assert await send(operation)
    asked, path, _, sent = double.seen[0]
    assert (asked, path, sent) == (method, target, body)
