"""Through the service: who got a lead, and what the handoff says of why."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.events import Event, LeadCreated, LeadErased
from tests.handoff.desk import NOW, Desk, created, fields, hearing, made, running
from tests.handoff.shipped import config_with

NUMBER = "7000012050002"
SUZUKI = "{id: suzuki, name: 鈴木, role: field_sales, team: enterprise, from: 2026-01-01}"
MORI = "{id: mori, name: 森, role: field_sales, team: enterprise, from: 2026-01-01, capacity: 2}"
ENTERPRISE = "enterprise: {members: [suzuki], method: least_open}"
TWO = {
    SUZUKI: f"{SUZUKI}\n  - {MORI}",
    ENTERPRISE: "enterprise: {members: [suzuki, mori], method: round_robin}",
}


def with_team(more: str) -> dict[str, str]:
    return {"\nroles:\n": f"\n{more}\nroles:\n"}


async def owners(desk: Desk, leads: int, first: int = 0) -> list[str]:
    return [(await desk.hand_over(await desk.ready_lead(f"L{n}")))["owner"] for n in range(first, first + leads)]


async def test_the_handoff_says_why_it_went_to_whom_it_went(database_url: str, tmp_path: Path) -> None:
    absent = with_team("absent: [{member: suzuki, from: 2026-11-20, to: 2026-11-22}]")
    async with running(database_url, config_with(tmp_path, **TWO, **absent)) as desk:
        made_ = await desk.hand_over(await desk.ready_lead("L1"))
        assert made_["owner"] == "mori"
        assert made_["routed"] == {
            "rule": "/routing/enterprise",
            "reason": {
                "ja": "セグメントenterpriseのリード: 順番に割り当て",
                "en": "A lead of segment enterprise: in turn",
            },
            "candidates": [{"member": "suzuki", "open": 0, "skipped": "absent"}, {"member": "mori", "open": 0}],
        }
        assert made_["owners"] == [{"owner": "mori", "from": "2026-11-20T01:00:00Z", "by": "admin", "reason": None}]
        assert (await desk.get(f"/v1/handoffs/{made_['handoff_id']}"))["routed"] == made_["routed"]
        assert await owners(desk, 3, first=2) == ["mori", "suzuki", "suzuki"], "both are away or full: the fewest open"
        desk.clock.at = NOW + timedelta(days=4)
        assert await owners(desk, 2, first=5) == ["suzuki", "suzuki"], "back again, and mori is still full"


async def test_what_an_erased_lead_has_left_open_fills_nobody(database_url: str, tmp_path: Path) -> None:
    mori = {SUZUKI: TWO[SUZUKI], ENTERPRISE: "enterprise: {members: [mori, suzuki], method: round_robin}"}
    absent = with_team("absent: [{member: suzuki, from: 2026-11-20, to: 2026-11-20}]")
    async with running(database_url, config_with(tmp_path, **mori, **absent)) as desk:
        assert await owners(desk, 2) == ["mori", "mori"]
        await desk.deliver(made("lead-erased", "L0", LeadErased(reason="x"), NOW, "gone"))
        handoff = await desk.hand_over(await desk.ready_lead("L9"))
        assert handoff["owner"] == "mori"
        assert handoff["routed"]["candidates"][0] == {"member": "mori", "open": 1}


async def test_turns_go_round_and_are_not_saved_up(database_url: str, tmp_path: Path) -> None:
    uncapped = {SUZUKI: f"{SUZUKI}\n  - {MORI.replace(', capacity: 2', '')}", ENTERPRISE: TWO[ENTERPRISE]}
    absent = with_team("absent: [{member: suzuki, from: 2026-11-21, to: 2026-11-22}]")
    async with running(database_url, config_with(tmp_path, **uncapped, **absent)) as desk:
        assert await owners(desk, 3) == ["suzuki", "mori", "suzuki"]
        desk.clock.at = NOW + timedelta(days=1)
        assert await owners(desk, 4, first=3) == ["mori"] * 4
        desk.clock.at = NOW + timedelta(days=3)
        assert await owners(desk, 4, first=7) == ["suzuki", "mori", "suzuki", "mori"]


async def test_who_gives_everything_away_does_not_get_everything(database_url: str, tmp_path: Path) -> None:
    sato = {
        **TWO,
        ENTERPRISE: "enterprise: {members: [suzuki, mori, sato], method: round_robin}",
        SUZUKI: f"{SUZUKI}\n  - {MORI.replace('2}', '99}')}",
    }
    async with running(database_url, config_with(tmp_path, **sato)) as desk:
        given_to = []
        for n in range(6):
            handoff = await desk.hand_over(await desk.ready_lead(f"L{n}"))
            given_to.append(handoff["owner"])
            if handoff["owner"] == "suzuki":
                path = f"/v1/handoffs/{handoff['handoff_id']}/reassign"
                await desk.post(path, {"owner": "mori", "reason": "忙しい"}, 200)
        assert given_to == ["suzuki", "sato"] * 3, "mori has had a turn each time that suzuki had one"


def told_as(lead_id: str, *external_ids: str) -> Event:
    data = LeadCreated(source="website", external_ids=list(external_ids))
    return made("lead-created", lead_id, data, NOW, f"{lead_id}:created")


async def test_named_accounts_come_before_rules_and_turns(database_url: str, tmp_path: Path) -> None:
    accounts = with_team(
        f'accounts:\n  - {{member: sato, domains: [acme.co.jp], corporate_numbers: ["{NUMBER}"],'
        ' external_ids: ["hubspot:9"]}\n'
    )
    async with running(database_url, config_with(tmp_path, **accounts)) as desk:

        async def owner(lead_id: str, born: Event, **values: Any) -> tuple[str, str]:
            known = fields(lead_id, "form", employees=5000, **values)
            await desk.deliver(born, known, hearing(lead_id, needs="confirmed"))
            handoff = await desk.hand_over(lead_id)
            return handoff["owner"], handoff["routed"]["rule"]

        account = ("sato", "accounts")
        assert await owner("L1", created("L1"), website="https://www.acme.co.jp/") == account
        assert await owner("L2", created("L2"), email="x@sales.acme.co.jp") == account
        assert await owner("L3", created("L3"), corporate_number=NUMBER) == account
        assert await owner("L4", told_as("L4", "hubspot:1", "hubspot:9")) == account
        assert await owner("L5", told_as("L5", "hubspot:1"), email="acme.co.jp@gmail.com") == (
            "suzuki",
            "/routing/enterprise",
        )
        await desk.deliver(made("lead-erased", "L4", LeadErased(reason="x"), NOW, "gone"))
        assert await desk.rows("select lead_id from handoff.leads where external_ids is not null") == [
            {"lead_id": "L5"}
        ], "an erased lead is known under no id"


async def test_an_account_needs_no_route(database_url: str, tmp_path: Path) -> None:
    accounts = with_team("accounts: [{member: sato, domains: [acme.co.jp]}]\n")
    async with running(database_url, config_with(tmp_path, **accounts)) as desk:
        policy = (await desk.get("/v1/policies"))["items"][0]
        assert (await desk.call("PUT", "/v1/policies/default", policy | {"routing": {}})).status == 200
        await desk.deliver(created("L1"), fields("L1", "form", employees=5000, email="x@acme.co.jp"))
        await desk.deliver(hearing("L1", needs="confirmed"))
        assert (await desk.hand_over("L1"))["owner"] == "sato"
        await desk.ready_lead("L2")
        refused = await desk.call("POST", "/v1/handoffs", {"lead_id": "L2", "rep": "t", "reason": "x"})
        assert (refused.status, refused.body["type"]) == (409, "urn:tasuki:problem:handoff-no-owner")


async def test_rules_are_part_of_a_policy_checked_and_told_in_words(desk: Desk) -> None:
    first = (await desk.get("/v1/policies"))["items"][0]
    assert all("rules" not in route for route in first["routing"].values()), "an older release can read it"

    async def put(*rules: object) -> Any:
        routing = first["routing"] | {"enterprise": first["routing"]["enterprise"] | {"rules": list(rules)}}
        return await desk.call("PUT", "/v1/policies/default", first | {"routing": routing})

    rule = {"when": {"field": "industry", "is": "医療"}, "members": ["sato"], "method": "least_open"}
    wrong = await put(rule, rule | {"when": {"field": "shoe_size", "is": 3}})
    assert wrong.body["errors"][0]["pointer"] == "/routing/enterprise/rules/1/when/field"
    assert (await put(rule | {"members": []})).status == 422
    assert (await put(rule)).body["version"] == 2
    changes = (await desk.get("/v1/policies/default/versions/2/changes"))["changes"]
    assert changes == [
        {
            "pointer": "/routing/enterprise/rules/0",
            "text": {
                "ja": "enterprise の割り当てルール1: 業種が「医療」なら sato（未処理の最も少ない人に割り当て）",
                "en": "Rule 1 of enterprise: if Industry is 医療, a lead goes to sato, to whoever has the fewest open",
            },
        }
    ]
    (gone,) = (await desk.get("/v1/policies/default/versions/1/changes?since=2"))["changes"]
    assert gone["text"]["en"] == "enterprise has 0 rules of routing now, not 1"
    await desk.deliver(fields("L1", "form", industry="医療"))
    handoff = await desk.hand_over(await desk.ready_lead("L1"))
    assert (handoff["owner"], handoff["routed"]["rule"]) == ("sato", "/routing/enterprise/rules/0")
    assert (await desk.hand_over(await desk.ready_lead("L2")))["owner"] == "suzuki"
