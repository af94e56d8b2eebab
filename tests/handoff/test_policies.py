"""Versions of policies: from files, from PUT, never changed; and the words."""

from pathlib import Path
from typing import Any

from services.handoff import policies
from shared.config import load_config
from shared.db import transaction
from tests.handoff.desk import ROOT, Desk, created, fields, hearing
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
