"""Drawings show what the figures say."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.console.charts import COLUMN, FULL, TALL, bars, columns, heat_map

HOURS = st.dictionaries(
    st.tuples(st.integers(1, 7), st.integers(0, 23)), st.floats(0, 1e6, allow_nan=False), max_size=40
)


@given(HOURS)
def test_each_hour_has_its_square_as_dark_as_its_share_of_the_most(values: dict[tuple[int, int], float]) -> None:
    drawn = heat_map(values)
    found = {(cell.weekday, cell.hour): cell for cell in drawn.cells}
    assert values.keys() <= found.keys()
    assert {(day, hour) for day in range(1, 6) for hour in range(9, 18)} <= found.keys()
    most = max(values.values(), default=0) or 1
    for place, cell in found.items():
        assert cell.value == values.get(place, 0)
        assert abs(cell.shade - cell.value / most) < 0.001
    assert len({(cell.x, cell.y) for cell in drawn.cells}) == len(drawn.cells)
    assert all(cell.x + drawn.size <= drawn.width and cell.y + drawn.size <= drawn.height for cell in drawn.cells)


def test_bars_are_as_long_as_their_values() -> None:
    drawn = bars([("calls", 200), ("connects", 50), ("deals", 0), ("more", 10)])
    assert [bar.width for bar in drawn] == [FULL, FULL / 4, 0, FULL / 20]
    assert [bar.rate for bar in drawn] == [None, 0.25, 0, None], "of nothing there is no share"
    assert bars([]) == []
    assert [bar.width for bar in bars([("none", 0)])] == [0]


def test_columns_stand_in_pairs_as_high_as_their_values() -> None:
    drawn = columns([("W01", 4, 2), ("W02", 0, 1), ("W03", 3, 0)])
    assert [(c.first_height, c.second_height) for c in drawn.columns] == [
        (TALL, TALL / 2),
        (0, TALL / 4),
        (3 * TALL / 4, 0),
    ]
    lefts = [c.x for c in drawn.columns]
    assert all(later - earlier >= 2 * COLUMN for earlier, later in pairwise(lefts))
    assert lefts[-1] + 2 * COLUMN <= drawn.width
    assert columns([]).columns == []
    assert columns([("W01", 0, 0)]).columns[0].first_height == 0
