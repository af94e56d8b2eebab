"""The demo's week: the same whenever it is made, valid, of all kinds, and at times when people work."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.ingest.activities import read_activity
from services.ingest.forms import HearingForm, LeadForm, ToolResultForm
from services.ingest.submissions import Arrival, read_hearing, read_lead, read_tool_result
from shared.audit import By
from shared.config import Config, load_config
from shared.demo.hours import last_full_week, soon, working_days
from shared.demo.week import Week, generate
from shared.demo.world import crews_of, random_of
from shared.events.common import CallOutcome, Channel, FieldStatus, TouchOutcome
from shared.periods import is_business_day

CONFIG: Config = load_config(Path("config"))
TOKYO = ZoneInfo("Asia/Tokyo")
BY = By("test", "POST /v1/leads")
MONDAY = date(2026, 11, 16)
WITH_HOLIDAYS = date(2026, 5, 4)  # Monday to Wednesday are holidays
ALSO_THE_WEEKS_BEFORE = date(2027, 1, 11)  # a holiday itself, and New Year before it


def made(leads: int, seed: int = 1, monday: date = MONDAY) -> Week:
    crews = crews_of(CONFIG.team, monday, monday + timedelta(days=6))
    return generate(seed, monday, leads, crews, TOKYO, CONFIG.campaigns)


@pytest.fixture(scope="module")
def week() -> Week:
    return made(1_000)


def activities(week: Week) -> list[dict[str, Any]]:
    return [*week.activities, *week.outcomes]


def of_type(week: Week, type_: str) -> list[dict[str, Any]]:
    return [activity for activity in activities(week) if activity["type"] == type_]


def test_the_same_seed_and_week_are_the_same_and_others_share_no_id(week: Week) -> None:
    assert made(1_000) == week
    for other in (made(1_000, seed=2), made(1_000, monday=MONDAY - timedelta(days=7))):
        assert ids(week).isdisjoint(ids(other))
        emails = {lead.fields["email"] for lead in week.leads}
        assert emails.isdisjoint({lead.fields["email"] for lead in other.leads})


def test_no_id_comes_twice(week: Week) -> None:
    assert len(ids(week)) == len(activities(week)) + len(week.leads)
    assert len({lead.fields["email"] for lead in week.leads}) == len(week.leads)
    assert len({lead.fields["phone"] for lead in week.leads}) == len(week.leads)


def test_fewer_leads_live_through_the_same(week: Week) -> None:
    few = made(30)
    assert few.leads == week.leads[:30]
    assert [one for one in activities(week) if one in activities(few)] == [
        one for one in activities(week) if one["id"] in ids(few)
    ]
    assert ids(few) < ids(week)


@pytest.mark.parametrize("leads", [30, 1_000])
def test_ingest_takes_all_of_it(leads: int) -> None:
    week = made(leads)
    now = datetime.combine(week.sunday, datetime.min.time(), UTC)
    arrival = Arrival(at=now, day=week.sunday.isoformat(), by=BY)
    for lead in week.leads:
        form = as_sent({"fields": lead.fields, "observed_at": lead.observed_at, "external_id": lead.external_id})
        read_lead(msgspec.convert(form, LeadForm), CONFIG.fields, arrival, request="1")
    for found in week.tool_results:
        sent = as_sent({"tool": found.tool, "observed_at": found.observed_at, "fields": found.fields})
        read_tool_result("L", msgspec.convert(sent, ToolResultForm), CONFIG.fields, arrival)
    for heard in week.hearings:
        sent = as_sent({"rep": heard.rep, "heard_at": heard.heard_at, "channel": "call", "answers": heard.answers})
        read_hearing("L", msgspec.convert(sent, HearingForm), CONFIG.fields, arrival)
    for activity in activities(week):
        read_activity(as_sent(activity), now, BY)


def test_every_channel_outcome_and_status_is_there(week: Week) -> None:
    touches, calls = of_type(week, "touch"), of_type(week, "call")
    assert {touch["channel"] for touch in touches} == set(get_args(Channel))
    assert {touch["outcome"] for touch in touches if "outcome" in touch} == set(get_args(TouchOutcome))
    assert {call["outcome"] for call in calls} == set(get_args(CallOutcome))
    assert {call["direction"] for call in calls} == {"inbound", "outbound"}
    assert statuses(week, "appointment") == {"set", "held", "cancelled", "no_show"}
    assert statuses(week, "opportunity") == {"created", "valid", "invalid", "won", "lost"}
    assert statuses(week, "contract") == {"started", "changed", "ended"}
    assert {spend["category"] for spend in of_type(week, "spend")} == {"marketing", "inside_sales", "sales"}
    assert {correction["action"] for correction in of_type(week, "correction")} == {"void", "replace"}
    assert {one["pressured"] for one in of_type(week, "appointment") if "pressured" in one} == {True, False}
    assert {wish.decision for wish in week.passes} == {"accept", "return", "wait"}
    said = {answer["status"] for heard in week.hearings for answer in heard.answers.values() if "status" in answer}
    assert said == set(get_args(FieldStatus))
    amounts = [one["amount"]["currency"] for one in of_type(week, "opportunity") if "amount" in one]
    assert set(amounts) == {"JPY", "USD"}


def test_thirty_leads_show_the_main_things_too() -> None:
    few = made(30)
    assert {"call", "touch", "appointment", "opportunity", "contract", "spend", "correction"} == {
        activity["type"] for activity in activities(few)
    }


def test_most_calls_are_in_vain_and_everybody_works(week: Week) -> None:
    outcomes = Counter(call["outcome"] for call in of_type(week, "call"))
    assert [outcome for outcome, _ in outcomes.most_common(3)] == ["no_answer", "gatekeeper", "conversation"]
    assert outcomes["no_answer"] > outcomes.total() / 2
    everybody = {activity.get("rep") or activity.get("owner") for activity in activities(week)}
    assert set(CONFIG.team.member_ids) <= everybody


@pytest.mark.parametrize("monday", [MONDAY, WITH_HOLIDAYS, ALSO_THE_WEEKS_BEFORE])
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_happens_outside_of_working_hours(monday: date, seed: int) -> None:
    week = made(300, seed, monday)
    times = [activity["occurred_at"] for activity in activities(week)]
    times += [lead.observed_at for lead in week.leads] + [found.observed_at for found in week.tool_results]
    times += [heard.heard_at for heard in week.hearings]
    assert {time.tzinfo for time in times} == {TOKYO}
    assert {time.hour for time in times} <= set(range(9, 18))
    assert all(is_business_day(time.date()) for time in times)
    assert max(times).date() <= week.sunday
    done = [activity for activity in activities(week) if activity["type"] in ("call", "touch", "appointment")]
    assert min(activity["occurred_at"] for activity in done).date() >= monday


def test_the_day_has_peaks_and_a_lunch_hour(week: Week) -> None:
    hours = Counter(call["occurred_at"].hour for call in of_type(week, "call"))
    assert hours[12] < min(hours[hour] for hour in range(9, 18) if hour != 12)
    assert {hours.most_common(1)[0][0]} <= {10, 14, 15}


def test_nothing_comes_before_its_cause(week: Week) -> None:
    of_lead: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for activity in activities(week):
        if "lead" in activity:
            of_lead[activity["lead"]["external_id"]].append(activity)
    for lead in week.leads:
        assert all(activity["occurred_at"] > lead.observed_at for activity in of_lead[lead.external_id])
    talks = {
        (a["lead"]["external_id"], a["occurred_at"]) for a in of_type(week, "call") if a["outcome"] == "conversation"
    }
    assert {(heard.external_id, heard.heard_at) for heard in week.hearings} <= talks
    for type_, id_, first in (("appointment", "appointment_id", "set"), ("opportunity", "opportunity_id", "created")):
        seen: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for activity in of_type(week, type_):
            seen[activity[id_]].append((activity["occurred_at"], activity["status"]))
        assert all(min(steps)[1] == first for steps in seen.values())
        assert all(len({at for at, _ in steps}) == len(steps) for steps in seen.values())
    when = {(activity["source"], activity["id"]): activity["occurred_at"] for activity in activities(week)}
    for correction in of_type(week, "correction"):
        assert correction["occurred_at"] > when[correction["corrects"]["source"], correction["corrects"]["id"]]


def test_nobody_real_is_meant(week: Week) -> None:
    assert all(lead.fields["email"].endswith(".example") for lead in week.leads)
    websites = [lead.fields["website"] for lead in week.leads if "website" in lead.fields]
    assert websites
    assert all(website.endswith(".example/") for website in websites)


def test_the_last_full_week_is_over_and_has_work() -> None:
    for offset in range(3 * 365):
        today = date(2025, 1, 1) + timedelta(days=offset)
        monday = last_full_week(today)
        assert monday.weekday() == 0
        assert monday + timedelta(days=6) < today
        assert len(working_days(monday, monday + timedelta(days=6))) >= 3
    assert last_full_week(date(2026, 11, 23)) == date(2026, 11, 16)
    assert last_full_week(date(2026, 11, 22)) == date(2026, 11, 9)
    assert last_full_week(date(2019, 5, 8)) == date(2019, 4, 22)  # ten days of holidays lie between


def test_what_follows_soon_is_of_the_same_day() -> None:
    late = datetime(2026, 11, 16, 17, 57, 59, tzinfo=TOKYO)
    for number in range(200):
        after = soon(random_of(number), late, 240)
        assert late < after < late.replace(hour=18, minute=0, second=0)


def test_a_team_without_sellers_is_told() -> None:
    with pytest.raises(ValueError, match="inside_sales and field_sales from 2020"):
        crews_of(CONFIG.team, date(2020, 1, 6), date(2020, 1, 12))


def ids(week: Week) -> set[str]:
    return {activity["id"] for activity in activities(week)} | {lead.external_id for lead in week.leads}


def statuses(week: Week, type_: str) -> set[str]:
    return {activity["status"] for activity in of_type(week, type_)}


def as_sent(body: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return decoded
