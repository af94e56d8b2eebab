"""Where the marks of a drawing stand: heat map, funnel, bars and columns. Pure; templates make SVG of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class HeatCell(NamedTuple):
    """A square: its corner, how dark it is (0 to 1), and what it stands for. `weekday` 1 is Monday."""

    x: int
    y: int
    shade: float
    weekday: int
    hour: int
    value: float


class HeatMap(NamedTuple):
    """Hours run to the right, weekdays down; `size` is the side of a square."""

    cells: list[HeatCell]
    hours: list[tuple[int, int]]
    weekdays: list[tuple[int, int]]
    size: int
    width: int
    height: int


_SIDE, _LEFT, _TOP = 30, 44, 22


def heat_map(values: Mapping[tuple[int, int], float]) -> HeatMap:
    """values: (weekday, hour) -> how much. Monday to Friday from 9 to 17 are always shown, more where there is more."""
    hours = range(min([9, *(hour for _, hour in values)]), max([17, *(hour for _, hour in values)]) + 1)
    days = range(1, max([5, *(day for day, _ in values)]) + 1)
    most = max(values.values(), default=0) or 1
    cells = [
        HeatCell(
            _LEFT + _SIDE * column,
            _TOP + _SIDE * row,
            round(values.get((day, hour), 0) / most, 3),
            day,
            hour,
            values.get((day, hour), 0),
        )
        for row, day in enumerate(days)
        for column, hour in enumerate(hours)
    ]
    return HeatMap(
        cells,
        [(_LEFT + _SIDE * column + _SIDE // 2, hour) for column, hour in enumerate(hours)],
        [(_TOP + _SIDE * row + _SIDE // 2 + 4, day) for row, day in enumerate(days)],
        _SIDE - 2,
        _LEFT + _SIDE * len(hours),
        _TOP + _SIDE * len(days),
    )


class Bar(NamedTuple):
    """One row of a bar chart or funnel: `width` of at most `FULL`. `rate`: of the row before, None without one."""

    label: str
    value: float
    y: int
    width: float
    rate: float | None


FULL, ROW = 360, 34


def bars(rows: Sequence[tuple[str, float]]) -> list[Bar]:
    """Bars as long as their values, the greatest being full; each with its share of the one before."""
    most = max((value for _, value in rows), default=0) or 1
    before = [None, *(value for _, value in rows)]
    return [
        Bar(label, value, ROW * n, round(FULL * value / most, 1), value / earlier if earlier else None)
        for n, ((label, value), earlier) in enumerate(zip(rows, before, strict=False))
    ]


class Column(NamedTuple):
    """Two columns side by side, from the ground up: `x` of the left one, their heights of at most `TALL`."""

    label: str
    x: int
    first: float
    second: float
    first_height: float
    second_height: float


class Columns(NamedTuple):
    """`every`: how many columns there are to one label, so that labels do not lie on one another."""

    columns: list[Column]
    width: int
    every: int


TALL, COLUMN = 120, 16
_LABEL = 64


def columns(rows: Sequence[tuple[str, float, float]]) -> Columns:
    """Pairs to compare, in order; the greatest of all is full."""
    most = max((max(first, second) for _, first, second in rows), default=0) or 1
    step = 3 * COLUMN
    drawn = [
        Column(label, step * n, first, second, round(TALL * first / most, 1), round(TALL * second / most, 1))
        for n, (label, first, second) in enumerate(rows)
    ]
    return Columns(drawn, step * len(rows) + _LABEL, -(-_LABEL // step))
