"""A company's own KPIs are YAML alone: right for all the past, refused when they make no sense.

Five as inside-sales companies ask for them, and one more of each kind that those leave out.
"""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.catalogue.kpis import Catalogue
from services.metrics.live.board import Board
from services.metrics.rebuild.steps import rebuild
from services.metrics.verify.recount import RawEvent, Recount
from shared.clock import FixedClock
from shared.config import ConfigError, load_config
from shared.config.targets import Target
from shared.events import Event, encode_data
from tests.metrics.desk import Desk, call, jpy, observed, step, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.own import CONFIG, entry, with_config
from tests.metrics.scraped import Scraper
from tests.metrics.strategies import make

FIVE = """
  # A vendor of HR software lives on its seminars: who came, not who was invited.
  - id: seminar_attendances
    name: {ja: セミナー参加数, en: Seminar attendances}
    definition: {ja: 見込み顧客がセミナーに参加した数。, en: Attendances of leads at our seminars.}
    purpose: {ja: どのセミナーが人を集めるかを知る。, en: Shows which seminars people come to.}
    unit: count
    class: activity
    kind: count
    owner: marketing
    good: up
    facts: {name: activity, type: touch, channel: seminar, outcome: attended}

  # A security company writes to executives by hand, and must know whether that is worth its while.
  - id: letters
    name: {ja: 手紙の数, en: Letters}
    definition: {ja: 役員に送った手紙の数。, en: Letters sent to executives.}
    purpose: {ja: 返信率の分母。, en: The base of the reply rate.}
    unit: count
    class: activity
    kind: count
    owner: inside_sales
    good: neither
    facts: {name: activity, type: touch, channel: cxo_letter, direction: outbound, outcome: sent}
  - id: letter_replies
    name: {ja: 手紙への返信数, en: Replies to letters}
    definition: {ja: 役員への手紙に対する返信の数。, en: Replies of executives to our letters.}
    purpose: {ja: 返信率の分子。, en: The upper part of the reply rate.}
    unit: count
    class: activity
    kind: count
    owner: inside_sales
    good: up
    facts: {name: activity, type: touch, channel: cxo_letter, outcome: replied}
  - id: letter_reply_rate
    name: {ja: 手紙の返信率, en: Reply rate of letters}
    definition: {ja: 手紙への返信数 ÷ 手紙の数。, en: Replies per letter.}
    purpose: {ja: 手紙を続けるかを決める。, en: Tells whether to go on writing.}
    unit: ratio
    class: efficiency
    kind: ratio
    owner: inside_sales
    good: up
    numerator: letter_replies
    denominator: letters

  # A maker of two products prices each by what its customers really pay.
  - id: platform_deal_size
    name: {ja: 基盤製品の平均取引サイズ, en: Deal size of the platform}
    definition: {ja: 製品 platform の成約一件あたりの金額。, en: "Booked amount per deal of the product platform."}
    purpose: {ja: 値引きが広がっていないかを見る。, en: Shows whether discounts spread.}
    unit: money
    class: efficiency
    kind: mean
    owner: field_sales
    good: up
    facts: {name: close, outcome: won, product: platform}

  # A consultancy plans its year by how long large companies take to decide.
  - id: enterprise_cycle_days
    name: {ja: 大企業の検討日数, en: Sales cycle in enterprise}
    definition: {ja: 大企業の商談が作られてから受注までの日数。, en: Days from creation to winning in enterprise.}
    purpose: {ja: 売上の時期を見通す。, en: Tells when revenue can be expected.}
    unit: days
    class: efficiency
    kind: duration
    owner: field_sales
    good: down
    facts: {name: sales_cycle, segment: enterprise}

  # A start-up watches which of its products opens doors.
  - id: product_mix
    name: {ja: 商談の製品構成, en: Product mix}
    definition: {ja: 期間の商談のうち、各製品が占める割合。, en: "Each product's part of the opportunities."}
    purpose: {ja: 何を勧めるかを決める。, en: Tells what to offer first.}
    unit: ratio
    class: result
    kind: share
    owner: inside_sales
    good: neither
    of: opportunities
    across: product
"""


OTHER_KINDS = "".join(
    [
        entry(
            "enterprise_talk_time",
            "seconds",
            "sum",
            "facts: {name: activity, type: call, direction: outbound, outcome: conversation, segment: enterprise}",
        ),
        entry(
            "letter_points",
            "points",
            "points",
            'facts: {name: appointment, channel: cxo_letter}\n    points: {A: {A: 20, B: 15, C: 12}, "": {C: 5}}',
        ),
        entry("prepared_appointments", "count", "count", "facts: {name: appointment, rank: [A, B]}"),
        entry("prepared_share", "ratio", "ratio", "numerator: prepared_appointments\n    denominator: appointments"),
        entry("open_platform_amount", "money", "stock", "facts: {name: open_pipeline, product: platform}"),
        entry("platform_amount", "money", "sum", "facts: {name: close, outcome: won, product: platform}"),
        entry(
            "platform_coverage",
            "ratio",
            "coverage",
            "numerator: open_platform_amount\n    denominator: platform_amount",
        ),
        entry("weekly_seminar_guests", "count", "trailing", "of: seminar_attendances\n    weeks: 2"),
        entry("return_on_spend", "ratio", "ratio", "numerator: booked_amount\n    denominator: spend"),
    ]
)
OWN = FIVE + OTHER_KINDS
IDS = [line.removeprefix("  - id: ") for line in OWN.splitlines() if line.startswith("  - id: ")]


def touch(identity: str, lead: str, day: int, channel: str, outcome: str, **content: Any) -> Event:
    direction = "inbound" if outcome == "replied" else "outbound"
    given = {"rep": "tanaka", "channel": channel, "direction": direction, "outcome": outcome}
    return make("touch", identity, lead, utc(2026, 11, day, 3), given | content)


def appointment(identity: str, lead: str, day: int, how_set: str) -> Event:
    content = {"appointment_id": identity, "status": "set", "rep": "tanaka", "how_set": how_set}
    return make("appointment", identity, lead, utc(2026, 11, day, 3), content)


def won(opportunity: str, lead: str, created: int, took: int, product: str, yen: int) -> list[Event]:
    """An opportunity of November that is won after so many days."""
    at = utc(2026, 11, created, 3)
    about: dict[str, Any] = {"opportunity_id": opportunity, "product": product, "amount": jpy(yen)}
    return [
        step(f"{opportunity}-created", at, "created", lead, **about),
        step(f"{opportunity}-won", at + timedelta(days=took), "won", lead, opportunity_id=opportunity),
    ]


KNOWN = {"email": "a@b.jp", "phone": "+81312345678", "title": "部長", "industry": "IT", "needs": "confirmed"}
HISTORY = [
    # lead-a is a large company, wanted most, 6 of 9 rank fields known (rank B); lead-b small; lead-c nobody knows.
    observed("f-a", "lead-a", employees=5000, target_tier="A", **KNOWN),
    observed("f-b", "lead-b", employees=30),
    # Seminars: three came, one declined, one was told of as attending by telephone and does not count.
    touch("s1", "lead-a", 2, "seminar", "attended"),
    touch("s2", "lead-b", 2, "seminar", "attended", rep="yamada"),
    touch("s3", "lead-c", 16, "seminar", "attended"),
    touch("s4", "lead-c", 2, "seminar", "declined"),
    touch("s5", "lead-c", 2, "community", "attended"),
    # Letters: four sent and one answered, one e-mail answered.
    *(touch(f"l{n}", f"lead-{lead}", 4, "cxo_letter", "sent") for n, lead in enumerate("aabc")),
    touch("l5", "lead-a", 9, "cxo_letter", "replied"),
    touch("l6", "lead-b", 9, "email", "replied"),
    # Talk: 125 s and 300 s with the large company; what the small one and the gatekeeper said does not count.
    call("c1", utc(2026, 11, 5, 3), "lead-a", outcome="conversation", duration_s=125),
    call("c2", utc(2026, 11, 6, 3), "lead-a", outcome="conversation", duration_s=300),
    call("c3", utc(2026, 11, 6, 4), "lead-a", outcome="gatekeeper", duration_s=20),
    call("c4", utc(2026, 11, 6, 5), "lead-b", outcome="conversation", duration_s=600),
    appointment("a1", "lead-a", 10, "cxo_letter"),
    appointment("a2", "lead-c", 10, "cxo_letter"),
    appointment("a3", "lead-b", 10, "call"),
    *won("O", "lead-a", 10, 10, "platform", 900),
    *won("P", "lead-a", 10, 30, "platform", 600),
    *won("Q", "lead-b", 10, 2, "platform", 300),
    *won("R", "lead-a", 10, 50, "add-on", 70),
    step("S", utc(2026, 11, 12), "created", "lead-c", opportunity_id="S", product="platform", amount=jpy(400)),
    make("spend", "m", "", utc(2026, 11, 5), {"amount": jpy(600), "category": "marketing", "spent_on": "2026-11-05"}),
]
YEAR_END = (None, date(2026, 12, 31))


def assert_five(desk: Desk) -> None:
    assert desk.ask("seminar_attendances", "day", "rep") == {
        ("2026-11-02", "tanaka"): 1,
        ("2026-11-02", "yamada"): 1,
        ("2026-11-16", "tanaka"): 1,
    }
    assert desk.row("letter_reply_rate") == {"period": "all", "value": 0.25, "numerator": 1, "denominator": 4}
    assert desk.ask("letter_reply_rate", "day") == {"2026-11-04": 0, "2026-11-09": None}
    assert desk.ask("letter_reply_rate", "all", "segment") == {
        ("all", "enterprise"): 0.5,
        ("all", "smb"): 0,
        ("all", "unknown"): 0,
    }
    assert desk.row("platform_deal_size") == {
        "period": "all",
        "currency": "JPY",
        "value": 600,  # 900, 600 and 300
        "numerator": 1800,
        "denominator": 3,
    }
    assert desk.ask("platform_deal_size", "month", "segment") == {
        ("2026-11", "enterprise"): 900,
        ("2026-11", "smb"): 300,
        ("2026-12", "enterprise"): 600,
    }
    # After 10, 30 and 50 days; the two days of the small company are left out.
    assert desk.row("enterprise_cycle_days") == {"period": "all", "value": 30, "median": 30, "p90": 46, "n": 3}
    assert desk.ask("enterprise_cycle_days", "month", "product") == {
        ("2026-11", "platform"): 10,
        ("2026-12", "platform"): 30,
        ("2026-12", "add-on"): 50,
    }
    assert desk.ask("product_mix", "month", "product") == {("2026-11", "platform"): 0.8, ("2026-11", "add-on"): 0.2}


def test_five_companies_count_what_they_asked_for(company: Desk) -> None:
    company.take(*HISTORY)
    assert_five(company)


def test_one_more_of_each_other_kind(company: Desk) -> None:
    company.numbers.targets = (
        Target(kpi="platform_amount", period="2026-11", value=Decimal(1400), currency="JPY"),
        Target(kpi="platform_amount", period="2026-12", value=Decimal(600), currency="JPY"),
    )
    company.take(*HISTORY)
    assert company.ask("enterprise_talk_time", "day") == {"2026-11-05": 125, "2026-11-06": 300}
    assert company.ask("letter_points") == {"all": 20}  # 15 of tier A, rank B; 5 of nobody knows, rank C
    assert company.ask("prepared_share") == {"all": 1 / 3}
    # Open at the end of November: P (600, won in December) and S (400); O and Q are won by then.
    assert company.ask("open_platform_amount", "month", days=YEAR_END) == {"2026-11": 1000, "2026-12": 400}
    # November: 1,400 less the 1,200 of O and Q leaves 200 to win; December's 600 is met by P.
    assert company.ask("platform_coverage", "month", days=YEAR_END) == {"2026-11": 5, "2026-12": None}
    # Two weeks up to Sunday 2026-11-15 hold two guests, those up to 2026-11-22 the third alone.
    assert company.ask("weekly_seminar_guests", "day", days=(date(2026, 11, 21), date(2026, 11, 22))) == {
        "2026-11-21": 1,
        "2026-11-22": 0.5,
    }
    assert company.ask("return_on_spend", "month", "currency") == {("2026-11", "JPY"): 2, ("2026-12", "JPY"): None}


def test_late_events_and_corrections_reach_them_too(company: Desk) -> None:
    company.take(void("x", utc(2026, 12, 1), "s3"), *reversed(HISTORY))
    company.take(void("y", utc(2026, 12, 1), "l5"), observed("f-c", "lead-c", employees=9000))
    assert company.ask("seminar_attendances", "day") == {"2026-11-02": 2}
    assert company.ask("letter_reply_rate") == {"all": 0}
    assert company.ask("letters", "all", "segment") == {("all", "enterprise"): 3, ("all", "smb"): 1}


def test_added_late_they_know_all_the_past(desk: Desk, numbers: Numbers, runner: asyncio.Runner, folder: Path) -> None:
    """Cells hold facts, so nothing is counted anew for them."""
    desk.take(*HISTORY)
    assert all(numbers.catalogue.get(kpi) is None for kpi in IDS)
    cells = runner.run(numbers.cells())
    desk.numbers = with_config(numbers, load_config(folder))
    assert start(runner, desk.numbers) is None
    assert_five(desk)
    assert runner.run(numbers.cells()) == cells
    # And from there on they go on counting.
    desk.take(touch("s6", "lead-a", 17, "seminar", "attended"))
    assert desk.ask("seminar_attendances") == {"all": 4}


def start(runner: asyncio.Runner, numbers: Numbers) -> int | None:
    """The start of the service: the events it counted anew, None when it did not have to."""
    return runner.run(rebuild(numbers.engine, numbers.rules, only_if_stale=True))


def test_the_shipped_kpis_stay_as_they_are(desk: Desk, numbers: Numbers, folder: Path) -> None:
    desk.take(*HISTORY)
    shipped = {kpi.id: desk.rows(kpi.id, "month", days=YEAR_END) for kpi in numbers.catalogue}
    desk.numbers = with_config(numbers, load_config(folder))
    assert {kpi: desk.rows(kpi, "month", days=YEAR_END) for kpi in shipped} == shipped
    assert [kpi.id for kpi in desk.numbers.catalogue] == [*shipped, *IDS]


def test_counting_again_from_the_events_finds_the_same(company: Desk, folder: Path) -> None:
    """The other way of counting, that `tasuki kpi verify` takes, knows them from their entries too."""
    company.take(*HISTORY)
    numbers = company.numbers
    recount = Recount(load_config(folder), numbers.rules.zone, numbers.settings.fiscal_year_start)
    recount.learn([raw(event) for event in HISTORY])
    recount.count()
    for kpi in IDS:
        live = {(row["period"],): row["value"] for row in company.rows(kpi, "month", days=YEAR_END)}
        again = recount.answer(kpi, "month", [], date(2026, 12, 31))
        assert {key[:1]: row["value"] for key, row in again.items()} == live, kpi


def raw(event: Event) -> RawEvent:
    return RawEvent(
        event.source, event.id, event.name, event.time.isoformat(), event.subject, encode_data(event.data).decode()
    )


def test_prometheus_shows_them(company: Desk, runner: asyncio.Runner) -> None:
    company.take(*HISTORY)
    numbers, clock = company.numbers, FixedClock(utc(2026, 12, 31, 3))
    board = Board(
        numbers.engine, numbers.catalogue, numbers.fold.team, numbers.rules.policy, numbers.settings, clock, ()
    )
    families = runner.run(Scraper(board).families())
    shown = {tuple(s.labels.values()): s.value for s in families["tasuki_kpi_value"].samples}
    assert shown["seminar_attendances", "this_fiscal_year", "rep", "yamada", ""] == 1
    assert shown["letter_reply_rate", "this_quarter", "segment", "enterprise", ""] == 0.5
    assert shown["platform_deal_size", "this_month", "total", "", "JPY"] == 600
    assert shown["enterprise_cycle_days", "this_month", "total", "", ""] == 40
    assert {s.labels["kpi"] for s in families["tasuki_kpi_info"].samples} >= set(IDS)


class Mistake(NamedTuple):
    """What is written instead of what, the reason that is given, and a text on the line that is named."""

    right: str
    wrong: str
    reason: str
    at: str


def mistake(right: str, wrong: str, reason: str, at: str = "") -> Mistake:
    return Mistake(right, wrong, reason, at or wrong)


CYCLES = "facts: {name: sales_cycle, segment: enterprise}"
MISTAKES = {
    "no purpose": mistake(
        "    purpose: {ja: どのセミナーが人を集めるかを知る。, en: Shows which seminars people come to.}\n",
        "",
        "Object missing required field `purpose`; add it",
        at="- id: seminar_attendances",
    ),
    "an unknown dimension": mistake(
        "channel: seminar",
        "chanel: seminar",
        "seminar_attendances: activity facts have no 'chanel'; they have type, direction, outcome, rep, segment, ",
    ),
    "an unknown key": mistake(
        "across: product", "accross: product", "the key `accross` is not known here; correct or remove it"
    ),
    "an unknown kind": mistake("kind: mean", "kind: average", "Invalid enum value 'average'"),
    "an id that is taken": mistake("- id: letters\n", "- id: calls\n", "the id calls is taken already; choose another"),
    "an unknown part": mistake(
        "denominator: letters",
        "denominator: leters",
        "letter_reply_rate: `denominator` must name a KPI of this file, not 'leters'",
    ),
    "a part that cannot be divided by": mistake(
        "denominator: letters",
        "denominator: product_mix",
        "letter_reply_rate: `denominator` must be a KPI of kind count or sum, which product_mix is not",
    ),
    "a part that is the KPI itself": mistake(
        "denominator: letters",
        "denominator: letter_reply_rate",
        "the KPI is made of itself (letter_reply_rate -> letter_reply_rate); break the circle",
        at="kind: ratio",
    ),
    "facts that measure no time": mistake(
        CYCLES,
        CYCLES.replace("sales_cycle", "close"),
        "enterprise_cycle_days: a duration needs facts that measure a time: second_action, first_response, sales_cycle",
        at="kind: duration",
    ),
    "unknown facts": mistake(
        CYCLES,
        CYCLES.replace("sales_cycle", "cycle"),
        "enterprise_cycle_days: `facts.name` must be one of activity, content_use, second_call, ",
    ),
    "a share across what is no dimension": mistake(
        "across: product",
        "across: channel",
        "product_mix: `across` must be a dimension of opportunities: rep, team, owner, ",
    ),
}


@pytest.mark.parametrize("made", MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_definition_stops_the_load_with_file_line_and_reason(folder: Path, made: Mistake) -> None:
    file = folder / "kpis.yaml"
    text = (CONFIG / "kpis.yaml").read_text(encoding="utf-8") + FIVE.replace(made.right, made.wrong, 1)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        started(folder)
    line = text.count("\n", 0, text.rindex(made.at)) + 1
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert made.reason in caught.value.reason


def started(folder: Path) -> Catalogue:
    """As the service does when it starts."""
    config = load_config(folder)
    return compile_catalogue(config)


def test_without_a_mistake_it_loads(folder: Path) -> None:
    assert [kpi.id for kpi in started(folder)][-len(IDS) :] == IDS
