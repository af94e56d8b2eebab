"""A running system with its console, with leads in it, and browsers that look at it."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.client import Client, NotFound, handoff, ingest
from shared.settings import PROCESSES
from tests.system import System, until

RUNS = PROCESSES
"""What a module's system runs (see `system` in tests/conftest.py)."""
HEARD = {"needs": "confirmed", "authority": "confirmed", "budget": "assumed", "timeframe": "unknown"}


@dataclass(frozen=True)
class Team:
    """A system with a lead that waits for an answer of sales, one that is not ready, one with markup in its name."""

    system: System
    client: Client
    handoff_id: str
    handed_over: str
    open_lead: str
    hostile: str


class Visitor:
    """Somebody at the console without JavaScript: follows no redirects, sends forms as a browser does."""

    def __init__(self, system: System, language: str = "en") -> None:
        self.http = httpx.Client(base_url=system.console, trust_env=False, headers={"accept-language": language})

    def sign_in(self, key: str, rep: str = "tanaka") -> httpx.Response:
        return self.http.post("/sign-in", data={"key": key, "rep": rep})

    def get(self, path: str, status: int = 200) -> str:
        answer = self.http.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.text

    def send(self, page: str, path: str, **form: str) -> httpx.Response:
        """A form of a page."""
        token = re.search(r'name="form" value="(\w+)"', self.get(page))
        assert token is not None
        return self.http.post(path, data={"form": token[1], **form})


Visitors = Callable[..., Visitor]
"""Makes a visitor, of a language."""


def section(page: str, heading: str) -> str:
    """The part of a page below a heading."""
    found = re.search(rf"<h2>{heading}</h2>(.*?)</section>", page, re.DOTALL)
    assert found is not None, heading
    return found[1]


def until_ready(client: Client, lead_id: str) -> None:
    """Waits until handoff has heard that the lead may be handed over."""

    def ready() -> bool:
        try:
            return client.send(handoff.readiness(lead_id)).decision == "ready"
        except NotFound:
            return False  # it has not heard of the lead yet

    until(ready, every=0.2)


def until_ready_or_not(client: Client, lead_id: str) -> None:
    """Waits until handoff has heard of the lead at all."""

    def is_known() -> bool:
        try:
            return bool(client.send(handoff.readiness(lead_id)).decision)
        except NotFound:
            return False

    until(is_known, every=0.2)


@pytest.fixture(scope="module")
def team(system: System) -> Iterator[Team]:
    with Client(system.url, system.key) as client:
        now = datetime.now(UTC)

        def lead(name: str, **more: object) -> str:
            form = {"email": f"{abs(hash(name))}@example.co.jp", "company_name": name, "last_name": "平野"} | more
            return client.send(ingest.submit_lead(form)).lead_id

        def hear(lead_id: str) -> None:
            answers = {field: {"status": status, "quote": f"{field} の話"} for field, status in HEARD.items()}
            client.send(ingest.hearing(lead_id, rep="tanaka", heard_at=now, channel="call", answers=answers))

        handed_over, open_lead = lead("株式会社にじのわ建設", employees=68), lead("株式会社しらなみ", employees=120)
        hostile = lead('<script>alert(1)</script>"><img src=x onerror=alert(2)>')
        hear(handed_over)
        call: dict[str, Any] = {
            "source": "dialer",
            "type": "call",
            "lead_id": handed_over,
            "rep": "tanaka",
            "direction": "outbound",
        }
        call |= {"outcome": "conversation", "duration_s": 60}
        calls = [
            {"id": f"call-{n}", "occurred_at": (now - timedelta(minutes=n)).isoformat()} | call for n in range(1, 4)
        ]
        client.send(ingest.activities(calls))
        until_ready(client, handed_over)
        made = client.send(handoff.hand_over(handed_over, rep="tanaka", reason="決裁者本人が困っている"))
        yield Team(system, client, made.handoff_id, handed_over, open_lead, hostile)


@pytest.fixture
def visitors(team: Team) -> Iterator[Visitors]:
    """Makes people who are not signed in."""
    with ExitStack() as stack:

        def make(language: str = "en") -> Visitor:
            visitor = Visitor(team.system, language)
            stack.callback(visitor.http.close)
            return visitor

        yield make


@pytest.fixture
def visitor(team: Team, visitors: Visitors) -> Visitor:
    """Somebody who is signed in by the admin's key."""
    made = visitors()
    assert made.sign_in(team.system.key).status_code == 303
    return made
