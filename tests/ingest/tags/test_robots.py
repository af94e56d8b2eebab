"""robots.txt, with the examples of RFC 9309 and the Robots Exclusion Protocol's usual traps."""

import pytest

from services.ingest.tags.collect import PRODUCT
from services.ingest.tags.robots import read_robots


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/", True),
        ("User-agent: *\nDisallow:", "/", True),
        ("User-agent: *\nDisallow: /", "/", False),
        ("user-AGENT : *\r\nDISALLOW : / # all\r\n", "/", False),
        ("\ufeffUser-agent: *\nDisallow: /", "/", False),
        ("User-agent: other\nDisallow: /", "/", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: tasuki-tag-collector\nAllow: /", "/", True),
        ("User-agent: *\nAllow: /\n\nUser-agent: Tasuki-Tag-Collector/2.0\nDisallow: /", "/", False),
        ("User-agent: tasuki-tag-collector\n\nUser-agent: other\nDisallow: /", "/", False),
        ("User-agent: *\nDisallow: /\nUser-agent: tasuki-tag-collector\n", "/", True),
        ("User-agent: *\nDisallow: /a\nSitemap: /x\nDisallow: /b", "/b", False),
        (
            "User-agent: tasuki-tag-collector\nDisallow: /a\n\nUser-agent: tasuki-tag-collector\nDisallow: /b",
            "/a",
            False,
        ),
        ("User-agent: *\nDisallow: /\nAllow: /$", "/", True),
        ("User-agent: *\nDisallow: /\nAllow: /$", "/a", False),
        ("User-agent: *\nDisallow: /*", "/", False),
        ("User-agent: *\nDisallow: /*?", "/a?b=1", False),
        ("User-agent: *\nDisallow: /*?", "/a", True),
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php", False),
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php?x", True),
        ("User-agent: *\nDisallow: /a*b*c", "/a1b2c3", False),
        ("User-agent: *\nDisallow: /a*b*c", "/a1c2b3", True),
        ("User-agent: *\nDisallow: /page\nAllow: /page", "/page", True),
        ("User-agent: *\nDisallow: /folder/\nAllow: /folder", "/folder/x", False),
        ("User-agent: *\nDisallow: /日本", "/%e6%97%a5%E6%9C%AC/", False),
        ("Disallow: /", "/", True),
        ("User-agent: *\nnonsense\nDisallow /\n: /\nDisallow: /x", "/", True),
    ],
)
def test_rules(text: str, path: str, allowed: bool) -> None:
    assert read_robots(text, PRODUCT).allow(path) is allowed


def test_a_hostile_file_comes_to_an_end() -> None:
    rules = read_robots("User-agent: *\n" + "Disallow: /" + "*a" * 100_000 + "b\n", PRODUCT)
    assert rules.allow("/" + "a" * 4000)


def test_what_is_meant_for_others_costs_nothing() -> None:
    """Each rule was kept once for each robot that it is meant for: 5,000 of both took two minutes."""
    others = "".join(f"User-agent: {'abcdefghij'[n % 10]}{'-' * (n // 10)}\n" for n in range(2_000))
    rules = read_robots(others + "User-agent: *\nDisallow: /x\n" + "Allow: /x/y\n" * 2_000, PRODUCT)
    assert (rules.allow("/x"), rules.allow("/x/y")) == (False, True)
