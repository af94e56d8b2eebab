"""deploy/compose.yaml: every process, each with nothing that it does not need, and no password that anybody knows."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import PROCESSES, SERVICES, ProcessName, Settings
from tests.deploy.test_image import stages

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy/compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
CONTAINERS: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, container in CONTAINERS.items() if "build" in container]
OF_OTHERS = {"postgres", "kafka", "prometheus", "grafana"}


def seconds(written: str) -> int:
    return int(written.removesuffix("s"))


def test_every_process_is_there_and_what_they_need() -> None:
    assert set(OURS) == {*PROCESSES, "migrate", "topics"}
    assert set(CONTAINERS) - set(OURS) == OF_OTHERS


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_its_target_and_reached_on_its_port_from_this_machine_alone(name: ProcessName) -> None:
    port = Settings().port(name)
    assert CONTAINERS[name]["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile", "target": name}
    assert CONTAINERS[name]["ports"] == [f"127.0.0.1:{port}:{port}"]


@pytest.mark.parametrize("name", OURS)
def test_what_is_built_is_there_to_build(name: str) -> None:
    assert CONTAINERS[name]["build"]["target"] in stages()
    assert "image" not in CONTAINERS[name], "an image of that name would be pulled from who knows whom"


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_may_do_nothing_beyond_its_work(name: str) -> None:
    container = CONTAINERS[name]
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["read_only"] is (name != "kafka")
    assert all(port.startswith("127.0.0.1:") for port in container.get("ports", []))
    assert not container.keys() & {"privileged", "cap_add", "pid", "network_mode", "devices"}


@pytest.mark.parametrize("name", sorted(OF_OTHERS))
def test_what_others_made_has_a_version_and_is_asked_whether_it_works(name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+[\w.-]*", CONTAINERS[name]["image"])
    assert CONTAINERS[name]["healthcheck"]["test"][0] == "CMD"


def test_what_holds_the_data_is_reached_by_the_services_alone() -> None:
    assert COMPOSE["networks"]["back"]["internal"] is True
    inside = {name for name, container in CONTAINERS.items() if "back" in container["networks"]}
    assert inside == {*SERVICES, "migrate", "topics", "postgres", "kafka"}
    for name in ("postgres", "kafka"):
        assert CONTAINERS[name]["networks"] == ["back"]
        assert "ports" not in CONTAINERS[name]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_has_the_time_that_it_may_take(name: ProcessName) -> None:
    grace = int(CONTAINERS[name]["environment"]["TASUKI_SHUTDOWN_GRACE_S"])
    assert seconds(CONTAINERS[name]["stop_grace_period"]) > grace


def test_a_process_calls_the_others_by_the_names_that_they_have_here() -> None:
    for name in PROCESSES:
        told = CONTAINERS[name]["environment"]
        for service in SERVICES:
            assert f"http://{service}:{Settings().port(service)}" in told[f"TASUKI_{service.upper()}_URL"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_migrations_and_topics_where_there_are_any(name: ProcessName) -> None:
    waits = CONTAINERS[name]["depends_on"]
    assert waits["migrate"] == {"condition": "service_completed_successfully"}
    assert waits["topics"] == {"condition": "service_completed_successfully", "required": False}
    assert "profiles" not in CONTAINERS["migrate"]
    assert CONTAINERS["topics"]["profiles"] == CONTAINERS["kafka"]["profiles"] == ["kafka"]
    assert CONTAINERS["migrate"]["command"] == ["migrate"]
    assert CONTAINERS["topics"]["command"] == ["topics", "apply"]


def test_secrets_are_asked_for_and_none_has_a_default() -> None:
    secrets = {"POSTGRES_PASSWORD", "TASUKI_CONSOLE_SECRET", "GRAFANA_PASSWORD"}
    used = re.findall(r"\$\{(\w+)(:?[?-]?)", TEXT)
    assert {name for name, how in used if how == ":?"} == secrets
    assert not [name for name, how in used if name in secrets and how != ":?"]
    example = (ROOT / "deploy/.env.example").read_text()
    for name in secrets:
        assert f"\n{name}=\n" in example, "to be set, and empty until then"
    assert {".env", "tasuki.env"} <= set((ROOT / "deploy/.gitignore").read_text().split())


@pytest.mark.parametrize("name", OURS)
def test_what_a_new_env_leaves_unset_leaves_the_log_in_postgresql(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose fills it in where .env holds the secrets alone; a variable without a value is not passed on."""
    for variable, value in CONTAINERS[name]["environment"].items():
        if value is not None and variable.startswith("TASUKI_"):
            filled = re.sub(r"\$\{\w+:\?[^}]*\}", "0" * 32, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
            monkeypatch.setenv(variable, filled)
    assert Settings().kafka_bootstrap_servers is None


def test_the_console_is_given_none_of_the_services_secrets() -> None:
    assert "env_file" not in CONTAINERS["console"]
    assert "TASUKI_DATABASE_URL" not in CONTAINERS["console"]["environment"]


def test_what_is_stored_outlives_its_container() -> None:
    kept = {v.partition(":")[0] for c in CONTAINERS.values() for v in c.get("volumes", []) if not v.startswith(".")}
    assert kept == set(COMPOSE["volumes"]) == OF_OTHERS


def test_prometheus_is_told_what_it_is_told_elsewhere_by_the_names_that_services_have_here() -> None:
    elsewhere = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    here = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])
    assert set(here["rule_files"]) >= set(elsewhere["rule_files"])
    mounted = " ".join(CONTAINERS["prometheus"]["volumes"])
    for name in here["rule_files"]:
        assert f"./{name}:/etc/prometheus/{name}:ro" in mounted
    (job,) = here["scrape_configs"]
    (other,) = elsewhere["scrape_configs"]
    assert job["job_name"] == other["job_name"]
    for target, named in zip(job["static_configs"], other["static_configs"], strict=True):
        service = named["labels"]["service"]
        assert target == {
            "targets": [named["targets"][0].replace("127.0.0.1", service)],
            "labels": named["labels"],
        }
