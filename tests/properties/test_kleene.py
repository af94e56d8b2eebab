"""The laws of three-valued logic, and that an answer which is certain stays so whatever is learnt later."""

from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conditions import Condition, Truth, evaluate, kleene_all, kleene_any, kleene_not
from shared.events import FieldValue
from tests.shared.samples import observe, view

TRUTHS: tuple[Truth, ...] = (True, False, None)
FIELDS = ("employees", "industry", "tier")


@pytest.mark.parametrize(("a", "b"), list(product(TRUTHS, repeat=2)))
def test_two_truths(a: Truth, b: Truth) -> None:
    assert kleene_all((a, b)) is kleene_all((b, a))
    assert kleene_any((a, b)) is kleene_any((b, a))
    assert kleene_not(kleene_all((a, b))) is kleene_any((kleene_not(a), kleene_not(b)))
    assert kleene_all((a, kleene_any((a, b)))) is a
    assert kleene_any((a, kleene_all((a, b)))) is a
    assert kleene_not(kleene_not(a)) is a
    assert kleene_all((a, True)) is a
    assert kleene_any((a, False)) is a
    assert kleene_all((a, False)) is False
    assert kleene_any((a, True)) is True


@given(st.lists(st.sampled_from(TRUTHS)), st.lists(st.sampled_from(TRUTHS)))
def test_grouping_does_not_matter(a: list[Truth], b: list[Truth]) -> None:
    assert kleene_all((kleene_all(a), kleene_all(b))) is kleene_all(a + b)
    assert kleene_any((kleene_any(a), kleene_any(b))) is kleene_any(a + b)


leaf = st.one_of(
    st.integers(0, 5).map(lambda n: {"field": "employees", "at_least": n}),
    st.sampled_from(["it", "製造"]).map(lambda text: {"field": "industry", "contains": text}),
    st.just({"field": "tier", "in": ["A"]}),
)
conditions = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=8,
).map(lambda shape: msgspec.convert(shape, Condition))
values: st.SearchStrategy[dict[str, FieldValue]] = st.fixed_dictionaries(
    {"employees": st.integers(0, 6), "industry": st.sampled_from(["IT", "製造業"]), "tier": st.sampled_from(["A", "B"])}
)


@given(conditions, values, st.sets(st.sampled_from(FIELDS)))
def test_learning_more_never_overturns_what_was_certain(
    condition: Condition, everything: dict[str, FieldValue], known: set[str]
) -> None:
    partly = evaluate(condition, view(*(observe(name, everything[name]) for name in known)))
    fully = evaluate(condition, view(*(observe(name, value) for name, value in everything.items())))
    assert fully.truth is not None
    assert partly.truth in (None, fully.truth)
    assert partly.fields == fully.fields
    assert (partly.truth is None) == bool(partly.open)
    assert not set(partly.open) & known
