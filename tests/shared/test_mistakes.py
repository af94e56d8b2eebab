"""What is told of a value that is wrong: where it is, found in a time that what else was sent does not multiply."""

from typing import Any

import msgspec
import pytest

from shared.mistakes import explain


class One(msgspec.Struct):
    n: int


class Many(msgspec.Struct):
    rest: list[int]
    ones: dict[str, One]


def wrong(rest: int, keys: int) -> Any:
    ones: dict[str, Any] = {f"k{n}": {"n": n} for n in range(keys - 1)}
    return {"rest": list(range(rest)), "ones": {**ones, "bad": {"n": "x"}}}


def said_of(value: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """The pointer to the mistake, and how many values were converted to find it."""
    convert, converted = msgspec.convert, 0
    with pytest.raises(msgspec.ValidationError) as refused:
        convert(value, Many)

    def counted(again: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal converted
        converted += len(again["rest"])
        return convert(again, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(msgspec, "convert", counted)
        return explain(refused.value, value, Many).pointer, converted


def test_a_key_of_a_mapping_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said_of(wrong(rest=10, keys=100), monkeypatch)[0] == "/ones/bad/n"


@pytest.mark.parametrize(("rest", "keys"), [(100_000, 100), (900, 100), (10, 1000), (100_000, 1)])
def test_looking_for_it_converts_no_more_than_a_body_or_two(
    rest: int, keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a megabyte beside a hundred keys took five seconds, during which nobody else was answered."""
    pointer, converted = said_of(wrong(rest, keys), monkeypatch)
    assert pointer in ("/ones", "/ones/bad/n")
    assert converted <= 200_000
