"""The dashboards of deploy/grafana: every query of every panel finds data in a real Prometheus.

That Prometheus runs by deploy/prometheus.yml and deploy/rules.yml, with our ports and a scrape each second. The system
that it scrapes was told the demo's week and a little of today.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml

from shared.settings import PROCESSES
from tests.conftest import copy_folder, private_folder
from tests.journeys.outside import FORM, Outside, outside_of
from tests.journeys.story import decided, hear
from tests.system import ROOT, System, tasuki, until

DASHBOARDS = ROOT / "deploy/grafana/dashboards"
BOARDS = sorted(path.stem for path in DASHBOARDS.glob("*.json"))
PERIODS = ("this_month", "today", "last_28_days")
TOKYO = ZoneInfo("Asia/Tokyo")
REP = "tanaka"


@pytest.fixture(scope="module")
def told(prepared_folder: Path, free_port: Callable[[], int]) -> Iterator[Outside]:
    """All processes; told the demo's week, with targets of now and an endpoint that does not answer."""
    with private_folder() as folder:
        copy_folder(prepared_folder, folder / "data")
        config = folder / "config"
        shutil.copytree(ROOT / "config", config)
        (config / "targets.yaml").write_text(_targets())
        secret = {"TASUKI_SECRET_NOBODY": "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="}
        endpoint = {"id": "nobody", "url": "https://127.0.0.1:9/", "format": "standard"}
        endpoint["secret_env"] = "TASUKI_SECRET_NOBODY"
        (config / "webhooks.yaml").write_text(yaml.safe_dump({"webhooks": [endpoint]}))
        environment = {"TASUKI_CONFIG_DIR": str(config), "TASUKI_WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8"} | secret
        running = System(folder / "data", free_port, environment, services=PROCESSES)
        with running as system, outside_of(system) as outside:
            demo = tasuki(system, "demo", "--leads", "100", "--exit")
            assert demo.returncode == 0, demo.stdout + demo.stderr
            yield outside


@pytest.fixture(scope="module")
def prometheus(told: Outside, free_port: Callable[[], int]) -> Iterator[httpx.Client]:
    """The API of a Prometheus that scrapes it."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.fail('Prometheus is needed: run `PATH="$(deploy/promtool.sh):$PATH"`, then repeat (`make test` does so)')
    with private_folder() as folder:
        (folder / "prometheus.yml").write_text(yaml.safe_dump(_ours(told.system)))
        port = free_port()
        command = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        command.append(f"--web.listen-address=127.0.0.1:{port}")
        with (folder / "output").open("wb") as output:
            running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                until(lambda: _is_ready(client), 60, lambda: (folder / "output").read_text())
                yield client
        finally:
            running.terminate()
            running.wait(30)


def test_every_query_of_every_panel_finds_data(told: Outside, prometheus: httpx.Client) -> None:
    asked = [query for name in BOARDS for query in _queries(name)]
    assert len(asked) > 50
    until(lambda: _finds(prometheus, "min(count_over_time(up[5m])) > 2"))  # what comes now is seen to come
    today = _Today(told)
    silent: list[str] = []

    def all_answered() -> bool:
        today.told()
        silent[:] = [f"{where}: {expression}" for where, expression in asked if not _finds(prometheus, expression)]
        return silent == []

    until(all_answered, 180, lambda: "\n".join(silent), every=2)


def test_what_can_be_chosen_is_there(told: Outside, prometheus: httpx.Client) -> None:
    questions = {
        variable["query"]
        for name in BOARDS
        for variable in _board(name)["templating"]["list"]
        if variable["type"] == "query"
    }
    assert questions
    for question in questions:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", question)
        assert found, question
        until(lambda series=found: len(_labels(prometheus, series[1], series[2])) > 1)  # type: ignore[misc]


def test_dashboards_are_whole() -> None:
    boards = [_board(name) for name in BOARDS]
    assert BOARDS == ["funnel", "handoffs", "operation", "rep", "team"]
    assert len({board["uid"] for board in boards}) == len(boards)
    for board in boards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        for panel in board["panels"]:
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
            for target in panel.get("targets", []):
                assert target["datasource"]["uid"] == "${datasource}"
                assert set(re.findall(r"\$(\w+)", target["expr"])) <= {v["name"] for v in board["templating"]["list"]}


class _Today:
    """A little of everything, told of the business day that it is: once, and again should it be the next one."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._day: date | None = None
        self._number = count()

    def told(self) -> None:
        if (today := datetime.now(TOKYO).date()) != self._day:
            self._day = today
            self._tell()

    def _tell(self) -> None:
        form = b"email=abe@grafana.example.jp&employees=2500"
        answer = self._outside.call("ingest", "POST", "/v1/webhooks/website", form, key=None, content_type=FORM)
        lead_id = answer.json()["lead_id"]
        now = decided(self._outside, lead_id, "needs_information")["as_of"]["last_event_at"]
        known = {"source": "today", "occurred_at": now, "lead_id": lead_id, "rep": REP, "type": "call"}
        call = {"direction": "outbound", "outcome": "conversation", "duration_s": 60}
        self._outside.post_activities([known | call | {"id": f"{self._day}-{next(self._number)}"} for _ in range(3)])
        hear(self._outside, lead_id, now, REP, needs="confirmed")


def _targets() -> str:
    """Targets of this month and the next, of all together and of one rep."""
    today = datetime.now(TOKYO).date()
    months = [f"{today:%Y-%m}", f"{today.year + today.month // 12}-{today.month % 12 + 1:02}"]
    aims = [{"kpi": "calls", "period": month, "value": 400} | who for month in months for who in ({}, {"member": REP})]
    return yaml.safe_dump(aims)


def _ours(system: System) -> dict[str, Any]:
    """deploy/prometheus.yml for this system's ports; it reads the rules where they are."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(ROOT / "deploy" / name) for name in config["rule_files"]]
    (job,) = config["scrape_configs"]
    assert {entry["labels"]["service"] for entry in job["static_configs"]} == set(PROCESSES)
    for entry in job["static_configs"]:
        entry["targets"] = [f"127.0.0.1:{system.port[entry['labels']['service']]}"]
    return config


def _board(name: str) -> dict[str, Any]:
    board: dict[str, Any] = json.loads((DASHBOARDS / f"{name}.json").read_text())
    return board


def _queries(name: str) -> Iterator[tuple[str, str]]:
    """Of each panel: where it stands, and the query."""
    for panel in _board(name)["panels"]:
        for target in panel.get("targets", []):
            yield f"{name}, {panel['title']}", target["expr"]


def _finds(prometheus: httpx.Client, expression: str) -> bool:
    """Whether there is a number, in one of the periods that can be chosen."""
    for period in PERIODS if "$period" in expression else ("",):
        asked = expression.replace("$period", period).replace("$rep", REP)
        answer = prometheus.get("/api/v1/query", params={"query": asked}).json()
        assert answer["status"] == "success", (asked, answer)
        if any(sample["value"][1] != "NaN" for sample in answer["data"]["result"]):
            return True
    return False


def _labels(prometheus: httpx.Client, series: str, label: str) -> list[str]:
    found: list[str] = prometheus.get(f"/api/v1/label/{label}/values", params={"match[]": series}).json()["data"]
    return found


def _is_ready(prometheus: httpx.Client) -> bool:
    try:
        return prometheus.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
