"""Drawings show what the figures say."""

from hypothesis import given
from hypothesis import strategies as st

from services.console.charts import FULL, bars, heat_map

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
