"""What operators ask of webhooks."""

import json
from datetime import timedelta

import pytest

from tests.handoff.desk import Desk
from tests.handoff.webhooks.telling import headers_of, slack, standard, telling, told
from tests.website import Website, answer, redirect


async def test_an_endpoint_shows_how_it_stands_and_not_where_it_is(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(f"{site.url}/canary?token=canary", segments=["smb"]), slack(f"{site.url}/x"))
    await desk.hand_over(await desk.ready_lead("L1", employees=10))
    listed = (await office.call("GET", "/v1/webhooks")).body
    crm, sales = listed["items"]
    assert crm == {
        "id": "crm",
        "format": "standard",
        "origin": site.url,
        "events": ["handoff-created", "handoff-accepted", "handoff-returned", "handoff-overdue"],
        "segments": ["smb"],
        "owners": None,
        "state": "active",
        "disabled_at": None,
        "paused_until": None,
        "pending": 1,
        "oldest_pending_at": "2026-11-20T01:00:00Z",
    }
    assert (sales["id"], sales["pending"], listed["next_cursor"]) == ("sales", 1, None)
    assert "canary" not in json.dumps(listed)
    first = (await office.call("GET", "/v1/webhooks?limit=1")).body
    assert [item["id"] for item in first["items"]] == ["crm"]
    second = (await office.call("GET", f"/v1/webhooks?limit=1&cursor={first['next_cursor']}")).body
    assert ([item["id"] for item in second["items"]], second["next_cursor"]) == (["sales"], None)


async def test_deliveries_are_listed_the_latest_first(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url), slack(f"{site.url}/broken"))
    for n in range(3):
        await desk.hand_over(await desk.ready_lead(f"L{n}"))
    await office.send("crm")
    await office.send("sales")
    everything = (await office.call("GET", "/v1/webhooks/deliveries")).body["items"]
    assert [(d["lead_id"], d["endpoint"]) for d in everything] == [
        (f"L{n}", endpoint) for n in (2, 1, 0) for endpoint in ("sales", "crm")
    ]
    (waiting, *_), rest = everything[:1], everything[1:]
    assert (waiting["status"], waiting["answer"], waiting["reason"]) == ("pending", 404, "the endpoint answers 404")
    assert waiting["next_attempt_at"] == "2026-11-20T01:00:05Z"
    assert (rest[0]["status"], rest[0]["answer"], rest[0]["attempts"]) == ("delivered", 200, 1)
    assert (rest[0]["event"], rest[0]["next_attempt_at"]) == ("handoff-created", None)
    assert rest[0]["event_id"] in {event["id"] for event in told(site)[:3]}

    async def found(query: str) -> list[str]:
        body = (await office.call("GET", f"/v1/webhooks/deliveries?{query}")).body
        return [f"{d['endpoint']} {d['status']}" for d in body["items"]]

    assert await found("endpoint=crm") == await found("status=delivered") == ["crm delivered"] * 3
    assert await found("endpoint=crm&status=pending") == await found("status=dead") == await found("endpoint=x") == []
    page = (await office.call("GET", "/v1/webhooks/deliveries?limit=4")).body
    after = (await office.call("GET", f"/v1/webhooks/deliveries?limit=4&cursor={page['next_cursor']}")).body
    assert page["items"] + after["items"] == everything
    assert after["next_cursor"] is None


async def test_a_replay_sends_the_same_event_again(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    await desk.hand_over(await desk.ready_lead("L1"))
    await office.send()
    (done,) = (await office.call("GET", "/v1/webhooks/deliveries")).body["items"]
    desk.clock.at += timedelta(hours=1)
    for _ in range(2):  # a repetition of the request changes nothing
        again = await office.call("POST", f"/v1/webhooks/deliveries/{done['id']}/replay")
        assert (again.status, again.body["status"], again.body["finished_at"]) == (200, "pending", None)
    assert await office.send() == 1
    assert told(site)[0] == told(site)[1]
    assert len({headers_of(head)["webhook-id"] for head in site.requests}) == 1


@pytest.mark.parametrize("id_", ["1", "x", "-1", "0", "9" * 30, "１", "1e3"])
async def test_what_cannot_be_replayed(desk: Desk, site: Website, id_: str) -> None:
    office = await telling(desk, standard(site.url))
    refused = await office.call("POST", f"/v1/webhooks/deliveries/{id_}/replay")
    assert (refused.status, refused.body["type"]) == (404, "urn:tasuki:problem:not-found")


async def test_what_was_for_an_endpoint_that_is_no_more_is_not_replayed(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    await desk.hand_over(await desk.ready_lead("L1"))
    office = await telling(desk, slack(site.url))
    row = await office.row("crm")
    refused = await office.call("POST", f"/v1/webhooks/deliveries/{row['number']}/replay")
    assert (refused.status, refused.body["type"]) == (409, "urn:tasuki:problem:endpoint-removed")
    assert "add it again" in refused.body["detail"]


async def test_a_test_is_posted_at_once_and_leaves_nothing(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url), slack(site.url))
    tested = await office.call("POST", "/v1/webhooks/crm/test")
    assert tested.body == {"endpoint": "crm", "delivered": True, "answer": 200, "reason": None}
    (event,) = told(site)
    assert (event["type"], event["data"]) == ("tasuki.webhook-test.v1", {"endpoint": "crm"})
    assert headers_of(site.requests[0])["webhook-signature"].startswith("v1,")
    await office.call("POST", "/v1/webhooks/sales/test")
    assert told(site)[1] == {"text": "*Tasukiからの接続テストです。*"}
    assert await desk.rows("select * from handoff.deliveries") == []
    assert await desk.told() == []


async def test_a_test_that_fails_says_why(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url), standard("http://127.0.0.1:9/canary", id="nobody"))
    for page, code, reason in (
        (answer(status=401), 401, "the endpoint answers 401"),
        (redirect("/"), 302, "the endpoint redirects (302)"),
    ):
        site.pages["/"] = page
        tested = (await office.call("POST", "/v1/webhooks/crm/test")).body
        assert (tested["delivered"], tested["answer"]) == (False, code)
        assert reason in tested["reason"]
    tested = (await office.call("POST", "/v1/webhooks/nobody/test")).body
    assert (tested["delivered"], tested["answer"]) == (False, None)
    assert "no connection to the endpoint" in tested["reason"]
    assert "canary" not in str(tested)


@pytest.mark.parametrize("what", ["test", "enable"])
async def test_an_endpoint_that_nobody_knows(desk: Desk, site: Website, what: str) -> None:
    office = await telling(desk, standard(site.url))
    refused = await office.call("POST", f"/v1/webhooks/nobody/{what}")
    assert (refused.status, refused.body["type"]) == (404, "urn:tasuki:problem:not-found")
    assert site.connections == 0


async def test_only_an_admin_may_look_and_act(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    key = await desk.new_key("leads:read", "handoffs:write", "handoffs:decide")
    for method, path in (
        ("GET", ""),
        ("GET", "/deliveries"),
        ("POST", "/deliveries/1/replay"),
        ("POST", "/crm/test"),
        ("POST", "/crm/enable"),
    ):
        assert (await office.call(method, f"/v1/webhooks{path}", key)).status == 403
    assert site.connections == 0
