"""Which value is believed never depends on the order, the repetition or the grouping in which observations arrive."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.events import Method, Observation
from shared.fields import believed, better
from tests.shared.samples import REGISTRY

START = datetime(2026, 1, 1, tzinfo=UTC)
METHODS: tuple[Method, ...] = ("form", "hearing", "tool")

observation = st.builds(
    Observation,
    observation_id=st.uuids(version=5).map(str),
    field=st.sampled_from(["employees", "industry", "needs", "tags", "gone"]),
    method=st.sampled_from(METHODS),
    source=st.just("s"),
    observed_at=st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours)),
    value=st.one_of(st.none(), st.integers(0, 5)),
    status=st.sampled_from([None, "confirmed", "denied", "assumed", "unknown"]),
)
observations = st.lists(observation, max_size=12, unique_by=lambda o: o.observation_id)


@given(observations, st.data())
def test_any_order_and_repetition_ends_in_the_same_beliefs(given_: list[Observation], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(given_ + given_[: len(given_) // 2]))
    assert believed(REGISTRY, shuffled) == believed(REGISTRY, given_)


@given(observations, st.integers(0, 12))
def test_believing_in_batches_is_believing_at_once(given_: list[Observation], cut: int) -> None:
    first = believed(REGISTRY, given_[:cut])
    assert believed(REGISTRY, [*first.values(), *given_[cut:]]) == believed(REGISTRY, given_)


@given(observations)
def test_the_winner_is_beaten_by_none(given_: list[Observation]) -> None:
    winners = believed(REGISTRY, given_)
    for field_id, winner in winners.items():
        field = REGISTRY.get(field_id)
        assert winner.method in field.precedence
        rivals = [o for o in given_ if o.field == field_id and o.method in field.precedence]
        with_value = [o for o in rivals if (o.status if field.type == "confirmation" else o.value) is not None]
        assert not any(better(REGISTRY, rival, winner) for rival in with_value)
