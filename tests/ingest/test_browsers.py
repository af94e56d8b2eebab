"""What a visitor's browser posts itself: from scripts of pages that sources.yaml names, and from forms without one."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ingest.door import FORM, Door, open_door
from tests.system import ROOT

PAGE = "https://www.example.co.jp"
THANKS = f"{PAGE}/thanks?from=form"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
FOR_PEOPLE = FORM | {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def config_with(folder: Path, **more: str) -> Path:
    """The shipped configuration, with more said of both sources that need no secret."""
    config = shutil.copytree(ROOT / "config", folder / "config")
    sources = config / "sources.yaml"
    said = "".join(f"    {name}: {value}\n" for name, value in more.items())
    sources.write_text(sources.read_text().replace("    unsigned: true\n", "    unsigned: true\n" + said))
    return config


@pytest.fixture
async def form(database_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    config = config_with(tmp_path, origins=f"[{PAGE}, https://lp.example.co.jp]", thanks_url=THANKS)
    async with open_door(database_url, config_dir=config) as door:
        yield door


async def preflight(door: Door, path: str = "/v1/webhooks/web-json", origin: str = PAGE) -> httpx.Response:
    return await door.http.request("OPTIONS", path, headers=ASKS | {"Origin": origin})


async def script(door: Door, body: Any, origin: str = PAGE) -> httpx.Response:
    return await door.post("/v1/webhooks/web-json", body, headers={"Origin": origin})


async def test_a_script_may_post_and_read_what_is_answered(form: Door) -> None:
    asked = await preflight(form)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "content-type" in asked.headers["access-control-allow-headers"].lower()
    assert "authorization" not in asked.headers["access-control-allow-headers"].lower()
    answer = await script(form, {"email": "mei@acme.co.jp"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (202, PAGE)
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    refused = await script(form, {"email": "no address"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (422, PAGE)


async def test_no_other_origin_and_no_other_path_may(form: Door) -> None:
    for origin in ("https://evil.example", "http://www.example.co.jp", f"{PAGE}.evil.example", "null"):
        assert "access-control-allow-origin" not in (await preflight(form, origin=origin)).headers
        assert "access-control-allow-origin" not in (await script(form, {"email": "a@b.co.jp"}, origin)).headers
    for path in ("/v1/leads", "/v1/activities", "/v1/webhooks", "/v1/webhooks/unknown", "/v1/webhooks/web-json/"):
        asked = await preflight(form, path)
        assert asked.status_code in (404, 405)
        assert "access-control-allow-origin" not in asked.headers


async def test_nobody_may_unless_it_is_said(door: Door) -> None:
    assert (await preflight(door)).status_code == 405
    assert "access-control-allow-origin" not in (await script(door, {"email": "mei@acme.co.jp"})).headers


async def test_anybody_may_where_it_is_said(database_url: str, tmp_path: Path) -> None:
    async with open_door(database_url, config_dir=config_with(tmp_path, origins="['*']")) as door:
        assert (await preflight(door, origin="https://anybody.example")).status_code == 200
        answer = await script(door, {"email": "mei@acme.co.jp"}, "https://anybody.example")
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_form_without_a_script_ends_on_the_page_of_thanks(form: Door) -> None:
    body = b"email=mei%40acme.co.jp"
    answer = await form.post("/v1/webhooks/website", body, headers=FOR_PEOPLE)
    assert (answer.status_code, answer.headers["location"]) == (303, THANKS)
    assert (await form.get(f"/v1/leads/{answer.json()['lead_id']}")).status_code == 200
    again = await form.post("/v1/webhooks/website", body, headers=FOR_PEOPLE)  # the visitor sends it twice
    assert (again.status_code, again.json()["duplicate"]) == (303, True)
    assert (await form.post("/v1/webhooks/website", body, headers=FORM)).status_code == 202  # a program
    assert (await form.post("/v1/webhooks/website", b"email=x", headers=FOR_PEOPLE)).status_code == 422


async def test_it_ends_with_json_unless_there_is_such_a_page(door: Door) -> None:
    answer = await door.post("/v1/webhooks/website", b"email=mei%40acme.co.jp", headers=FOR_PEOPLE)
    assert answer.status_code == 202
