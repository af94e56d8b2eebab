"""Files that are broken or meant to break something: a reason, never a 500, and no harm to the rows around."""

import random

import httpx
import pytest

from services.ingest.imports.rows import MAX_ROW
from tests.ingest.door import Door
from tests.ingest.imports.files import CSV, brought_in, counts, leads, reasons, send, table

GOOD = table(leads(2))
TOO_LONG = f"has more than {MAX_ROW:,} bytes"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\n\r\n,,\n", "no header row"),
        (random.Random(1).randbytes(300_000), "neither UTF-8 nor cp932"),  # noqa: S311 - no secret
        (b"\0" * 1_000_000, "more than 100,000 bytes"),
        ("email\na@acme.co.jp\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04" + bytes(1000), "workbook"),
        (b'{"email": "a@acme.co.jp"}', "names no field that we know"),
        (b"a@acme.co.jp,b\nb@acme.co.jp,c\n", "a header row is needed"),
        (b'"email\na@acme.co.jp\n', "never closed"),
        (b"x" * 10_000_000, "more than 100,000 bytes"),
        (b"email," * 600, "columns"),
        (b"email\0\na@acme.co.jp\n", "no text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_file_without_rows_to_read_is_refused_whole(door: Door, body: bytes, reason: str) -> None:
    answer = await send(door, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "urn:tasuki:problem:unreadable-file"
    assert reason in answer.json()["detail"]
    assert (await door.get("/v1/imports")).json()["items"] == []


async def test_only_a_header_is_an_import_of_no_rows(door: Door) -> None:
    for body in (b"email", b"email\r\n", b"\xef\xbb\xbfemail\n\n"):
        assert counts(await brought_in(door, body)) == {}


async def test_the_last_line_needs_no_end(door: Door) -> None:
    assert counts(await brought_in(door, GOOD.rstrip())) == {"rows": 2, "created": 2}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"x" * 10_000_000 + b",b,c,1", TOO_LONG),
        (b'"' + b"x\n" * 5 + b'",b', "has 2 cells where the header has 4"),
        (b"a,b,c,1,2", "has 5 cells where the header has 4"),
        (b"a@acme.co.jp,b\0,c,1", "holds bytes that are no text in utf-8"),
        (b"a@acme.co.jp,\xff,c,1", "holds bytes that are no text in utf-8"),
        (b"a@acme.co.jp,\xed\xa0\x80,c,1", "holds bytes that are no text in utf-8"),
        (b',,,"', "opens a quote that is never closed"),
        (b",,,many", "'many' is not a whole number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_row_costs_no_other(door: Door, line: bytes, reason: str) -> None:
    head, first, second = GOOD.splitlines()
    body = b"\r\n".join([head, first, line, second])
    report = await brought_in(door, body, headers={"Content-Type": "text/csv; charset=utf-8"})
    assert counts(report) == {"rows": 3, "created": 2, "rejected": 1}
    assert reasons(report)[0][0] == 3
    assert reason in reasons(report)[0][1]
    downloaded = await door.get(f"/v1/imports/{report['id']}/rejected.csv")
    assert downloaded.status_code == 200
    assert "\0" not in downloaded.text


async def test_values_that_are_wrong_cost_themselves_alone(door: Door) -> None:
    long = "x" * 60_000
    report = await brought_in(door, table([["email", "last_name", "employees"], ["a@acme.co.jp", long, "many"]]))
    assert counts(report) == {"rows": 1, "created": 1, "incomplete": 1}
    (lead,) = (await door.get("/v1/leads")).json()["items"]
    assert list(lead["fields"]) == ["email"]


@pytest.mark.parametrize(
    ("address", "content_type", "status"),
    [
        ("/v1/imports?source=nobody", "text/csv", 404),
        ("/v1/imports?source=%00", "text/csv", 422),
        ("/v1/imports?source=..%2F", "text/csv", 422),
        ("/v1/imports", "text/csv", 422),
        ("/v1/imports?source=website&dry_run=maybe", "text/csv", 422),
        ("/v1/imports?source=website", "application/json", 415),
        ("/v1/imports?source=website", "text/csv; charset=utf-7", 415),
        ("/v1/imports?source=website", "text/csv; charset=\xe9", 415),
        ("/v1/imports?source=website", "text/csv; charset*=utf-8''%00", 415),
    ],
)
async def test_what_cannot_be_taken_gets_its_4xx(door: Door, address: str, content_type: str, status: int) -> None:
    headers = httpx.Headers({"content-type": content_type}, encoding="latin-1")
    answer = await door.http.post(address, content=GOOD, headers=headers)
    assert answer.status_code == status, answer.text
    assert (await door.get("/v1/imports")).json()["items"] == []


async def test_addresses_of_no_import_get_404(door: Door) -> None:
    for name in ("nobody", "%FF", "..%2F", "x" * 5_000, "%00"):
        for path in (f"/v1/imports/{name}", f"/v1/imports/{name}/rejected.csv"):
            assert (await door.get(path)).status_code == 404


async def test_nothing_of_a_file_is_logged(door: Door) -> None:
    await brought_in(door, table([*leads(1), ["canary@acme.co.jp"]]))
    await send(door, b"canary@acme.co.jp\n", headers=CSV)
    assert door.logged.getvalue().count("/v1/imports") >= 2, "else nothing was logged at all"
    assert "canary" not in door.logged.getvalue()
