"""Conditions and policies in words, and what changed from one version of a policy to another. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from shared.conditions import Condition, Scalar
from shared.fields import FieldRegistry
from shared.money import Money
from shared.policy import Criterion, Policy, Route, RouteRule, Segment
from shared.words import Words


class Change(msgspec.Struct, frozen=True):
    """One difference between two versions of a policy: where, as a JSON pointer into the newer one, and in words."""

    pointer: str
    text: Words


_STATUSES = {
    "confirmed": Words("確認済み", "confirmed"),
    "denied": Words("否定", "denied"),
    "assumed": Words("推測", "assumed"),
    "unknown": Words("不明", "unknown"),
}
METHODS = {
    "round_robin": Words("順番に割り当て", "in turn"),
    "least_open": Words("未処理の最も少ない人に割り当て", "to whoever has the fewest open"),
}
_CALENDARS = {"business": Words("営業時間", "business hours"), "any": Words("時間", "hours")}


def in_words(condition: Condition, registry: FieldRegistry) -> Words:
    """A condition as a person says it: `従業員数が2001以上`, `Employees is at least 2001`."""
    if condition.field is not None:
        return _field_in_words(condition, condition.field, registry)
    if condition.event is not None:
        filters = (condition.channel, condition.direction, condition.outcome, condition.status)
        what = " ".join([condition.event, *(one for one in filters if one)])
        times = condition.count or 1
        return Words(f"{what}が{times}回以上", f"{what}, at least {times} times" if times > 1 else what)
    parts = [(part, in_words(part, registry)) for _, part in condition.parts()]
    if condition.not_ is not None:
        return Words(f"「{parts[0][1].ja}」ではない", f"not ({parts[0][1].en})")
    ja, en = ("かつ", " and ") if condition.all_ is not None else ("または", " or ")
    inside = [_bracketed(words) if part.all_ or part.any_ else words for part, words in parts]
    return Words(ja.join(words.ja for words in inside), en.join(words.en for words in inside))


def changes(before: Policy, after: Policy, registry: FieldRegistry) -> list[Change]:
    """What is different in `after`, part by part; nothing when the two say the same."""
    return [
        *_criteria(before.criteria, after.criteria, registry),
        *_segments(before.segments, after.segments, registry),
        *_required(
            "/unknown_segment/require", UNKNOWN_SEGMENT, before.unknown_segment.require, after.unknown_segment.require
        ),
        *_asked(before.unknown_segment.ask, after.unknown_segment.ask),
        *_routing(before.routing, after.routing, registry),
        *_rest(before, after),
    ]


UNKNOWN_SEGMENT = Words("セグメント不明", "Unknown segment")


def _field_in_words(condition: Condition, field_id: str, registry: FieldRegistry) -> Words:
    label = registry.get(field_id).label if field_id in registry else Words(field_id, field_id)
    said = _compared(condition, label)
    if condition.within_days is None:
        return said
    days = condition.within_days
    return Words(f"{said.ja}（{days}日以内の情報）", f"{said.en} (said within {days} days)")


def _compared(condition: Condition, label: Words) -> Words:
    ja, en = label.ja, label.en
    if condition.known is not None:
        return (
            Words(f"{ja}が分かっている", f"{en} is known")
            if condition.known
            else Words(f"{ja}が分かっていない", f"{en} is not known")
        )
    values = [_value(one) for one in condition.operands]
    first = values[0]
    if condition.in_ is not None:
        listed = "".join(f"「{value.ja}」" for value in values)
        return Words(f"{ja}が{listed}のいずれか", f"{en} is one of {', '.join(value.en for value in values)}")
    if condition.between is not None:
        return Words(f"{ja}が{first.ja}以上{values[1].ja}以下", f"{en} is between {first.en} and {values[1].en}")
    if condition.at_least is not None:
        return Words(f"{ja}が{first.ja}以上", f"{en} is at least {first.en}")
    if condition.at_most is not None:
        return Words(f"{ja}が{first.ja}以下", f"{en} is at most {first.en}")
    if condition.contains is not None:
        return Words(f"{ja}に「{first.ja}」を含む", f"{en} contains {first.en}")
    return Words(f"{ja}が「{first.ja}」", f"{en} is {first.en}")


def _value(value: Scalar) -> Words:
    if isinstance(value, Money):
        return Words(f"{value.value} {value.currency}", f"{value.value} {value.currency}")
    if isinstance(value, bool):
        return Words("はい", "yes") if value else Words("いいえ", "no")
    return _STATUSES.get(str(value), Words(str(value), str(value)))


def _bracketed(words: Words) -> Words:
    return Words(f"（{words.ja}）", f"({words.en})")


def _criteria(
    before: Mapping[str, Criterion], after: Mapping[str, Criterion], registry: FieldRegistry
) -> Iterator[Change]:
    for name in _together(before, after):
        old, new, at = before.get(name), after.get(name), f"/criteria/{name}"
        if old is None and new is not None:
            said = in_words(new, registry)
            yield _change(
                at, f"基準「{new.label.ja}」を追加: {said.ja}", f"Criterion “{new.label.en}” is new: {said.en}"
            )
        elif new is None and old is not None:
            yield _change(at, f"基準「{old.label.ja}」を削除", f"Criterion “{old.label.en}” is gone")
        elif old is not None and new is not None:
            yield from _label(at, "基準", "Criterion", old.label, new.label)
            yield from _condition(at, f"基準「{new.label.ja}」", f"Criterion “{new.label.en}”", old, new, registry)


def _segments(before: Sequence[Segment], after: Sequence[Segment], registry: FieldRegistry) -> Iterator[Change]:
    olds, news = ({segment.id: segment for segment in segments} for segments in (before, after))
    for name in _together(olds, news):
        old, new = olds.get(name), news.get(name)
        at = f"/segments/{list(news).index(name) if name in news else len(news)}"
        if old is None and new is not None:
            said, needs = in_words(new.when, registry), ", ".join(new.require)
            ja = f"セグメント「{new.label.ja}」を追加: {said.ja}。必要な基準: {needs or 'なし'}"
            yield _change(at, ja, f"Segment “{new.label.en}” is new: {said.en}; it needs {needs or 'nothing'}")
        elif new is None and old is not None:
            yield _change(at, f"セグメント「{old.label.ja}」を削除", f"Segment “{old.label.en}” is gone")
        elif old is not None and new is not None:
            yield from _label(at, "セグメント", "Segment", old.label, new.label)
            ja, en = f"セグメント「{new.label.ja}」", f"Segment “{new.label.en}”"
            yield from _condition(f"{at}/when", ja, en, old.when, new.when, registry)
            yield from _required(f"{at}/require", new.label, old.require, new.require)
    kept_before, kept_after = ([name for name in names if name in olds and name in news] for names in (olds, news))
    if kept_before != kept_after:
        order = " → ".join(kept_after)
        yield _change("/segments", f"セグメントの判定順: {order}", f"Segments are tried in another order: {order}")


def _condition(at: str, ja: str, en: str, old: Condition, new: Condition, registry: FieldRegistry) -> Iterator[Change]:
    was, now = in_words(old, registry), in_words(new, registry)
    if _bare(old) != _bare(new):
        yield _change(at, f"{ja}の条件: 「{was.ja}」から「{now.ja}」へ", f"{en}: “{was.en}” became “{now.en}”")


def _required(at: str, segment: Words, before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    for name in _without(after, before):
        yield _change(at, f"{segment.ja}: 基準 {name} が必要になった", f"{segment.en}: criterion {name} is needed now")
    for name in _without(before, after):
        yield _change(
            at, f"{segment.ja}: 基準 {name} は不要になった", f"{segment.en}: criterion {name} is no longer needed"
        )


def _asked(before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    at = "/unknown_segment/ask"
    for name in _without(after, before):
        yield _change(at, f"セグメント不明のとき {name} を尋ねる", f"Where the segment is unknown, {name} is asked now")
    for name in _without(before, after):
        yield _change(
            at, f"セグメント不明のとき {name} は尋ねない", f"Where the segment is unknown, {name} is no longer asked"
        )


def _routing(before: Mapping[str, Route], after: Mapping[str, Route], registry: FieldRegistry) -> Iterator[Change]:
    for segment in _together(before, after):
        old, new, at = before.get(segment), after.get(segment), f"/routing/{segment}"
        if old == new:
            continue
        if new is None:
            yield _change(
                at,
                f"{segment} の担当の割り当てを削除",
                f"Leads of {segment} are no longer routed by a rule of their own",
            )
            continue
        if old is None or (old.members, old.method) != (new.members, new.method):
            how, to = METHODS[new.method], ", ".join(new.members)
            yield _change(at, f"{segment} の担当: {to}（{how.ja}）", f"Leads of {segment} go to {to}, {how.en}")
        yield from _route_rules(f"{at}/rules", segment, old.rules if old else [], new.rules, registry)


def _route_rules(
    at: str, segment: str, before: Sequence[RouteRule], after: Sequence[RouteRule], registry: FieldRegistry
) -> Iterator[Change]:
    """Rules have no names, and their order decides: each that is new, moved or changed is told at its place."""
    for index, rule in enumerate(after):
        if index < len(before) and before[index] == rule:
            continue
        when, how, to = in_words(rule.when, registry), METHODS[rule.method], ", ".join(rule.members)
        ja = f"{segment} の割り当てルール{index + 1}: {when.ja}なら {to}（{how.ja}）"
        en = f"Rule {index + 1} of {segment}: if {when.en}, a lead goes to {to}, {how.en}"
        yield _change(f"{at}/{index}", ja, en)
    if len(after) < len(before):
        ja = f"{segment} の割り当てルールは{len(after)}件になった（以前は{len(before)}件）"
        en = f"{segment} has {len(after)} rules of routing now, not {len(before)}"
        yield _change(at, ja, en)


def _rest(before: Policy, after: Policy) -> Iterator[Change]:
    if before.accept_within != after.accept_within:
        hours, calendar = after.accept_within.hours, _CALENDARS[after.accept_within.calendar]
        ja, en = f"受諾の期限: {hours:g}{calendar.ja}以内", f"Sales decides within {hours:g} {calendar.en}"
        if (early := after.accept_within.remind_hours_before) is not UNSET:
            ja += f"（{early:g}{calendar.ja}前にリマインド）"
            en += f", and is reminded {early:g} {calendar.en} before"
        yield _change("/accept_within", ja, en)
    if before.automatic != after.automatic:
        ja, en = (
            ("条件を満たすと自動で引き渡す", "A lead is handed over by itself as soon as it is ready")
            if after.automatic
            else ("引き渡しは人が行う", "Leads are handed over by people")
        )
        yield _change("/automatic", ja, en)
    for name, ja, en in (("valid_from", "適用開始日", "Valid from"), ("valid_until", "適用終了日", "Valid until")):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield _change(f"/{name}", f"{ja}: {new or '指定なし'}", f"{en}: {new or 'not limited'}")
    if before.draft != after.draft:
        ja, en = (
            ("下書き（判定に使わない）", "A draft, which decides nothing")
            if after.draft
            else ("下書きではない", "No longer a draft")
        )
        yield _change("/draft", ja, en)


def _label(at: str, ja: str, en: str, old: Words, new: Words) -> Iterator[Change]:
    if old != new:
        yield _change(
            f"{at}/label", f"{ja}「{old.ja}」の名称を「{new.ja}」に変更", f"{en} “{old.en}” is called “{new.en}” now"
        )


def _bare(condition: Condition) -> dict[str, Any]:
    """The condition without the label that a criterion has beside it."""
    plain: dict[str, Any] = msgspec.to_builtins(condition)
    return {name: value for name, value in plain.items() if name != "label"}


def _together(before: Iterable[str], after: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*before, *after]))


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [name for name in names if name not in others]


def _change(pointer: str, ja: str, en: str) -> Change:
    return Change(pointer, Words(ja, en))
