"""What is told is what happened: all of it, to whoever wants it, in the order of each lead, and nothing else."""

import asyncio
import socket
import time
from datetime import timedelta
from typing import Any

import pytest

from services.handoff.emit import emit, happened
from services.handoff.webhooks import deliveries
from services.handoff.webhooks.deliveries import LEASE
from services.handoff.webhooks.schedule import pause_s
from shared.db import transaction
from shared.events import HandoffReturned, LeadErased
from shared.prune import prune
from tests.handoff.desk import NOW, Desk, created, fields, made
from tests.handoff.webhooks.telling import headers_of, slack, standard, telling, told
from tests.website import Website, answer

CANARY = "canary-of-the-comment"


def names(site: Website) -> list[str]:
    return [event["type"].split(".")[1] for event in told(site)]


async def returned(desk: Desk, lead_id: str = "L1", comment: str = CANARY) -> dict[str, Any]:
    """A lead that was handed over and given back."""
    handoff: dict[str, Any] = await desk.hand_over(await desk.ready_lead(lead_id))
    form = {"sales_rep": "suzuki", "reason": "no_need", "comment": comment}
    await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/return", form, 200)
    return handoff


async def test_each_event_that_is_wanted_is_told_once_as_the_log_tells_it(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, comments=True))
    handoff = await returned(desk)
    assert await office.send() == 2
    in_log = {event.id: event for event in await desk.told()}
    assert names(site) == ["handoff-created", "handoff-returned"]
    for event, head in zip(told(site), site.requests, strict=True):
        same = in_log[event["id"]]
        assert (event["source"], event["subject"], event["specversion"]) == ("tasuki.handoff", "L1", "1.0")
        assert event["type"] == same.type
        assert headers_of(head)["webhook-id"] == event["id"]
        assert headers_of(head)["content-type"].startswith("application/cloudevents+json")
    said = told(site)[0]["data"]
    assert (said["handoff_id"], said["owner"], said["segment"]) == (handoff["handoff_id"], "suzuki", "enterprise")
    assert told(site)[1]["data"]["comment"] == CANARY
    assert await office.send() == 0
    assert {row["status"] for row in await office.rows()} == {"delivered"}


async def test_what_is_rolled_back_is_not_told(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    data = HandoffReturned(handoff_id="h", sales_rep="suzuki", reason="no_need")

    async def tell(fail: bool) -> None:
        async with transaction(desk.engine) as conn:
            await emit(conn, [happened("handoff-returned", "L1", "returned:h", data, NOW, NOW)])
            if fail:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await tell(fail=True)
    assert await office.send() == 0
    assert site.connections == 0
    await tell(fail=False)
    assert await office.send() == 1, "the same, committed, is told"
    await tell(fail=False)
    assert await office.send() == 0, "an event is told once"


async def test_nothing_is_written_for_what_nobody_wants(desk: Desk, site: Website) -> None:
    await returned(desk)
    assert await desk.rows("select * from handoff.deliveries") == []
    await telling(desk, standard(site.url, events=["handoff-accepted"]))
    await returned(desk, "L2")
    assert await desk.rows("select * from handoff.deliveries") == []


async def test_filters_hold_for_all_that_happens_to_a_handoff(desk: Desk, site: Website) -> None:
    office = await telling(
        desk,
        standard(site.url, id="large", segments=["enterprise"]),
        standard(site.url, id="small", segments=["smb"]),
        standard(site.url, id="suzuki", owners=["suzuki"]),
        standard(site.url, id="both", segments=["smb"], owners=["suzuki"]),
    )
    await returned(desk, "large-lead")
    small = await desk.hand_over(await desk.ready_lead("small-lead", employees=10))
    await desk.post(f"/v1/handoffs/{small['handoff_id']}/accept", {"sales_rep": "sato"}, 200)
    rows = await desk.rows("select endpoint, lead_id, name from handoff.deliveries order by number")
    found: dict[str, list[tuple[str, str]]] = {id_: [] for id_ in office.endpoints}
    for row in rows:
        found[row["endpoint"]].append((row["lead_id"], row["name"]))
    of_large = [("large-lead", "handoff-created"), ("large-lead", "handoff-returned")]
    of_small = [("small-lead", "handoff-created"), ("small-lead", "handoff-accepted")]
    assert small["owner"] == "sato"
    assert found == {"large": of_large, "small": of_small, "suzuki": of_large, "both": []}


async def test_stages_are_told_to_who_asks_for_them(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, events=["stage-changed"]))
    await desk.ready_lead("L1")
    await office.send()
    assert [event["data"]["to"] for event in told(site)] == ["Awareness", "MQL"]


async def test_the_events_of_a_lead_come_in_their_order_however_often_one_fails(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    await returned(desk, "L1")
    await returned(desk, "L2")
    site.pages["/"] = answer(status=500)
    assert await office.send() == 2, "of each lead the first, which fails"
    assert names(site) == ["handoff-created", "handoff-created"]
    site.pages["/"] = answer()
    desk.clock.at += timedelta(seconds=pause_s(1, 0.5) - 1)
    assert await office.send() == 0, "what comes later waits for what came before"
    desk.clock.at += timedelta(seconds=1)
    assert await office.send() == 4
    of_l1 = [event["type"] for event in told(site)[2:] if event["subject"] == "L1"]
    assert [name.split(".")[1] for name in of_l1] == ["handoff-created", "handoff-returned"]


async def test_a_lead_that_waits_holds_up_no_other_lead_and_no_other_endpoint(desk: Desk, site: Website) -> None:
    with Website({"/": answer(status=500)}) as broken:
        office = await telling(desk, standard(broken.url), standard(site.url, id="other"))
        await returned(desk, "L1")
        await office.send("crm")
        await returned(desk, "L2")
        assert await office.send("crm") == 1, "the first of L2"
        assert await office.send("other") == 4


async def test_replicas_share_and_each_delivery_is_sent_once(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    for n in range(12):
        await returned(desk, f"L{n}")

    def unhurried(connection: socket.socket) -> None:
        time.sleep(0.02)
        connection.sendall(answer())

    site.pages["/"] = unhurried
    workers = [office.new_worker() for _ in range(2)]
    counts = [0, 0]

    async def work(which: int) -> None:
        while await workers[which].send_one(office.endpoints["crm"]):
            counts[which] += 1

    await asyncio.gather(work(0), work(1), work(0), work(1))
    while await workers[0].send_one(office.endpoints["crm"]):  # what waited for one that was in flight
        counts[0] += 1
    ids = [event["id"] for event in told(site)]
    assert len(ids) == len(set(ids)) == 24
    assert min(counts) > 0
    assert {row["attempts"] for row in await office.rows()} == {1}


async def test_two_events_of_a_lead_are_never_in_flight_together(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    await returned(desk)
    async with transaction(desk.engine) as conn:
        assert await deliveries.take(conn, "crm", desk.clock.now()) is not None
    assert await office.send() == 0
    desk.clock.at += LEASE
    assert await office.send() == 2, "whoever had taken it is gone"
    assert names(site) == ["handoff-created", "handoff-returned"]


async def test_who_comes_back_after_its_lease_changes_nothing(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    await desk.hand_over(await desk.ready_lead("L1"))
    async with transaction(desk.engine) as conn:
        late = await deliveries.take(conn, "crm", desk.clock.now())
    assert late is not None
    desk.clock.at += LEASE
    assert await office.send() == 1
    before = await office.row()
    async with transaction(desk.engine) as conn:
        failed = deliveries.Attempt(desk.clock.now(), 500, "x")
        await deliveries.postpone(conn, late, failed, desk.clock.now())
        await deliveries.finish(conn, late, "dead", failed)
    assert await office.row() == before


async def test_an_endpoint_that_is_removed_is_told_nothing_more_and_one_that_is_new_nothing_old(
    desk: Desk, site: Website
) -> None:
    office = await telling(desk, standard(site.url), standard(site.url, id="other"))
    await returned(desk)
    office = await telling(desk, standard(site.url, id="new"))
    await returned(desk, "L2")
    assert await office.send("new") == 2
    assert {event["subject"] for event in told(site)} == {"L2"}
    rows = await office.rows("crm") + await office.rows("other")
    assert [(row["lead_id"], row["status"]) for row in rows] == [("L1", "dead")] * 4
    assert {row["reason"] for row in rows} == {deliveries.REMOVED}


async def test_nothing_waits_for_an_endpoint_that_was_removed_meanwhile(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    data = HandoffReturned(handoff_id="h", sales_rep="suzuki", reason="no_need")
    async with transaction(desk.engine) as conn:
        await emit(conn, [happened("handoff-returned", "L1", "returned:h", data, NOW, NOW)])
        removing = asyncio.create_task(telling(desk))
        await asyncio.sleep(0.3)
        assert not removing.done(), "it waits for what is being told"
    await removing
    assert (await office.row())["reason"] == deliveries.REMOVED
    async with transaction(desk.engine) as conn:
        await emit(conn, [happened("handoff-returned", "L2", "returned:h2", data, NOW, NOW)])
    assert len(await office.rows()) == 1


async def test_comments_are_told_only_where_that_is_configured(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url), slack(site.url))
    await returned(desk)
    await office.send("crm")
    await office.send("sales")
    assert CANARY.encode() not in b"".join(site.bodies)
    assert "comment" not in told(site)[1]["data"]


async def test_an_erased_lead_is_told_of_without_its_words_whatever_still_waits(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, comments=True), slack(site.url, comments=True, fields=["title"]))
    await desk.deliver(fields("L1", "form", title="canary-of-the-title"))
    await returned(desk)
    stored = str(await desk.rows("select * from handoff.deliveries"))
    assert CANARY not in stored, "it is sealed in the rows, as in the log"
    await office.send("crm")
    assert CANARY.encode() in b"".join(site.bodies)
    site.bodies.clear()
    await desk.deliver(made("lead-erased", "L1", LeadErased(reason="本人の請求"), NOW, "gone"))
    assert await office.send("sales") == 2
    for row in await office.rows("crm"):
        assert (await office.call("POST", f"/v1/webhooks/deliveries/{row['number']}/replay")).status == 200
    assert await office.send("crm") == 2, "that it was handed over and given back is no secret"
    assert len(site.bodies) == 4
    assert b"canary" not in b"".join(site.bodies)
    assert told(site)[-1]["data"]["comment"] == "erased"


async def test_what_is_over_is_kept_for_a_time_and_what_waits_for_ever(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url), standard(site.url, id="other"))
    await returned(desk)
    await office.send()
    await desk.rows("update handoff.deliveries set made_at = now() - interval '31 days'")
    await desk.rows("update handoff.deliveries set finished_at = now() - interval '31 days' where endpoint = 'crm'")
    assert await prune(desk.engine, deliveries.kept_for(30)) == 2
    assert await office.rows("crm") == []
    assert len(await office.rows("other")) == 2


async def test_a_batch_of_the_consumer_tells_its_stages_in_order(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, events=["stage-changed"]))
    await desk.deliver(*(event for n in range(5) for event in (created(f"L{n}"), fields(f"L{n}", "form", employees=5))))
    assert await office.send() == len(site.bodies) == len(await desk.told())
