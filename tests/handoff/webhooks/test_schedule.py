"""When a delivery is tried again."""

from datetime import UTC, datetime

import pytest

from services.handoff.webhooks.schedule import ASKED_MOST_S, MOST_PAUSE_S, TRIES, asked_pause_s, pause_s

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


def test_it_takes_about_three_days_until_a_delivery_is_given_up() -> None:
    for chance in (0.0, 0.5, 1.0):
        days = sum(pause_s(attempt, chance) for attempt in range(1, TRIES)) / 86_400
        assert 2.2 < days < 3.5


def test_pauses_grow_up_to_half_a_day_and_no_two_are_the_same() -> None:
    usual = [pause_s(attempt, 0.5) for attempt in range(1, TRIES)]
    assert usual[:3] == [5, 20, 80]
    assert usual == sorted(usual)
    assert max(usual) == MOST_PAUSE_S
    assert [pause_s(2, 0.0), pause_s(2, 1.0)] == pytest.approx([16, 24])
    assert pause_s(10_000, 0.5) == MOST_PAUSE_S


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("٣", None),
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("9" * 5000, ASKED_MOST_S),
        ("Fri, 20 Nov 2026 01:02:00 GMT", 120),
        ("Fri, 20 Nov 2026 00:00:00 GMT", 0),
        ("Fri, 20 Nov 2099 00:00:00 GMT", ASKED_MOST_S),
        ("Fri, 99 Nov 2026 00:00:00 GMT", None),
        ("Fri, 20 Nov 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_what_a_retry_after_asks_for(written: str | None, seconds: float | None) -> None:
    assert asked_pause_s(written, NOW) == seconds
