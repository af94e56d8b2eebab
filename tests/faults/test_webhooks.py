"""handoff dies while it tells an endpoint something: it is told after all, if twice, then under the same id."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.faults.client import Client
from tests.faults.inside import outlive_claims, rows, settle
from tests.faults.services import Services, in_background, running
from tests.handoff.webhooks.telling import SECRET, headers_of
from tests.system import ROOT, until
from tests.website import Website

TAKEN = b"HTTP/1.1 204 X\r\n\r\n"
WEBHOOK_FAILPOINTS = [("webhook: before post", 1), ("webhook: after post", 2)]
"""Failpoint, and how often the endpoint hears of the handoff in the end."""


@pytest.fixture(scope="module")
def site() -> Iterator[Website]:
    with Website({"/": TAKEN}) as website:
        yield website


@pytest.fixture(scope="module")
def services(
    module_database_url: str, free_port: Callable[[], int], tmp_path_factory: Any, site: Website
) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("webhooks")
    shutil.copytree(ROOT / "config", folder / "config")
    entry = {"id": "crm", "url": site.url, "format": "standard", "secret_env": "SECRET", "allow_insecure": True}
    (folder / "config/webhooks.yaml").write_text(json.dumps({"webhooks": [entry]}))
    environment = {
        "TASUKI_CONFIG_DIR": str(folder / "config"),
        "TASUKI_WEBHOOK_PRIVATE_NETWORKS": "127.0.0.1/32",
        "SECRET": SECRET,
    }
    with running(folder, free_port, module_database_url, **environment) as started:
        yield started


@pytest.mark.parametrize(("failpoint", "copies"), WEBHOOK_FAILPOINTS)
def test_what_a_killed_process_was_telling_is_told(
    services: Services, site: Website, failpoint: str, copies: int
) -> None:
    site.requests.clear()
    site.bodies.clear()
    services.replace("handoff", "tests.faults.failpoint", failpoint)
    with closing(Client(services.system)) as client:
        email = f"mei@{failpoint.replace(': ', '-').replace(' ', '-')}.co.jp"
        fields = {"fields": {"email": email, "employees": 5000}}
        lead_id = client.send("ingest", "POST", "/v1/leads", fields).body["lead_id"]
    settle(services.url)
    body = {"lead_id": lead_id, "rep": "tanaka", "reason": "x", "override": {"reason": "x"}}
    answer = in_background(
        lambda client: client.send("handoff", "POST", "/v1/handoffs", body, failpoint), services.system
    )
    services.died("handoff")
    (row,) = rows(services.url, "select status, attempts from handoff.deliveries where lead_id = $1", lead_id)
    assert (row["status"], row["attempts"]) == ("pending", 1)
    rows(services.url, "update handoff.deliveries set next_at = now() where status = 'pending'")  # its lease is over
    services.start("handoff")
    outlive_claims(services.url)
    handoff_id = answer().body["handoff_id"]
    until(lambda: rows(services.url, "select from handoff.deliveries where status = 'pending'") == [])
    told = [json.loads(body) for body in site.bodies]
    assert [event["data"]["handoff_id"] for event in told] == [handoff_id] * copies
    ids = {headers_of(head)["webhook-id"] for head in site.requests}
    assert ids == {event["id"] for event in told}
    assert len(ids) == 1
