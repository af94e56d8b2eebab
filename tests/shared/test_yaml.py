import pytest

from shared.config import ConfigError
from shared.config.yaml import parse


def test_plain_words_mean_what_they_say() -> None:
    text = """
country: no
switch: [on, yes, off]
flags: [true, false, 'true', null, ~]
numbers: [1, -2, 2.5, 1e3]
texts: [2026-01-01, 1:30, 0312345678, 0x10, .5, "1"]
456: tanaka
"""
    data, _ = parse(text, "x.yaml")
    assert data == {
        "country": "no",
        "switch": ["on", "yes", "off"],
        "flags": [True, False, "true", None, None],
        "numbers": [1, -2, 2.5, 1000.0],
        "texts": ["2026-01-01", "1:30", "0312345678", "0x10", ".5", "1"],
        "456": "tanaka",
    }


def test_every_key_and_item_has_its_line() -> None:
    _, lines = parse("a: 1\nb:\n  - x\n  - c: 1\n    d: {e: 2}\n", "x.yaml")
    assert lines[("a",)] == 1
    assert lines[("b", 1)] == 4
    assert lines[("b", 1, "d", "e")] == 5


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key `a` stands here twice, first on line 1"),
        ("a: 1\nb: {c: 1, c: 2}\n", 2, "the key `c` stands here twice"),
        ("a: &x 1\nb: 1\n", 1, "anchors"),
        ("a: 1\nb: *x\n", 2, "aliases"),
        ("a: &a [l, l]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", 1, "anchors"),
        ("a: !!python/object/apply:os.system [true]\n", 1, "tags"),
        ("a: 1\n---\nb: 1\n", 2, "second document"),
        ("? [a]\n: 1\n", 1, "a key must be a plain word"),
        ("[" * 100_000, 1, "nested more than 64 deep"),
        ("a: 1\nb: [1, 2\n", 3, "this is not YAML"),
        ("a:\n\t- 1\n", 2, "this is not YAML"),
        ("a: \0\n", 1, "this is not YAML"),
    ],
)
def test_what_may_not_be_written_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        parse(text, "config/x.yaml")
    assert str(caught.value).startswith(f"config/x.yaml:{line}: ")
