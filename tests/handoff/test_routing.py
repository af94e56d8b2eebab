"""Who gets a lead, and why: fair whoever is there, and nothing is lost when nobody is."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.handoff.routing import Load, Way, choose, members_of, next_owner, ways_of, with_limits
from shared.conditions import Condition
from shared.config.sales import Absence, Account, Company, Sales
from shared.config.team import Member, Team
from shared.fields import FieldRegistry
from shared.periods import is_business_day
from shared.policy import AcceptWithin, Policy, Route, RouteMethod, RouteRule, Segment, UnknownSegment
from shared.view import LeadView
from shared.words import Words
from tests.shared.samples import REGISTRY, observe

X = Words(ja="x", en="x")
FIRST = date(2026, 11, 2)  # a Monday


class Rota:
    """A route of members over time: who has had what, and who is there."""

    def __init__(self, method: RouteMethod = "round_robin") -> None:
        self.method = method
        self.last: Counter[str] = Counter()
        self.number = 0

    def give(
        self, members: Sequence[str], there: Sequence[str] | None = None, open_: Counter[str] | None = None
    ) -> str:
        loads = [
            Load(m, (open_ or Counter())[m], self.last[m], absent=there is not None and m not in there) for m in members
        ]
        owner = next_owner(self.method, loads)
        self.number += 1
        self.last[owner] = self.number
        return owner


def test_round_robin_goes_round_in_the_policy_s_order() -> None:
    rota = Rota()
    assert [rota.give("abc") for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


def test_who_joins_comes_next_and_then_in_turn() -> None:
    rota = Rota()
    for _ in range(9):
        rota.give("ab")
    assert sorted(rota.give("abn") for _ in range(3)) == ["a", "b", "n"]
    assert Counter(rota.give("abn") for _ in range(9)) == {"a": 3, "b": 3, "n": 3}


def test_who_was_absent_comes_next_and_gets_no_backlog() -> None:
    rota = Rota()
    rota.give("abc")
    assert {rota.give("abc", there="ac") for _ in range(50)} == {"a", "c"}
    assert rota.give("abc") == "b"
    assert Counter(rota.give("abc") for _ in range(9)) == {"a": 3, "b": 3, "c": 3}


def test_least_open_then_who_has_waited_longest() -> None:
    assert next_owner("least_open", [Load("a", 2, 1), Load("b", 1, 9), Load("c", 1, 8)]) == "c"


@pytest.mark.parametrize("method", ["round_robin", "least_open"])
def test_who_is_full_is_passed_over(method: RouteMethod) -> None:
    loads = [Load("a", 3, 1, capacity=3), Load("b", 5, 9, capacity=6), Load("c", 9, 10)]
    assert next_owner(method, loads) == "b"
    assert next_owner(method, [load._replace(open=load.open + 1) for load in loads]) == "c"


@pytest.mark.parametrize("method", ["round_robin", "least_open"])
def test_when_nobody_is_there_who_has_the_fewest_open_gets_it(method: RouteMethod) -> None:
    loads = [Load("a", 3, 1, capacity=3), Load("b", 2, 9, absent=True), Load("c", 2, 8, absent=True)]
    assert next_owner(method, loads) == "c"


@given(
    st.lists(st.sets(st.sampled_from("abcde"), min_size=1), min_size=1, max_size=80),
    st.sampled_from(["abcde", "edcba"]),
)
def test_round_robin_is_fair_between_any_two_as_long_as_both_are_there(present: list[set[str]], order: str) -> None:
    """However the others come, go, join and leave: no stretch of time gives one of them two more than the other."""
    rota = Rota()
    given_to = [rota.give(order, sorted(there)) for there in present]
    assert all(owner in there for owner, there in zip(given_to, present, strict=True))
    for one, other in combinations("abcde", 2):
        balance = lowest = highest = 0
        for owner, there in zip(given_to, present, strict=True):
            if not {one, other} <= there:
                balance = lowest = highest = 0
                continue
            balance += (owner == one) - (owner == other)
            lowest, highest = min(lowest, balance), max(highest, balance)
            assert highest - lowest <= 1


@given(st.integers(1, 6), st.integers(1, 60))
def test_least_open_keeps_what_is_open_level(members: int, handoffs: int) -> None:
    rota, names, open_ = Rota("least_open"), [str(m) for m in range(members)], Counter[str]()
    for _ in range(handoffs):
        open_[rota.give(names, open_=open_)] += 1
    assert max(open_.values()) - min(open_[name] for name in names) <= 1


def team(*members: Member, **sales: Any) -> Team:
    return Team([], list(members), {}, Sales(**sales))


def seller(name: str, **more: Any) -> Member:
    return Member(id=name, name=name, role="field_sales", team="t", **more)


def test_a_thousand_handoffs_among_three_of_whom_one_is_absent_for_a_week() -> None:
    away = Absence(member="b", from_=FIRST + timedelta(days=7), to=FIRST + timedelta(days=13))
    sellers = team(seller("a"), seller("b"), seller("c"), absent=[away])
    rota = Way("/routing/smb", X, "abc", "round_robin")
    days = [d for n in range(40) if is_business_day(d := FIRST + timedelta(days=n))][:25]
    last, before, during, after = (Counter[str]() for _ in range(4))
    for number in range(1, 1001):
        day = days[(number - 1) // 40]
        loads = with_limits([Load(m, 0, last[m]) for m in "abc"], sellers, day)
        owner = choose([rota], {load.member: load for load in loads}).owner
        last[owner] = number
        (before if day < away.from_ else during if day <= away.to else after)[owner] += 1
    assert (before.total(), during.total(), after.total()) == (160, 200, 640)
    assert during == {"a": 100, "c": 100}
    for together in (before, after):
        assert max(together.values()) - min(together.values()) <= 1
    total = before + during + after
    assert abs(total["a"] - total["c"]) <= 1, "they were there all the time"
    assert all(abs(total[m] - total["b"] - during[m]) <= 2 for m in "ac"), "the absence explains the rest"


def test_who_has_left_or_not_come_yet_is_not_there_and_of_a_stranger_nobody_knows() -> None:
    sellers = team(seller("left", to=FIRST), seller("new", from_=FIRST + timedelta(days=2), capacity=4))
    loads = [Load("left", 0, 0), Load("new", 4, 0), Load("stranger", 0, 0)]

    def skipped(days: int) -> list[str | None]:
        return [load.skipped for load in with_limits(loads, sellers, FIRST + timedelta(days=days))]

    assert skipped(0) == [None, "absent", None]
    assert skipped(1) == ["absent", "absent", None]
    assert skipped(2) == ["absent", "full", None]


def draft(*rules: RouteRule) -> Policy:
    return Policy(
        id="draft",
        criteria={},
        segments=[Segment(id="smb", label=X, when=Condition(field="employees", at_least=1), require=[])],
        unknown_segment=UnknownSegment(require=[]),
        routing={"smb": Route(members=["sato"], method="round_robin", rules=list(rules))},
        accept_within=AcceptWithin(hours=4),
    )


MEDICAL = RouteRule(when=Condition(field="industry", is_="医療"), members=["mori"], method="least_open")
LARGE = RouteRule(when=Condition(field="employees", at_least=100), members=["ono"], method="least_open")


def ways(policy: Policy, registry: FieldRegistry = REGISTRY, **said: Any) -> list[tuple[str, list[str]]]:
    view = LeadView(registry, {name: observe(name, value) for name, value in said.items()})
    return [(way.rule, list(way.members)) for way in ways_of(policy, "smb", view, registry)]


def test_the_first_rule_that_is_met_wins_and_an_unknown_one_is_passed_over() -> None:
    policy = draft(MEDICAL, LARGE)
    own = ("/routing/smb", ["sato"])
    assert ways(policy, industry="医療", employees=500) == [("/routing/smb/rules/0", ["mori"]), own]
    assert ways(policy, employees=500) == [("/routing/smb/rules/1", ["ono"]), own]
    assert ways(policy, industry="小売") == [own]
    assert ways(policy) == [own]


def test_a_segment_without_a_route_goes_to_everybody_and_no_route_leads_nowhere() -> None:
    view = LeadView(REGISTRY, {})
    (way,) = ways_of(draft(), "other", view, REGISTRY)
    assert (way.rule, way.members, way.method) == ("/routing", ["sato"], "least_open")
    none = draft()
    none.routing.clear()
    assert ways_of(none, "smb", view, REGISTRY) == []


def test_where_nobody_is_there_the_next_way_is_taken_and_the_reason_says_so() -> None:
    view = LeadView(REGISTRY, {"industry": observe("industry", "医療")})
    open_to = ways_of(draft(MEDICAL), "smb", view, REGISTRY)
    assert members_of(open_to) == ["mori", "sato"]

    def chosen(**skipped: bool) -> tuple[str, str, str, list[str | None]]:
        loads = {m: Load(m, n, 0, absent=skipped.get(m, False)) for n, m in enumerate(("mori", "sato"))}
        owner, routed = choose(open_to, loads)
        return owner, routed.rule, routed.reason.en, [c.skipped for c in routed.candidates]

    rule = "industry is 医療: to whoever has the fewest open"
    assert chosen() == ("mori", "/routing/smb/rules/0", rule, [None])
    passed = f"{rule}, but everybody there is absent or full. "
    own = "A lead of segment smb: in turn"
    assert chosen(mori=True) == ("sato", "/routing/smb", passed + own, ["absent", None])
    nobody = f"{passed}{own}, but everybody there is absent or full. To whoever has the fewest open"
    assert chosen(mori=True, sato=True) == ("mori", "/routing/smb", nobody, ["absent", "absent"])


NUMBER = "7000012050002"


@pytest.mark.parametrize(
    ("company", "owner"),
    [
        (Company(domain="acme.co.jp"), ("a", "domain")),
        (Company(domain="acme.co.jp", external_ids=("hubspot:1", "hubspot:2")), ("b", "external_id")),
        (Company(domain="acme.co.jp", external_ids=("hubspot:2",), corporate_number=NUMBER), ("c", "corporate_number")),
        (Company(domain="other.co.jp", external_ids=("hubspot:1",)), None),
        (Company(), None),
    ],
)
def test_an_account_is_found_by_the_surest_that_is_known_of_the_company(company: Company, owner: Any) -> None:
    accounts = [
        Account(member="a", domains=["acme.co.jp"]),
        Account(member="b", external_ids=["hubspot:2"]),
        Account(member="c", corporate_numbers=[NUMBER]),
    ]
    assert team(accounts=accounts).account_of(company) == owner
