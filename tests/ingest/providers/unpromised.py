"""What a provider makes of a body, without a database; and bodies of which one part was replaced by anything."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.activities import Refused, read_activity
from services.ingest.providers import PROVIDERS, Broken, Form, Happened, Payload, Unusable, Verdict
from services.ingest.providers.base import Entry
from services.ingest.submissions import Arrival, read_entry
from shared.config import load_config
from shared.config.sources import Source
from tests.ingest.door import BY, NOW
from tests.ingest.providers.provider_contract import Posted, delivery
from tests.system import ROOT

JSON = "application/json"

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
    | st.sampled_from(["", " ", "9" * 300, "0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-23:59", "2026-11-24"])
)
REGISTRY = load_config(ROOT / "config").fields
SOURCE = Source(id="source", provider="json")
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def verdict(provider: str, posted: Posted, secrets: Sequence[str], at_s: float, url: str = "") -> Verdict:
    return PROVIDERS[provider].verify(delivery(posted, at_s, url), secrets)


def read(provider: str, body: bytes, headers: Mapping[str, str] = {}) -> Payload:
    """Raises Unusable."""
    reading = PROVIDERS[provider].read(delivery(Posted(body, headers), NOW.timestamp()))
    try:
        reading.send(None)
    except StopIteration as done:
        payload: Payload = done.value
        return payload
    raise AssertionError("reading a body waits for nothing")


def entries(provider: str, document: Any) -> Sequence[Entry]:
    return read(provider, json.dumps(document).encode()).entries


def happened(entry: Entry) -> dict[str, Any]:
    """What is said of the activity, without what is not known."""
    assert isinstance(entry, Happened), entry
    return {name: value for name, value in entry.activity.items() if value is not None}


def activity(provider: str, document: Any) -> dict[str, Any]:
    """The one activity in a body."""
    (entry,) = entries(provider, document)
    return happened(entry)


def assert_anything_is_read_or_unusable(
    provider: str, document: Any, encode: Callable[[Any], bytes] = lambda value: json.dumps(value).encode()
) -> None:
    """With any part of the document replaced by anything, the body is read or Unusable, and what is read of it is
    taken or Refused; there is no other error. `encode`: the document as the provider sends it."""
    places = list(_places(document))
    seen = set()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(places), ANYTHING)
    def run(place: tuple[Any, ...], value: Any) -> None:
        became, said = _became(provider, encode(_replaced(document, place, value)))
        seen.add(became)
        told = became == "unusable" and isinstance(value, str) and len(value) > 5 and value in said
        assert not told, "the text tells what stood there"

    run()
    assert "read" in seen
    assert seen - {"read"}, "nothing was ever refused"


def _became(provider: str, body: bytes) -> tuple[str, str]:
    try:
        payload = read(provider, body)
        for entry in payload.entries:
            if isinstance(entry, Happened):
                read_activity(happened(entry), NOW, BY)
            elif isinstance(entry, Form):
                read_entry(entry, SOURCE, REGISTRY, Arrival(at=NOW, day="2026-11-24", by=BY))
    except Unusable as error:
        return "unusable", str(error)
    except Refused:
        return "refused", ""
    return "broken" if any(isinstance(entry, Broken) for entry in payload.entries) else "read", ""


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    for step, inner in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else [])
    ):
        yield from _places(inner, (*at, step))


def _replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = deepcopy(document)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return changed
