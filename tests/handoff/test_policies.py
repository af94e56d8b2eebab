"""Versions of policies: from files, from PUT, never changed; and the words."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from services.handoff import policies
from services.handoff.drafts import MISTAKES_MAX
from shared.config import load_config
from shared.db import transaction
from tests.handoff.desk import NOW, ROOT, Desk, at, created, fields, hearing, running
from tests.handoff.shipped import config_with


async def seed(desk: Desk, folder: Path) -> list[tuple[str, int]]:
    async with transaction(desk.engine) as conn:
        made = await policies.seed(conn, load_config(folder).policies.values(), desk.clock.now())
    return [(ref.id, ref.version) for ref in made]


async def default(desk: Desk) -> Any:
    (found,) = (await desk.get("/v1/policies"))["items"]
    return found


async def test_the_shipped_file_is_version_1_and_stays_so(desk: Desk) -> None:
    found = await default(desk)
    assert (found["id"], found["version"], found["origin"]) == ("default", 1, "file")
    assert found["criteria"]["needs_confirmed"]["is"] == "confirmed"
    assert found["segments"][0]["when"] == {"field": "employees", "between": [1, 2000]}
    assert await seed(desk, ROOT / "config") == []
    assert await desk.get("/v1/policies/default/versions/1") == found


async def test_put_makes_a_version_and_decisions_keep_theirs(desk: Desk) -> None:
    await desk.ready_lead("L1")
    handoff = await desk.hand_over("L1")
    first = await default(desk)
    stricter = first | {
        "segments": [s | {"require": ["needs_confirmed", "contact_has_authority"]} for s in first["segments"]]
    }
    answer = await desk.call("PUT", "/v1/policies/default", stricter)
    assert (answer.status, answer.body["version"], answer.body["origin"]) == (200, 2, "api")
    assert answer.body["created_by"] == "admin"
    assert await default(desk) == answer.body
    assert await desk.get("/v1/policies/default/versions/1") == first
    assert (await desk.get(f"/v1/handoffs/{handoff['handoff_id']}"))["policy"] == {"id": "default", "version": 1}
    await desk.deliver(created("L2"), fields("L2", "form", employees=2001), hearing("L2", needs="confirmed"))
    said = await desk.get("/v1/leads/L2/readiness")
    assert (said["policy"]["version"], said["decision"]) == (2, "needs_information")
    again = await desk.call("PUT", "/v1/policies/default", stricter)
    assert again.body["version"] == 2


async def test_a_mistake_is_422_with_pointers_and_makes_no_version(desk: Desk) -> None:
    first = await default(desk)

    async def pointers(**changed: object) -> list[str]:
        answer = await desk.call("PUT", "/v1/policies/default", first | changed)
        assert answer.status == 422, answer
        return [error["pointer"] for error in answer.body["errors"]]

    assert await pointers(id="other") == ["/id"]
    assert await pointers(segments="none") == ["/segments"]
    assert await pointers(surprise=1) == [""]
    assert await pointers(accept_within={"hours": -1}) == ["/accept_within/hours"]
    wrong = [{"id": "a", "label": {"ja": "a", "en": "a"}, "when": {"field": "shoe_size", "is": 3}, "require": ["x"]}]
    assert await pointers(segments=wrong, routing={}) == ["/segments/0/when/field", "/segments/0/require/0"]
    rule = {"when": {"field": "industry", "is": "IT"}, "members": ["a" * 201], "method": "least_open"}
    nobody = {"members": ["sato", ""], "method": "round_robin", "rules": [rule]}
    assert await pointers(routing={"smb": nobody}) == ["/routing/smb/members/1", "/routing/smb/rules/0/members/0"]
    assert (await default(desk))["version"] == 1


async def test_a_changed_file_is_a_new_version_also_after_a_put(desk: Desk, tmp_path: Path) -> None:
    first = await default(desk)
    put = await desk.call("PUT", "/v1/policies/default", first | {"accept_within": {"hours": 8, "calendar": "any"}})
    assert put.body["version"] == 2
    assert await seed(desk, ROOT / "config") == []
    changed = config_with(tmp_path, **{"hours: 4": "hours: 6"})
    assert await seed(desk, changed) == [("default", 3)]
    assert await seed(desk, changed) == []
    assert (await default(desk))["accept_within"]["hours"] == 6


async def test_unknown_versions_are_404(desk: Desk) -> None:
    for path in (
        "default/versions/2",
        "default/versions/0",
        "default/versions/x",
        "none/versions/1",
        "default/versions/٣",
    ):
        assert (await desk.call("GET", f"/v1/policies/{path}")).status == 404


async def test_definitions_in_both_languages(desk: Desk) -> None:
    found = await desk.get("/v1/definitions")
    assert found["version"] == 1
    assert found["customer"]["problems"]["ja"]
    assert found["appointment"]["who_may_accept"]["en"]
    ids = [stage["id"] for stage in found["stages"]]
    assert ids == ["Awareness", "Engaged", "Target", "MQL", "SQL", "Customer"]
    assert all(stage["definition"]["ja"] and stage["definition"]["en"] for stage in found["stages"])


async def test_a_draft_decides_nothing_and_a_version_decides_on_its_days(desk: Desk) -> None:
    first = await default(desk)
    lenient = {"segments": [], "unknown_segment": {"require": []}, "routing": {}}

    async def put(**more: object) -> int:
        answer = await desk.call("PUT", "/v1/policies/default", first | lenient | more)
        assert answer.status == 200, answer
        return int(answer.body["version"])

    async def decides(day: str) -> int:
        desk.clock.at = at(f"{day} 00:00")
        said = await desk.get("/v1/leads/L1/readiness")
        assert (await desk.get("/v1/policies"))["in_force"] == {"default": said["policy"]["version"]}
        assert said["decision"] == ("needs_information" if said["policy"]["version"] == 1 else "ready")
        return int(said["policy"]["version"])

    await desk.deliver(created("L1"))
    assert await put(draft=True) == 2
    assert await decides("2026-11-20") == 1
    assert await put(valid_from="2026-12-01", valid_until="2026-12-31") == 3
    assert [await decides(day) for day in ("2026-11-30", "2026-12-01", "2026-12-31", "2027-01-01")] == [1, 3, 3, 1]
    assert await put(valid_from="2026-12-15") == 4
    assert [await decides(day) for day in ("2026-12-14", "2026-12-15", "2027-01-01")] == [3, 4, 4]
    listed = await desk.get("/v1/policies/default/versions?limit=3")
    assert [item["version"] for item in listed["items"]] == [1, 2, 3]
    rest = await desk.get(f"/v1/policies/default/versions?limit=3&cursor={listed['next_cursor']}")
    assert [item["version"] for item in rest["items"]] == [4]
    wrong = await desk.call(
        "PUT", "/v1/policies/default", first | {"valid_from": "2026-12-02", "valid_until": "2026-12-01"}
    )
    assert wrong.status == 422


async def test_what_a_version_changed_in_words(desk: Desk) -> None:
    first = await default(desk)
    criteria = {
        "needs_confirmed": first["criteria"]["needs_confirmed"] | {"within_days": 90},
        "has_budget": {
            "any": [{"field": "budget", "is": "confirmed"}, {"not": {"field": "industry", "in": ["行政", "教育"]}}],
            "label": {"ja": "予算あり", "en": "Budget"},
        },
    }
    segments = [
        first["segments"][1] | {"when": {"field": "employees", "at_least": 301}},
        first["segments"][0] | {"when": {"field": "employees", "between": [1, 300]}, "require": ["has_budget"]},
    ]
    changed = {
        "criteria": criteria,
        "segments": segments,
        "unknown_segment": {"require": ["needs_confirmed"], "ask": []},
        "routing": first["routing"] | {"smb": {"members": ["sato", "suzuki"], "method": "least_open"}},
        "accept_within": {"hours": 8, "calendar": "any"},
        "automatic": True,
    }
    assert (await desk.call("PUT", "/v1/policies/default", first | changed)).status == 200
    said = await desk.get("/v1/policies/default/versions/2/changes")
    assert (said["policy"], said["since"]) == ({"id": "default", "version": 2}, 1)
    assert {(change["pointer"], change["text"]["ja"], change["text"]["en"]) for change in said["changes"]} == {
        (
            "/criteria/needs_confirmed",
            "基準「ニーズ確認済み」の条件: 「ニーズが「確認済み」」から「ニーズが「確認済み」（90日以内の情報）」へ",
            "Criterion “Needs confirmed”: “Needs is confirmed” became “Needs is confirmed (said within 90 days)”",
        ),
        (
            "/criteria/has_budget",
            "基準「予算あり」を追加: 予算が「確認済み」または「業種が「行政」「教育」のいずれか」ではない",
            "Criterion “Budget” is new: Budget is confirmed or not (Industry is one of 行政, 教育)",
        ),
        (
            "/criteria/contact_has_authority",
            "基準「決裁権者と面談」を削除",
            "Criterion “The contact can decide” is gone",
        ),
        (
            "/segments/1/when",
            "セグメント「SMB」の条件: 「従業員数が1以上2000以下」から「従業員数が1以上300以下」へ",
            "Segment “SMB”: “Employees is between 1 and 2000” became “Employees is between 1 and 300”",
        ),
        ("/segments/1/require", "SMB: 基準 has_budget が必要になった", "SMB: criterion has_budget is needed now"),
        (
            "/segments/1/require",
            "SMB: 基準 needs_confirmed は不要になった",
            "SMB: criterion needs_confirmed is no longer needed",
        ),
        (
            "/segments/1/require",
            "SMB: 基準 contact_has_authority は不要になった",
            "SMB: criterion contact_has_authority is no longer needed",
        ),
        (
            "/segments/0/when",
            "セグメント「エンタープライズ」の条件: 「従業員数が2001以上」から「従業員数が301以上」へ",
            "Segment “Enterprise”: “Employees is at least 2001” became “Employees is at least 301”",
        ),
        ("/segments", "セグメントの判定順: enterprise → smb", "Segments are tried in another order: enterprise → smb"),
        (
            "/unknown_segment/require",
            "セグメント不明: 基準 contact_has_authority は不要になった",
            "Unknown segment: criterion contact_has_authority is no longer needed",
        ),
        (
            "/unknown_segment/ask",
            "セグメント不明のとき employees は尋ねない",
            "Where the segment is unknown, employees is no longer asked",
        ),
        (
            "/routing/smb",
            "smb の担当: sato, suzuki（未処理の最も少ない人に割り当て）",
            "Leads of smb go to sato, suzuki, to whoever has the fewest open",
        ),
        ("/accept_within", "受諾の期限: 8時間以内", "Sales decides within 8 hours"),
        ("/automatic", "条件を満たすと自動で引き渡す", "A lead is handed over by itself as soon as it is ready"),
    }
    back = await desk.get("/v1/policies/default/versions/1/changes?since=2")
    assert len(back["changes"]) == len(said["changes"])
    assert (await desk.get("/v1/policies/default/versions/2/changes?since=2"))["changes"] == []
    for wrong in ("versions/1/changes", "versions/9/changes", "versions/2/changes?since=9"):
        assert (await desk.call("GET", f"/v1/policies/default/{wrong}")).status == 404


async def test_what_was_said_too_long_ago_is_asked_again(desk: Desk) -> None:
    first = await default(desk)
    fresh = {"needs_confirmed": first["criteria"]["needs_confirmed"] | {"within_days": 30}}
    assert (
        await desk.call("PUT", "/v1/policies/default", first | {"criteria": first["criteria"] | fresh})
    ).status == 200
    await desk.ready_lead("L1")
    assert (await desk.get("/v1/leads/L1/readiness"))["decision"] == "ready"
    desk.clock.at = NOW + timedelta(days=30, seconds=1)
    said = await desk.get("/v1/leads/L1/readiness")
    assert (said["decision"], [missing["field"] for missing in said["missing"]]) == ("needs_information", ["needs"])
    assert said["criteria"][0]["evidence"][0]["status"] == "confirmed", "what was said stays in sight"
    questions = (await desk.get("/v1/leads/L1/questions"))["items"]
    assert questions[0]["field"] == "needs"
    segment = first["segments"][0] | {"when": {"field": "employees", "at_least": 1, "within_days": 3}}
    wrong = await desk.call("PUT", "/v1/policies/default", first | {"segments": [segment]})
    assert [error["pointer"] for error in wrong.body["errors"]] == [
        "/segments/0/when/within_days",
        "/routing/enterprise",
    ]


async def test_while_no_version_is_valid_facts_are_taken_and_nothing_is_decided(
    database_url: str, tmp_path: Path
) -> None:
    """A file that ends is no reason for a 500, or for events that become dead letters."""
    ends = {"automatic: false": "automatic: false\nvalid_until: 2026-11-20"}
    async with running(database_url, config_with(tmp_path, **ends)) as desk:
        await desk.ready_lead("L1")
        desk.clock.at = at("2026-11-21 00:00")
        await desk.deliver(hearing("L1", at("2026-11-20 12:00"), needs="denied"))
        for method, path, body in (
            ("GET", "/v1/leads/L1/readiness", None),
            ("GET", "/v1/leads/L1/questions", None),
            ("POST", "/v1/handoffs", {"lead_id": "L1", "rep": "tanaka", "reason": "x"}),
            (
                "POST",
                "/v1/policies/backtest",
                {"policy": await default(desk), "from": "2026-11-01", "to": "2026-11-20"},
            ),
        ):
            answer = await desk.call(method, path, body)
            assert (answer.status, answer.body["type"]) == (503, "urn:tasuki:problem:no-policy"), answer
        endless = (await default(desk)) | {"valid_until": None}
        assert (await desk.call("PUT", "/v1/policies/default", endless)).status == 200
        assert (await desk.get("/v1/leads/L1/readiness"))["decision"] == "not_ready"


async def test_of_very_many_mistakes_the_first_are_told(desk: Desk) -> None:
    """Each wrong route lists all segments: a body of a megabyte was answered with hundreds."""
    first = await default(desk)
    segments = [first["segments"][0] | {"id": f"s{n}"} for n in range(300)]
    route = {"members": ["sato"], "method": "round_robin"}
    wrong = first | {"segments": segments, "routing": {f"x{n}": route for n in range(300)}}
    answer = await desk.call("PUT", "/v1/policies/default", wrong)
    assert answer.status == 422
    assert len(answer.body["errors"]) == MISTAKES_MAX
