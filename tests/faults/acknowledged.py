"""What was acknowledged, in the form in which the oracle needs it: sums, so that a long load fits into memory."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.faults.load import Load
from tests.faults.plan import Act, Story

ZONE = ZoneInfo("Asia/Tokyo")
SUMMED = ("calls", "conversations", "time_spent")


class Acknowledged:
    """Takes up loads, each of which has been acknowledged as a whole.

    `ids`: of all activities, each of source SOURCE; `corrections`: those of them that are corrections; `leads`: e-mail
    -> the lead ids that ingest answered for it; `sums`: KPI -> (rep, hour of the day) -> value; `answers`: how many of
    each status; `repeated`: why requests were sent again, and how often.
    """

    def __init__(self, *loads: Load) -> None:
        self.ids: set[str] = set()
        self.corrections: set[str] = set()
        self.leads: dict[str, set[str]] = {}
        self.stories: list[Story] = []
        self.sums: dict[str, Counter[tuple[str, str]]] = {kpi: Counter() for kpi in SUMMED}
        self.deals = self.amount = 0
        self.answers: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        for load in loads:
            self.add(load)

    def add(self, load: Load) -> None:
        """Take up one more load. The corrections of its activities are among them."""
        assert load.acknowledged.keys() == {act.identity for act in load.plan.acts}
        assert not self.ids & load.acknowledged.keys()
        acts = load.acknowledged.values()
        self.ids |= load.acknowledged.keys()
        self.corrections |= {act.identity for act in acts if act.data["type"] == "correction"}
        for email, ids in load.leads.items():
            self.leads.setdefault(email, set()).update(ids)
        self.stories += load.plan.stories
        self.answers += load.results
        self.repeated += load.repeated
        for truth in _truths(acts):
            self._count(truth)

    def _count(self, truth: dict[str, Any]) -> None:
        local = datetime.fromisoformat(truth["occurred_at"]).astimezone(ZONE)
        at = truth.get("rep", ""), f"{local.hour:02}"
        if truth["type"] == "call" and truth["direction"] == "outbound":
            self.sums["calls"][at] += 1
            self.sums["conversations"][at] += truth["outcome"] == "conversation"
        if "duration_s" in truth:
            self.sums["time_spent"][at] += truth["duration_s"]
        if truth["type"] == "opportunity":
            self.deals += 1
            self.amount += int(truth["amount"]["value"])


def _truths(acts: Iterable[Act]) -> list[dict[str, Any]]:
    """The activities as the corrections left them; the plan corrects each once at most."""
    acts = list(acts)
    corrections = {a.data["corrects"]["id"]: a.data for a in acts if a.data["type"] == "correction"}
    truths = []
    for act in acts:
        correction = corrections.get(act.identity)
        if act.data["type"] == "correction" or (correction and correction["action"] == "void"):
            continue
        truths.append(act.data | (correction["data"] if correction else {}))
    return truths
