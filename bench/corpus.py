"""Call events, the same for the same seed: for the door as JSON, for the log as messages."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.eventlog.port import Message
from shared.events import Call, CallOutcome, Event, to_message

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
YEAR_S = 365 * 86_400
REPS = ("tanaka", "sato", "suzuki", "ito", *(f"rep-{n}" for n in range(16)))
OUTCOMES: tuple[CallOutcome, ...] = ("no_answer", "busy", "voicemail", "invalid_number", "gatekeeper", "conversation")
_ODDS = (45, 5, 10, 3, 22, 15)
DUPLICATES, LATE = 0.02, 0.05
_LATE_BY = 1000  # events by which a late one comes after its turn, at most

_POSTED = (
    '{"id": "%s", "source": "bench", "type": "call", "occurred_at": "%sZ", "lead_id": "lead-%06d", '
    '"rep": "%s", "direction": "outbound", "outcome": "%s", "duration_s": %d}'
)


class Posted:
    """Bodies for `POST /v1/activities`, each event with an id of its own under the prefix."""

    def __init__(self, prefix: str, leads: int, seed: int) -> None:
        self._prefix = prefix
        self._leads = leads
        self._random = random.Random(f"{prefix} {seed}")  # noqa: S311 - figures that can be repeated
        self._made = 0

    def body(self, events: int) -> bytes:
        """One object, or an array when there are several."""
        made = [self._event() for _ in range(events)]
        return (made[0] if events == 1 else f"[{','.join(made)}]").encode()

    def _event(self) -> str:
        draw, self._made = self._random, self._made + 1
        moment = BEGIN + timedelta(seconds=int(draw.random() * YEAR_S * 0.8))
        return _POSTED % (
            f"{self._prefix}-{self._made}",
            moment.isoformat()[:19],
            int(draw.random() * self._leads),
            REPS[int(draw.random() * len(REPS))],
            OUTCOMES[int(draw.random() * len(OUTCOMES))],
            int(draw.random() * 600),
        )


def history(events: int, leads: int, seed: int) -> Iterator[Message]:
    """Calls of a year in order of time, but for late ones, and with duplicates; `events` messages in all."""
    draw = random.Random(seed)  # noqa: S311 - figures that can be repeated
    late: list[tuple[int, Message]] = []
    sent: list[Message] = []
    for n in range(events):
        while late and late[0][0] <= n:
            yield late.pop(0)[1]
        if sent and draw.random() < DUPLICATES:
            yield sent[draw.randrange(len(sent))]
            continue
        message = to_message(
            call(n, BEGIN + timedelta(seconds=YEAR_S * n / events), f"lead-{draw.randrange(leads)}", draw)
        )
        sent.append(message)
        del sent[: len(sent) - 10_000]
        if draw.random() < LATE:
            late.append((n + draw.randrange(1, _LATE_BY), message))
            late.sort(key=lambda item: item[0])
        else:
            yield message
    yield from (message for _, message in late)


def call(n: int, time: datetime, lead: str, draw: random.Random) -> Event:
    """The n-th call."""
    return Event(
        id=f"call-{n}",
        source="bench",
        name="call",
        time=time,
        subject=lead,
        key=lead,
        recorded_at=time,
        data=Call(
            rep=draw.choice(REPS),
            direction="outbound",
            outcome=draw.choices(OUTCOMES, _ODDS)[0],
            duration_s=draw.randrange(600),
        ),
    )
