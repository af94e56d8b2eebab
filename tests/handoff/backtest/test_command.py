"""`tasuki policy backtest`, as somebody at a terminal meets it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.handoff.desk import ROOT, Desk, at, created, fields, hearing

DRAFT = (ROOT / "config" / "policies" / "default.yaml").read_text()
DAYS = ("--from", "2026-11-01", "--to", "2026-11-30")


class Ran(NamedTuple):
    status: int
    out: str
    err: str


async def backtest(url: str, file: Path, *arguments: str) -> Ran:
    """The command in a process of its own, beside the event loop that the desk runs in."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "shared.cli", "policy", "backtest", str(file), *arguments,
        cwd=ROOT,
        env=os.environ | {"TASUKI_DATABASE_URL": url, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
async def past(desk: Desk) -> None:
    """One lead that was handed over, one that would have been, one that would not."""
    when = at("2026-11-10 09:00")
    for lead, needs in (("L1", "confirmed"), ("L2", "confirmed"), ("L3", "denied")):
        await desk.deliver(created(lead, when), fields(lead, "form", when, employees=5000))
        await desk.deliver(hearing(lead, when, needs=needs))
    await desk.hand_over("L1")


@pytest.mark.usefixtures("past")
async def test_it_prints_groups_and_load(database_url: str, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(DRAFT)
    ran = await backtest(database_url, draft, *DAYS)
    assert (ran.status, ran.err) == (0, "")
    rows = {cells[0]: cells[1] for line in ran.out.splitlines() if len(cells := split(line)) > 2}
    assert {name: rows[name] for name in ("would have passed", "were handed over", "both", "only were", "neither")} == {
        "would have passed": "2",
        "were handed over": "1",
        "both": "1",
        "only were": "0",
        "neither": "1",
    }
    assert "beside default version 1, replayed as well: both 2, only the draft 0" in ran.out
    assert "suzuki" in ran.out


def split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]


@pytest.mark.usefixtures("past")
async def test_as_json_it_is_what_the_service_answers(desk: Desk, database_url: str, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(DRAFT.replace("at_least: 2001", "at_least: 9000").replace("[1, 2000]", "[1, 8999]"))
    ran = await backtest(database_url, draft, *DAYS, "--json")
    version = await desk.get("/v1/policies/default/versions/1")
    policy = version | {
        "segments": [
            version["segments"][0] | {"when": {"field": "employees", "between": [1, 8999]}},
            version["segments"][1] | {"when": {"field": "employees", "at_least": 9000}},
        ]
    }
    question = {"policy": policy, "from": "2026-11-01", "to": "2026-11-30"}
    assert json.loads(ran.out) == await desk.post("/v1/policies/backtest", question, 200)
    assert json.loads(ran.out)["groups"]["only_did"]["lead_ids"] == ["L1"]


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        (DRAFT.replace("field: needs", "field: need"), DAYS, "draft.yaml:6"),
        (DRAFT, ("--from", "soon", "--to", "2026-11-30"), "write a day such as 2026-11-01"),
        (DRAFT, ("--from", "2026-11-30", "--to", "2026-11-01"), "--to lies before --from"),
    ],
)
async def test_what_is_wrong_is_said(
    database_url: str, tmp_path: Path, text: str, arguments: tuple[str, ...], said: str
) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(text)
    ran = await backtest(database_url, draft, *arguments)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("tasuki: ")
    assert said in ran.err
