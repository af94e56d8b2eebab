"""What every provider must do: inherit `ProviderContract` and say what its deliveries look like.

Each row of the table (valid, wrong signature, stale, replayed, malformed, unmapped fields, duplicate delivery) is one
test: the status that the sender sees, and what is stored.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import httpx
import pytest

from services.ingest.providers import Delivery, Payload
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.system import ROOT

GIVEN = Path(os.environ.get("TASUKI_REAL_DATA", ROOT.parent / "shared" / "data")) / "webhooks"
"""Deliveries of real providers and vectors of their signatures, where this machine has them; they are not ours."""
SECRET, PREVIOUS, OTHER = "current-secret", "previous-secret", "somebody-elses-secret"
JUNK: tuple[str, ...] = ("garbage", "v1,a", "v1,a,b", "v1,a  v1,b", "t=,v1=", "  ", "é", "sha256=", "=" * 3, "a" * 9000)
JUNK += (".9", " ts ", "1_0", "-1", "9" * 400)
ADDRESS = "https://leads.example.co.jp/v1/webhooks/source"


Kind = TypeVar("Kind")


class Posted(NamedTuple):
    """A delivery as it goes over the wire."""

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str] = {}


def given(name: str) -> bytes:
    """A file of the given deliveries; the test is left out where there are none."""
    if not GIVEN.is_dir():
        pytest.skip(f"there are no given deliveries in {GIVEN}")
    return (GIVEN / name).read_bytes()


def given_json(name: str) -> Any:
    """As `given`, parsed."""
    return json.loads(given(name))


def delivery(posted: Posted, at_s: float = 0, url: str = "") -> Delivery:
    """What a provider sees of it; header names come in lower case."""
    headers = {name.lower(): value for name, value in posted.headers.items()}
    at = datetime.fromtimestamp(at_s, UTC)
    return Delivery(
        body=posted.body,
        content_type=headers.get("content-type", "application/json"),
        headers=headers,
        query=posted.query,
        url=url,
        at=at,
    )


def only(payload: Payload | None, kind: type[Kind]) -> Kind:
    """The one entry of a payload."""
    assert payload is not None
    (entry,) = payload.entries
    assert isinstance(entry, kind)
    return entry


def lead_values(lead: Mapping[str, Any]) -> dict[str, Any]:
    """The believed values of a lead's document."""
    return {name: field["value"] for name, field in lead["fields"].items()}


class ProviderContract:
    """`provider` as in sources.yaml; `valid` makes what it sends, signed with a secret at a time in seconds."""

    provider: str
    signs = True
    """False: it cannot sign, and a wrong secret is a told one."""
    signs_time = True
    """Whether a delivery is too old at some time."""
    batches = False
    """Whether a body is always a list, and the answer has `results`."""
    may_differ: tuple[str, ...] = ()
    """Headers, in lower case, that may be anything."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """More of its entry of sources.yaml: fields, reps, campaign."""

    unquestioned: tuple[bytes, ...] = ()
    """Malformed bodies that mean something to it."""

    def configured(self, secret: str) -> str:
        """What the operator configures of a secret: itself, or the public part of it."""
        return secret

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        """A delivery of one lead or one activity. `change`: what of its content is otherwise (its identity is not)."""
        raise NotImplementedError

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        """One with a name that is mapped to no field, `shoe_size`: 42, beside others; None: there is no such thing."""
        raise NotImplementedError

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        """The same delivery with another body, rightly signed."""
        raise NotImplementedError

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        """What the valid delivery must have done; raises AssertionError."""
        raise NotImplementedError

    @pytest.fixture
    def source(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> Source:
        """The source `source`, of this provider."""
        monkeypatch.setenv("TASUKI_SECRET_NOW", self.configured(SECRET))
        monkeypatch.setenv("TASUKI_SECRET_BEFORE", self.configured(PREVIOUS))
        secrets = {"secret_env": "TASUKI_SECRET_NOW", "previous_secret_env": "TASUKI_SECRET_BEFORE"}
        entry = {"id": "source", "provider": self.provider, "public_url": ADDRESS} | secrets | dict(self.settings)
        source = Source(**entry)
        door.runtime.config.sources["source"] = source
        return source

    def now_s(self, door: Door) -> float:
        return door.clock.now().timestamp()

    async def post(self, door: Door, posted: Posted) -> httpx.Response:
        headers = {"Authorization": "", **posted.headers}
        return await door.http.post(
            "/v1/webhooks/source", content=posted.body, headers=headers, params=dict(posted.query)
        )

    def receipt(self, answer: httpx.Response) -> dict[str, Any]:
        """The receipt of the one entry."""
        assert answer.status_code == 202, answer.text
        document: dict[str, Any] = answer.json()
        if not self.batches:
            return document
        (receipt,) = document["results"]
        assert isinstance(receipt, dict)
        return receipt

    async def stored(self, door: Door) -> tuple[int, int]:
        """How many events and quarantined bodies there are."""
        rows = await door.rows("select (select count(*) from ingest.events), (select count(*) from ingest.quarantine)")
        return rows[0][0], rows[0][1]

    async def test_valid(self, door: Door, source: Source) -> None:
        receipt = self.receipt(await self.post(door, self.valid(SECRET, self.now_s(door))))
        assert receipt["duplicate"] is False
        await self.check(door, receipt)

    async def test_the_previous_secret_is_good_while_it_is_configured(
        self, door: Door, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        posted = self.valid(PREVIOUS, self.now_s(door))
        monkeypatch.delenv("TASUKI_SECRET_BEFORE")
        assert (await self.post(door, posted)).status_code == 401
        monkeypatch.setenv("TASUKI_SECRET_BEFORE", self.configured(PREVIOUS))
        assert (await self.post(door, posted)).status_code == 202

    async def test_wrong_signature(self, door: Door, source: Source) -> None:
        answer = await self.post(door, self.valid(OTHER, self.now_s(door)))
        assert answer.status_code == 401
        assert await self.stored(door) == (0, 0)

    async def test_no_signature(self, door: Door, source: Source) -> None:
        genuine = self.valid(SECRET, self.now_s(door))
        content_type = {"Content-Type": genuine.headers["Content-Type"]}
        if genuine.headers.keys() == content_type.keys() and not genuine.query:
            pytest.skip("the secret is in the body")
        assert (await self.post(door, Posted(genuine.body, content_type))).status_code == 401
        assert await self.stored(door) == (0, 0)

    async def test_hostile_signatures(self, door: Door, source: Source) -> None:
        genuine = self.valid(SECRET, self.now_s(door))
        signed = [name for name in genuine.headers if name.lower() not in ("content-type", "user-agent")]
        for name, junk in product(signed, JUNK):
            answer = await door.http.post(
                "/v1/webhooks/source",
                content=genuine.body,
                headers=[(n.encode(), (junk if n == name else v).encode()) for n, v in genuine.headers.items()],
                params=dict(genuine.query),
            )
            assert answer.status_code in (401, 415, 202), (name, junk, answer.text)
            if answer.status_code == 202:  # a header that is no part of what proves the sender, such as an identity
                assert not self.signs or name.lower() in self.may_differ, (name, junk)

    async def test_stale_and_early(self, door: Door, source: Source) -> None:
        if not self.signs_time:
            pytest.skip("it signs no time")
        now_s = self.now_s(door)
        for off_s, status in ((-301, 401), (301, 401), (-299, 202), (299, 202)):
            assert (await self.post(door, self.valid(SECRET, now_s + off_s))).status_code == status, off_s
        metrics = door.runtime.telemetry.metrics
        assert metrics.webhooks.labels("source", "stale")._value.get() == 2
        assert metrics.webhooks.labels("source", "unauthorized")._value.get() == 0
        assert door.logged.getvalue().count("webhook_stale") == 2

    async def test_replayed_and_delivered_twice(self, door: Door, source: Source) -> None:
        posted = self.valid(SECRET, self.now_s(door))
        first = self.receipt(await self.post(door, posted))
        before = await self.stored(door)
        again = self.receipt(await self.post(door, posted))
        signed_anew = self.receipt(await self.post(door, self.valid(SECRET, self.now_s(door) + 60)))
        assert again == signed_anew == first | {"duplicate": True}
        assert await self.stored(door) == before

    async def test_malformed(self, door: Door, source: Source) -> None:
        at_s, kept = self.now_s(door), 0
        for body in (b"", b"\xff\xfe", b"[" * 5000, b"nonsense", b"null", b"7", b'{"a": NaN}'):
            if body in self.unquestioned:
                continue
            answer = await self.post(door, self.resigned(self.valid(SECRET, at_s), body, SECRET, at_s))
            assert answer.status_code in (401, 422), (body, answer.text)
            kept += answer.status_code == 422
            assert await self.stored(door) == (0, kept), body

    async def test_unmapped(self, door: Door, source: Source) -> None:
        posted = self.unmapped(SECRET, self.now_s(door))
        if posted is None:
            pytest.skip("it has a fixed form")
        receipt = self.receipt(await self.post(door, posted))
        page = (await door.get(f"/v1/leads/{receipt['lead_id']}/observations")).json()
        assert "shoe_size" in {item["name"].rpartition(".")[2] for item in page["unmapped"]}
