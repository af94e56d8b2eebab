"""One company, however its name is written; two companies, however alike."""

import csv
import os
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.company_names import LEGAL_FORMS, read
from tests.system import ROOT

GIVEN = Path(os.environ.get("TASUKI_REAL_DATA", ROOT.parent / "shared" / "data")) / "companies_jp.csv"


@pytest.mark.parametrize(
    "written",
    [
        *(
            "株式会社アクメ",
            "アクメ株式会社",
            "㈱アクメ",
            "アクメ㈱",
            "（株）アクメ",
            "(株) アクメ",
            "アクメ　（株）",
            "㍿アクメ",
        ),
        *("ｱｸﾒ株式会社", "株式会社 アクメ", "〔株〕アクメ", "アクメ"),
    ],
)
def test_ways_to_write_one_name(written: str) -> None:
    assert read(written).key == "アクメ"


@pytest.mark.parametrize(
    ("name", "key", "form", "placed"),
    [
        ("株式会社アクメ", "アクメ", "株式会社", "before"),
        ("アクメ㈱", "アクメ", "株式会社", "after"),
        ("㈲山田商店", "山田商店", "有限会社", "before"),
        ("一般社団法人 日本アクメ協会", "日本アクメ協会", "一般社団法人", "before"),
        ("Acme Co., Ltd.", "acme", "co., ltd", "after"),
        ("ACME, Inc.", "acme", "inc", "after"),
        ("日本株式会社研究所", "日本株式会社研究所", "", ""),
        ("株式会社", "株式会社", "", ""),
        ("Zinc", "zinc", "", ""),
        ("データ・アーキテクツ", "データアーキテクツ", "", ""),
        ("データーズ", "データーズ", "", ""),
    ],
)
def test_what_is_read(name: str, key: str, form: str, placed: str) -> None:
    assert read(name) == (key, form, placed)


@given(st.text(min_size=1, max_size=60))
def test_any_text_is_read(name: str) -> None:
    assert read(name).key or not name.split()


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30))
def test_a_legal_form_more_changes_no_key(name: str) -> None:
    plain = read(name)
    if not plain.form and plain.key not in LEGAL_FORMS:  # a name that is nothing but a form has none beside it
        assert {read(way).key for way in (f"㈱{name}", f"{name}（株）", f" {name}  株式会社")} == {plain.key}


def test_real_names_are_told_apart_and_found_in_any_writing() -> None:
    if not GIVEN.is_file():
        pytest.skip(f"there is no {GIVEN}")
    with GIVEN.open(encoding="utf-8") as file:
        names = {row["corporate_number"]: row["name"] for row in csv.DictReader(file)}
    assert len(names) > 500
    by_key: dict[str, set[str]] = defaultdict(set)
    for number, name in names.items():
        by_key[read(name).key].add(number)
        if read(name).form == "株式会社":
            key = read(name).key
            assert {read(way).key for way in (f"㈱{key}", f"{key}（株）", f"株式会社 {key}", f"{key}株式会社")} == {key}
    assert sum(len(numbers) for numbers in by_key.values() if len(numbers) > 1) <= 2, (
        "a name alone is nobody's identity"
    )
