"""contract/http.md "Bodies" and the hostile JSON of the reliability list: each gets its 4xx, and no handler runs."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.web.bodies import parse_json
from shared.web.problems import Problem
from tests.web.conftest import ADMIN_KEY, Site, problem

JSON = {"content-type": "application/json"}
MIB = 1024 * 1024

NOT_JSON = {
    "empty": b"",
    "cut off": b'{"name": ',
    "trailing": b'{"name": "a"} x',
    "single quotes": b"{'name': 'a'}",
    "byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "utf-16": '{"name": "a"}'.encode("utf-16"),
    "invalid utf-8": b'{"name": "\xff"}',
    "surrogate in utf-8": b'{"name": "\xed\xa0\x80"}',
    "raw NUL": b'{"name": "a\x00"}',
    "65 deep": b"[" * 65 + b"]" * 65,
    "65 deep objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "100,000 brackets": b"[" * 100_000,
    "brackets behind a quote in a string": b'["\\"", ' + b"[" * 100_000,
}
UNFIT = {
    "NaN": b'{"name": NaN}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"-Infinity",
    "1e400": b'{"name": 1e400}',
    "-1e400": b"[-1e400]",
    "lone surrogate": b'{"name": "\\ud800"}',
    "lone low surrogate": b'{"name": "\\uDFFFx"}',
    "lone surrogate in a key": b'{"\\ud83d": 1}',
    "NUL": b'{"name": "\\u0000"}',
    "NUL in a key": b'{"a\\u0000": 1}',
    "NUL deep inside": b'[{"a": [["\\u0000"]]}]',
    "65 bits": b'{"name": 9223372036854775808}',
    "5,000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "duplicate key": b'{"name": "a", "name": "b"}',
    "duplicate key deep inside": b'[{"a": {"b": 1, "b": 1}}]',
}
FINE = {
    "escaped backslash before u0000": (b'"\\\\u0000"', "\\u0000"),
    "surrogate pair": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "64 deep": (b"[" * 64 + b"]" * 64, None),
    "brackets in strings": (b'["' + b"[" * 100 + b'", "]\\"{"]', ["[" * 100, ']"{']),
    "smallest and greatest integer": (b"[-9223372036854775808, 9223372036854775807]", [-(2**63), 2**63 - 1]),
    "japanese": ('"襷"'.encode(), "襷"),
}


@pytest.mark.parametrize("path", ["/v1/things", "/v1/anything"])
@pytest.mark.parametrize("name", NOT_JSON)
async def test_what_is_not_json_or_too_deep_gets_400(site: Site, path: str, name: str) -> None:
    runs = site.sample.runs.total()
    problem(await site.client.post(path, content=NOT_JSON[name], headers=JSON), 400)
    assert site.sample.runs.total() == runs


@pytest.mark.parametrize("path", ["/v1/things", "/v1/anything"])
@pytest.mark.parametrize("name", UNFIT)
async def test_json_that_no_database_can_hold_gets_422(site: Site, path: str, name: str) -> None:
    runs = site.sample.runs.total()
    document = problem(await site.client.post(path, content=UNFIT[name], headers=JSON), 422)
    assert document["errors"][0]["detail"]
    assert site.sample.runs.total() == runs


@pytest.mark.parametrize("name", FINE)
async def test_unusual_but_lawful_json_is_taken(site: Site, name: str) -> None:
    raw, value = FINE[name]
    response = await site.client.post("/v1/anything", content=raw, headers=JSON)
    assert response.status_code == 200, response.text
    assert response.json() == (json.loads(raw) if value is None else value)


@pytest.mark.parametrize("raw", [b'"' + b'\\"[' * 100_000, b'"' * 400_001, b'{"a":' * 200_000])
def test_nesting_check_is_linear(raw: bytes) -> None:
    """A quadratic check would need minutes for these."""
    with pytest.raises(Problem, match="400 not-json"):
        parse_json(raw)


async def test_body_of_exactly_one_mib_is_taken_and_one_byte_more_is_not(site: Site) -> None:
    raw = b'"' + b"a" * (MIB - 2) + b'"'
    assert (await site.client.post("/v1/anything", content=raw, headers=JSON)).status_code == 200
    problem(await site.client.post("/v1/anything", content=raw + b" ", headers=JSON), 413)


async def test_chunked_body_without_length_is_limited_while_it_arrives(site: Site) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    problem(await site.client.post("/v1/anything", content=chunks(), headers=JSON), 413)


async def test_webhooks_are_limited_too(site: Site) -> None:
    response = await site.client.post("/v1/webhooks/x", content=b"a" * (MIB + 1))
    problem(response, 413)


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json; charset=utf-16"],
)
async def test_other_media_types_get_415(site: Site, media_type: str) -> None:
    response = await site.client.post("/v1/things", content=b'{"name": "a"}', headers={"content-type": media_type})
    problem(response, 415)


async def test_missing_media_type_gets_415(site: Site) -> None:
    request = site.client.build_request("POST", "/v1/things", content=b'{"name": "a"}')
    request.headers.pop("content-type", None)
    problem(await site.client.send(request), 415)


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_is_known_by_its_media_type(site: Site, media_type: str) -> None:
    response = await site.client.post("/v1/things", content=b'{"name": "a"}', headers={"content-type": media_type})
    assert response.status_code == 201, response.text


@pytest.mark.parametrize("path", ["/v1/things", "/v1/webhooks/x", "/v1/imports"])
async def test_compressed_bodies_get_415(site: Site, path: str) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    problem(await site.client.post(path, content=bomb, headers=headers), 415)


async def test_webhooks_take_any_media_type(site: Site) -> None:
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as nobody:
        response = await nobody.post("/v1/webhooks/x", content=b"\xff\xfe", headers={"content-type": "a/b"})
    assert response.json() == {"source": "x", "bytes": 2}


@pytest.mark.parametrize("cut", [0, 5, 13])
async def test_a_body_may_come_in_parts(site: Site, cut: int) -> None:
    body = b'{"name": "a"}'
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = "POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    writer.write(
        f"{head}Authorization: Bearer {ADMIN_KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:cut]
    )
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(body[cut:])
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 201")
    writer.close()


async def test_imports_are_streamed_without_limit(site: Site) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield b"a" * 65_536

    response = await site.client.post("/v1/imports", content=chunks(), headers={"content-type": "text/csv"})
    assert response.json() == {"bytes": 3 * MIB}


@pytest.mark.parametrize(
    ("path", "media_type", "begun"),
    [
        ("/v1/imports", "text/csv", "a,b\n"),
        ("/v1/things", "application/json", '{"name": '),
        ("/v1/things", "application/json", ""),
    ],
)
async def test_a_body_that_falls_silent_gets_408(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str, media_type: str, begun: str
) -> None:
    monkeypatch.setattr("shared.web.requests.BODY_WITHIN_S", 0.1)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\nContent-Type: {media_type}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"{head}Content-Length: 100\r\n\r\n{begun}".encode())
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ([], ""),
        ({"name": 1}, "/name"),
        ({"name": "a", "parts": [{"name": "x"}, {"name": "y", "count": "2"}]}, "/parts/1/count"),
        ({"name": "a", "tags": {"ok": 1, "a/b~c": "x"}}, "/tags/a~1b~0c"),
        ({"name": "a", "at": "2026-11-24T10:00:00"}, "/at"),
        ({"name": "a", "at": "tomorrow"}, "/at"),
        ({"name": "a", "at": "2026-11-24T10:00:00+0900"}, "/at"),
        ({"name": "a", "at": "2026-02-30T10:00:00Z"}, "/at"),
    ],
)
async def test_wrong_values_get_422_with_a_pointer(site: Site, body: object, pointer: str) -> None:
    document = problem(await site.client.post("/v1/things", json=body), 422)
    assert document["errors"][0]["pointer"] == pointer
    assert document["errors"][0]["detail"]


async def test_times_are_answered_in_utc(site: Site) -> None:
    body = {"name": "a", "at": "2026-11-24T10:00:00+09:00"}
    assert (await site.client.post("/v1/things", json=body)).json()["at"] == "2026-11-24T01:00:00Z"


async def test_text_that_looks_like_a_time_is_left_alone(site: Site) -> None:
    assert (await site.client.post("/v1/things", json={"name": "2026-11-24T10:00:00+0900"})).status_code == 201
    body = {"name": "2026-11-24T10:00:00+09:00", "at": "2026-11-24T10:00:00+09:00"}
    answer = (await site.client.post("/v1/things", json=body)).json()
    assert (answer["name"], answer["at"]) == (body["name"], "2026-11-24T01:00:00Z")


async def test_client_that_leaves_amid_its_body_is_nobody(site: Site) -> None:
    runs = site.sample.runs.total()
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = ["POST /v1/things HTTP/1.1", "host: x", f"authorization: Bearer {ADMIN_KEY}", "content-length: 100"]
    head += ["content-type: application/json", "", '{"name":']
    writer.write("\r\n".join(head).encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await site.client.get("/livez")).status_code == 200
    assert site.sample.runs.total() == runs
