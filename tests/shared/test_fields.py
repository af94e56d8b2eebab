import pytest

from shared.fields import UnknownFieldError, believed, better, is_known
from tests.shared.samples import REGISTRY, observe


def test_the_method_decides_before_the_time() -> None:
    heard = observe("employees", 350, method="hearing", day=0)
    form = observe("employees", 300, method="form", day=9)
    assert better(REGISTRY, heard, form)
    assert not better(REGISTRY, form, heard)
    assert believed(REGISTRY, [form, heard])["employees"] is heard


def test_within_a_method_the_latest_then_the_greatest_id() -> None:
    old, new = observe("employees", 1, day=0, id_="z"), observe("employees", 2, day=1, id_="a")
    assert believed(REGISTRY, [new, old])["employees"] is new
    twin = observe("employees", 3, day=1, id_="b")
    assert believed(REGISTRY, [twin, new, old])["employees"] is twin


def test_a_method_without_a_value_leaves_the_field_to_the_next() -> None:
    empty, form = observe("employees", None, method="hearing", day=5), observe("employees", 10, method="form")
    assert believed(REGISTRY, [empty, form])["employees"] is form


def test_a_confirmation_has_a_value_when_it_has_a_status() -> None:
    quoted, heard = observe("needs", "急ぎたい", day=5), observe("needs", status="denied", day=1)
    assert believed(REGISTRY, [quoted, heard])["needs"] is heard


def test_a_method_that_may_not_supply_a_field_does_not() -> None:
    assert believed(REGISTRY, [observe("needs", status="confirmed", method="form")]) == {}
    assert believed(REGISTRY, [observe("gone", "x")]) == {}
    assert not REGISTRY.allowed("tags", "form")
    assert REGISTRY.allowed("tags", "tool")


def test_known_means_settled() -> None:
    needs, employees = REGISTRY.get("needs"), REGISTRY.get("employees")
    assert is_known(needs, observe("needs", status="denied"))
    assert not is_known(needs, observe("needs", status="assumed"))
    assert is_known(employees, observe("employees", 0))
    assert not is_known(employees, None)


def test_an_unknown_field_is_a_value_error() -> None:
    with pytest.raises(UnknownFieldError, match="there is no field 'gone'"):
        REGISTRY.normalise("gone", "x")
    assert REGISTRY.normalise("tier", "b") == "B"
