"""What happens to one lead in the week, by the fate that it draws. Pure.

Moments are drawn first and handed out in order, so a conversation never comes before the calls in vain, nor a deal
before its appointment. A story depends on nothing but its frame and the lead's number.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from shared.demo import words
from shared.demo.deals import closing, opportunity
from shared.demo.hours import moments, soon
from shared.demo.stories import Decision, Frame, Pass, Story, Submission
from shared.demo.world import LARGE_FROM, crew_for, person_of, random_of

FATES: Final = {
    "unreached": 0.44,
    "gatekept": 0.18,
    "talked": 0.2,
    "nurtured": 0.08,
    "appointed": 0.06,
    "closing": 0.04,
}
"""Share of the leads with each fate."""
_GOLDEN: Final = 0.618033988749895
_STATUSES: Final = ("confirmed", "assumed", "denied", "unknown")


def story_of(frame: Frame, number: int) -> tuple[Submission, Story]:
    """How lead `number` (0, 1, ...) comes, and what happens to it."""
    person, rng, fate = person_of(frame.key, number), random_of(frame.key, "story", number), _fate(frame.key, number)
    crew = crew_for(person.company, frame.crews)
    is_new = fate != "closing" and rng.random() < 0.4
    # A new one comes on a day that leaves one for its story.
    created = moments(rng, frame.days[:-1] if is_new else frame.days_before, 1, frame.zone)[0]
    story = Story(frame, person, rng, rng.choice(crew.inside), rng.choice(crew.sales), created)
    submission = story.submission()
    if fate in ("appointed", "closing") or story.chance(0.3):
        story.look_up()
    _TALES[fate](story)
    _machine(story)
    _mistakes(story)
    return submission, story


def _unreached(story: Story) -> None:
    """Tried again and again, in vain."""
    times = story.times(story.rng.randint(1, 4))
    story.missed(times)
    if story.chance(0.08):
        story.call(soon(story.rng, times[-1], 60), "invalid_number")
    elif story.chance(0.4):
        _mail(story, soon(story.rng, times[-1], 30))


def _gatekept(story: Story) -> None:
    """The front desk answers, and no further."""
    *misses, reached = story.times(story.rng.randint(1, 4))
    story.missed(misses)
    story.call(reached, "gatekeeper")
    if story.chance(0.3):
        story.touch(soon(story.rng, reached, 90), "sns_dm", "sent")


def _talked(story: Story) -> None:
    """A conversation that tells something, but not enough."""
    *misses, reached = story.times(story.rng.randint(1, 3))
    story.missed(misses)
    story.call(reached, "conversation", "inbound" if story.chance(0.1) else "outbound")
    asked = ("needs", *story.rng.sample(("authority", "budget", "timeframe"), story.rng.randint(0, 3)))
    story.hear(reached, {one: story.rng.choices(_STATUSES, (1, 4, 3, 3))[0] for one in asked}, **_size(story, 0.4))
    if story.chance(0.4):
        _mail(story, soon(story.rng, reached, 60))


def _nurtured(story: Story) -> None:
    """No call yet: they hear of us elsewhere, and some answer."""
    ways: dict[str, tuple[str | None, str | None]] = {  # channel -> what we did, what they did
        "seminar": (None, "attended"),
        "community": ("sent", "replied"),
        "partner": ("sent", None),
        "advisor": ("sent", "replied"),
        "cxo_letter": ("sent", "declined"),
        "sns_dm": ("sent", "replied"),
        "email": ("sent", "replied"),
        "other": (None, None),
    }
    chosen = story.rng.sample(sorted(ways), story.rng.randint(2, 3))
    for channel, at in zip(chosen, story.times(len(chosen)), strict=True):
        ours, theirs = ways[channel]
        story.touch(at, channel, ours)
        if theirs is not None and story.chance(0.5):
            story.touch(soon(story.rng, at, 240), channel, theirs, "inbound")


def _appointed(story: Story) -> None:
    """A conversation that wins an appointment; what sales makes of it comes after the handoff."""
    *misses, reached, met, opened, judged, closed = story.times(story.rng.randint(5, 7))
    story.missed(misses)
    story.call(reached, "conversation")
    needs = story.rng.choices(_STATUSES, (9, 1, 0, 0))[0]
    authority = story.rng.choices(_STATUSES, (7, 1, 1, 1))[0]
    size = _size(story, 0.9)
    more = {one: story.rng.choices(_STATUSES, (4, 3, 2, 1))[0] for one in ("budget", "timeframe")}
    story.hear(reached, {"needs": needs, "authority": authority, **more}, **size)

    appointment = _appointment(story, met, has_authority=authority == "confirmed", problem_clear=needs == "confirmed")
    name = f"{story.person.external_id}-a"
    status = story.rng.choices(("held", "cancelled", "no_show", "ahead"), (62, 13, 10, 15))[0]
    set_at = soon(story.rng, reached, 15)
    story.happens("appointment", "calendar", set_at, appointment_id=name, rep=story.rep, status="set", **appointment)
    if status != "ahead":
        story.happens("appointment", "calendar", met, appointment_id=name, rep=story.rep, status=status)

    decisions: dict[Decision, int] = {"accept": 62, "return": 23, "wait": 15}
    decision = story.rng.choices(list(decisions), list(decisions.values()))[0]
    why, comment = story.rng.choice(words.RETURNS)
    story.passes.append(
        Pass(
            story.person.external_id,
            story.rep,
            story.rng.choice(words.HANDOFF_REASONS),
            {"appointment_id": name, **appointment},
            decision,
            why,
            comment,
        )
    )
    is_large = "employees" in size and story.person.company.employees >= LARGE_FROM
    may_pass = needs == "confirmed" and (authority == "confirmed" or is_large)
    if may_pass and decision == "accept" and status == "held":
        opportunity(story, opened, judged, closed)


def _appointment(story: Story, met: datetime, *, has_authority: bool, problem_clear: bool) -> dict[str, Any]:
    """How it was really set: some were talked into it, and that is on record."""
    person = story.person
    return {
        "scheduled_for": met.replace(minute=met.minute // 30 * 30, second=0),
        "accepted_by": {
            "name": f"{person.last_name} {person.first_name}",
            "title": person.title,
            "has_authority": has_authority,
        },
        "how_set": story.rng.choices(("call", "email", "sns_dm"), (8, 1, 1))[0],
        "pressured": story.chance(0.15),
        "problem_clear": problem_clear,
        "contact_state": story.rng.choice(words.CONTACT_STATES),
        "note": story.rng.choice(words.NOTES),
    }


def _size(story: Story, share: float) -> dict[str, int]:
    """The number of employees, where they said it."""
    return {"employees": story.person.company.employees} if story.chance(share) else {}


def _mail(story: Story, at: datetime) -> None:
    story.touch(at, "email", "sent")
    then = story.rng.choices((None, "opened", "clicked", "replied", "bounced"), (45, 30, 12, 8, 5))[0]
    if then is not None:
        story.touch(soon(story.rng, at, 240), "email", then, "inbound" if then == "replied" else "outbound")


def _machine(story: Story) -> None:
    """What is sent to many at once, by nobody in particular."""
    if story.chance(0.3):
        at = story.times(1)[0]
        channel = "newsletter" if story.chance(0.5) else "auto_email"
        story.touch(at, channel, "sent")
        if story.chance(0.2):
            story.touch(soon(story.rng, at, 300), channel, "opened")


def _mistakes(story: Story) -> None:
    """Now and then a call is logged twice and one of the two taken back, or a wrong outcome is put right."""
    what = {7: "void", 17: "replace"}.get(story.person.number % 40)
    calls = [a for a in story.activities if a["type"] == "call"]
    if what == "replace":  # what followed from a conversation would contradict its replacement
        calls = [call for call in calls if call["outcome"] != "conversation"]
    if not calls or what is None:
        return
    wrong = calls[-1]
    data = {name: wrong[name] for name in ("rep", "direction", "outcome", "duration_s")}
    if what == "void":
        wrong = story.happens("call", "dialer", wrong["occurred_at"] + timedelta(seconds=1), **data)
    correction = story.happens(
        "correction",
        "dialer",
        soon(story.rng, wrong["occurred_at"], 60),
        later=True,
        corrects={"source": wrong["source"], "id": wrong["id"]},
        action=what,
        **({"data": data | {"outcome": "busy"}} if what == "replace" else {}),
    )
    del correction["lead"]  # it is about an event; whose that is, the system knows


def _fate(key: str, number: int) -> str:
    """Steps of the golden ratio keep the shares in every stretch of numbers, so thirty leads show all fates too."""
    at = (random_of(key, "fates").random() + number * _GOLDEN) % 1
    for fate, share in FATES.items():
        at -= share
        if at < 0:
            return fate
    return next(iter(FATES))


_TALES: Final[dict[str, Callable[[Story], None]]] = {
    "unreached": _unreached,
    "gatekept": _gatekept,
    "talked": _talked,
    "nurtured": _nurtured,
    "appointed": _appointed,
    "closing": closing,
}
