"""What sales makes of a lead: opportunities, deals and the contracts that they begin. Pure."""

from datetime import datetime
from typing import Any

from shared.demo import words
from shared.demo.hours import moments, soon
from shared.demo.stories import Story
from shared.demo.world import LARGE_FROM, random_of


def closing(story: Story) -> None:
    """An opportunity of earlier weeks comes to its end, or nearly."""
    days = [day for day in story.frame.days_before if day > story.created_at.date()] or story.frame.days[:1]
    opened, judged = moments(story.rng, days, 2, story.frame.zone, after=story.created_at)
    first, ended = moments(story.rng, story.frame.days, 2, story.frame.zone, after=judged)
    story.call(first, "conversation")
    amount = _amount(story)
    _step(story, opened, "created", amount=amount)
    _step(story, judged, "valid")
    end = story.rng.choices(("won", "lost", "open"), (4, 4, 2))[0]
    if end == "won":
        _won(story, ended, amount)
    elif end == "lost":
        _step(story, ended, "lost", reason=story.rng.choice(words.LOST_REASONS))


def opportunity(story: Story, opened: datetime, judged: datetime, closed: datetime) -> None:
    """One of this week, from a lead that sales has accepted; a few are closed before it ends."""
    amount = _amount(story)
    _step(story, opened, "created", amount=amount)
    if story.chance(0.2):
        _step(story, judged, "invalid", reason="対象部署の予算が凍結")
        return
    _step(story, judged, "valid")
    if story.chance(0.25):
        _won(story, closed, amount)


def _won(story: Story, at: datetime, offered: dict[str, str]) -> None:
    """Some are won for a little less than was offered; most begin a contract."""
    value = int(offered["value"]) * story.rng.choice((100, 100, 95, 90)) // 100
    amount = {**offered, "value": str(value)}
    _step(story, at, "won", amount=amount)
    if story.chance(0.8):
        story.happens(
            "contract",
            "billing",
            soon(story.rng, at, 120),
            later=True,
            contract_id=f"{story.person.external_id}-c",
            company=story.person.company.domain,
            status="started",
            arr=amount,
            effective_on=at.date(),
        )


def _step(story: Story, at: datetime, status: str, **more: Any) -> None:
    name = f"{story.person.external_id}-o"
    product = random_of(name).choice(words.PRODUCTS)
    data = {"opportunity_id": name, "status": status, "credited_rep": story.rep, "owner": story.seller}
    story.happens("opportunity", "crm", at, later=True, **data, product=product, **more)


def _amount(story: Story) -> dict[str, str]:
    if story.chance(0.08):
        return {"value": str(story.rng.randint(5, 60) * 1_000), "currency": "USD"}
    large = story.person.company.employees >= LARGE_FROM
    return {"value": str(story.rng.randint(20, 90) * (100_000 if large else 20_000)), "currency": "JPY"}
