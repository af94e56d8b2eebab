"""Events as each release has written them are understood for ever, and mean the same (reliability 23).

A file of a release is never changed. A new event type, or a new field, comes in the file of the release that brings it.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.eventlog.port import Record
from shared.events import TOPIC_OF, TYPES, content_digest, from_record, to_message

FOLDER = Path(__file__).parent / "golden"
GOLDEN: list[tuple[str, dict[str, Any]]] = [
    (file.stem, json.loads(line))
    for file in sorted(FOLDER.glob("*.jsonl"))
    for line in file.read_text("utf-8").splitlines()
]


@pytest.mark.parametrize(("release", "written"), GOLDEN, ids=lambda part: part if isinstance(part, str) else "")
def test_reliability_23_golden_events_of_every_release_decode(release: str, written: dict[str, Any]) -> None:
    headers = tuple((name, text.encode()) for name, text in written["headers"].items())
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    event = from_record(Record(written["topic"], 0, 0, written["key"], headers, written["value"].encode(), moment))
    assert content_digest(event).hex() == written["digest"], f"written by {release}, it would be another event now"
    assert TOPIC_OF[event.name] == written["topic"]
    assert event.key == written["key"]
    again = dict(to_message(event).headers)
    assert {name: again[name].decode() for name in written["headers"]} == written["headers"]


def test_every_type_of_event_is_there() -> None:
    named = {written["headers"]["ce_type"] for _, written in GOLDEN}
    assert named == {f"tasuki.{name}.v1" for name in TYPES}
