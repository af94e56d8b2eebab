"""From a lead's website to its tags: robots.txt, one request for the page, then the pure part in a thread."""

import asyncio
from importlib.metadata import version

from services.ingest.tags.charset import text_of
from services.ingest.tags.find import find_tags, shipped_signatures
from services.ingest.tags.robots import Robots, read_robots
from shared.safe_http import Fetched, Fetcher, FetchFailed, FetchRefused, Limits, Target

PRODUCT = "tasuki-tag-collector"
"""The name by which robots.txt can speak to this robot."""

SCAN_SECONDS = 20.0
_PAGE = Limits(SCAN_SECONDS, 2 * 1024 * 1024, frozenset({"text/html", "application/xhtml+xml"}))
_ROBOTS = Limits(SCAN_SECONDS / 2, 500 * 1024)
_LATER = (408, 425, 429)


def user_agent() -> str:
    return f"{PRODUCT}/{version('tasuki')}"


async def collect_tags(fetcher: Fetcher, website: str) -> list[str]:
    """The tags in the page at this address, sorted; all within 20 s.

    Raises FetchRefused where asking again does not help, FetchFailed where it may.
    """
    known: dict[str, Robots] = {}

    async def ask_first(target: Target) -> None:
        if target.origin not in known:
            known[target.origin] = await _robots_of(fetcher, target)
        if not known[target.origin].allow(target.path):
            raise FetchRefused("the website's robots.txt does not allow it")

    try:
        async with asyncio.timeout(SCAN_SECONDS):
            page = await fetcher.get(website, _PAGE, before=ask_first)
    except TimeoutError as error:
        raise FetchFailed(f"the website did not answer within {SCAN_SECONDS:g} s") from error
    _check(page.status, "the website")
    return await asyncio.to_thread(_read, page)


async def _robots_of(fetcher: Fetcher, target: Target) -> Robots:
    """None (4xx) allows all; one that cannot be had forbids all for now (RFC 9309, 2.3.1)."""
    answer = await fetcher.get(f"{target.origin}/robots.txt", _ROBOTS)
    if 400 <= answer.status < 500 and answer.status not in _LATER:
        return Robots([])
    _check(answer.status, "the website's robots.txt")
    return read_robots(answer.body.decode("utf-8", "replace"), PRODUCT)


def _check(status: int, what: str) -> None:
    if status >= 500 or status in _LATER:
        raise FetchFailed(f"{what} answers {status}")
    if not 200 <= status < 300:
        raise FetchRefused(f"{what} answers {status}")


def _read(page: Fetched) -> list[str]:
    return find_tags(text_of(page.body, page.content_type), shipped_signatures())
