"""Who would have got the leads of the past: by accounts, rules, absences and limits, as leads are routed now."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.handoff.backtest.report import Routable, routed
from services.handoff.routing import Way
from shared.config.sales import Absence, Sales
from shared.config.team import Member, Team
from shared.events import LeadCreated
from tests.handoff.backtest.test_replay import SIZES, TOKYO, X, policy
from tests.handoff.desk import at, created, fields, hearing, made, running
from tests.handoff.shipped import config_with

MONDAY = at("2026-11-02 10:00")


def test_absent_and_full_members_are_passed_over_as_of_then() -> None:
    members = [
        Member(id="sato", name="s", role="field_sales", team="t", capacity=2),
        Member(id="suzuki", name="s", role="field_sales", team="t"),
    ]
    away = Absence(member="suzuki", from_=MONDAY.date(), to=MONDAY.date())
    team = Team([], members, {}, Sales(absent=[away]))
    ways = [Way("/routing/large", X, ["sato", "suzuki"], "round_robin")]
    hours = [0, 1, 2, 24, 25, 26, 27, 27.5]
    passed = [Routable(MONDAY + timedelta(hours=h), f"L{h}", "large", ways) for h in hours]
    given = [owner for _, owner in routed(policy(SIZES), passed, TOKYO, team)]
    # Four hours count as open: the third finds sato full and suzuki away, and whoever has the fewest open gets it.
    # Of the last four sato would get the fourth in turn, and is full again.
    assert given == ["sato", "sato", "suzuki", "sato", "suzuki", "sato", "suzuki", "suzuki"]


async def test_a_back_test_routes_as_the_service_does(database_url: str, tmp_path: Path) -> None:
    sales = (
        "absent: [{member: suzuki, from: 2026-07-02, to: 2026-07-03}]\n"
        'accounts: [{member: sato, domains: [acme.co.jp], external_ids: ["hubspot:9"]}]\n'
    )
    folder = config_with(tmp_path, **{"\nroles:\n": f"\n{sales}\nroles:\n"})
    async with running(database_url, folder) as desk:
        draft = (await desk.get("/v1/policies"))["items"][0]
        rule = {"when": {"field": "industry", "is": "医療"}, "members": ["ono"], "method": "least_open"}
        route = {"members": ["suzuki", "mori"], "method": "round_robin", "rules": [rule]}
        draft["routing"]["enterprise"] = route

        async def ready(lead_id: str, when: str, external_id: str | None = None, **values: Any) -> None:
            known = LeadCreated(source="website", external_ids=[external_id] if external_id else [])
            born = made("lead-created", lead_id, known, at("2026-06-01 09:00"), f"{lead_id}:created")
            await desk.deliver(
                born if external_id else created(lead_id, at("2026-06-01 09:00")),
                fields(lead_id, "form", at("2026-06-01 09:00"), employees=5000, **values),
                hearing(lead_id, at(when), needs="confirmed"),
            )

        await ready("domain", "2026-07-01 09:00", email="x@acme.co.jp")
        await ready("external", "2026-07-01 10:00", external_id="hubspot:9")
        await ready("rule", "2026-07-01 11:00", industry="医療")
        await ready("turn1", "2026-07-01 12:00")
        for n in range(3):
            await ready(f"absent{n}", f"2026-07-02 1{n}:00")
        body = {"policy": draft, "from": "2026-07-01", "to": "2026-07-31"}
        load = (await desk.post("/v1/policies/backtest", body, 200))["load"]
        would = Counter({line["member"]: line["would_get"] for line in load})
        assert would == {"sato": 2, "ono": 1, "suzuki": 1, "mori": 3}
        assert {line["week"] for line in load} == {"2026-W27"}
