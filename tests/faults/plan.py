"""What the load consists of: seeded, so that a failure can be had again. Nothing here sends anything."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

REPS = ("tanaka", "yamada", "ito", "takahashi", "watanabe", "nakamura")
OUTCOMES = ("no_answer", "busy", "voicemail", "invalid_number", "gatekeeper", "conversation")
TOUCHES = (("email", "sent"), ("sns_dm", "sent"), ("email", "opened"), ("seminar", "attended"), ("email", "replied"))
START = datetime(2026, 2, 2, tzinfo=UTC)
DAYS = 21
SOURCE = "load"

EVENTS_OF_A_LEAD = 20  # on average
STORY_EVERY = 4  # of the leads, that many have a form, a hearing and a handoff
AGAIN = 0.02  # of the activities, the share that is sent a second time in another request
WITHOUT_ID = 0.03
CORRECTED = 0.03
LARGEST = 200


@dataclass(eq=False)
class Story:
    """A lead that fills in the form, is heard and handed over; `lead_id` as soon as ingest has told it."""

    number: int
    lead_id: str | None = None
    handoff_id: str | None = None
    step: int = 0
    asked: int = 0  # times that a handoff was asked for

    @property
    def accepted(self) -> bool:
        """Whether sales takes this lead; the others stay in the inbox."""
        return self.number % (2 * STORY_EVERY) == 0


@dataclass(eq=False)
class Act:
    """An activity. `story`: its lead is referred to by lead id, which must be known first; else by e-mail."""

    data: dict[str, Any]
    lead: int
    story: Story | None = None
    event_id: str | None = None  # of one without an id of its own: as ingest has answered

    @property
    def identity(self) -> str:
        """Its id in SOURCE."""
        known = self.data.get("id") or self.event_id
        assert isinstance(known, str)
        return known

    def body(self) -> dict[str, Any]:
        """As it is posted."""
        if self.data["type"] == "correction":
            return self.data
        if self.story is not None:
            return {**self.data, "lead_id": self.story.lead_id}
        return {**self.data, "lead": {"email": email(self.lead)}}


@dataclass(eq=False)
class Post:
    """One request to `/v1/activities`: a single activity, or an array of them."""

    acts: list[Act]
    key: str | None = None  # where an activity has no id of its own


@dataclass(frozen=True)
class Plan:
    """`acts`: the distinct activities; `steps[w]`: what worker w does, in order."""

    seed: int
    acts: list[Act]
    stories: list[Story]
    steps: list[list[Story | Post]] = field(default_factory=list)


def email(lead: int) -> str:
    """The e-mail of a lead of the load."""
    return f"mei{lead}@firm{lead}.co.jp"


def make_plan(size: int, seed: int, workers: int, part: int = 0) -> Plan:
    """A load of `size` distinct activities. Parts of the same size share no lead and no activity."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    count = max(STORY_EVERY, size // EVENTS_OF_A_LEAD)
    leads = range(part * count, (part + 1) * count)
    stories = {number: Story(number) for number in leads[::STORY_EVERY]}
    acts = list(_acts(rng, range(part * size, (part + 1) * size), leads, stories))
    steps: list[list[Story | Post]] = [[] for _ in range(workers)]
    for number, post in enumerate(_posts(rng, acts, f"load-{seed}")):
        steps[number % workers].append(post)
    for story in stories.values():
        mine = rng.choice(steps)
        mine.insert(rng.randrange(1 + len(mine) // 2), story)
    return Plan(seed, acts, list(stories.values()), steps)


def _acts(rng: random.Random, numbers: range, leads: range, stories: dict[int, Story]) -> Iterator[Act]:
    calls: list[Act] = []
    for number in numbers:
        if calls and rng.random() < CORRECTED:
            yield _correction(rng, number, calls.pop(rng.randrange(len(calls))))
            continue
        lead = leads[rng.randrange(len(leads))]
        data = _data(rng, number)
        if rng.random() >= WITHOUT_ID:
            data["id"] = f"a{number}"
        act = Act(data, lead, stories.get(lead) if rng.random() < 0.5 else None)
        if data["type"] == "call" and "id" in data:
            calls.append(act)
        yield act


def _data(rng: random.Random, number: int) -> dict[str, Any]:
    moment = START + timedelta(seconds=rng.randrange(DAYS * 86_400))
    common = {"source": SOURCE, "occurred_at": moment.isoformat()}
    rep, kind = rng.choice(REPS), rng.random()
    if kind < 0.75:
        outcome, direction = rng.choice(OUTCOMES), rng.choices(("outbound", "inbound"), (9, 1))[0]
        call = {"type": "call", "rep": rep, "direction": direction, "outcome": outcome}
        return common | call | {"duration_s": rng.randrange(600)}
    if kind < 0.93:
        channel, outcome = rng.choice(TOUCHES)
        direction = "inbound" if outcome == "replied" else "outbound"
        touch = {"type": "touch", "rep": rep, "channel": channel, "direction": direction, "outcome": outcome}
        return common | touch | {"duration_s": rng.randrange(120)}
    if kind < 0.96:
        return common | {"type": "appointment", "appointment_id": f"m{number}", "status": "set", "rep": rep}
    amount = {"value": str(rng.randrange(1, 500) * 10_000), "currency": "JPY"}
    deal = {"type": "opportunity", "opportunity_id": f"o{number}", "status": "created", "credited_rep": rep}
    return common | deal | {"amount": amount}


def _correction(rng: random.Random, number: int, call: Act) -> Act:
    moment = START + timedelta(days=DAYS, seconds=number)
    data: dict[str, Any] = {
        "id": f"a{number}",
        "source": SOURCE,
        "type": "correction",
        "occurred_at": moment.isoformat(),
        "corrects": {"source": SOURCE, "id": call.data["id"]},
        "action": rng.choice(("void", "replace")),
    }
    if data["action"] == "replace":
        whole = {name: call.data[name] for name in ("rep", "direction")}
        data["data"] = whole | {"outcome": rng.choice(OUTCOMES), "duration_s": rng.randrange(600)}
    return Act(data, call.lead)


def _posts(rng: random.Random, acts: list[Act], prefix: str) -> Iterator[Post]:
    """Every activity in a request, some in two; many small requests and a few large ones."""
    sent = acts + [act for act in acts if "id" in act.data and rng.random() < AGAIN]
    own = [act for act in sent if "id" in act.data]
    rng.shuffle(own)
    posts = [Post([act], f"{prefix}-{number}") for number, act in enumerate(sent) if "id" not in act.data]
    while own:
        n = rng.choice((1, 1, 2, 5, 10, 10, 20, 50, LARGEST))
        posts.append(Post(own[:n]))
        own = own[n:]
    rng.shuffle(posts)
    yield from posts
