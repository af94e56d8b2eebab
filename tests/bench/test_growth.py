"""Growth: what grows, the catalogue that is made for it, and how costs are judged."""

import json
import math
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.corpus import history
from bench.growth.catalogue import enlarge, enlarged
from bench.growth.sizes import DIMENSIONS, Size, Step, base_of, steps
from bench.growth.table import FIGURES, Found, costs, ratios, tell, verdict
from bench.metrics.team import configuration, reps
from services.metrics.catalogue.compile import compile_catalogue
from shared.config import load_config

BASE = base_of(1000)
FOUND = Found(10_000, 60.0, 30.0, 150.0, 160.0, 500.0, 400.0, 1.0, 20.0, 1, 10.0, 3000)


def test_the_base_is_what_is_shipped() -> None:
    assert base_of(100_000) == Size(events=100_000, leads=10_000, reps=20, kpis=1, partitions=12)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_one_grows_and_the_others_stay(dimension: str) -> None:
    grown = steps(dimension, BASE)
    assert grown[0] == (1, BASE)
    assert [step.times for step in grown] == ([1, 3, 10] if dimension == "events" else [1, 10])
    for times, size in grown:
        assert size == BASE._replace(**{dimension: getattr(BASE, dimension) * times})


def test_more_reps_make_the_calls() -> None:
    names = reps(200)
    assert {json.loads(message.value)["rep"] for message in history(5_000, 10, seed=1, reps=names)} == set(names)


def test_the_service_takes_a_catalogue_of_ten_times_as_many(tmp_path: Path) -> None:
    config = configuration(tmp_path, 20)
    shipped = [kpi["id"] for kpi in yaml.safe_load((config / "kpis.yaml").read_text())["kpis"]]
    enlarge(config, 10)
    large = list(compile_catalogue(load_config(config)))
    assert [kpi.id for kpi in large[: len(shipped)]] == shipped
    assert len({kpi.id for kpi in large}) == 10 * len(shipped)


def test_no_two_kpis_count_the_same() -> None:
    calls: dict[str, Any] = {"id": "calls", "facts": {"name": "activity", "type": "call"}}
    made = enlarged([calls], 200)
    assert made[0] == calls
    assert len({str(kpi["facts"]) for kpi in made}) == 200
    assert all(kpi["facts"].items() >= calls["facts"].items() for kpi in islice(made, 1, None))


def test_once_the_catalogue_is_the_catalogue() -> None:
    assert enlarged([{"id": "calls", "facts": {}}], 1) == [{"id": "calls", "facts": {}}]


def test_ratios_tell_what_is_printed_and_costs_what_it_means() -> None:
    slower = FOUND._replace(events_s=5_000, python_us=90.0)
    assert ratios(slower, FOUND)[:3] == [0.5, 1.5, 1.0]
    assert costs(slower, FOUND)[:3] == [2.0, 1.5, 1.0]
    assert math.isnan(ratios(FOUND, FOUND._replace(postgres_us=0.0))[2])


@pytest.mark.parametrize(
    ("cost", "total", "said"),
    [
        (0.5, False, "straight or better"),
        (1.25, True, "straight or better"),
        (1.3, False, "no: 1.30 of 1x, must <= 1.25"),
        (5.0, True, "no: 5.00 of 1x, must <= 1.25; 0.50 of what growing in proportion would be"),
        (math.nan, True, "unknown"),
    ],
)
def test_what_is_thought_of_a_cost(cost: float, total: bool, said: str) -> None:
    assert verdict(cost, 10, total=total) == said


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    grown = FOUND._replace(events_s=4_000, memory_mib=300.0)
    tell("events", BASE, [(Step(1, BASE), FOUND), (Step(10, BASE), grown)])
    table = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert table[1] == (
        "growth of events: from 1,000 calls; the same are 100 leads, 20 reps, the shipped catalogue, 12 partitions"
    )
    assert table[2] == " ".join(of.head for of in FIGURES)
    assert table[3].startswith("1x events 10,000 60.0 30.0 150 ")
    assert table[4].startswith("10x events 4,000 60.0 30.0 300 ")
    assert table[5].startswith("of 1x 0.40 1.00 1.00 2.00 ")
    assert table[6] == "live: time of an event, at 10x 2.50 no: 2.50 of 1x, must <= 1.25"
    assert "live: CPU of python, an event, at 10x 1.00 straight or better" in table
    assert not [line for line in table[6:] if line.startswith(",")]
    assert any(line.endswith("0.20 of what growing in proportion would be") for line in table)
