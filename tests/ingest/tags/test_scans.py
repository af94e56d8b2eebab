"""Scans as a whole: asked for or by themselves, done once, kept through crashes, given up in the end."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.ingest.tags.collect import PRODUCT
from services.ingest.tags.scans import ATTEMPTS_MAX, BROKEN_OFF
from shared.events import LeadFields
from tests.ingest.door import FORM, Door, open_door
from tests.system import until
from tests.website import Website, answer, redirect

PAGE = answer("<html><script src='//satori.segs.jp/s.js?c=0a1b2c3d'></script><script>x('GTM-TSK0001')</script>")
TAGS = ["gtm:GTM-TSK0001", "satori:0a1b2c3d"]


@asynccontextmanager
async def scanning(database_url: str, **more: Any) -> AsyncIterator[Door]:
    """ingest that does scans, and may reach this machine."""
    async with open_door(database_url, "tag_scans", **{"fetch_private_networks": "127.0.0.1/32"} | more) as door:
        yield door


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with scanning(database_url) as opened:
        yield opened


@pytest.fixture
def site() -> Iterator[Website]:
    with Website({"/": PAGE}) as website:
        yield website


async def scan_of(door: Door, lead_id: str, *states: str) -> dict[str, Any]:
    """The lead's scan, as soon as it is in one of these states."""
    for _ in range(600):
        told = await door.get(f"/v1/leads/{lead_id}/tag-scan")
        if told.status_code == 200 and told.json()["state"] in states:
            document: dict[str, Any] = told.json()
            return document
        await asyncio.sleep(0.05)
    raise AssertionError(told.text)


async def tags_of(door: Door, lead_id: str) -> Any:
    return (await door.get(f"/v1/leads/{lead_id}")).json()["fields"].get("website_tags", {}).get("value")


async def due_now(door: Door) -> None:
    await door.rows("update ingest.tag_scans set next_at = now() where next_at is not null")
    await door.rows("select pg_notify('tasuki_tag_scans', '')")


async def test_a_website_that_becomes_known_is_looked_at(door: Door, site: Website) -> None:
    lead = await door.lead({"email": "a@acme.co.jp", "website": site.url})
    scan = await scan_of(door, lead["lead_id"], "done")
    assert (scan["tags"], scan["website"], scan["attempts"]) == (TAGS, f"{site.url}/", 1)
    field = (await door.get(f"/v1/leads/{lead['lead_id']}")).json()["fields"]["website_tags"]
    assert (field["value"], field["method"], field["source"], field["by"]) == (TAGS, "tool", *["tag-collector"] * 2)
    told = (await door.outbox("lead-fields"))[-1].data
    assert isinstance(told, LeadFields)
    assert [(o.field, o.value) for o in told.observations] == [("website_tags", TAGS)]
    assert site.paths == ["/robots.txt", "/"], "one polite request"
    assert all(f"User-Agent: {PRODUCT}/" in head for head in site.requests)


async def test_it_may_come_by_any_door_but_only_the_first_counts(door: Door, site: Website) -> None:
    form = f"email=form@acme.co.jp&website={site.url}".encode()
    leads = [(await door.post("/v1/webhooks/website", form, headers=FORM)).json()["lead_id"]]
    heard = await door.lead({"email": "heard@acme.co.jp"})
    answers = {"website": {"value": site.url}}
    body = {"rep": "tanaka", "heard_at": "2026-11-20T10:00:00Z", "channel": "call", "answers": answers}
    await door.post(f"/v1/leads/{heard['lead_id']}/hearings", body)
    tool = await door.lead({"email": "tool@acme.co.jp"})
    found = {"tool": "data", "observed_at": "2026-11-20T10:00:00Z", "fields": {"website": site.url}}
    await door.post(f"/v1/leads/{tool['lead_id']}/tool-results", found)
    for lead_id in (*leads, heard["lead_id"], tool["lead_id"]):
        assert (await scan_of(door, lead_id, "done"))["tags"] == TAGS
    await door.lead({"email": "form@acme.co.jp", "website": site.url + "/other"})
    assert (await scan_of(door, leads[0], "done"))["website"] == f"{site.url}/"
    assert site.paths.count("/other") == 0


async def test_it_is_only_asked_for_where_that_is_set(database_url: str, site: Website) -> None:
    async with scanning(database_url, tag_scan_automatic=False) as door:
        lead_id = (await door.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
        assert (await door.get(f"/v1/leads/{lead_id}/tag-scan")).status_code == 404
        asked = await door.post(f"/v1/leads/{lead_id}/tag-scan", b"")
        assert (asked.status_code, asked.json()["state"]) == (202, "queued")
        assert asked.headers["Location"] == f"/v1/leads/{lead_id}/tag-scan"
        assert (await scan_of(door, lead_id, "done"))["scan_id"] == asked.json()["scan_id"]
        assert await tags_of(door, lead_id) == TAGS


async def test_asked_again_it_looks_again(door: Door, site: Website) -> None:
    lead_id = (await door.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
    first = await scan_of(door, lead_id, "done")
    site.pages["/"] = answer("<p>GTM-TSK0001 is gone</p>")
    door.clock.at = door.clock.at.replace(hour=4)
    await door.post(f"/v1/leads/{lead_id}/tag-scan", b"")
    again = await scan_of(door, lead_id, "done")
    assert again["scan_id"] != first["scan_id"]
    assert (again["tags"], await tags_of(door, lead_id)) == ([], []), "that there are none is known, too"
    given = (await door.get(f"/v1/leads/{lead_id}/observations")).json()["items"]
    assert [o["value"] for o in given if o["field"] == "website_tags"] == [[], TAGS]


async def test_what_cannot_be_asked_for(door: Door) -> None:
    lead = await door.lead({"email": "a@acme.co.jp"})
    refused = await door.post(f"/v1/leads/{lead['lead_id']}/tag-scan", b"")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:tasuki:problem:no-website")
    assert (await door.post("/v1/leads/nobody/tag-scan", b"")).status_code == 404
    assert (await door.get("/v1/leads/nobody/tag-scan")).status_code == 404


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ({"/robots.txt": answer(f"User-agent: {PRODUCT}\nDisallow: /")}, "robots.txt does not allow"),
        ({"/": answer("%PDF", content_type="application/pdf")}, "application/pdf instead of a page"),
        ({"/": answer(status=403)}, "answers 403"),
        ({"/": redirect("http://169.254.169.254/")}, "not public"),
        ({"/": redirect("/x"), "/robots.txt": answer("User-agent: *\nDisallow: /x")}, "robots.txt does not allow"),
    ],
)
async def test_what_will_never_go_is_given_up_at_once(
    door: Door, site: Website, pages: dict[str, bytes], reason: str
) -> None:
    site.pages |= pages
    lead_id = (await door.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
    scan = await scan_of(door, lead_id, "failed")
    assert reason in scan["reason"]
    assert scan["attempts"] == 1
    assert "tags" not in scan
    assert await tags_of(door, lead_id) is None
    if "robots" in reason and "/x" not in str(pages):
        assert site.paths == ["/robots.txt"]


async def test_a_private_address_is_given_up_without_a_connection(database_url: str, site: Website) -> None:
    async with scanning(database_url, fetch_private_networks="") as door:
        for n, host in enumerate(("127.0.0.1", "127.1", "0x7f.1", "①②⑦.0.0.1")):
            answered = await door.post("/v1/leads", {"fields": {"email": f"a{n}@b.jp", "website": f"http://{host}/"}})
            assert answered.status_code == 201, answered.text
            scan = await scan_of(door, answered.json()["lead_id"], "failed")
            assert "not public" in scan["reason"] or "usual form" in scan["reason"]
    assert site.connections == 0


async def test_what_may_go_later_is_repeated_and_given_up_in_the_end(door: Door, site: Website) -> None:
    site.pages["/"] = answer(status=503)
    lead_id = (await door.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
    for attempt in range(1, ATTEMPTS_MAX):
        scan = await scan_of(door, lead_id, "queued")
        while scan["attempts"] < attempt:
            scan = await scan_of(door, lead_id, "queued")
        assert (scan["attempts"], scan["reason"]) == (attempt, "the website answers 503")
        (row,) = await door.rows("select next_at - now() > interval '30 s' as waits from ingest.tag_scans")
        assert row["waits"]
        await due_now(door)
    scan = await scan_of(door, lead_id, "failed")
    assert (scan["attempts"], scan["reason"]) == (ATTEMPTS_MAX, "the website answers 503")
    assert site.paths.count("/") == ATTEMPTS_MAX


async def test_a_website_that_comes_back_is_found(door: Door, site: Website) -> None:
    site.pages["/robots.txt"] = answer(status=500)
    lead_id = (await door.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
    assert "robots.txt answers 500" in (await scan_of(door, lead_id, "queued") | {})["reason"]
    assert site.paths == ["/robots.txt"]
    del site.pages["/robots.txt"]
    await due_now(door)
    scan = await scan_of(door, lead_id, "done")
    assert (scan["tags"], scan["attempts"], "reason" in scan) == (TAGS, 2, False)


async def _broken_off(door: Door, lead_id: str, **columns: Any) -> None:
    """As a process that was killed leaves the row."""
    await door.post(f"/v1/leads/{lead_id}/tag-scan", b"")
    names = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, 1))
    await door.rows(f"update ingest.tag_scans set state = 'running', {names}", *columns.values())  # noqa: S608
    await due_now(door)


async def test_a_scan_whose_process_was_killed_is_taken_up_again(database_url: str, site: Website) -> None:
    async with open_door(database_url, tag_scan_automatic=False) as killed:
        lead_id = (await killed.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
        await _broken_off(killed, lead_id, attempts=1)
    async with scanning(database_url) as door:
        assert (await scan_of(door, lead_id, "done"))["attempts"] == 2
        assert await tags_of(door, lead_id) == TAGS


async def test_what_was_found_before_the_crash_is_told_and_not_fetched_again(database_url: str, site: Website) -> None:
    async with open_door(database_url, tag_scan_automatic=False) as killed:
        lead_id = (await killed.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
        at = killed.clock.now()
        await _broken_off(killed, lead_id, attempts=1, tags='["gtm:GTM-KEPT01"]', observed_at=at)
    async with scanning(database_url) as door:
        await scan_of(door, lead_id, "done")
        assert await tags_of(door, lead_id) == ["gtm:GTM-KEPT01"]
        assert site.requests == []
        await door.rows("update ingest.tag_scans set state = 'running', next_at = now()")
        await due_now(door)  # killed after it was told, before that was on record
        await scan_of(door, lead_id, "done")
        assert len(await door.outbox("lead-fields")) == 2, "the form's and one of the scan"


async def test_a_scan_that_ends_the_process_each_time_is_given_up(database_url: str, site: Website) -> None:
    async with open_door(database_url, tag_scan_automatic=False) as killed:
        lead_id = (await killed.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
        await _broken_off(killed, lead_id, attempts=ATTEMPTS_MAX)
    async with scanning(database_url) as door:
        assert (await scan_of(door, lead_id, "failed"))["reason"] == BROKEN_OFF
        assert site.requests == []


async def test_a_scan_that_is_running_when_the_service_stops_is_given_back(database_url: str, site: Website) -> None:
    def slow(connection: socket.socket) -> None:
        connection.recv(1)  # until the other side closes

    site.pages["/"] = slow
    async with scanning(database_url) as door:
        lead_id = (await door.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
        await asyncio.to_thread(until, lambda: "/" in site.paths)
        assert (await scan_of(door, lead_id, "running"))["attempts"] == 1
    async with open_door(database_url) as door:
        scan = await scan_of(door, lead_id, "queued")
        assert scan["attempts"] == 0


async def test_several_processes_do_each_scan_once(database_url: str, site: Website) -> None:
    def unhurried(connection: socket.socket) -> None:
        time.sleep(0.1)
        connection.sendall(PAGE)

    paths = [f"/{n}" for n in range(24)]
    site.pages |= dict.fromkeys(paths, unhurried)
    async with scanning(database_url) as one, scanning(database_url) as two:
        doors = [one, two]
        leads = [
            await doors[n % 2].lead({"email": f"a{n}@acme.co.jp", "website": site.url + path})
            for n, path in enumerate(paths)
        ]
        for lead in leads:
            assert (await scan_of(one, lead["lead_id"], "done"))["attempts"] == 1
    assert sorted(path for path in site.paths if path != "/robots.txt") == sorted(paths)


async def test_a_worker_that_wakes_too_late_changes_nothing(database_url: str, site: Website) -> None:
    def late(connection: socket.socket) -> None:
        time.sleep(1.5)
        connection.sendall(answer("<script>x('GTM-LATE001')</script>"))

    site.pages["/"] = late
    async with scanning(database_url) as zombie:
        lead_id = (await zombie.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
        await asyncio.to_thread(until, lambda: "/" in site.paths)
        site.pages["/"] = PAGE
        await due_now(zombie)  # its lease has run out, and another slot takes the scan
        scan = await scan_of(zombie, lead_id, "done")
        assert (scan["attempts"], scan["tags"]) == (2, TAGS)
        await asyncio.sleep(2)
        assert await tags_of(zombie, lead_id) == TAGS
        assert (await scan_of(zombie, lead_id, "done"))["tags"] == TAGS


async def test_an_erased_leads_scan_is_gone_whatever_it_was_doing(door: Door, site: Website) -> None:
    def late(connection: socket.socket) -> None:
        time.sleep(1)
        connection.sendall(PAGE)

    done = (await door.lead({"email": "a@acme.co.jp", "website": site.url}))["lead_id"]
    await scan_of(door, done, "done")
    site.pages["/late"] = late
    running = (await door.lead({"email": "b@acme.co.jp", "website": f"{site.url}/late"}))["lead_id"]
    await asyncio.to_thread(until, lambda: "/late" in site.paths)
    for lead_id in (done, running):
        assert (await door.post(f"/v1/leads/{lead_id}/erase", {"reason": "asked for"})).status_code == 200
        assert (await door.get(f"/v1/leads/{lead_id}/tag-scan")).status_code == 410
        assert (await door.post(f"/v1/leads/{lead_id}/tag-scan", b"")).status_code == 410
    await asyncio.sleep(1.5)
    assert await door.rows("select 1 from ingest.tag_scans") == []
    assert await door.rows("select 1 from ingest.observations") == []


async def test_a_merged_lead_answers_as_its_survivor(door: Door, site: Website) -> None:
    lead = await door.lead({"email": "a@acme.co.jp", "website": site.url})
    await scan_of(door, lead["lead_id"], "done")
    survivor = await door.lead({"email": "b@acme.co.jp"})
    await door.post(f"/v1/leads/{lead['lead_id']}/merge", {"into": survivor["lead_id"]})
    asked = await door.post(f"/v1/leads/{lead['lead_id']}/tag-scan", b"")
    assert (asked.status_code, asked.json()["lead_id"]) == (202, survivor["lead_id"])
    assert (await scan_of(door, survivor["lead_id"], "done"))["tags"] == TAGS
    assert await tags_of(door, lead["lead_id"]) == TAGS
