"""What pages name is there: settings, endpoints, metrics and commands, wherever prose or a snippet speaks of them.

That the reference, by which they are judged, has all that runs and nothing else is for test_documented.py to say.
"""

import re
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.docs.pages import DOCS
from tests.docs.test_documented import sections
from tests.system import ROOT

FILES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SETTING = re.compile(r"\bTASUKI_[A-Z0-9_]*[A-Z0-9]\b(?![_*])")
OF_THE_OWNER = ("TASUKI_SECRET_", "TASUKI_TOKEN_", "TASUKI_URL_", "TASUKI_VERIFY_", "TASUKI_REQUIRE_")
"""Beginnings of variables that sources.yaml and webhooks.yaml name, and of those that `make` looks at."""
ENDPOINT = re.compile(r"\b(GET|POST|PUT) (/v1/[^\s`?,)]+)")
OF_OTHERS = {"GET /v1/users"}
"""Aircall's."""
METRIC = re.compile(r"(?<![\w:#])tasuki_[a-z_]+[a-z]\b(?!\.)")
COMMAND = re.compile(r"(?:`|^|\$ |bin/)tasuki ([a-z]+(?: [a-z]+)?)", re.MULTILINE)


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_setting_that_is_named(file: Path) -> None:
    known = {f"TASUKI_{setting.upper()}" for setting in Settings.model_fields}
    assert {n for n in SETTING.findall(text_of(file)) if not n.startswith(OF_THE_OWNER)} - known == set()


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_endpoint_that_is_named(file: Path) -> None:
    known = [entry for entry in sections("reference/api.md") if " " in entry]
    patterns = [re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(entry))) for entry in known]
    named = {f"{method} {path}" for method, path in ENDPOINT.findall(text_of(file)) if not path.endswith("...")}
    assert {one for one in named if not any(pattern.fullmatch(one) for pattern in patterns)} <= OF_OTHERS


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_metric_that_is_named(file: Path) -> None:
    known = set(sections("reference/metrics.md"))
    named = {re.sub("_(bucket|count|sum)$", "", one) for one in METRIC.findall(text_of(file))}
    assert named - known == set()


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_command_that_is_named(file: Path) -> None:
    known = {entry.removeprefix("tasuki ") for entry in sections("reference/cli.md")}
    groups = {command.split()[0] for command in known if " " in command}
    named = COMMAND.findall(text_of(file))
    assert {one if one.split()[0] in groups else one.split()[0] for one in named} - known == set()
