"""A company's own KPIs that make no sense are refused, with the place and the reason."""

from pathlib import Path
from typing import NamedTuple

import pytest

from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.catalogue.kpis import Catalogue
from shared.config import ConfigError, load_config
from tests.metrics import company_kpis
from tests.metrics.company_kpis import FIVE, IDS
from tests.metrics.own import CONFIG

OWN = company_kpis.OWN
"""What the fixture `folder` adds."""


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
