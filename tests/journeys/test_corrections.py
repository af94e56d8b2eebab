"""Void, replace and duplicates from outside: every number is as if only the truth had ever been told."""

from typing import Any

from tests.journeys.outside import Outside, matching

LEAD = {"email": "mori@corrected.example.jp"}
SUMMER = {"grain": "month", "start": "2026-07-01", "end": "2026-09-30"}


def call(id_: str, day: int, **more: Any) -> dict[str, Any]:
    known = {"id": id_, "source": "dialer", "type": "call", "occurred_at": f"2026-08-{day:02}T10:00:00+09:00"}
    return known | {"lead": LEAD, "rep": "tanaka", "direction": "outbound", "outcome": "conversation"} | more


def correction(id_: str, corrects: tuple[str, str], data: dict[str, Any] | None = None) -> dict[str, Any]:
    known = {"id": id_, "source": "dialer", "type": "correction", "occurred_at": "2026-08-20T10:00:00+09:00"}
    about = {"lead": LEAD, "corrects": {"source": corrects[0], "id": corrects[1]}}
    return known | about | ({"action": "replace", "data": data} if data else {"action": "void"})


def months(outside: Outside, kpi: str, **more: str) -> dict[Any, Any]:
    by = more.get("by")
    rows = outside.rows(kpi, **SUMMER, **more)
    return {(row["period"], row[by]) if by else row["period"]: row["value"] for row in rows}


def test_corrections_leave_the_truth(outside: Outside) -> None:
    outside.post_activities([call(f"k{n}", n, duration_s=10) for n in range(1, 6)])
    outside.settle()
    assert months(outside, "calls") == {"2026-08": 5}
    assert months(outside, "second_calls") == {"2026-08": 1}

    outside.post_activities([correction("x1", ("dialer", "k1"))])  # k2 is the first now, k3 the second
    outside.settle()
    assert months(outside, "calls") == {"2026-08": 4}
    assert months(outside, "time_spent") == {"2026-08": 40}

    moved = {
        "occurred_at": "2026-07-31T23:30:00+09:00",
        "rep": "yamada",
        "direction": "outbound",
        "outcome": "gatekeeper",
        "duration_s": 7,
    }
    outside.post_activities([correction("x2", ("dialer", "k5"), moved)])
    outside.settle()
    assert months(outside, "calls", by="rep") == {("2026-07", "yamada"): 1, ("2026-08", "tanaka"): 3}
    assert months(outside, "conversations") == {"2026-08": 3}
    assert months(outside, "time_spent") == {"2026-07": 7, "2026-08": 30}
    assert months(outside, "second_calls") == {"2026-08": 1}

    outside.post_activities([correction("x3", ("dialer", "x2"))])  # the replacement was a mistake itself
    outside.settle()
    assert months(outside, "calls", by="rep") == {("2026-08", "tanaka"): 4}
    assert months(outside, "time_spent") == {"2026-08": 40}

    outside.post_activities([correction("x4", ("dialer", "late"))])  # it comes before what it corrects
    outside.post_activities([correction("x5", ("dialer", "later"), moved)])
    outside.settle()
    assert months(outside, "calls") == {"2026-08": 4}
    outside.post_activities([call("late", 6), call("later", 7, duration_s=100)])
    outside.settle()
    assert months(outside, "calls", by="rep") == {("2026-07", "yamada"): 1, ("2026-08", "tanaka"): 4}
    assert months(outside, "time_spent") == {"2026-07": 7, "2026-08": 40}

    samples = outside.samples("metrics")
    assert matching(samples, "tasuki_activities_total", type="call") == 7, "a counter never goes down"
    assert matching(samples, "tasuki_corrections_total", action="void") == 3
    assert matching(samples, "tasuki_corrections_total", action="replace") == 2
    outside.ok("metrics", "POST", "/v1/rebuild", {}, 200)
    assert months(outside, "calls", by="rep") == {("2026-07", "yamada"): 1, ("2026-08", "tanaka"): 4}


def test_duplicates_have_no_effect_and_are_told(outside: Outside) -> None:
    events = [call(f"d{n}", n, lead={"external_id": "crm:d"}, rep="ito") for n in range(1, 4)]
    outside.post_activities(events)
    first = outside.ok("ingest", "POST", "/v1/activities", events, 202)
    assert (first["accepted"], first["duplicates"]) == (0, 3)
    assert [r["status"] for r in first["results"]] == ["duplicate"] * 3
    twice = call("d4", 4, lead={"external_id": "crm:d"}, rep="ito")
    mixed = outside.ok("ingest", "POST", "/v1/activities", [twice, twice, events[0]], 202)
    assert (mixed["accepted"], mixed["duplicates"]) == (1, 2)
    assert len({r["lead_id"] for r in mixed["results"]}) == 1

    other = events[0] | {"outcome": "busy"}
    outside.refused(outside.call("ingest", "POST", "/v1/activities", other), 409)
    fresh = call("d5", 5, lead={"external_id": "crm:d"}, rep="ito")
    partly = outside.ok("ingest", "POST", "/v1/activities", [fresh, other], 202)
    assert [r["status"] for r in partly["results"]] == ["accepted", "rejected"]
    assert partly["results"][1]["errors"]
    outside.settle()
    assert months(outside, "calls", by="rep")["2026-08", "ito"] == 5
    assert months(outside, "conversations", by="rep")["2026-08", "ito"] == 5


def test_an_idempotency_key_gives_the_first_answer_again(outside: Outside) -> None:
    body = {"fields": {"email": "once@idempotent.example.jp"}}
    headers = {"idempotency-key": "journey-1"}
    first = outside.call("ingest", "POST", "/v1/leads", body, headers=headers)
    again = outside.call("ingest", "POST", "/v1/leads", body, headers=headers)
    assert (first.status_code, first.headers.get("idempotent-replayed")) == (201, None)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.json() == first.json()
    other = {"fields": {"email": "twice@idempotent.example.jp"}}
    outside.refused(outside.call("ingest", "POST", "/v1/leads", other, headers=headers), 422)
