"""What the pages say while a service is away or hangs: that it is, and whatever the others tell."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from shared.client import ingest
from shared.settings import ServiceName
from tests.console.conftest import RUNS, Team, Visitor, section
from tests.system import ROOT, until

__all__ = ["RUNS"]

NOBODY = "http://127.0.0.1:9"
NOT_NOW, NOT_ALL = "Not available now.", "Not all of it is available now."


class Elsewhere(Visitor):
    """Somebody at another console than the system's."""

    def __init__(self, team: Team, address: str) -> None:
        super().__init__(team.system)
        self.http = httpx.Client(base_url=address, trust_env=False, timeout=60, headers={"accept-language": "en"})

    def is_there(self) -> bool:
        try:
            return self.http.get("/livez").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def without(team: Team, port: int, service: ServiceName, address: str = NOBODY) -> Iterator[Elsewhere]:
    """A console of the running system that finds one of the services at another address."""
    environment = team.system.environment | {"TASUKI_CONSOLE_PORT": str(port), f"TASUKI_{service.upper()}_URL": address}
    process = subprocess.Popen([sys.executable, "-m", "services.console"], cwd=ROOT, env=environment)
    visitor = Elsewhere(team, f"http://127.0.0.1:{port}")
    try:
        until(visitor.is_there)
        assert visitor.sign_in(team.system.key).status_code == 303, "whichever service is away"
        yield visitor
    finally:
        visitor.http.close()
        process.terminate()
        process.wait()


@pytest.mark.parametrize(
    ("service", "away"),
    [
        ("ingest", ["/leads"]),
        ("handoff", ["/handoffs", "/policies"]),
        ("metrics", ["/", "/kpis", "/kpis/calls", "/review"]),
        ("outreach", []),
    ],
)
def test_a_page_without_its_service_says_so_and_the_others_are_there(
    team: Team, free_port: Callable[[], int], service: ServiceName, away: list[str]
) -> None:
    with without(team, free_port(), service) as visitor:
        for path in ("/", "/leads", "/handoffs", "/policies", "/kpis", "/kpis/calls", "/review", "/operation"):
            answer = visitor.http.get(path)
            assert answer.status_code == (503 if path in away else 200), path
            if path in away:
                assert "A service cannot be reached." in answer.text
                assert int(answer.headers["retry-after"]) > 0


def test_parts_of_a_page_that_cannot_be_had_are_not_shown_as_empty(team: Team, free_port: Callable[[], int]) -> None:
    lead = f"/leads/{team.handed_over}"
    with without(team, free_port(), "handoff") as visitor:
        timeline = section(visitor.get(lead), "Timeline")
        assert NOT_ALL in timeline, "its calls are missing"
    with without(team, free_port(), "outreach") as visitor:
        page = visitor.get(lead)
        assert NOT_NOW in section(page, "Write a mail")
        assert NOT_NOW in section(page, "Case studies that fit")
        assert NOT_ALL not in page
    with without(team, free_port(), "ingest") as visitor:
        page = visitor.get("/operation")
        assert NOT_NOW in section(page, "Quarantine")


def test_nobody_waits_for_long_for_a_service_that_hangs(team: Team, free_port: Callable[[], int]) -> None:
    """`Elsewhere` gives up after a minute; a page used to take three."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with without(team, free_port(), "handoff", address) as visitor, ThreadPoolExecutor() as people:
            lead = people.submit(visitor.http.get, f"/leads/{team.open_lead}")
            inbox = people.submit(visitor.http.get, "/handoffs")
            assert NOT_NOW in section(lead.result().text, "Ready for sales\\?")
            assert inbox.result().status_code == 503


def test_a_part_of_a_page_is_not_replaced_by_a_whole_one(team: Team, free_port: Callable[[], int]) -> None:
    """What htmx asks for: a notice above the page, and what was filled in stays."""
    with without(team, free_port(), "ingest") as visitor:
        token = re.search(r'name="form" value="(\w+)"', visitor.get("/handoffs"))
        assert token is not None
        form = {"form": token[1], "status.needs": "confirmed"}
        answer = visitor.http.post(f"/leads/{team.open_lead}/hearing", data=form, headers={"hx-request": "true"})
        assert answer.status_code == 503
        assert "A service cannot be reached." in answer.text
        assert "<main" not in answer.text
        told = {name: answer.headers[name] for name in ("hx-retarget", "hx-reswap", "hx-reselect", "hx-push-url")}
        assert told == {
            "hx-retarget": "#notice",
            "hx-reswap": "innerHTML",
            "hx-reselect": "#noticed",
            "hx-push-url": "false",
        }
        whole = visitor.http.post(f"/leads/{team.open_lead}/hearing", data=form)
        assert (whole.status_code, "<main" in whole.text, "hx-retarget" in whole.headers) == (503, True, False)


def test_what_a_service_refuses_is_no_outage(team: Team, visitor: Visitor) -> None:
    gone = team.client.send(ingest.submit_lead({"email": "gone@example.co.jp", "company_name": "消える会社"})).lead_id
    page = visitor.get(f"/leads/{gone}")
    token = re.search(r'name="form" value="(\w+)"', page)
    assert token is not None
    team.client.send(ingest.erase(gone, reason="asked"))
    for path, form in (("hearing", {"status.needs": "confirmed"}), ("handoff", {"reason": "x"}), ("render", {})):
        answer = visitor.http.post(f"/leads/{gone}/{path}", data={"form": token[1], **form})
        assert 400 <= answer.status_code < 500, path
