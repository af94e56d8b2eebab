"""The chart as helm renders it."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.needs import require

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/tasuki"
TOOLS = Path(os.environ.get("HELM_TOOLS") or ROOT / ".cache/helm")
MUST = {"image": {"repository": "registry.example.jp/tasuki"}, "existingSecret": "tasuki"}
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "front"}}}]
MONITORING = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
EVERYTHING: dict[str, Any] = {
    **MUST,
    "settings": {
        "TASUKI_KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
        "TASUKI_OIDC_ISSUER": "https://id.example.jp",
        "TASUKI_TRACES": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    },
    "configFiles": {"team.yaml": "team: []\n", "policies/default.yaml": "id: default\n"},
    "kafkaCertificates": "kafka-ca",
    "imagePullSecrets": [{"name": "pull"}],
    "keda": {"enabled": True, "prometheus": "http://prometheus:9090"},
    "ingress": {"enabled": True, "className": "nginx", "hosts": {"console": "tasuki.example.jp"}, "tlsSecret": "tls"},
    "networkPolicy": {"callers": PEERS, "monitoring": MONITORING, "mail": {"enabled": True}},
    "monitoring": {"serviceMonitor": True, "prometheusRule": True},
    "strimzi": {"enabled": True, "cluster": "main", "namespace": "kafka"},
}

Manifest = dict[str, Any]


def run_helm(command: str, values: Mapping[str, Any]) -> "subprocess.CompletedProcess[str]":
    """`helm command ...` with these values; skips where there is no helm."""
    if not (TOOLS / "tools.txt").exists():
        require("Helm", "deploy/helm/install.sh fetches it")
    named = ["tasuki"] if command == "template" else []
    return subprocess.run(
        [str(TOOLS / "helm"), command, *named, str(CHART), "--values", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )


@cache
def _rendered(values: str) -> list[Manifest]:
    done = run_helm("template", json.loads(values))
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def render(values: Mapping[str, Any] = EVERYTHING) -> list[Manifest]:
    """The manifests of a release `tasuki`."""
    return _rendered(json.dumps(values))


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Those of a kind, by name without the release's; all of them have different names."""
    found = [manifest for manifest in manifests if manifest["kind"] == kind]
    names = [manifest["metadata"]["name"].removeprefix("tasuki-") for manifest in found]
    assert len(set(names)) == len(names)
    return dict(zip(names, found, strict=True))


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """The template of each pod."""
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    """Also those that run before the others."""
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
