from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.handoff.routing import Load, next_owner
from shared.policy import RouteMethod


def test_round_robin_goes_round_in_the_policy_s_order() -> None:
    last = {"a": 0, "b": 0, "c": 0}
    given_to = []
    for number in range(1, 7):
        owner = next_owner("round_robin", [Load(m, 0, last[m]) for m in last])
        last[owner] = number
        given_to.append(owner)
    assert given_to == ["a", "b", "c", "a", "b", "c"]


def test_who_joins_comes_next() -> None:
    assert next_owner("round_robin", [Load("a", 0, 5), Load("b", 0, 6), Load("new", 9, 0)]) == "new"


def test_least_open_then_who_has_waited_longest() -> None:
    assert next_owner("least_open", [Load("a", 2, 1), Load("b", 1, 9), Load("c", 1, 8)]) == "c"


@given(st.integers(1, 6), st.integers(1, 60), st.sampled_from(["round_robin", "least_open"]))
def test_nobody_gets_more_than_one_more_than_another(members: int, handoffs: int, method: RouteMethod) -> None:
    last = {str(m): 0 for m in range(members)}
    count: Counter[str] = Counter(dict.fromkeys(last, 0))
    for number in range(1, handoffs + 1):
        owner = next_owner(method, [Load(m, count[m], last[m]) for m in last])
        last[owner], count[owner] = number, count[owner] + 1
    assert max(count.values()) - min(count.values()) <= 1
