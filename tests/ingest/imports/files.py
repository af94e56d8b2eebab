"""Files of leads, and how a test sends one."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpx

from tests.ingest.door import Door

CSV = {"Content-Type": "text/csv"}
HEADER = ["email", "last_name", "company_name", "employees"]


def table(rows: Iterable[Sequence[str]], *, encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    """The rows as the csv module writes them."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


def leads(count: int, first: int = 0) -> list[list[str]]:
    """A header and so many different leads."""
    people = range(first, first + count)
    return [HEADER, *([f"a{n}@acme{n}.co.jp", f"山田{n}", f"株式会社{n}", str(n + 1)] for n in people)]


async def send(door: Door, body: bytes, *, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
    """The answer to an import of source `website`."""
    address = str(httpx.URL("/v1/imports", params={"source": "website"} | query))
    return await door.post(address, body, headers=CSV | (headers or {}))


async def until(found: Callable[[], Awaitable[Any]]) -> Any:
    """What is found, as soon as there is anything."""
    async with asyncio.timeout(60):
        while True:
            if answer := await found():
                return answer
            await asyncio.sleep(0.02)


async def over(door: Door, answer: httpx.Response) -> dict[str, Any]:
    """The report of an import that was taken, once it is over."""
    assert answer.status_code == 202, answer.text

    async def report() -> dict[str, Any] | None:
        found: dict[str, Any] = (await door.get(f"/v1/imports/{answer.json()['id']}")).json()
        return found if found["state"] in ("done", "failed") else None

    ended: dict[str, Any] = await until(report)
    return ended


async def brought_in(door: Door, body: bytes, **more: Any) -> dict[str, Any]:
    """The report of a file that could be read."""
    report = await over(door, await send(door, body, **more))
    assert report["state"] == "done", report
    return report


def counts(report: dict[str, Any]) -> dict[str, int]:
    """What became of the rows, without what did not occur."""
    names = ("rows", "created", "known", "duplicates", "rejected", "incomplete")
    return {name: report[name] for name in names if report[name]}


def reasons(report: dict[str, Any]) -> list[tuple[int, str]]:
    """Row and reason of each row that was rejected."""
    return [(item["row"], item["errors"][0]["detail"]) for item in report["items"]]
