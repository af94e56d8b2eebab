"""What a soak does to the system follows from its seed, and leaves a quorum of brokers unless it says otherwise."""

import pytest

from tests.soak.actions import BROKERS, EVERY_S, Action, actions, by_kind

HALF_AN_HOUR = 1800.0


def _away(done: list[Action], at: float) -> list[Action]:
    return [a for a in done if a.at <= at < a.at + a.lasts_s and a.whom[0] in BROKERS]


def test_the_same_seed_draws_the_same_actions_and_another_one_others() -> None:
    first = list(actions(1, HALF_AN_HOUR))
    assert first == list(actions(1, HALF_AN_HOUR))
    assert first != list(actions(2, HALF_AN_HOUR))
    assert [action.at for action in first] == [EVERY_S * n for n in range(180)]


@pytest.mark.parametrize("seed", range(20))
def test_two_brokers_are_away_only_where_one_action_kills_two(seed: int) -> None:
    done = list(actions(seed, HALF_AN_HOUR))
    assert all(len(_away(done, action.at)) <= 1 for action in done)
    assert all(len(action.whom) == 1 or (action.what == "kill" and set(action.whom) < set(BROKERS)) for action in done)


@pytest.mark.parametrize("seed", range(20))
def test_nobody_is_killed_or_paused_while_paused(seed: int) -> None:
    done = list(actions(seed, HALF_AN_HOUR))
    for n, action in enumerate(done):
        meanwhile = [a for a in done[n + 1 :] if a.at < action.at + action.lasts_s]
        assert not any(set(action.whom) & set(a.whom) for a in meanwhile)


def test_half_an_hour_has_every_kind() -> None:
    kinds = by_kind(actions(1, HALF_AN_HOUR))
    killed = {"kill ingest", "kill handoff", "kill metrics", "kill PostgreSQL", "kill broker", "kill 2 brokers"}
    assert kinds.keys() == killed | {"pause metrics", "pause broker", "pause handoff"}
    assert kinds.total() == 180
