"""Who is signed in is known by a sealed cookie: nobody can make, change or keep one; forms belong to one session."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.session import LASTS, Seal, Session

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SECRET = "a secret of at least 32 characters"
SEAL = Seal(SECRET, secure=True)
SESSION = Session(key="tsk_key", name="front", scopes=["kpis:read"], rep="tanaka")


def test_a_session_is_read_as_it_was_closed_until_it_is_over() -> None:
    sealed = SEAL.close(SESSION, NOW)
    assert SEAL.open(sealed, NOW) == SESSION
    assert SEAL.open(sealed, NOW + LASTS) == SESSION
    assert SEAL.open(sealed, NOW + LASTS + timedelta(seconds=1)) is None
    assert "tsk_key" not in sealed


def test_the_cookie_of_https_cannot_be_set_by_another_host() -> None:
    assert SEAL.cookie.startswith("__Host-")
    assert Seal(SECRET, secure=False).cookie == "tasuki"


@pytest.mark.parametrize(("letters", "kept"), [(2_500, True), (3_500, False)])
def test_a_token_may_be_longer_than_a_browser_keeps(letters: int, kept: bool) -> None:
    """Whoever sends one must be told: without the cookie the next page only asks to sign in again."""
    assert SEAL.is_kept(SEAL.close(Session(key="x" * letters, name="front", scopes=[]), NOW)) is kept


def meant(sealed: str) -> str:
    """What of a text in base64 counts: two letters may be written otherwise, and not all bits of the last one count."""
    return sealed.replace("+", "-").replace("/", "_").rstrip("=")[:-1]


@given(st.integers(0, 10_000), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_cookie_is_none(at: int, letter: str) -> None:
    sealed = SEAL.close(SESSION, NOW)
    at %= len(sealed)
    changed = sealed[:at] + letter + sealed[at + 1 :]
    opened = SEAL.open(changed, NOW)
    assert opened is None or (opened == SESSION and meant(changed) == meant(sealed))


@given(st.text(max_size=200))
def test_what_somebody_made_up_is_none(text: str) -> None:
    assert SEAL.open(text, NOW) is None
    assert SEAL.open(Seal("another secret of 32 characters!", secure=True).close(SESSION, NOW), NOW) is None


def test_a_form_is_of_one_session() -> None:
    mine, other = SEAL.close(SESSION, NOW), SEAL.close(SESSION, NOW)
    assert mine != other
    assert SEAL.is_form_of(mine, SEAL.form_token(mine))
    assert not SEAL.is_form_of(mine, SEAL.form_token(other))
    assert not SEAL.is_form_of(mine, "")
    assert not SEAL.is_form_of(mine, "é")


def test_scopes() -> None:
    assert SESSION.may("kpis:read")
    assert not SESSION.may("leads:read")
    assert Session(key="k", name="n", scopes=["admin"]).may("leads:read")
