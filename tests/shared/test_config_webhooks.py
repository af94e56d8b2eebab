"""webhooks.yaml: the shipped example loads; each mistake stops the load with file, line and what to do."""

from pathlib import Path
from typing import Any

import pytest

from shared.config import ConfigError, Document, load_config
from shared.config.webhooks import OF_HANDOFFS, link_to, read_webhooks
from shared.config.yaml import parse

SHIPPED = Path(__file__).parents[2] / "config"
REGISTRY = load_config(SHIPPED).fields
CRM = "id: crm, format: standard, url: 'https://crm.acme.co.jp/x', secret_env: SECRET"
SLACK = "id: sales, format: slack, url_env: SLACK"


def document(text: str) -> Document:
    data, lines = parse(text, "webhooks.yaml")
    return Document(data, "webhooks.yaml", lines)


def read(*entries: str) -> Any:
    return read_webhooks(document("\n".join(["webhooks:", *(f"  - {{{entry}}}" for entry in entries)])), REGISTRY)


def test_nothing_is_told_to_anybody_as_shipped() -> None:
    assert load_config(SHIPPED).webhooks == {}


def test_the_commented_example_would_load() -> None:
    lines = (SHIPPED / "webhooks.yaml").read_text(encoding="utf-8").splitlines()
    body = [line.removeprefix("# ") for line in lines[lines.index("# webhooks:") :]]
    webhooks = read_webhooks(document("\n".join(body)), REGISTRY)
    assert {webhook.format for webhook in webhooks.values()} == {"standard", "slack"}
    assert webhooks["crm"].events == OF_HANDOFFS


def test_all_of_handoffs_is_told_unless_something_else_is_wanted() -> None:
    assert read(CRM)["crm"].events == ("handoff-created", "handoff-accepted", "handoff-returned", "handoff-overdue")
    assert read(f"{CRM}, events: [stage-changed]")["crm"].events == ("stage-changed",)


def test_a_secret_may_have_one_before_it_that_may_go_without_notice() -> None:
    webhook = read(f"{CRM}, previous_secret_env: OLD")["crm"]
    assert webhook.secrets({"SECRET": "new", "OLD": "old"}) == ("new", "old")
    assert webhook.secrets({"SECRET": "new"}) == ("new",)
    with pytest.raises(LookupError, match="SECRET is not set"):
        webhook.secrets({"OLD": "old"})
    slack = read(SLACK)["sales"]
    assert slack.address({"SLACK": "https://hooks.slack.com/services/T/B/x"}).endswith("/x")
    with pytest.raises(LookupError, match="SLACK is not set"):
        slack.address({})


def test_a_link_names_the_handoff() -> None:
    webhook = read(f"{SLACK}, link: 'https://x.jp/{{lead_id}}?h={{handoff_id}}'")["sales"]
    assert link_to(webhook, "h1", "l1") == "https://x.jp/l1?h=h1"
    assert link_to(read(SLACK)["sales"], "h1", "l1") is None


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("format: slack, url_env: X", "missing required field `id`"),
        ("id: a b, format: slack, url_env: X", "id: Expected `str` matching"),
        ("id: x, url_env: X", "missing required field `format`"),
        ("id: x, format: teams, url_env: X", "format: Invalid enum value 'teams'"),
        (f"{SLACK}, colour: red", "the key `colour` is not known here"),
        (f"{CRM}, events: []", "length >= 1"),
        (f"{CRM}, events: [handoff-made]", "Invalid enum value 'handoff-made'"),
        (f"{CRM}, events: [handoff-created, handoff-created]", "stands here twice"),
        (f"{CRM}, url_env: X", "either `url`, or `url_env`"),
        ("id: x, format: slack", "either `url`, or `url_env`"),
        ("id: x, format: slack, url: 'http://crm.acme.co.jp/'", "use https"),
        ("id: x, format: slack, url: 'ftp://crm.acme.co.jp/'", "url: Expected `str` matching"),
        ("id: x, format: slack, url_env: 'https://hooks.slack.com/'", "url_env: Expected `str` matching"),
        ("id: x, format: standard, url: 'https://crm.acme.co.jp/'", "a standard webhook is signed"),
        (f"{SLACK}, secret_env: X", "Slack does not check signatures"),
        (f"{SLACK}, previous_secret_env: X", "Slack does not check signatures"),
        (f"{CRM}, language: ja", "`language` is for Slack's texts"),
        (f"{CRM}, link: 'https://x.jp/{{handoff_id}}'", "`link` is for Slack's texts"),
        (f"{CRM}, fields: [company_name]", "`fields` is for Slack's texts"),
        (f"{SLACK}, language: fr", "language: Invalid enum value 'fr'"),
        (f"{SLACK}, fields: [nam]", "there is no field `nam`"),
        (f"{SLACK}, link: 'https://x.jp/'", "where a handoff's id belongs"),
        (f"{SLACK}, link: 'https://x.jp/{{handoff_id}}/{{rep}}'", "where a handoff's id belongs"),
        (f"{SLACK}, segments: []", "length >= 1"),
        (f"{SLACK}, segments: [smb], events: [handoff-created, stage-changed]", "without filters"),
        (f"{SLACK}, owners: [sato], events: [stage-changed]", "without filters"),
        (f"id: first, {CRM.partition(', ')[2]}", "the endpoint `first` stands here twice"),
    ],
)
def test_a_mistake_is_told_with_its_line(entry: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read("id: first, format: slack, url_env: SLACK", entry)
    assert reason in caught.value.reason
    assert (caught.value.file, caught.value.line) == ("webhooks.yaml", 3)


def test_http_is_taken_by_who_says_so() -> None:
    entry = "id: x, format: standard, url: 'http://crm.lan:8080/', secret_env: X, allow_insecure: true"
    assert read(entry)["x"].url == "http://crm.lan:8080/"
