"""What is known of a lead does not depend on the order in which it came."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.answers import lead_answer
from services.ingest.consume import Stages
from services.ingest.items import LeadRow
from shared.config import load_config
from shared.consume import Received
from shared.db import transaction
from shared.eventlog.port import Record
from shared.events import Event, Observation, StageChanged, to_message
from shared.settings import Settings
from tests.ingest.door import NOW, Door, call

REGISTRY = load_config(Settings().config_dir).fields
START = datetime(2026, 11, 1, tzinfo=UTC)

moments = st.integers(0, 3).map(lambda days: START + timedelta(days=days))
observations = st.builds(
    Observation,
    observation_id=st.uuids().map(str),
    field=st.sampled_from(["employees", "company_name", "budget"]),
    method=st.sampled_from(["form", "hearing", "tool"]),
    source=st.just("x"),
    observed_at=moments,
    value=st.none() | st.sampled_from([1, 2]),
    status=st.none() | st.sampled_from(["confirmed", "denied"]),
)


@given(st.lists(observations, max_size=8, unique_by=lambda o: o.observation_id), st.randoms(use_true_random=False))
def test_the_answer_is_that_of_any_order(said: list[Observation], random: Any) -> None:
    shuffled = list(said)
    random.shuffle(shuffled)
    row = LeadRow("l", 1, "Awareness", NOW, None, [], [], [], said, said[:2], [])
    assert lead_answer(row, REGISTRY) == lead_answer(row._replace(observations=shuffled, merged=said[1::-1]), REGISTRY)


STEPS: list[tuple[str, dict[str, Any]]] = [
    ("form", {"fields": {"email": "a@acme.co.jp", "employees": 10}, "observed_at": "2026-11-10T00:00:00Z"}),
    (
        "form",
        {"fields": {"email": "a@acme.co.jp", "employees": 20}, "observed_at": "2026-11-11T00:00:00Z", "campaign": "b"},
    ),
    (
        "form",
        {"fields": {"email": "a@acme.co.jp", "title": "部長"}, "observed_at": "2026-11-09T00:00:00Z", "campaign": "a"},
    ),
    ("call", {"occurred_at": "2026-11-12T00:00:00Z", "rep": "sato"}),
    ("call", {"occurred_at": "2026-11-08T00:00:00Z", "rep": "tanaka"}),
]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(STEPS))), repeats=st.lists(st.integers(0, len(STEPS) - 1), max_size=3))
async def test_reliability_4_a_lead_is_that_of_any_order(door: Door, order: list[int], repeats: list[int]) -> None:
    await door.rows("truncate ingest.leads, ingest.events, ingest.outbox, access.idempotency cascade")
    for at in [*order, *repeats]:
        kind, body = STEPS[at]
        if kind == "form":
            answer = await door.post("/v1/leads", body, headers={"Idempotency-Key": f"form-{at}"})
        else:
            activity = call(at, lead={"email": "a@acme.co.jp"}, **body)
            answer = await door.post("/v1/activities", {n: v for n, v in activity.items() if n != "lead_id"})
        assert answer.status_code < 300, answer.text
    (lead,) = (await door.get("/v1/leads")).json()["items"]
    assert lead["created_at"] == "2026-11-09T00:00:00Z"
    assert lead["campaign"] == "a"
    assert {n: f["value"] for n, f in lead["fields"].items()} == {
        "email": "a@acme.co.jp",
        "employees": 20,
        "title": "部長",
    }
    assert len((await door.get("/v1/leads", rep="sato")).json()["items"]) == 1
    assert len(await door.outbox("lead-created")) == 1
    assert len(await door.outbox()) == 1 + len(STEPS)


async def test_stages_in_any_order_end_in_the_same(door: Door) -> None:
    told = [("Engaged", 1, 1), ("Target", 1, 2), ("MQL", 1, 2), ("Awareness", 2, 3)]
    for n, order in enumerate(itertools.permutations(told)):
        lead_id = f"lead-{n}"
        await door.post("/v1/activities", call(n, lead_id=lead_id))
        stages = Stages([stage.id for stage in door.runtime.config.stages])
        for stage, cycle, hour in order:
            if n % 2 and stage == "Awareness":
                continue
            event = Event(
                id=f"{n}-{stage}",
                source="tasuki.handoff",
                name="stage-changed",
                time=NOW + timedelta(hours=hour),
                subject=lead_id,
                key=lead_id,
                recorded_at=NOW,
                data=StageChanged(to=stage, cycle=cycle, rule="test"),
            )
            message = to_message(event)
            record = Record(message.topic, 0, 0, message.key, message.headers, message.value, NOW)
            async with transaction(door.runtime.engine) as conn:
                await stages.handle(conn, [Received(record, event)])
        lead = (await door.get(f"/v1/leads/{lead_id}")).json()
        assert lead["stage"] == ("MQL" if n % 2 else "Awareness")
