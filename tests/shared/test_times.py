"""Times that come from outside are written as RFC 3339 wants them, wherever they stand."""

from typing import Any

import msgspec
import pytest

from shared.events import Timestamp
from shared.times import convert


class Inner(msgspec.Struct):
    at: Timestamp | None = None
    again: "Inner | None" = None


class Outer(msgspec.Struct, rename="camel"):
    said: str
    seen_at: Timestamp
    one: Inner | None = None
    many: list[Inner] = []


GOOD = "2026-11-20T10:00:00.5+09:00"
BAD = "2026-11-20T10:00:00.5+0900"


@pytest.mark.parametrize("good", [GOOD, "2026-11-20T10:00:00-09:00", "2026-11-20T10:00:00Z", "2026-11-20t10:00:00z"])
def test_good_times_are_taken(good: str) -> None:
    value = {"said": BAD, "seenAt": good, "one": {"at": good}, "many": [{"at": good}, {}]}
    assert convert(value, Outer) == msgspec.convert(value, Outer)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"seenAt": BAD}, "$.seenAt"),
        ({"seenAt": "2026-11-20T10:00:00-0900"}, "$.seenAt"),
        ({"one": {"at": BAD}}, "$.one.at"),
        ({"many": [{"at": GOOD}, {"at": BAD}]}, "$.many[1].at"),
    ],
)
def test_an_offset_without_its_colon_is_refused_with_its_place(wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="colon") as told:
        convert({"said": "x", "seenAt": GOOD} | wrong, Outer)
    assert str(told.value).endswith(f" - at `{path}`")


@pytest.mark.parametrize("outer", ["0001-01-01T08:59:59+09:00", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_utc_has_no_year_for_is_refused_with_its_place(outer: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="UTC") as told:
        convert({"said": outer, "seenAt": GOOD, "many": [{"at": outer}]}, Outer)
    assert str(told.value).endswith(" - at `$.many[0].at`")


@pytest.mark.parametrize("outer", ["0001-01-01T00:00:00Z", "0001-01-01T09:00:00+09:00", "9999-12-31T23:59:59.9+00:01"])
def test_the_first_and_last_times_of_utc_are_taken(outer: str) -> None:
    assert convert({"said": "x", "seenAt": outer}, Outer).seen_at == msgspec.convert(outer, Timestamp)
