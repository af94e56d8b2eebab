"""What of an endpoint's address, secret or filters stops the start of handoff."""

import os
from pathlib import Path
from typing import Any

import pytest

from services.handoff.webhooks.endpoints import check_filters, resolve
from shared.addresses import read_networks
from shared.config import ConfigError, load_config
from tests.handoff.desk import ROOT
from tests.handoff.webhooks.telling import ENVIRONMENT, SECRET, configured, slack, standard

CONFIG = load_config(ROOT / "config")
HOOK = "https://hooks.slack.com/services/T0/B0/canary-of-the-address"


def refused(entry: dict[str, Any], environment: dict[str, str] = ENVIRONMENT, private: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(configured(CONFIG, entry), environment, read_networks(private))
    return caught.value.reason


def test_an_endpoint_shows_neither_its_address_nor_its_secret() -> None:
    (crm,) = resolve(configured(CONFIG, standard(HOOK)), ENVIRONMENT, ()).values()
    assert crm.origin == "https://hooks.slack.com"
    for shown in (repr(crm), str(crm), repr(crm.wanted)):
        assert "canary" not in shown
        assert SECRET not in shown


def test_an_address_may_come_from_the_environment_alone() -> None:
    entry = slack("", url_env="SLACK")
    del entry["url"]
    (sales,) = resolve(configured(CONFIG, entry), {"SLACK": HOOK}, ()).values()
    assert sales.url == HOOK
    assert "SLACK is not set" in refused(entry)
    assert "canary" not in refused(entry, {"SLACK": "https://user:canary@hooks.slack.com/"})
    plain = entry | {"allow_insecure": False}
    for url in ("http://127.0.0.1/canary", "HTTP://127.0.0.1/canary"):
        assert "use https" in (reason := refused(plain, {"SLACK": url}, "127.0.0.1"))
        assert "canary" not in reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1/", "may not be posted to"),
        ("https://[::1]/", "may not be posted to"),
        ("https://169.254.169.254/", "may not be posted to"),
        ("https://10.0.0.1:8443/", "may not be posted to"),
        ("https://127.1/", "no IP address in its usual form"),
        ("https://2130706433/", "no IP address in its usual form"),
        ("https://①②⑦.0.0.1/", "cannot be read"),
        ("https://crm.acme.co.jp:8443/", "needs its network in TASUKI_WEBHOOK_PRIVATE_NETWORKS"),
        ("https://crm.acme.co.jp:22/", "needs its network"),
        ("http://crm.acme.co.jp/", "needs its network"),
        ("http://93.184.215.14/", "may not be posted to"),
        ("https://user@crm.acme.co.jp/", "user name"),
        ("https://crm.example/", "reserved"),
    ],
)
def test_what_could_never_be_posted_to_stops_the_start(url: str, reason: str) -> None:
    assert reason in refused(standard(url))


def test_http_stays_within_the_networks_that_are_named() -> None:
    assert "may not be posted to" in refused(standard("http://93.184.215.14/"), private="10.0.0.0/8")
    for url in ("http://10.0.0.1:8080/", "https://10.0.0.1:8443/", "http://crm.lan:8080/"):
        assert resolve(configured(CONFIG, standard(url)), ENVIRONMENT, read_networks("10.0.0.0/8"))["crm"].url == url


@pytest.mark.parametrize(
    "secret", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "whsec_" + "A" * 200, SECRET[6:]]
)
def test_a_secret_is_one_of_standard_webhooks(secret: str) -> None:
    reason = refused(standard("https://crm.acme.co.jp/"), {"SECRET": secret})
    assert "whsec_" in reason
    assert secret in ("", "secret", "whsec_") or secret not in reason


def test_a_filter_that_lets_nothing_through_stops_the_start() -> None:
    policies = CONFIG.policies.values()
    check_filters(configured(CONFIG, slack(HOOK, segments=["smb", "unknown"], owners=["sato", "suzuki"])), policies)
    for filters, reason in (({"segments": ["smal"]}, "no `smal`"), ({"owners": ["satou"]}, "no `satou`")):
        with pytest.raises(ConfigError) as caught:
            check_filters(configured(CONFIG, slack(HOOK, **filters)), policies)
        assert reason in caught.value.reason


def test_the_line_of_a_mistake_is_told(tmp_path: Path) -> None:
    for file in ("fields", "sources", "team", "stages"):
        (tmp_path / f"{file}.yaml").write_bytes((ROOT / "config" / f"{file}.yaml").read_bytes())
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/default.yaml").write_bytes((ROOT / "config/policies/default.yaml").read_bytes())
    text = "webhooks:\n  - id: crm\n    format: slack\n    url: https://127.0.0.1/x\n"
    (tmp_path / "webhooks.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"webhooks\.yaml:4: this address may not be posted to"):
        resolve(load_config(tmp_path), os.environ, ())
