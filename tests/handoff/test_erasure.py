"""What is left of an erased lead: decisions, times and outcomes, and nothing of the person."""

from datetime import timedelta

from msgspec import Raw, json, to_builtins
from msgspec.structs import replace

from shared.events import AcceptedBy, Appointment, Event, LeadErased
from shared.sealing import sealed_data
from tests.handoff.desk import NOW, Desk, correction, created, fields, hearing, made
from tests.handoff.test_merges import merged, unmerged

CANARY = "canary-mei"
PERSONAL = frozenset({"email", "title"})


async def of_log(desk: Desk, event: Event, key: bytes) -> Event:
    """The event as ingest writes it into the log."""
    await desk.rows(
        "insert into access.lead_keys (lead_id, key) values ($1, $2) on conflict do nothing", event.subject, key
    )
    return Event(
        **{name: getattr(event, name) for name in event.__struct_fields__ if name != "data"},
        data=sealed_data(event.data, key, event.subject, PERSONAL),
    )


async def handed_over(desk: Desk) -> str:
    key = bytes(range(32))
    heard = hearing("mei", needs="confirmed", authority="confirmed", by="tanaka")
    who = AcceptedBy(name=CANARY, title=CANARY, has_authority=True)
    appointment = Appointment(appointment_id="a", status="set", rep="tanaka", accepted_by=who, note=CANARY)
    for event in (
        created("mei"),
        fields("mei", "form", employees=5000, email=f"{CANARY}@acme.co.jp", title=CANARY),
        heard,
        made("appointment", "mei", appointment, NOW, "a1"),
    ):
        await desk.deliver(await of_log(desk, event, key))
    form = {"accepted_by": {"name": CANARY}, "note": CANARY, "pressured": True}
    handoff = await desk.hand_over("mei", reason=CANARY, appointment=form)
    await desk.post(
        f"/v1/handoffs/{handoff['handoff_id']}/return",
        {"sales_rep": "suzuki", "reason": "no_need", "comment": CANARY},
        200,
    )
    handoff_id: str = handoff["handoff_id"]
    return handoff_id


async def held_anywhere(desk: Desk) -> set[str]:
    """The tables of handoff, and of keys and answers, that hold anything of the person."""
    tables = await desk.rows(
        "select table_schema || '.' || table_name as name from information_schema.tables"
        " where table_schema in ('handoff', 'access') and table_type = 'BASE TABLE'"
    )
    return {
        table["name"]
        for table in tables
        for row in await desk.rows(f"select * from {table['name']}")  # noqa: S608 - names of the catalogue
        if CANARY in str(row) or CANARY.encode() in b"".join(v for v in row.values() if isinstance(v, bytes))
    }


async def test_a_package_shows_what_was_sealed(desk: Desk) -> None:
    package = await desk.get(f"/v1/handoffs/{await handed_over(desk)}")
    assert package["fields"]["title"]["value"] == CANARY
    assert package["bant"]["needs"]["quote"].startswith("needs: confirmed")
    assert package["history"][0]["note"] == CANARY
    assert package["history"][0]["accepted_by"] == {"name": CANARY, "title": CANARY, "has_authority": True}


async def test_an_erased_lead_keeps_its_decisions_and_loses_its_words(desk: Desk) -> None:
    handoff_id = await handed_over(desk)
    desk.clock.at = NOW + timedelta(minutes=1)
    await desk.post("/v1/leads/mei/recycle", {"reason": CANARY}, 200)
    stages = await desk.rows("select stage, cycle from handoff.stage_entries order by number")
    before = await desk.get(f"/v1/handoffs/{handoff_id}")
    await desk.deliver(made("lead-erased", "mei", LeadErased(reason="本人の請求"), NOW, "gone"))
    for path in ("readiness", "questions", "stages"):
        assert (await desk.call("GET", f"/v1/leads/mei/{path}")).status == 410
    package = await desk.get(f"/v1/handoffs/{handoff_id}")
    assert package["appointment"]["pressured"] is True, "it was as it was"
    assert package["fields"]["employees"]["value"] == 5000
    assert package["fields"]["title"]["value"] == package["bant"]["needs"]["quote"] == package["reason"] == "erased"
    same = ("handoff_id", "status", "owner", "rep", "segment", "policy", "due_at", "created_by")
    assert {name: package[name] for name in same} == {name: before[name] for name in same}
    assert package["readiness"]["decision"] == before["readiness"]["decision"]
    assert stages == await desk.rows("select stage, cycle from handoff.stage_entries order by number")
    assert await held_anywhere(desk) == set()
    assert [row["key"] for row in await desk.rows("select key from access.lead_keys")] == [None]


async def test_a_handoff_that_nobody_can_answer_any_more_does_not_wait_in_the_inbox(desk: Desk) -> None:
    for lead_id in ("mei", "may"):
        await desk.hand_over(await desk.ready_lead(lead_id))
    await desk.deliver(made("lead-erased", "mei", LeadErased(reason="x"), NOW, "gone"))

    async def listed(query: str) -> set[str]:
        return {item["lead_id"] for item in (await desk.get(f"/v1/handoffs{query}"))["items"]}

    assert await listed("?status=pending") == {"may"}
    assert await listed("") == {"mei", "may"}, "it was handed over"


async def test_nothing_of_it_stays_with_a_lead_that_it_was_taken_for(desk: Desk) -> None:
    """Merged, handed over together, apart again: the other lead's handoff forgets what was said of the erased one."""
    key = bytes(range(32))
    said = [
        hearing("mei", needs="confirmed"),
        fields("mei", "form", email=f"{CANARY}@acme.co.jp", title=CANARY),
    ]
    await desk.deliver(created("mei"), *[await of_log(desk, event, key) for event in said])
    await desk.deliver(created("may"), fields("may", "form", employees=5000, title="部長"), merged("mei", "may"))
    body = {"lead_id": "may", "rep": "tanaka", "reason": "時期が合う"}
    answer = await desk.call("POST", "/v1/handoffs", body, headers={"Idempotency-Key": "k"})
    await desk.deliver(unmerged("mei", "may", 1))
    await desk.deliver(made("lead-erased", "mei", LeadErased(reason="本人の請求"), NOW, "gone"))
    package = await desk.get(f"/v1/handoffs/{answer.body['handoff_id']}")
    assert package["bant"]["needs"]["quote"] == package["fields"]["email"]["value"] == "erased"
    assert package["readiness"]["criteria"][0]["evidence"][0]["quote"] == "erased"
    assert (package["fields"]["title"]["value"], package["reason"]) == ("部長", "時期が合う"), "the other one's stays"
    assert await held_anywhere(desk) == set()


async def test_the_appointment_that_activities_told_of_is_without_the_person_then(desk: Desk) -> None:
    """It is read from what was told, so nothing of it is kept a second time."""
    await handed_over(desk)
    handoff_id = (await desk.hand_over("mei"))["handoff_id"]
    told = (await desk.get(f"/v1/handoffs/{handoff_id}"))["appointment"]
    assert (told["note"], told["accepted_by"]["name"]) == (CANARY, CANARY)
    await desk.deliver(made("lead-erased", "mei", LeadErased(reason="本人の請求"), NOW, "gone"))
    package = await desk.get(f"/v1/handoffs/{handoff_id}")
    assert CANARY not in str(package)
    assert package["appointment"]["accepted_by"] == {"name": "erased", "title": "erased", "has_authority": True}


async def test_who_corrects_by_the_survivor_before_the_activity_comes_is_understood(desk: Desk) -> None:
    """The correction is sealed by the key of the lead that its sender knew, the activity by that of its own."""
    said = Appointment(appointment_id="a", status="set", rep="tanaka", note="old")
    data = {name: Raw(json.encode(value)) for name, value in to_builtins(replace(said, note=CANARY)).items()}
    await desk.deliver(created("mei"), created("may"), merged("mei", "may"))
    replaced = correction("may", "c", "a1", "replace", data=data)
    await desk.deliver(await of_log(desk, replaced, bytes(range(32))))
    await desk.deliver(await of_log(desk, made("appointment", "mei", said, NOW, "a1"), bytes(range(1, 33))))
    assert (await desk.get("/v1/leads/may/history"))["items"][0]["note"] == CANARY
    assert await held_anywhere(desk) == set(), "sealed"
    await desk.deliver(made("lead-erased", "mei", LeadErased(reason="x"), NOW, "gone"))
    assert (await desk.get("/v1/leads/may/history"))["items"][0]["note"] == "erased"


async def test_an_erasure_that_comes_before_what_was_said_erases_that_too(desk: Desk) -> None:
    await desk.deliver(made("lead-erased", "mei", LeadErased(reason="x"), NOW, "gone"))
    late = fields("mei", "form", employees=5000, title=CANARY)
    await desk.deliver(created("mei"), await of_log(desk, late, bytes(32)))
    assert (await desk.call("GET", "/v1/leads/mei/readiness")).status == 410
    assert not any(CANARY in str(row) for row in await desk.rows("select * from handoff.observations"))


async def test_what_another_program_wrote_to_the_log_is_shown_and_goes_with_the_lead(desk: Desk) -> None:
    await desk.deliver(created("mei"), hearing("mei", needs="confirmed", authority="confirmed", by="tanaka"))
    said = Appointment(appointment_id="a", status="set", rep="tanaka", note=CANARY)
    await desk.deliver(made("appointment", "mei", said, NOW, "a1"))
    held = "select data::text || held::text as said from handoff.activities"
    assert not any(CANARY in row["said"] for row in await desk.rows(held)), "sealed"
    handoff_id = (await desk.hand_over("mei"))["handoff_id"]
    assert (await desk.get(f"/v1/handoffs/{handoff_id}"))["appointment"]["note"] == CANARY
    await desk.deliver(made("lead-erased", "mei", LeadErased(reason="x"), NOW, "gone"))
    assert (await desk.get(f"/v1/handoffs/{handoff_id}"))["appointment"]["note"] == "erased"
    late = replace(said, appointment_id="b")
    await desk.deliver(made("appointment", "mei", late, NOW, "a2"))
    assert not any(CANARY in row["said"] for row in await desk.rows(held)), "what comes later, too"
