"""A definition that can only answer 0 or nonsense does not load: file, line, and what would be right are said."""

from pathlib import Path

import pytest

from services.metrics.catalogue.compile import compile_catalogue
from shared.config import ConfigError, load_config
from tests.metrics.own import config_with, entry, folder_with

SLIPS = {
    "a misspelt outcome": (
        "count", "count", "facts: {name: activity, channel: seminar, outcome: atended}", "facts:",
        "'atended' is no outcome of activity facts; write one of \"\", no_answer, busy, voicemail, invalid_number, "
        "gatekeeper, conversation, sent, opened, clicked, replied, bounced, attended, declined",
    ),
    "a misspelt type": (
        "count", "count", "facts: {name: activity, type: cal}", "facts:",
        "'cal' is no type of activity facts; write one of call, touch",
    ),
    "a misspelt value among others": (
        "count", "count", "facts:\n      name: close\n      outcome: [won, lots]", "outcome:",
        "'lots' is no outcome of close facts; write one of won, lost",
    ),
    "a misspelt value that is left out": (
        "count", "count", "facts: {name: activity, outcome: {not: [openned]}}", "facts:",
        "'openned' is no outcome of activity facts",
    ),
    "a stage that stages.yaml does not have": (
        "count", "count", "facts: {name: stage_entry, stage: Engagd}", "facts:",
        "'Engagd' is no stage of stage_entry facts; write one of Awareness, Engaged, Target, ",
    ),
    "a tier that fields.yaml does not have": (
        "count", "count", "facts: {name: appointment, tier: S}", "facts:",
        "'S' is no tier of appointment facts; write one of \"\", A, B, C",
    ),
    "an unknown rank": (
        "count", "count", "facts: {name: appointment, rank: a}", "facts:",
        "'a' is no rank of appointment facts; write one of A, B, C",
    ),
    "what is no currency": (
        "count", "count", "facts: {name: close, currency: YEN}", "facts:", "'YEN' is no currency of close facts",
    ),
    "a dimension that such facts never have": (
        "count", "count", "facts: {name: activity, product: platform}", "facts:",
        "activity facts have no 'product'; they have type, direction, outcome, rep, segment, campaign, industry, ",
    ),
    "facts without any dimension": (
        "count", "count", "facts: {name: new_customer, rep: tanaka}", "facts:",
        "new_customer facts have no 'rep'; they have none at all",
    ),
    "an empty list": (
        "count", "count", "facts: {name: activity, outcome: []}", "facts:",
        "the list of outcome is empty; name values, or leave outcome out to take all",
    ),
    "a list that leaves nothing out": (
        "count", "count", "facts: {name: activity, outcome: {not: []}}", "facts:", "the list of outcome is empty",
    ),
    "an outcome that calls never have": (
        "count", "count", "facts: {name: activity, type: call, outcome: replied}", "facts:",
        "there are no activity facts that pass all of this; together go type call, outcome no_answer or ",
    ),
    "calls over a channel of touches": (
        "count", "count", "facts: {name: activity, channel: [email, seminar], outcome: conversation}", "facts:",
        "there are no activity facts that pass all of this",
    ),
    "a list that leaves everything out": (
        "count", "count", "facts: {name: close, outcome: {not: [won, lost]}}", "facts:",
        "there are no close facts that pass all of this",
    ),
    "money of activities": (
        "money", "sum", "facts: {name: activity}", "unit:",
        "activity facts have no money to add up; these have: opportunity, validity, close, open_pipeline, contract, "
        "spend",
    ),
    "mean money of measured times": (
        "money", "mean", "facts: {name: sales_cycle}", "unit:", "sales_cycle facts have no money to add up",
    ),
    "money of companies": (
        "money", "stock", "facts: {name: running_company}", "unit:", "running_company facts have no money to add up",
    ),
    "seconds of appointments": (
        "seconds", "sum", "facts: {name: appointment}", "unit:",
        "appointment facts have no seconds to add up; these have: activity",
    ),
    "a mean of what has neither time nor money": (
        "seconds", "mean", "facts: {name: lead}", "unit:", "lead facts have no seconds to add up",
    ),
    "amounts of all currencies together": (
        "count", "sum", "facts: {name: close, outcome: won}", "unit:",
        "the unit of a sum is seconds or money, not count",
    ),
    "amounts taken for seconds": (
        "seconds", "sum", "facts: {name: close, outcome: won}", "unit:", "close facts have no seconds to add up",
    ),
    "a count of money": (
        "money", "count", "facts: {name: close}", "unit:", "the unit of a count is count, not money",
    ),
    "a count that is a rate": (
        "ratio", "count", "facts: {name: activity}", "unit:", "the unit of a count is count, not ratio",
    ),
    "a duration that is no time": (
        "count", "duration", "facts: {name: sales_cycle}", "unit:",
        "the unit of a duration is seconds or days, not count",
    ),
    "a rate of money that is no money": (
        "money", "ratio", "numerator: booked_amount\n    denominator: spend", "unit:",
        "money per money has the unit ratio, not money",
    ),
    "a rate of counts as money": (
        "money", "ratio", "numerator: deals\n    denominator: calls", "unit:",
        "count per count has the unit ratio or count, not money",
    ),
    "a count with a numerator": (
        "count", "count", "facts: {name: activity}\n    numerator: calls", "numerator:",
        "a count has no `numerator`; it is made of `facts`",
    ),
    "a ratio with facts": (
        "ratio", "ratio", "facts: {name: activity}\n    numerator: deals\n    denominator: calls", "facts:",
        "a ratio has no `facts`; it is made of `numerator`, `denominator`, `numerator_dimensions`",
    ),
    "weeks of a share": (
        "ratio", "share", "of: calls\n    across: rep\n    weeks: 4", "weeks:",
        "a share has no `weeks`; it is made of `of`, `across`",
    ),
    "points for an unknown rank": (
        "points", "points", "facts: {name: appointment}\n    points: {A: {D: 3}}", "points:",
        "'D' is no rank; write one of A, B, C",
    ),
    "points for an unknown tier": (
        "points", "points", "facts: {name: appointment}\n    points: {S: {A: 3}}", "points:",
        "'S' is no target tier; write one of \"\", A, B, C",
    ),
    "points of other facts": (
        "points", "points", "facts: {name: handoff}\n    points: {A: {A: 3}}", "kind:",
        "points need appointment facts and a table `points`",
    ),
    "what was known then of what is of no lead": (
        "money", "sum", "facts: {name: spend}\n    as_of: event", "as_of:",
        "spend facts are of no lead, so nothing about them becomes known later; remove it",
    ),
    "what was known then of a rate": (
        "ratio", "ratio", "numerator: deals\n    denominator: calls\n    as_of: event", "as_of:",
        "a ratio has no `as_of`; it is made of `numerator`, `denominator`, `numerator_dimensions`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("unit", "kind", "own", "at", "reason"), SLIPS.values(), ids=SLIPS)
def test_a_slip_stops_the_load(tmp_path: Path, unit: str, kind: str, own: str, at: str, reason: str) -> None:
    assert_refused(tmp_path / "config", entry("own", unit, kind, own), at, f"own: {reason}")


@pytest.mark.parametrize("part", ["name", "definition", "purpose"])
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("blank", [" ", "\u3000", r"\t \n"])
def test_blank_words_stop_the_load(tmp_path: Path, part: str, language: str, blank: str) -> None:
    words = {"ja": "自社の指標。", "en": "One of our own."}
    given = "".join(f", {of}: {text}" for of, text in words.items())[2:]
    said = given.replace(words[language], f'"{blank}"')
    own = entry("own", "count", "count", "facts: {name: lead}").replace(f"{part}: {{{given}", f"{part}: {{{said}")
    assert_refused(tmp_path / "config", own, f"{part}:", f"own: the {part} in `{language}` is blank; say it in words")


def assert_refused(folder: Path, own: str, at: str, reason: str) -> None:
    """With the number of the last line of the entry that begins so."""
    file = folder_with(folder, own) / "kpis.yaml"
    config = load_config(folder)
    with pytest.raises(ConfigError) as caught:
        compile_catalogue(config)
    lines = file.read_text(encoding="utf-8").splitlines()
    line = max(n for n, text in enumerate(lines, 1) if text.lstrip().startswith(at))
    assert str(caught.value).startswith(f"{file}:{line}: {reason}")


SOUND = {
    "values that a company chooses": (
        "count", "count", "facts: {name: activity, rep: sato, campaign: fair, industry: IT, segment: tiny, source: x}",
    ),
    "a product of its own": ("count", "count", "facts: {name: close, product: {not: [platform, add-on]}}"),
    "what an event may lack": ("count", "count", 'facts: {name: activity, outcome: {not: [""]}, channel: email}'),
    "what became of leads": ("count", "count", "facts: {name: lead, outcome: [opportunity, opportunity+deal]}"),
    "a stage": ("count", "count", "facts: {name: stage_entry, stage: [MQL, SQL]}"),
    "leads nobody has ranked": ("count", "count", 'facts: {name: appointment, tier: "", rank: C}'),
    "a count of what is measured": ("count", "count", "facts: {name: sales_cycle}"),
    "calls and touches by their outcomes": (
        "count", "count", "facts: {name: activity, outcome: [conversation, attended], channel: [call, seminar]}",
    ),
    "time per call": ("seconds", "mean", "facts: {name: activity, type: call}"),
    "time per deal": ("seconds", "ratio", "numerator: time_spent\n    denominator: deals"),
    "points per appointment": ("points", "ratio", "numerator: appointment_points\n    denominator: appointments"),
    "one expense": ("money", "sum", "facts: {name: spend, category: inside_sales, currency: JPY}"),
}  # fmt: skip


@pytest.mark.parametrize(("unit", "kind", "own"), SOUND.values(), ids=SOUND)
def test_what_makes_sense_loads(tmp_path: Path, unit: str, kind: str, own: str) -> None:
    config = config_with(tmp_path / "config", entry("own", unit, kind, own))
    assert compile_catalogue(config).get("own") is not None
