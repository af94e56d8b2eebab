"""Call events, the same for the same seed and day: for the door as JSON, for the log as messages of about 320 bytes."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

from shared.eventlog.port import Message
from shared.events import Call, CallOutcome, Event, to_message

# A year that ends today: the current periods are not empty, and nothing lies in the future.
END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
YEAR = timedelta(days=365)
BEGIN = END - YEAR
_RECENT, _RECENT_SHARE = timedelta(days=90), 0.8

REPS = ("tanaka", "sato", "suzuki", "ito", *(f"rep-{n}" for n in range(16)))
OUTCOMES: tuple[CallOutcome, ...] = ("no_answer", "busy", "voicemail", "invalid_number", "gatekeeper", "conversation")
ODDS = (45, 5, 10, 3, 22, 15)
DUPLICATES, LATE = 0.02, 0.05
_LATE_BY = 1000  # events by which a late one comes after its turn, at most
_REPEATED_WITHIN = 10_000  # events within which a duplicate comes

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
        moment = BEGIN + timedelta(seconds=int(draw.random() * YEAR.total_seconds()))
        return _POSTED % (
            f"{self._prefix}-{self._made}",
            moment.isoformat()[:19],
            int(draw.random() * self._leads),
            REPS[int(draw.random() * len(REPS))],
            OUTCOMES[int(draw.random() * len(OUTCOMES))],
            int(draw.random() * 600),
        )


def lead_name(n: int) -> str:
    """The n-th lead of a history."""
    return f"lead-{n:08d}"


def history(events: int, leads: int, seed: int, reps: Sequence[str] = REPS) -> Iterator[Message]:
    """Calls of a year, most of them of its last 90 days: in order of time, but for late ones, and with duplicates;
    `events` messages in all."""
    draw = random.Random(seed)  # noqa: S311 - figures that can be repeated
    late: list[tuple[int, int, Message]] = []
    recent: list[Message] = []
    for n in range(events):
        while late and late[0][0] <= n:
            yield heappop(late)[2]
        if recent and draw.random() < DUPLICATES:
            yield recent[draw.randrange(len(recent))]
            continue
        lead = lead_name(draw.randrange(leads))
        message = to_message(call(f"call-{n:012d}", _moment(n / events), lead, draw, reps))
        if len(recent) < _REPEATED_WITHIN:
            recent.append(message)
        else:
            recent[n % _REPEATED_WITHIN] = message
        if draw.random() < LATE:
            heappush(late, (n + draw.randrange(1, _LATE_BY), n, message))
        else:
            yield message
    while late:
        yield heappop(late)[2]


def _moment(share: float) -> datetime:
    """When the event happened before which this share of all events did."""
    early = 1 - _RECENT_SHARE
    if share < early:
        return BEGIN + (YEAR - _RECENT) * (share / early)
    return END - _RECENT * ((1 - share) / _RECENT_SHARE)


def calls_on(leads: Sequence[str], prefix: str, begin: datetime = BEGIN) -> Iterator[Message]:
    """A call for each name, from a moment until the end of the year; some tell only now of what was long before."""
    draw = random.Random(prefix)  # noqa: S311 - figures that can be repeated
    for n, lead in enumerate(leads):
        time = begin + (END - begin) * (n / len(leads))
        if draw.random() < LATE:
            time = BEGIN + (time - BEGIN) * draw.random()
        yield to_message(call(f"{prefix}-{n:08d}", time, lead, draw))


def call(id_: str, time: datetime, lead: str, draw: random.Random, reps: Sequence[str] = REPS) -> Event:
    """A call by one of the reps."""
    return Event(
        id=id_,
        source="bench",
        name="call",
        time=time,
        subject=lead,
        key=lead,
        recorded_at=time,
        data=Call(
            rep=draw.choice(reps),
            direction="outbound",
            outcome=draw.choices(OUTCOMES, ODDS)[0],
            duration_s=draw.randrange(600),
        ),
    )
