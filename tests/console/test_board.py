"""What the board makes of the numbers. Pure."""

import pytest

from services.console.views.board import role_of, scores_of
from shared.client.types import KpiScore, Score, Scorecard


def test_a_target_stands_on_its_tile_whatever_other_currencies_were_booked() -> None:
    aimed = KpiScore(kpi="booked_amount", weight=0.6, actual=3.0, target=10.0, currency="JPY")
    beside = [KpiScore(kpi="booked_amount", weight=0.0, actual=3.0, currency="USD"), KpiScore(kpi="calls", weight=0.0)]
    card = Scorecard(
        role="inside_sales",
        grain="month",
        period="2026-11",
        cap=1.2,
        members=[],
        total=Score(score=0.3, kpis=[aimed, *beside]),
    )
    assert scores_of(card, "booked_amount") == [aimed]
    assert scores_of(card, "calls") == []
    assert scores_of(None, "calls") == []


@pytest.mark.parametrize(
    ("roles", "shown"),
    [(["field_sales", "inside_sales"], "inside_sales"), (["sdr", "closer"], "sdr"), ([], None)],
)
def test_a_team_may_call_its_roles_as_it_likes(roles: list[str], shown: str | None) -> None:
    assert role_of(roles) == shown
