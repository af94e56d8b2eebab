"""A replay sees at each moment what had been said until then, and nothing of the future."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.handoff.backtest.replay import Told, judged_at, passes
from services.handoff.backtest.report import Routable, routed
from services.handoff.routing import ways_of
from shared.conditions import Condition
from shared.config.team import Team
from shared.events import Method
from shared.fields import believed_of_merged
from shared.policy import AcceptWithin, Criterion, Policy, Route, Segment, UnknownSegment, judge
from shared.view import LeadView
from shared.words import Words
from tests.shared.samples import REGISTRY, START, observe

TOKYO = ZoneInfo("Asia/Tokyo")
X = Words(ja="x", en="x")
SIZES = Condition(field="employees", at_least=100)


def policy(*criteria: Condition) -> Policy:
    named = {
        f"c{n}": Criterion(label=X, **{name: getattr(c, name) for name in c.__struct_fields__})
        for n, c in enumerate(criteria)
    }
    return Policy(
        id="draft",
        criteria=named,
        segments=[Segment(id="large", label=X, when=SIZES, require=list(named))],
        unknown_segment=UnknownSegment(require=list(named)[:1]),
        routing={"large": Route(members=["sato", "suzuki"], method="round_robin")},
        accept_within=AcceptWithin(hours=4, calendar="any"),
    )


def leaves() -> st.SearchStrategy[Condition]:
    ages = st.none() | st.integers(1, 10)
    statuses = st.sampled_from(["confirmed", "denied"])
    confirmed = st.builds(
        lambda field, status, age: Condition(field=field, is_=status, within_days=age),
        st.sampled_from(["needs", "authority"]),
        statuses,
        ages,
    )
    known = st.builds(
        lambda field, known, age: Condition(field=field, known=known, within_days=age),
        st.sampled_from(["needs", "employees", "industry"]),
        st.booleans(),
        ages,
    )
    return confirmed | known | st.just(SIZES)


CONDITIONS = st.recursive(
    leaves(),
    lambda inside: (
        st.lists(inside, min_size=1, max_size=3).map(lambda parts: Condition(all_=parts))
        | st.lists(inside, min_size=1, max_size=3).map(lambda parts: Condition(any_=parts))
        | inside.map(lambda part: Condition(not_=part))
    ),
    max_leaves=4,
)
POLICIES = st.lists(CONDITIONS, min_size=1, max_size=3).map(lambda conditions: policy(*conditions))


METHODS: st.SearchStrategy[Method] = st.sampled_from(["form", "hearing"])


@st.composite
def tellings(draw: st.DrawFn) -> list[Told]:
    told = []
    for n in range(draw(st.integers(0, 8))):
        day, merged = draw(st.integers(0, 20)), draw(st.booleans())
        field = draw(st.sampled_from(["needs", "authority", "employees", "industry"]))
        if field in ("needs", "authority"):
            said = observe(field, status=draw(st.sampled_from(["confirmed", "denied", "assumed"])), day=day, id_=f"{n}")
        else:
            value = draw(st.sampled_from([1, 99, 100, 5000])) if field == "employees" else "IT"
            said = observe(field, value, method=draw(METHODS), day=day, id_=f"{n}")
        told.append(Told(said.observed_at, said, merged))
    return told


def from_nothing(draft: Policy, told: Sequence[Told], at: datetime) -> str:
    """What the policy says of a lead of which nothing but this was ever said."""
    known = [one for one in told if one.at <= at]
    values = believed_of_merged(
        REGISTRY, [one.said for one in known if not one.of_merged], [one.said for one in known if one.of_merged]
    )
    return judge(draft, LeadView(REGISTRY, values, now=at)).verdict


FIRST, LAST = START + timedelta(days=4), START + timedelta(days=16)


@given(POLICIES, tellings())
def test_it_passes_at_the_first_moment_at_which_it_is_ready(draft: Policy, told: list[Told]) -> None:
    """Looked at every quarter of a day, which is finer than anything happens here but the aging of values."""
    found = passes(draft, REGISTRY, told, FIRST, LAST)
    moments = [FIRST + timedelta(hours=6 * n) for n in range(12 * 4 + 1)]
    ready = [at for at in moments if from_nothing(draft, told, at) == "ready"]
    if found is not None:
        assert from_nothing(draft, told, found.at) == "ready"
        assert judged_at(draft, REGISTRY, told, found.at).verdict == "ready"
    assert all(found is not None and found.at <= at for at in ready)
    just_before = [at for at in moments if found is not None and at < found.at]
    assert all(from_nothing(draft, told, at) != "ready" for at in just_before)


@given(POLICIES, tellings(), st.integers(0, 12))
def test_the_future_changes_nothing(draft: Policy, told: list[Told], days: int) -> None:
    """Whatever is said after a moment, a lead that had passed by then has passed, and one that had not, had not."""
    moment = FIRST + timedelta(days=days)
    known = [one for one in told if one.at <= moment]
    assert passes(draft, REGISTRY, known, FIRST, moment) == passes(draft, REGISTRY, told, FIRST, moment)


@given(POLICIES, st.permutations(range(8)), tellings())
def test_the_order_of_telling_does_not_matter(draft: Policy, order: list[int], told: list[Told]) -> None:
    mixed = [told[n] for n in order if n < len(told)]
    assert passes(draft, REGISTRY, mixed, FIRST, LAST) == passes(draft, REGISTRY, told, FIRST, LAST)


@given(st.lists(st.integers(0, 40), max_size=30), st.sampled_from(["round_robin", "least_open"]))
def test_every_lead_that_passes_gets_one_owner(hours: list[int], method: str) -> None:
    route = Route(members=["sato", "suzuki"], method=method)  # type: ignore[arg-type]
    draft = policy(SIZES)
    draft.routing["large"] = route
    ways = ways_of(draft, "large", LeadView(REGISTRY, {}), REGISTRY)
    passed = [Routable(START + timedelta(hours=h), f"L{n}", "large", ways) for n, h in enumerate(hours)]
    owners = [owner for _, owner in routed(draft, passed, TOKYO, Team([], [], {}))]
    assert len(owners) == len(passed)
    if method == "round_robin":
        assert abs(owners.count("sato") - owners.count("suzuki")) <= 1
