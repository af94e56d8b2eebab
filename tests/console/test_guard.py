"""Where a form may come from, and where a link may lead."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.guard import is_from_us, own_path, sent_from


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://console.example", "host": "console.example"}, True),
        ({"origin": "https://evil.example", "host": "console.example"}, False),
        ({"origin": "null", "host": "console.example"}, False),
        ({"origin": "http://[", "host": "console.example"}, False),
        ({}, True),  # no browser: without the token of a session it does nothing
    ],
)
def test_a_form_comes_from_a_page_of_ours(headers: dict[str, str], ours: bool) -> None:
    assert is_from_us(headers) is ours


@pytest.mark.parametrize(
    ("referer", "page"),
    [
        ("https://console.example/leads/L-1?q=a", "/leads/L-1?q=a"),
        ("https://console.example", "/"),
        ("https://evil.example//evil.example", "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
def test_the_page_from_which_a_form_was_sent(referer: str, page: str) -> None:
    assert sent_from({"referer": referer}) == page


@pytest.mark.parametrize("path", ["/", "/leads?q=a&stage=MQL", "/leads/L-1#known"])
def test_own_paths_are_kept(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [None, "", "leads", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example",
     "javascript:alert(1)", "/\n/evil.example", "/\t/evil.example"],
)  # fmt: skip
def test_all_else_leads_home(path: str | None) -> None:
    assert own_path(path) == "/"


@given(st.text(max_size=60))
def test_nothing_leads_to_another_host(wanted: str) -> None:
    parts = urlsplit(own_path(wanted))
    assert (parts.scheme, parts.netloc) == ("", "")
    assert own_path(wanted).startswith("/")
    assert not own_path(wanted).startswith(("//", "/\\"))
