"""The gate into stages: its laws on the shipped stages.yaml, and the history over HTTP."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.handoff.rules import Rules
from services.handoff.stages import Entry, Facts, Ladder, Moment, Place, Rule, advance, described
from services.handoff.unfolding import Unfolding
from shared.conditions import Condition
from shared.config import load_config
from shared.events import Event, StageChanged
from shared.settings import Settings
from shared.telemetry import Telemetry
from tests.handoff.desk import NOW, ROOT, Desk, at, call, created, fields, hearing, observed, opportunity

CONFIG = load_config(ROOT / "config")
LADDER = Rules.of(CONFIG, Settings().zone, Telemetry("test")).ladder
START = Place(LADDER.first, 1, None, NOW)

CONVERSATION = Condition(event="call", outcome="conversation")
ACCEPTED = Condition(event="handoff", status="accepted")
WON = Condition(event="opportunity", status="won")


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"field": "needs", "is": "confirmed"}, "needs is confirmed"),
        ({"field": "needs", "in": ["confirmed", "denied"]}, "needs in confirmed, denied"),
        ({"field": "employees", "at_least": 5}, "employees at least 5"),
        ({"field": "employees", "known": True}, "employees known"),
        ({"field": "employees", "known": False}, "employees not known"),
        ({"event": "call"}, "call"),
        ({"event": "call", "direction": "outbound", "outcome": "conversation", "count": 2},
         "2 times call outbound conversation"),
        ({"event": "handoff", "status": "accepted", "count": 1}, "handoff accepted"),
        ({"not": {"event": "touch", "channel": "seminar"}}, "not (touch seminar)"),
        ({"all": [{"event": "call"}, {"any": [{"field": "usage", "known": True}, {"event": "touch"}]}]},
         "call and (usage known or touch)"),
        ({"any": [{"event": "call"}, {"all": [{"event": "touch"}, {"event": "contract"}]}]},
         "call or touch and contract"),
    ],
)  # fmt: skip
def test_a_rule_in_words(condition: dict[str, Any], words: str) -> None:
    assert described(msgspec.convert(condition, Condition)) == words


def test_a_rule_in_words_is_bounded() -> None:
    many = [{"event": "call", "outcome": "conversation"}] * 100
    assert len(described(msgspec.convert({"any": many}, Condition))) == 500


hours = st.integers(-50, 50).map(lambda n: NOW + timedelta(hours=n))
facts = st.one_of(
    st.tuples(st.just("needs"), st.sampled_from(["confirmed", "denied", "unknown"]), hours),
    st.tuples(st.just("employees"), st.sampled_from([350, 2001]), hours),
    st.tuples(st.just("industry"), st.just("IT"), hours),
    st.tuples(st.sampled_from([CONVERSATION, ACCEPTED, WON]), st.none(), hours),
)


def gathered(said: list[Any], since: Any = None) -> Facts:
    """Facts as the service reads them: observations by time, of each condition the earliest moments of the cycle."""
    observations = [
        observed(key, "hearing", when, **({"status": value} if key == "needs" else {"value": value}))
        for key, value, when in said
        if isinstance(key, str)
    ]
    moments: dict[Condition, list[Moment]] = {}
    for key, _, when in sorted(said, key=lambda fact: fact[2]):
        if isinstance(key, Condition) and (since is None or when >= since):
            moments.setdefault(key, []).append(Moment(when, "somebody"))
    unique = {o.observation_id: o for o in observations}
    return Facts(sorted(unique.values(), key=lambda o: (o.observed_at, o.observation_id)), moments)


def arrive(batches: list[list[Any]], place: Place = START) -> list[Entry]:
    """The entries when facts arrive in these batches."""
    entries: list[Entry] = []
    known: list[Any] = []
    for batch in batches:
        known += batch
        made = advance(LADDER, CONFIG.fields, place, gathered(known, place.since))
        entries += made
        if made:
            place = Place(made[-1].stage, place.cycle, place.since, made[-1].at)
    return entries


def final(entries: list[Entry]) -> str:
    return entries[-1].stage if entries else LADDER.first


@given(st.lists(facts, max_size=10), st.randoms())
def test_the_order_of_arrival_does_not_change_the_final_stage(said: list[Any], shuffle: Any) -> None:
    at_once = final(arrive([said]))
    shuffle.shuffle(said)
    one_by_one = arrive([[fact] for fact in said])
    cut = len(said) // 2
    assert final(one_by_one) == final(arrive([said[:cut], said[cut:]])) == at_once


@given(st.lists(st.lists(facts, max_size=4), max_size=5))
def test_only_forward_in_stage_and_in_time_and_each_stage_once(batches: list[list[Any]]) -> None:
    entries = arrive(batches)
    ranks = [LADDER.stages.index(entry.stage) for entry in entries]
    assert ranks == sorted(set(ranks))
    assert [e.from_stage for e in entries] == [LADDER.first, *(e.stage for e in entries)][: len(entries)]
    times = [START.at, *(entry.at for entry in entries)]
    assert times == sorted(times)


@given(st.lists(facts, max_size=10))
def test_facts_that_come_in_order_bring_the_same_in_any_batches(said: list[Any]) -> None:
    said.sort(key=lambda fact: fact[2])
    distinct = [[f for f in said if f[2] == when] for when in sorted({fact[2] for fact in said})]
    assert arrive([said]) == arrive(distinct)


@given(st.lists(facts, max_size=10))
def test_facts_from_before_a_recycle_bring_nobody_into_a_stage(said: list[Any]) -> None:
    latest = max((fact[2] for fact in said), default=NOW)
    since = latest + timedelta(seconds=1)
    assert arrive([said], Place(LADDER.first, 2, since, since)) == []


def test_a_new_cycle_is_moved_by_its_own_facts() -> None:
    place = Place(LADDER.first, 2, NOW, NOW)
    old = [("employees", 350, NOW - timedelta(hours=1)), ("needs", "confirmed", NOW - timedelta(hours=1))]
    assert final(arrive([old, [(CONVERSATION, None, NOW + timedelta(hours=1))]], place)) == "Engaged"
    assert final(arrive([old, [("industry", "IT", NOW + timedelta(hours=1))]], place)) == "Target"
    assert final(arrive([old, [("needs", "confirmed", NOW + timedelta(hours=1))]], place)) == "MQL"


def test_counts_need_as_many_events_as_they_say() -> None:
    twice = Condition(event="call", outcome="conversation", count=2)
    ladder = Ladder("A", [type(LADDER.rules[0])("B", Condition(all_=[twice, Condition(not_=WON)]))])
    one = {twice: [Moment(NOW, "a")]}
    assert advance(ladder, CONFIG.fields, Place("A", 1, None, NOW), Facts([], one)) == []
    two = {twice: [Moment(NOW, "a"), Moment(NOW + timedelta(hours=1), "b")]}
    (entry,) = advance(ladder, CONFIG.fields, Place("A", 1, None, NOW), Facts([], two))
    assert entry.at == NOW + timedelta(hours=1)
    assert entry.by == "b"
    assert entry.rule == "2 times call conversation and not (opportunity won)"


# --- through the service ---------------------------------------------------------------------------------------------


async def stages(desk: Desk, lead_id: str = "L1") -> Any:
    return await desk.get(f"/v1/leads/{lead_id}/stages")


async def changes(desk: Desk) -> list[Event]:
    return [event for event in await desk.told() if event.name == "stage-changed"]


async def test_the_history_says_who_when_by_which_rule(desk: Desk) -> None:
    await desk.deliver(created("L1", at("2026-11-18 09:00")))
    await desk.deliver(call("L1", "c1", at("2026-11-19 09:00"), rep="ito"))
    await desk.deliver(hearing("L1", at("2026-11-19 10:00"), by="yamada", needs="confirmed"))
    found = await stages(desk)
    assert (found["stage"], found["cycle"], found["next_cursor"]) == ("MQL", 1, None)
    told = [{k: v for k, v in item.items() if k != "number"} for item in found["items"]]
    same = {"cycle": 1, "reason": None}
    assert told == [
        same
        | {"stage": "Awareness", "from": None, "entered_at": "2026-11-18T00:00:00Z", "rule": "lead known", "by": None},
        same
        | {
            "stage": "Engaged",
            "from": "Awareness",
            "entered_at": "2026-11-19T00:00:00Z",
            "rule": "touch inbound or touch replied or touch attended or call inbound or call conversation",
            "by": "ito",
        },
        same
        | {
            "stage": "MQL",
            "from": "Engaged",
            "entered_at": "2026-11-19T01:00:00Z",
            "rule": "needs is confirmed",
            "by": "yamada",
        },
    ]
    page = await desk.get("/v1/leads/L1/stages?limit=2")
    assert [item["stage"] for item in page["items"]] == ["Awareness", "Engaged"]
    rest = await desk.get(f"/v1/leads/L1/stages?limit=2&cursor={page['next_cursor']}")
    assert [item["stage"] for item in rest["items"]] == ["MQL"]


async def test_each_entry_is_one_event_of_the_fact_s_time(desk: Desk) -> None:
    await desk.deliver(created("L1", at("2026-11-18 09:00")), hearing("L1", at("2026-11-19 10:00"), needs="confirmed"))
    first, second = await changes(desk)
    assert first.data == StageChanged(to="Awareness", cycle=1, rule="lead known")
    assert second.data == StageChanged(from_="Awareness", to="MQL", cycle=1, rule="needs is confirmed")
    assert (first.time, second.time) == (at("2026-11-18 09:00"), at("2026-11-19 10:00"))
    assert (second.source, second.subject, second.key) == ("tasuki.handoff", "L1", "L1")
    assert UUID(second.id).version == 5


async def test_a_fact_older_than_the_stage_before_does_not_turn_time_back(desk: Desk) -> None:
    await desk.deliver(created("L1", NOW), call("L1", "c1", at("2026-11-10 09:00")))
    first, second = await changes(desk)
    assert first.time == second.time == NOW


async def test_won_makes_a_customer_also_before_anybody_accepted(desk: Desk) -> None:
    await desk.ready_lead("L1")
    handoff_id = (await desk.hand_over("L1"))["handoff_id"]
    await desk.deliver(opportunity("L1", "o1", "won"))
    assert (await stages(desk))["stage"] == "Customer"
    await desk.post(f"/v1/handoffs/{handoff_id}/accept", {"sales_rep": "suzuki"}, 200)
    await desk.deliver(call("L1", "c1"))
    assert [item["stage"] for item in (await stages(desk))["items"]] == ["Awareness", "MQL", "Customer"]


async def test_recycling_begins_the_next_cycle_and_only_its_facts_count(desk: Desk) -> None:
    await desk.ready_lead("L1")
    await desk.deliver(opportunity("L1", "o1", "won"))
    desk.clock.at = at("2026-11-21 10:00")
    key = {"Idempotency-Key": "r1"}
    for _ in range(2):  # the second as if the first one's answer had been lost
        answer = await desk.call("POST", "/v1/leads/L1/recycle", {"reason": "別部署で再検討"}, headers=key)
        assert answer.status == 200
        await desk.rows("delete from access.idempotency")
    found = await stages(desk)
    assert (found["stage"], found["cycle"]) == ("Awareness", 2)
    last = found["items"][-1]
    assert (last["from"], last["rule"], last["by"], last["reason"]) == (
        "Customer",
        "recycle",
        "admin",
        "別部署で再検討",
    )
    await desk.deliver(call("L1", "late", at("2026-11-19 09:00")), opportunity("L1", "late-o", "lost", NOW))
    assert (await stages(desk))["stage"] == "Awareness"
    await desk.deliver(call("L1", "c9", at("2026-11-22 09:00")))
    assert [(i["cycle"], i["stage"]) for i in (await stages(desk))["items"]][-2:] == [(2, "Awareness"), (2, "Engaged")]
    ids = [event.id for event in await changes(desk)]
    assert len(set(ids)) == len(ids) == 5
    assert (await desk.call("POST", "/v1/leads/nobody/recycle", {"reason": "x"})).status == 404
    assert (await desk.call("POST", "/v1/leads/L1/recycle", {})).status == 422


EVENTS = [
    created("L1", at("2026-11-18 09:00")),
    call("L1", "c1", at("2026-11-19 09:00")),
    fields("L1", "form", at("2026-11-19 10:00"), employees=350, industry="IT"),
    hearing("L1", at("2026-11-19 11:00"), needs="confirmed"),
    opportunity("L1", "o1", "won", at("2026-11-19 12:00")),
]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(EVENTS), repeat=st.lists(st.sampled_from(EVENTS)), cut=st.integers(0, 5))
async def test_replays_and_orders_bring_no_second_event(
    desk: Desk, order: list[Event], repeat: list[Event], cut: int
) -> None:
    await desk.rows(
        "truncate handoff.leads, handoff.observations, handoff.activities, handoff.stage_entries, handoff.seen,"
        " handoff.outbox"
    )
    await desk.deliver(*order[:cut])
    await desk.deliver(*order[cut:], *repeat)
    for event in repeat:
        await desk.deliver(event)
    assert (await stages(desk))["stage"] == "Customer"
    told = await changes(desk)
    entered = [event.data.to for event in told if isinstance(event.data, StageChanged)]
    assert sorted(set(entered), key=LADDER.stages.index) == entered
    assert [item["stage"] for item in (await stages(desk))["items"]] == entered


def test_a_fact_at_the_moment_of_the_recycle_is_of_the_new_cycle() -> None:
    place = Place(LADDER.first, 2, NOW, NOW)
    assert [entry.cycle for entry in advance(LADDER, CONFIG.fields, place, gathered([(CONVERSATION, None, NOW)]))] == [
        2
    ]
    before = gathered([(CONVERSATION, None, NOW - timedelta(seconds=1))])
    assert advance(LADDER, CONFIG.fields, place, before) == []


def test_an_entry_is_through_whom_the_rule_looks_at() -> None:
    """Two people speak at one moment; the stage is entered because of what one of them said."""
    aside = observed("industry", "hearing", NOW, value="IT", by="sato")
    meant = observed("needs", "hearing", NOW, status="confirmed", by="tanaka")
    for said in ([aside, meant], [meant, aside]):
        entries = advance(LADDER, CONFIG.fields, START, Facts(said, {}))
        assert [(entry.stage, entry.by) for entry in entries] == [("MQL", "tanaka")]


def ladder(*rules: tuple[str, Condition]) -> Ladder:
    return Ladder("first", [Rule(stage, condition) for stage, condition in rules])


def entered(of: Ladder, facts: Facts) -> list[str]:
    return [entry.stage for entry in advance(of, CONFIG.fields, Place("first", 1, None, NOW), facts)]


def employees(value: int, id_: str = "a", when: Any = NOW) -> Any:
    return msgspec.structs.replace(observed("employees", "hearing", when, value=value), observation_id=id_)


def test_what_one_form_says_moves_a_lead_at_once() -> None:
    """Not through the stage that its first field alone would have meant."""
    size, industry = Condition(field="employees", known=True), Condition(field="industry", known=True)
    both = ladder(("sized", size), ("known", Condition(all_=[size, industry])))
    said = [employees(350), observed("industry", "hearing", NOW, value="IT")]
    assert entered(both, Facts(said, {})) == ["known"]
    assert entered(both, Facts(said[:1], {})) == ["sized"]


def test_of_many_that_contradict_one_another_at_one_time_each_has_its_moment() -> None:
    second = ladder(("second", Condition(field="employees", between=(2, 2))))
    assert entered(second, Facts([employees(n, str(n)) for n in (1, 2, 3)], {})) == ["second"]


def test_what_merged_leads_say_moves_a_lead_only_where_its_own_say_nothing() -> None:
    large = ladder(("large", Condition(field="employees", at_least=2001)))
    theirs = [employees(5000, "b", NOW + timedelta(hours=1))]
    assert entered(large, Facts([employees(5)], {}, theirs)) == []
    assert entered(large, Facts([], {}, theirs)) == ["large"]


def test_what_happens_while_a_form_is_sent_counts_with_it() -> None:
    rules = ladder(("sized", Condition(field="employees", known=True)), ("talked", CONVERSATION))
    assert entered(rules, Facts([employees(350)], {CONVERSATION: [Moment(NOW, "tanaka")]})) == ["talked"]


def test_a_field_that_is_gone_moves_nobody_and_stops_nobody() -> None:
    gone, size = Condition(field="gone", at_least=1), Condition(field="employees", known=True)
    said = [msgspec.structs.replace(employees(5, "b"), field="gone"), employees(350)]
    assert entered(ladder(("gone", gone), ("either", Condition(any_=[gone, size]))), Facts(said, {})) == ["either"]
    assert entered(ladder(("gone", gone)), Facts(said, {})) == []


def test_what_is_believed_is_not_what_was_said_last_but_by_the_better_method() -> None:
    large = ladder(("large", Condition(field="employees", at_least=2001)))
    looked_up = observed("employees", "tool", NOW + timedelta(hours=1), value=5000)
    assert entered(large, Facts([employees(5), looked_up], {})) == []
    assert entered(large, Facts([looked_up], {})) == ["large"]


def test_what_is_said_is_of_the_lead_itself_unless_told_otherwise() -> None:
    unfolding = Unfolding(CONFIG.fields)
    unfolding.take(employees(5))
    unfolding.take(employees(5000, "b", NOW + timedelta(hours=1)), of_merged=True)
    believed = unfolding.observation("employees")
    assert believed is not None
    assert believed.value == 5
    with pytest.raises(ValueError, match="nothing has been looked at"):
        _ = unfolding.now
