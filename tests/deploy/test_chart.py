"""The Helm chart, rendered by helm: Kubernetes would take it, it fits the code, and it opens what is needed alone."""

import json
from typing import Any

import jsonschema_rs
import pytest
import yaml

from shared.eventlog.topics import wanted_config
from shared.events import TOPICS
from shared.settings import PROCESSES, SERVICES, ProcessName, Settings
from tests.deploy.chart import (
    CHART,
    EVERYTHING,
    MONITORING,
    MUST,
    PEERS,
    ROOT,
    TOOLS,
    Manifest,
    containers,
    of_kind,
    pods,
    render,
    run_helm,
)

GROUPS = {
    "v1": "core.v1",
    "apps/v1": "apps.v1",
    "autoscaling/v2": "autoscaling.v2",
    "batch/v1": "batch.v1",
    "networking.k8s.io/v1": "networking.v1",
    "policy/v1": "policy.v1",
}
OF_OTHERS = {"keda.sh/v1alpha1", "kafka.strimzi.io/v1", "monitoring.coreos.com/v1"}
BARE = {**MUST, "networkPolicy": {"enabled": False}}


def selected(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@pytest.mark.parametrize("values", [MUST, BARE, EVERYTHING])
def test_kubernetes_takes_every_manifest(values: dict[str, Any]) -> None:
    manifests = render(values)
    schemas = json.loads((TOOLS / "kubernetes.json").read_text())
    for manifest in manifests:
        if manifest["apiVersion"] in OF_OTHERS:
            continue
        kind = f"io.k8s.api.{GROUPS[manifest['apiVersion']]}.{manifest['kind']}"
        jsonschema_rs.validator_for({**schemas, "$ref": f"#/$defs/{kind}"}).validate(manifest)


def test_helm_finds_nothing() -> None:
    done = run_helm("lint", EVERYTHING)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "existingSecret"),
        ({**MUST, "settings": {"TASUKI_DATABASE_URL": "postgresql://me:secret@db/tasuki"}}, "TASUKI_DATABASE_URL"),
        ({**MUST, "settings": {"TASUKI_KAFKA_RETENTION_MS": 2592000000}}, "want string"),
        ({**MUST, "setings": {}}, "setings"),
        ({**MUST, "image": {"repository": "registry.example.jp/tasuki", "tag": "latest"}}, "tag"),
        ({**MUST, "configFiles": {"a/../../b.yaml": ""}}, "'a/../../b.yaml' does not"),
        ({**EVERYTHING, "networkPolicy": {}}, "networkPolicy.callers"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], said: str) -> None:
    done = run_helm("template", values)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize("kind", ["Deployment", "Service", "PodDisruptionBudget"])
def test_each_process_has_its(kind: str) -> None:
    assert set(of_kind(render(), kind)) == set(PROCESSES)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_listens_and_is_asked_where_the_code_says(name: ProcessName) -> None:
    port = Settings().port(name)
    manifests = render()
    deployment = of_kind(manifests, "Deployment")[name]
    (container,) = containers(deployment["spec"]["template"])
    assert container["ports"] == [{"name": "http", "containerPort": port, "protocol": "TCP"}]
    assert container["image"] == f"registry.example.jp/tasuki/{name}:0.1.0"
    paths = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/livez", "port": "http"},
        "liveness": {"path": "/livez", "port": "http"},
        "readiness": {"path": "/readyz", "port": "http"},
    }
    (way_in,) = of_kind(manifests, "Service")[name]["spec"]["ports"]
    assert (way_in["port"], way_in["targetPort"]) == (port, "http")


@pytest.mark.parametrize("name", PROCESSES)
def test_selectors_find_the_pods_of_their_process_alone(name: ProcessName) -> None:
    manifests = render()
    labels = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["metadata"]["labels"] for pod in pods(manifests)
    }
    deployment = of_kind(manifests, "Deployment")[name]["spec"]
    spreads = deployment["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        deployment["selector"]["matchLabels"],
        of_kind(manifests, "Service")[name]["spec"]["selector"],
        of_kind(manifests, "PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"],
        of_kind(manifests, "NetworkPolicy")[name]["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in spreads),
    ]
    for selector in selectors:
        assert [component for component in labels if selected(selector, labels[component])] == [name]


def test_callers_find_the_services() -> None:
    """At the Services of the chart: each process is told all of them."""
    ports = {f"tasuki-{n}": s["spec"]["ports"][0]["port"] for n, s in of_kind(render(), "Service").items()}
    for pod in pods(render()):
        for container in containers(pod):
            told = {entry["name"]: entry.get("value") for entry in container["env"]}
            for service in SERVICES:
                name = f"tasuki-{service}"
                assert told[f"TASUKI_{service.upper()}_URL"] == f"http://{name}:{ports[name]}"


def test_a_setting_of_the_operator_wins_over_one_of_the_chart() -> None:
    outside = "https://api.example.jp/handoff"
    pod = of_kind(render({**MUST, "settings": {"TASUKI_HANDOFF_URL": outside}}), "Deployment")["handoff"]["spec"][
        "template"
    ]
    assert [e["value"] for e in containers(pod)[0]["env"] if e["name"] == "TASUKI_HANDOFF_URL"] == [outside]


def test_a_pod_may_do_nothing_beyond_its_work() -> None:
    for pod in pods(render()):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, "TASUKI_INGEST_PORT would be tcp://..."
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert "tmp" in mounted
            assert mounted <= {volume["name"] for volume in spec["volumes"]}


def test_the_console_is_given_none_of_the_services_secrets() -> None:
    (console,) = containers(of_kind(render(), "Deployment")["console"]["spec"]["template"])
    assert "envFrom" not in console
    secret = {"secretKeyRef": {"name": "tasuki", "key": "TASUKI_CONSOLE_SECRET"}}
    assert [entry["valueFrom"] for entry in console["env"] if "valueFrom" in entry] == [secret]


@pytest.mark.parametrize("grace_s", [1, 20, 90])
def test_a_pod_has_the_time_that_its_process_may_take(grace_s: int) -> None:
    for deployment in of_kind(render({**MUST, "shutdownGraceS": grace_s}), "Deployment").values():
        pod = deployment["spec"]["template"]
        (container,) = containers(pod)
        told = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert told["TASUKI_SHUTDOWN_GRACE_S"] == str(grace_s)
        waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["spec"]["terminationGracePeriodSeconds"] > waits + grace_s


def test_what_is_scaled_has_no_number_of_its_own() -> None:
    """Each upgrade would set it back."""
    manifests = render()
    scaled = {m["spec"]["scaleTargetRef"]["name"] for kind in ("HorizontalPodAutoscaler", "ScaledObject")
              for m in of_kind(manifests, kind).values()}  # fmt: skip
    assert scaled == {f"tasuki-{name}" for name in PROCESSES}
    assert not any("replicas" in d["spec"] for d in of_kind(manifests, "Deployment").values())
    assert {n for n, d in of_kind(render(MUST), "Deployment").items() if "replicas" in d["spec"]} == {"metrics"}


def test_metrics_has_no_more_replicas_than_partitions() -> None:
    scaled = of_kind(render({**EVERYTHING, "partitions": 6}), "ScaledObject")["metrics"]["spec"]
    assert scaled["maxReplicaCount"] == 6
    assert "tasuki_consumer_lag_events" in scaled["triggers"][0]["metadata"]["query"]
    assert "tasuki_consumer_lag_events" in (ROOT / "shared/figures.py").read_text()


@pytest.mark.parametrize(("replicas", "retention"), [(3, "-1"), (1, "-1"), (5, "2592000000")])
def test_topics_are_as_the_command_makes_them(replicas: int, retention: str) -> None:
    settings = {**EVERYTHING["settings"], "TASUKI_KAFKA_RETENTION_MS": retention}
    strimzi = {**EVERYTHING["strimzi"], "replicas": replicas}
    found = of_kind(render({**EVERYTHING, "settings": settings, "strimzi": strimzi}), "KafkaTopic")
    assert {topic["spec"]["topicName"] for topic in found.values()} == set(TOPICS)
    for topic in found.values():
        spec, meta = topic["spec"], topic["metadata"]
        config = {key: json.dumps(value).strip('"') for key, value in spec["config"].items()}
        assert config == wanted_config(Settings(kafka_retention_ms=int(retention)), spec["topicName"], replicas)
        assert (spec["partitions"], spec["replicas"]) == (Settings().log_partitions, replicas)
        assert (meta["namespace"], meta["labels"]["strimzi.io/cluster"]) == ("kafka", "main")
        assert meta["annotations"]["helm.sh/resource-policy"] == "keep", "uninstalling would delete all events"


def test_the_database_is_migrated_before_the_release_comes() -> None:
    def steps(values: dict[str, Any]) -> list[list[str]]:
        job = of_kind(render(values), "Job")["migrate"]
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert {c["image"] for c in containers(job["spec"]["template"])} == {"registry.example.jp/tasuki/cli:0.1.0"}
        return [container["args"] for container in containers(job["spec"]["template"])]

    kafka = {"TASUKI_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
    assert steps(MUST) == [["migrate"]]
    assert steps({**MUST, "settings": kafka}) == [["topics", "apply"], ["migrate"]]
    assert steps(EVERYTHING) == [["migrate"]], "Strimzi makes the topics"


def ways_in(manifests: list[Manifest], name: str) -> tuple[set[int], list[Any]]:
    rules = of_kind(manifests, "NetworkPolicy")[name]["spec"].get("ingress", [])
    assert all(rule.get("from") for rule in rules), "a rule without peers lets everybody in"
    return {port["port"] for r in rules for port in r["ports"]}, [peer for r in rules for peer in r["from"]]


def ways_out(manifests: list[Manifest], name: str) -> set[int]:
    return {port["port"] for r in of_kind(manifests, "NetworkPolicy")[name]["spec"]["egress"] for port in r["ports"]}


def test_nothing_passes_that_is_not_named() -> None:
    denied = of_kind(render(MUST), "NetworkPolicy")["deny"]["spec"]
    assert set(denied["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in denied
    assert "egress" not in denied
    for pod in pods(render(MUST)):
        assert selected(denied["podSelector"]["matchLabels"], pod["metadata"]["labels"])


@pytest.mark.parametrize("name", PROCESSES)
def test_who_may_call_a_process(name: ProcessName) -> None:
    ports, peers = ways_in(render(), name)
    assert ports == {Settings().port(name)}
    console = [p for p in peers if p.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/component")]
    assert [p["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for p in console] == (
        [] if name == "console" else ["console"]
    )
    assert [peer for peer in peers if peer not in console] == [*PEERS, *MONITORING]
    _, unless_named = ways_in(render(MUST), name)
    assert len(unless_named) == (0 if name == "console" else 1), "the console alone"


@pytest.mark.parametrize(
    ("name", "bare", "everything"),
    [
        ("ingest", {53, 5432, 80, 443}, {53, 5432, 9092, 80, 443, 4318}),
        ("handoff", {53, 5432, 80, 443}, {53, 5432, 9092, 80, 443, 4318}),
        ("metrics", {53, 5432}, {53, 5432, 9092, 443, 4318}),
        ("outreach", {53, 5432}, {53, 5432, 9092, 443, 465, 4318}),
        ("console", {53, 8001, 8002, 8003, 8004}, {53, 8001, 8002, 8003, 8004, 4318}),
        ("migrate", {53, 5432}, {53, 5432, 9092}),
    ],
)
def test_whom_a_process_may_call(name: str, bare: set[int], everything: set[int]) -> None:
    assert ways_out(render(MUST), name) == bare
    assert ways_out(render(), name) == everything


@pytest.mark.parametrize("name", ["ingest", "handoff"])
def test_the_way_to_the_web_leads_to_nothing_inside(name: str) -> None:
    rules = of_kind(render(MUST), "NetworkPolicy")[name]["spec"]["egress"]
    (web,) = (rule for rule in rules if {port["port"] for port in rule["ports"]} == {80, 443})
    blocks = {peer["ipBlock"]["cidr"]: set(peer["ipBlock"]["except"]) for peer in web["to"]}
    assert blocks["0.0.0.0/0"] >= {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"}
    assert blocks["::/0"] >= {"fc00::/7", "fe80::/10"}


def test_files_of_the_configuration_lie_where_they_are_read() -> None:
    manifests = render()
    given = of_kind(manifests, "ConfigMap")["config"]["data"]
    for deployment in of_kind(manifests, "Deployment").values():
        (container,) = containers(deployment["spec"]["template"])
        mounted = {m["mountPath"]: given[m["subPath"]] for m in container["volumeMounts"] if m["name"] == "config"}
        assert mounted == {f"/etc/tasuki/{path}": text for path, text in EVERYTHING["configFiles"].items()}


def test_a_changed_file_replaces_the_pods() -> None:
    """What is mounted by subPath is not seen to change."""
    changed = {**EVERYTHING, "configFiles": {**EVERYTHING["configFiles"], "team.yaml": "team: [sato]\n"}}
    before, after = (of_kind(render(v), "Deployment")["ingest"]["spec"]["template"] for v in (EVERYTHING, changed))
    assert before["metadata"]["annotations"] != after["metadata"]["annotations"]


def test_alerts_are_those_of_deploy() -> None:
    """Each file that Prometheus is told of is linked into the chart: `ln -s ../../../X deploy/helm/tasuki/files/`."""
    named = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["rule_files"]
    assert {path.name for path in (CHART / "files").iterdir()} == set(named)
    found = of_kind(render(), "PrometheusRule")
    for name in named:
        rules = yaml.safe_load((ROOT / "deploy" / name).read_text())
        assert found[name.removesuffix(".yml")]["spec"] == rules


def test_what_is_scraped_has_the_names_that_alerts_go_by() -> None:
    monitor = of_kind(render(), "ServiceMonitor")["tasuki"]["spec"]
    (endpoint,) = monitor["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")
    assert {"targetLabel": "job", "replacement": "tasuki"} in endpoint["relabelings"]
    component = "app.kubernetes.io/component"
    for name, service in of_kind(render(), "Service").items():
        assert selected(monitor["selector"]["matchLabels"], service["metadata"]["labels"])
        assert service["metadata"]["labels"][component] == name


def test_the_world_reaches_what_has_a_host() -> None:
    ingress = of_kind(render(), "Ingress")["tasuki"]["spec"]
    (rule,) = ingress["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["backend"]["service"]["name"]) == ("tasuki.example.jp", "tasuki-console")
    assert path["backend"]["service"]["port"] == {"number": Settings().console_port}
    assert ingress["tls"] == [{"secretName": "tls", "hosts": ["tasuki.example.jp"]}]
