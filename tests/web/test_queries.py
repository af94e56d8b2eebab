"""Query parameters and contract/http.md "Paging"."""

import pytest

from tests.web.conftest import Site, problem


async def test_pages_follow_each_other_to_the_end(site: Site) -> None:
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        answer = (await site.client.get("/v1/things", params=query)).json()
        assert set(answer) == {"items", "next_cursor"}
        assert len(answer["items"]) <= 3
        seen += answer["items"]
        cursor = answer["next_cursor"]
    assert seen == list(range(7))


async def test_a_last_page_that_is_full_has_no_next(site: Site) -> None:
    assert (await site.client.get("/v1/things?limit=7")).json()["next_cursor"] is None


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.5", "x", "", "99999999999999999999", "%00"])
async def test_limit_is_1_to_200(site: Site, limit: str) -> None:
    document = problem(await site.client.get(f"/v1/things?limit={limit}"), 422)
    assert document["errors"][0]["pointer"] == "/limit"


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!", "e30", "WzFd", "襷", "%00", "IlwAIg", "NaN", "A" * 5000, "bnVsbA" * 3]
)
async def test_cursor_that_we_never_gave_gets_422(site: Site, cursor: str) -> None:
    document = problem(await site.client.get("/v1/things", params={"cursor": cursor}), 422)
    assert document["errors"][0]["pointer"] == "/cursor"


async def test_unknown_parameter_gets_422_with_those_that_are_known(site: Site) -> None:
    document = problem(await site.client.get("/v1/things?nmae=x"), 422)
    assert document["errors"][0]["pointer"] == "/nmae"
    assert "q, since" in document["errors"][0]["detail"].replace("limit, cursor, ", "")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("q=a&q=b", "/q"),
        ("q=%00", "/q"),
        ("since=0.5", "/since"),
        ("since=1700000000", "/since"),
        ("q=%FF", ""),
        ("q=%ED%A0%80", ""),
        ("since=yesterday", "/since"),
        ("since=2026-11-20T10:00:00%2B0900", "/since"),
        ("&".join(f"q{n}=1" for n in range(100)), ""),
    ],
)
async def test_parameters_that_cannot_be_meant_get_422(site: Site, query: str, pointer: str) -> None:
    document = problem(await site.client.get(f"/v1/things?{query}"), 422)
    assert document["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("path", ["/v1/things/%00", "/v1/things/a%00b", "/v1/things/%FF", "/v1/things/%ED%A0%80"])
async def test_paths_that_name_nothing_get_404(site: Site, path: str) -> None:
    problem(await site.client.get(path), 404)
