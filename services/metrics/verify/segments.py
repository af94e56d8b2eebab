"""The policy's segments as SQL: the conditions' three-valued logic is that of SQL's own `null`."""

import unicodedata

from shared.conditions import Condition, Scalar, fields_in
from shared.fields import FieldRegistry
from shared.money import Money
from shared.policy import Policy

NUMBERS = "('UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')"


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def folded(text: str) -> str:
    """A text as conditions compare it: without difference of width or case."""
    return unicodedata.normalize("NFKC", text).casefold()


def segment_table(policy: Policy, registry: FieldRegistry, suffix: str = "") -> str:
    """The statement that makes the table `segment` (lead, segment) from `unit`, `believed` and `folding`.

    `suffix`: of the names of all but the last, for example `_then`.
    """
    names = sorted(frozenset().union(*(fields_in(s.when) for s in policy.segments)))
    fields = {name: f"f{n}" for n, name in enumerate(names)}
    joins = "".join(
        f" left join looked {alias} on {alias}.lead = u.lead and {alias}.field = {quoted(name)}"
        for name, alias in fields.items()
    )
    writer = _Writer(registry, fields)
    cases = "".join(
        f" when ({truth}) is null then 'unknown' when ({truth}) then {quoted(segment.id)}"
        for segment in policy.segments
        for truth in [writer.truth(segment.when)]
    )
    case = f"case{cases} else 'unknown' end" if cases else "'unknown'"
    return (
        f"create or replace table segment{suffix} as with looked as ("
        f"select b.*, g.folded, g.items from believed{suffix} b left join folding g on g.value = b.value::varchar) "
        f"select u.lead, {case} as segment from unit{suffix} u{joins}"
    )


class _Writer:
    """Writes conditions as SQL of type boolean. `fields`: alias of the row of each field."""

    def __init__(self, registry: FieldRegistry, fields: dict[str, str]) -> None:
        self._registry = registry
        self._fields = fields

    def truth(self, condition: Condition) -> str:
        """The condition's truth; null where it cannot be told."""
        if condition.field is not None:
            return self._test(condition, condition.field)
        parts = [f"({self.truth(part)})" for _, part in condition.parts()]
        if condition.not_ is not None:
            return f"not {parts[0]}"
        if condition.all_ is not None:
            return " and ".join(parts) or "true"
        if condition.any_ is not None:
            return " or ".join(parts) or "false"
        raise ValueError("a segment's condition is on fields, not on events")

    def _test(self, condition: Condition, field: str) -> str:
        row = self._fields[field]
        there = field in self._registry
        if condition.known is not None:
            known = f"coalesce({row}.known, false)" if there else "false"
            return known if condition.known else f"not {known}"
        if not there:
            return "null::boolean"
        if self._registry.get(field).type == "confirmation":
            return " or ".join(_confirmed(f"{row}.status", str(wanted)) for wanted in condition.operands)
        return _compared(condition, row)


def _confirmed(status: str, wanted: str) -> str:
    settled = f"when {status} not in ('confirmed', 'denied') then null " if wanted in ("confirmed", "denied") else ""
    return f"(case {settled}else {status} = {quoted(wanted)} end)"


def _compared(condition: Condition, row: str) -> str:
    operands = condition.operands
    match condition.comparison:
        case "is" | "in":
            return " or ".join(_equal(row, wanted) for wanted in operands)
        case "contains":
            return _contains(row, operands[0])
        case "between":
            return f"{_ordered(row, '>=', operands[0])} and {_ordered(row, '<=', operands[1])}"
        case "at_least":
            return _ordered(row, ">=", operands[0])
        case _:
            return _ordered(row, "<=", operands[0])


def _typed(row: str, types: str, truth: str) -> str:
    """The truth where the value is of one of the types of JSON, else null."""
    return f"(case when json_type({row}.value) in {types} then {truth} end)"


def _equal(row: str, wanted: Scalar) -> str:
    match wanted:
        case bool():
            return _typed(row, "('BOOLEAN')", f"({row}.value->>'$')::boolean = {wanted}")
        case int():
            return _typed(
                row, "('UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT')", f"({row}.value->>'$')::hugeint = {wanted}"
            )
        case float():
            return _typed(row, "('DOUBLE')", f"({row}.value->>'$')::double = {wanted!r}")
        case str():
            return _typed(row, "('VARCHAR')", f"{row}.folded = {quoted(folded(wanted))}")
        case Money():
            value, currency = quoted(wanted.value), quoted(wanted.currency)
            return f"({row}.value->>'value' = {value} and {row}.value->>'currency' = {currency})"


def _contains(row: str, wanted: Scalar) -> str:
    text = quoted(folded(str(wanted)))
    return (
        f"(case json_type({row}.value) when 'VARCHAR' then contains({row}.folded, {text})"
        f" when 'ARRAY' then list_contains({row}.items, {text}) end)"
    )


def _ordered(row: str, sign: str, bound: Scalar) -> str:
    match bound:
        case bool():
            return "null::boolean"
        case int() | float():
            return _typed(row, NUMBERS, f"({row}.value->>'$')::double {sign} {bound!r}")
        case str():
            return _typed(row, "('VARCHAR')", f"({row}.value->>'$') {sign} {quoted(bound)}")
        case Money():
            here = f"minor({row}.value) {sign} {bound.minor}"
            return f"(case when {row}.value->>'currency' = {quoted(bound.currency)} then {here} end)"
