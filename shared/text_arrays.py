"""Many texts as one parameter of a statement.

asyncpg asks two abstract classes for every element of an array: five arrays of 64 texts take 205 us to the answer, five
such parameters 116. PostgreSQL cuts a text three times as fast as it reads JSON.

The SQL is one expression, without a condition and without a query inside: PostgreSQL runs such a query before it is
known to be needed where rows are locked or workers share the work, and an error in it is one of the statement.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, islice

_BETWEEN, _NULL = "\x1f", "\x1e"


def text_array(n: int) -> str:
    """SQL of the `text[]` that `texts` has made parameter $n of."""
    return f"(string_to_array(substr(${n}, 3), left(${n}, 1), substr(${n}, 2, 1)))[2:]"


def texts(values: Collection[str | None]) -> str:
    """The parameter: what stands before each text, what stands for null (None), and the texts. No text holds a NUL."""
    nulls = sum(value is None for value in values) if None in values else 0
    text = _put_together(values, _BETWEEN, _NULL)
    if text.count(_BETWEEN) == len(values) and text.count(_NULL) == nulls:
        return _BETWEEN + _NULL + text
    between, null = _not_in(value for value in values if value is not None)
    return between + null + _put_together(values, between, null)


def _put_together(values: Collection[str | None], between: str, null: str) -> str:
    try:
        return between.join(("", *values))  # type: ignore[arg-type]  # mostly there is no None, and this is faster
    except TypeError:
        return between.join(["", *(null if value is None else value for value in values)])


def _not_in(values: Iterable[str]) -> Iterable[str]:
    """Two characters that none of the texts holds."""
    used = set(chain.from_iterable(values))
    characters = map(chr, chain(range(1, 0xD800), range(0xE000, 0x110000)))
    return islice((character for character in characters if character not in used), 2)


def text_rows(width: int) -> str:
    """SQL of the rows, of so many texts each, that `columns` has made the first parameters of: a source in `from`."""
    return f"unnest({', '.join(text_array(n + 1) for n in range(width))})"


def columns(rows: Collection[Sequence[str | None]]) -> list[str]:
    """The parameters, one for each column. There must be a row."""
    return [texts(column) for column in zip(*rows, strict=True)]
