"""From a sender's names to ours, and from values to observations: the pure part of a webhook."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.activities import Refused
from services.ingest.items import Submission
from services.ingest.mapping import map_names
from services.ingest.providers import Form
from services.ingest.submissions import Arrival, read_entry
from shared.config import load_config
from shared.config.sources import Source
from shared.settings import Settings
from tests.ingest.door import BY, NOW

REGISTRY = load_config(Settings().config_dir).fields
ARRIVAL = Arrival(at=NOW, day="2026-11-24", by=BY)
SOURCE = Source(id="s", provider="json", unsigned=True, fields={"q3_name.first": "first_name", "Mail": "email"})


def as_read(entry: dict[str, Any]) -> Submission:
    return read_entry(Form(values=entry, raw=entry), SOURCE, REGISTRY, ARRIVAL)


@pytest.mark.parametrize(
    ("entry", "fields", "unmapped"),
    [
        ({"Mail": "a@b.jp"}, {"email": "a@b.jp"}, []),
        ({"q3_name": {"first": "花子", "last": "山田"}}, {"first_name": "花子"}, ["q3_name.last"]),
        ({"q3_name.first": "花子"}, {"first_name": "花子"}, []),
        ({"email": "own@b.jp", "Mail": "mapped@b.jp"}, {"email": "mapped@b.jp"}, ["email"]),
        ({"email": "own@b.jp", "Mail": " "}, {"email": "own@b.jp"}, []),
        ({"title": ["部長"], "website_tags": ["ga4"]}, {"title": "部長", "website_tags": ["ga4"]}, []),
        ({"usage": ["分析", "", "議事録"], "title": ["", "部長"]}, {"usage": "分析, 議事録", "title": "部長"}, []),
        ({"email": ["", "a@b.jp", "c@b.jp"], "phone": ["", " "]}, {"email": "a@b.jp"}, ["email"]),
        ({"website_tags": ["", "ga4"], "title": []}, {"website_tags": ["ga4"]}, []),
        ({"memo": "", "other": None, "empty": {}, "x": 0}, {}, ["x"]),
        ({"price": {"value": "1", "currency": "JPY"}}, {}, ["price"]),
    ],
)
def test_names(entry: dict[str, Any], fields: dict[str, Any], unmapped: list[str]) -> None:
    mapped = map_names(entry, SOURCE.fields, REGISTRY)
    assert mapped.fields == fields
    assert [item.name for item in mapped.unmapped] == unmapped


def test_what_a_submission_says_of_itself_is_put_aside_where_it_is_wrong() -> None:
    late = (NOW + timedelta(minutes=6)).isoformat()
    read = as_read({"title": "部長", "observed_at": late, "external_id": "a b", "campaign": 7})
    assert read.observed_at == NOW
    assert read.campaign is None
    assert {item.name for item in read.unmapped} == {"observed_at", "external_id", "campaign"}
    assert all(item.reason for item in read.unmapped)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["first", "value", "currency"]), inner),
    max_leaves=8,
)
names = st.sampled_from(
    [*(f.id for f in REGISTRY), "external_id", "observed_at", "campaign", "Mail", "q3_name", "memo"]
)


@given(st.dictionaries(names, json_values, max_size=6))
def test_any_object_is_read_or_refused_and_nothing_is_lost(entry: dict[str, Any]) -> None:
    try:
        read = as_read(entry)
    except Refused:
        return
    again = as_read(dict(reversed(entry.items())))
    assert (again.id, again.digest) == (read.id, read.digest)
    assert read.observations or read.whom.external_ids
    assert all(REGISTRY.allowed(o.field, "form") for o in read.observations)
    msgspec.json.encode([read.observations, read.unmapped])
