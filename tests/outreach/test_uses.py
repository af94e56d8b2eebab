"""Each use is told to the log, once."""

from datetime import timedelta
from typing import Any

from shared.events import ContentUsed
from tests.outreach.desk import NOW, Desk, merged

USE = {"lead_id": "L1", "rep": "tanaka", "kind": "case_study", "content": "parts"}


async def post(desk: Desk, path: str, body: Any, status: int, key: str | None = None) -> Any:
    answer = await desk.call("POST", path, body, headers={"Idempotency-Key": key} if key else {})
    assert answer.status == status, answer
    return answer.body


async def test_a_use_is_told(desk: Desk) -> None:
    await desk.lead()
    use = await post(desk, "/v1/uses", USE | {"language": "en", "channel": "email"}, 201)
    (event,) = await desk.told()
    assert event.name == "content-used"
    assert (event.id, event.subject, event.key, event.time) == (use["use_id"], "L1", "L1", NOW)
    assert event.data == ContentUsed(rep="tanaka", content="parts", kind="case_study", language="en", channel="email")


async def test_a_template_knows_its_channel_and_occasion(desk: Desk) -> None:
    await desk.lead()
    use = await post(desk, "/v1/uses", USE | {"kind": "template", "content": "first-mail"}, 201)
    assert (use["channel"], use["occasion"], use["language"]) == ("email", "first_mail", "ja")


async def test_what_is_not_there_cannot_be_used(desk: Desk) -> None:
    await desk.lead()
    for change, status in [
        ({"content": "nothing"}, 404),
        ({"kind": "talk"}, 404),
        ({"lead_id": "nobody"}, 404),
        ({"kind": "poem"}, 422),
        ({"rep": ""}, 422),
    ]:
        await post(desk, "/v1/uses", USE | change, status)
    assert await desk.told() == []


async def test_rendering_tells_only_if_asked_and_only_if_it_succeeds(desk: Desk) -> None:
    await desk.lead(last_name="山田")
    text = await desk.render("inquiry-reply", values={"answer": "はい"})
    assert text["use"] is None
    await desk.render("inquiry-reply", status=422, record=True)
    assert await desk.told() == []
    text = await desk.render("inquiry-reply", values={"answer": "はい"}, record=True)
    (event,) = await desk.told()
    assert event.id == text["use"]["use_id"]
    assert "山田" not in str(event)


async def test_a_repeated_request_tells_once_also_after_a_crash(desk: Desk) -> None:
    await desk.lead()
    body = {"lead_id": "L1", "rep": "tanaka", "record": True}
    for path, sent, status in [("/v1/uses", USE, 201), ("/v1/templates/first-mail/render", body, 200)]:
        first = await post(desk, path, sent, status, "k")
        await desk.rows("delete from access.idempotency")  # as if the process had died before it could store the answer
        desk.clock.at += timedelta(minutes=1)
        again = await post(desk, path, sent, status, "k")
        assert again == first
    assert len(await desk.told()) == 2
    await post(desk, "/v1/uses", USE, 201, "another")
    assert len(await desk.told()) == 3


async def test_one_key_at_two_addresses_are_two_requests(desk: Desk) -> None:
    await desk.lead()
    body = {"lead_id": "L1", "rep": "tanaka", "record": True}
    for template in ("first-mail", "cxo-letter"):
        await post(desk, f"/v1/templates/{template}/render", body, 200, "k")
    told = [event.data for event in await desk.told()]
    assert [data.content for data in told if isinstance(data, ContentUsed)] == ["first-mail", "cxo-letter"]


async def test_of_a_merged_lead_the_survivor_has_it(desk: Desk) -> None:
    await desk.lead("L1")
    await desk.lead("L2")
    await desk.deliver(merged("L1", "L2"))
    assert (await post(desk, "/v1/uses", USE, 201))["lead_id"] == "L2"
    assert [event.subject for event in await desk.told()] == ["L2"]
