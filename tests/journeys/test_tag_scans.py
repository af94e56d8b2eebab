"""From a website to `website_tags` in a running system, also when ingest is killed while it looks."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import private_folder
from tests.journeys.outside import Outside, outside_of
from tests.system import System, until
from tests.website import Website, answer

PAGE = answer("<script src='//satori.segs.jp/s.js?c=0a1b2c3d'></script>")


@pytest.fixture(scope="module")
def outside(free_port: Callable[[], int]) -> Iterator[Outside]:
    """A system that looks for tags by itself, and may reach this machine for it."""
    wanted = {"TASUKI_TAG_SCAN_AUTOMATIC": "true", "TASUKI_FETCH_PRIVATE_NETWORKS": "127.0.0.1/32"}
    with (
        private_folder() as folder,
        System(folder / "data", free_port, wanted) as system,
        outside_of(system) as driver,
    ):
        yield driver


def scan_of(outside: Outside, lead_id: str) -> dict[str, Any]:
    told: dict[str, Any] = outside.ok("ingest", "GET", f"/v1/leads/{lead_id}/tag-scan")
    return told


def test_a_lead_with_a_website_gets_its_tags(outside: Outside) -> None:
    with Website({"/": PAGE}) as site:
        lead = outside.ok(
            "ingest", "POST", "/v1/leads", {"fields": {"email": "a@acme.co.jp", "website": site.url}}, 201
        )
        until(lambda: scan_of(outside, lead["lead_id"])["state"] == "done")
        fields = outside.ok("ingest", "GET", f"/v1/leads/{lead['lead_id']}")["fields"]
        assert fields["website_tags"]["value"] == ["satori:0a1b2c3d"]
        again = outside.ok("ingest", "POST", f"/v1/leads/{lead['lead_id']}/tag-scan", status=202)
        assert again["state"] == "queued"
        until(lambda: scan_of(outside, lead["lead_id"])["state"] == "done")
        assert site.paths == ["/robots.txt", "/"] * 2


def test_a_scan_survives_the_end_of_its_process(outside: Outside) -> None:
    def silent(connection: socket.socket) -> None:
        connection.recv(1)  # until the other side is gone

    with Website({"/": silent}) as site:
        lead = outside.ok(
            "ingest", "POST", "/v1/leads", {"fields": {"email": "b@acme.co.jp", "website": site.url}}, 201
        )
        until(lambda: "/" in site.paths)
        assert scan_of(outside, lead["lead_id"])["state"] == "running"
        site.pages["/"] = PAGE
        for process in outside.system.processes("services.ingest"):
            os.kill(process, signal.SIGKILL)
        until(lambda: outside.system.is_ready("ingest"))
        until(lambda: scan_of(outside, lead["lead_id"])["state"] == "done", 120)
        assert scan_of(outside, lead["lead_id"])["attempts"] == 2
        fields = outside.ok("ingest", "GET", f"/v1/leads/{lead['lead_id']}")["fields"]
        assert fields["website_tags"]["value"] == ["satori:0a1b2c3d"]


def test_a_name_that_leads_inward_is_told_and_not_followed(outside: Outside) -> None:
    for n, host in enumerate(("10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "acme.example")):
        form = {"fields": {"email": f"c{n}@acme.co.jp", "website": f"http://{host}/"}}
        taken = outside.call("ingest", "POST", "/v1/leads", form)
        if taken.status_code == 422:
            continue
        lead_id = taken.json()["lead_id"]
        until(lambda lead_id=lead_id: scan_of(outside, lead_id)["state"] == "failed")  # type: ignore[misc]
        assert scan_of(outside, lead_id)["reason"]
