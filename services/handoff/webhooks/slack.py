"""What a channel of Slack is told, in Japanese or English.

Nothing of the lead but its id stands in a text, unless the endpoint names fields that may be shown.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from services.handoff.store import Handoff
from services.handoff.webhooks.standard import Post
from services.handoff.words import RETURN_REASONS
from shared.config.team import Team
from shared.config.webhooks import Webhook, link_to
from shared.events import Data, Event, FieldValue, HandoffAccepted, HandoffReturned, StageChanged
from shared.fields import FieldRegistry
from shared.money import Money
from shared.sealing import ERASED
from shared.words import Words

TEXT_MAX = 3_000
"""Characters of one text; Slack shows more badly."""
VALUE_MAX = 300

_TITLES = {
    "handoff-created": Words(ja="営業へのパス", en="A lead for sales"),
    "handoff-accepted": Words(ja="営業がパスを受諾しました", en="Sales took the lead"),
    "handoff-returned": Words(ja="営業がパスを差し戻しました", en="Sales returned the lead"),
    "handoff-overdue": Words(ja="パスが期限までに受諾されていません", en="Nobody has answered the handoff in time"),
    "handoff-due-soon": Words(ja="まもなくパスの回答期限です", en="A handoff is due soon"),
    "handoff-reassigned": Words(ja="パスの担当が変わりました", en="A handoff was given to somebody else"),
    "stage-changed": Words(ja="ステージ変更", en="The lead's stage changed"),
    "webhook-test": Words(ja="Tasukiからの接続テストです。", en="Tasuki tests this connection."),
}
_WITH_REASONS = frozenset({"handoff-created", "handoff-due-soon", "handoff-overdue", "handoff-reassigned"})
"""Events after which sales is to answer: with the time until which, and the criteria that were met."""
_LEAD = Words(ja="リード", en="Lead")
_SEGMENT = Words(ja="セグメント", en="Segment")
_OWNER = Words(ja="担当", en="Owner")
_REP = Words(ja="インサイドセールス", en="Inside sales")
_DUE = Words(ja="回答期限", en="Answer until")
_WHY = Words(ja="満たした条件", en="Criteria met")
_OVERRIDDEN = Words(ja="条件未達のまま引き継ぎ", en="handed over although it is not ready")
_SALES_REP = Words(ja="営業", en="Sales")
_REASON = Words(ja="理由", en="Reason")
_COMMENT = Words(ja="コメント", en="Comment")
_STAGE = Words(ja="ステージ", en="Stage")
_OPEN = Words(ja="パッケージを開く", en="Open the package")


class Names(NamedTuple):
    """How things are called. segments, stages: id -> label; those that are missing are told by their id.

    `package`: the address of a handoff in the API, for endpoints without a `link`.
    """

    team: Team
    registry: FieldRegistry
    zone: ZoneInfo
    segments: Mapping[str, Words]
    stages: Mapping[str, Words]
    package: str


def slack_post(event: Event, handoff: Handoff | None, webhook: Webhook, names: Names) -> Post:
    """handoff: the one that the event is about, as it is now; None for other events."""
    text = _Text(webhook, names)
    lines = [f"*{text.word(_TITLES[event.name])}*"]
    lines += [text.line(_LEAD, event.subject)] if event.subject else []
    if isinstance(event.data, StageChanged):
        lines.append(text.line(_STAGE, text.way(event.data)))
    if handoff is not None:
        lines += [*text.of_handoff(event, handoff), *text.of_decision(event.data), text.link(handoff)]
    return Post(msgspec.json.encode({"text": _joined(lines)}), "application/json; charset=utf-8")


class _Text:
    """Writes the lines of an endpoint, in its language."""

    def __init__(self, webhook: Webhook, names: Names) -> None:
        self._webhook = webhook
        self._names = names
        self._language = webhook.language or "ja"

    def word(self, words: Words) -> str:
        return words.to(self._language)

    def line(self, label: Words, value: str) -> str:
        return f"{self.word(label)}: {_escaped(value[:VALUE_MAX])}"

    def called(self, id_: str, labels: Mapping[str, Words]) -> str:
        return self.word(labels[id_]) if id_ in labels else id_

    def way(self, data: StageChanged) -> str:
        return " → ".join(self.called(stage, self._names.stages) for stage in (data.from_, data.to) if stage)

    def of_handoff(self, event: Event, handoff: Handoff) -> Iterator[str]:
        names = self._names
        for field, value in _shown(handoff, self._webhook):
            yield self.line(names.registry.get(field).label, _written(value))
        yield self.line(_SEGMENT, self.called(handoff.segment, names.segments))
        yield self.line(_OWNER, names.team.name_of(handoff.owner))
        yield self.line(_REP, names.team.name_of(handoff.rep))
        if event.name in _WITH_REASONS:
            yield self.line(_DUE, _moment(handoff.due_at, names.zone))
            met = [self.word(criterion.label) for criterion in handoff.readiness.criteria if criterion.result == "met"]
            yield self.line(_WHY, (", " if self._language == "en" else "、").join(met) or "-")
            if handoff.override is not None:
                yield self.word(_OVERRIDDEN)

    def of_decision(self, data: Data) -> Iterator[str]:
        if isinstance(data, HandoffAccepted | HandoffReturned):
            yield self.line(_SALES_REP, self._names.team.name_of(data.sales_rep))
        if isinstance(data, HandoffReturned):
            yield self.line(_REASON, self.called(data.reason, RETURN_REASONS))
            if self._webhook.comments and data.comment:
                yield self.line(_COMMENT, data.comment)

    def link(self, handoff: Handoff) -> str:
        address = link_to(self._webhook, handoff.handoff_id, handoff.lead_id)
        return f"<{_escaped(address or self._names.package + handoff.handoff_id)}|{self.word(_OPEN)}>"


def _shown(handoff: Handoff, webhook: Webhook) -> Iterator[tuple[str, FieldValue]]:
    """The fields of the lead that the endpoint may show, as they were when it was handed over."""
    for field in webhook.fields or ():
        said = handoff.inputs.get(field)
        if said is not None and said.value is not None and said.value != ERASED:
            yield field, said.value


def _written(value: FieldValue) -> str:
    if isinstance(value, Money):
        return f"{value.value} {value.currency}"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"


def _escaped(text: str) -> str:
    """As Slack wants it, so that nobody's name or comment can call a channel together."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())


def _joined(lines: list[str]) -> str:
    """The lines, as many of them as a text may hold; the first and the last are always there."""
    first, *middle, last = lines if len(lines) > 1 else (*lines, "")
    left = TEXT_MAX - len(first) - len(last)
    kept = []
    for line in middle:
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    return "\n".join(line for line in (first, *kept, last) if line)
