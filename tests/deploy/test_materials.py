"""The bill of materials, which licences it lets in, and what is made of an audit."""

import json
from pathlib import Path

import pytest
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.audit import judge
from deploy.materials import MaterialsError, bill, licence_of, pins

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def written() -> str:
    return JsonV1Dot6(bill(LOCK)).output_as_string()


def test_the_bill_is_what_the_standard_says(written: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None


def test_the_bill_has_every_pin_with_its_files_and_licence_and_the_scripts(written: str) -> None:
    components = {c["bom-ref"]: c for c in json.loads(written)["components"]}
    wanted = {f"pkg:pypi/{pin.name}@{pin.version}": pin for pin in pins(LOCK)}
    scripts = components.keys() - wanted.keys()
    assert wanted.keys() <= components.keys()
    assert sorted(ref.partition("@")[0] for ref in scripts) == ["pkg:npm/htmx.org", "pkg:npm/uplot"]
    for ref, pin in wanted.items():
        assert {h["content"] for h in components[ref]["hashes"]} == set(pin.sha256) != set()
        assert components[ref]["licenses"]


def test_what_is_asked_for_directly_hangs_on_tasuki(written: str) -> None:
    needs = {d["ref"]: d.get("dependsOn", []) for d in json.loads(written)["dependencies"]}
    direct = {ref.partition("@")[0] for ref in needs["tasuki"]}
    assert {"pkg:pypi/fastapi", "pkg:pypi/asyncpg", "pkg:npm/htmx.org"} <= direct
    assert "pkg:pypi/starlette" not in direct


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        (("MIT",), "MIT"),
        (("Apache-2.0 OR GPL-3.0-only",), "Apache-2.0 OR GPL-3.0-only"),
        ((None, "The whole text of a licence ...", "BSD-3-Clause"), "BSD-3-Clause"),
        (("(MIT OR GPL-2.0-only) AND ISC",), "(MIT OR GPL-2.0-only) AND ISC"),
    ],
)
def test_a_licence_that_we_ship_with_is_taken(said: tuple[str | None, ...], licence: str) -> None:
    assert licence_of("package", *said) == licence


@pytest.mark.parametrize(
    "said", [("GPL-3.0-only",), ("MIT AND AGPL-3.0-only",), ("LGPL-2.1-or-later",), (None, ""), ("Free for all!",)]
)
def test_another_licence_or_none_is_refused(said: tuple[str | None, ...]) -> None:
    with pytest.raises(MaterialsError, match="package"):
        licence_of("package", *said)


def test_a_package_that_is_not_installed_or_another_is_told() -> None:
    with pytest.raises(MaterialsError, match="not installed"):
        bill("no-such-package==1.0 --hash=sha256:00")
    with pytest.raises(MaterialsError, match=r"not 0\.0\.1"):
        bill("msgspec==0.0.1 --hash=sha256:00")


def test_a_hole_fails_the_audit_and_what_was_not_audited_is_said() -> None:
    well = {"name": "a", "version": "1", "vulns": []}
    hole = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    unknown = {"name": "c", "skip_reason": "not found"}
    assert judge([well], required=True) == (["no known holes in 1 of 1 packages"], True)
    assert judge([well, hole], required=False) == (["b 2: PYSEC-1, mended in 3"], False)
    said, passes = judge([well, unknown], required=False)
    assert passes
    assert "NOT AUDITED: 1 packages" in said[-1]
    assert not judge([well, unknown], required=True)[1]
