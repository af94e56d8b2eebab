"""Companies by domain, corporate number and name."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.companies import grouped
from tests.ingest.door import Door

NUMBER, OTHER = "6010001135680", "3010401083482"


async def company(door: Door, **query: str) -> list[dict[str, Any]]:
    answer = await door.get("/v1/companies", **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_leads_of_one_company_by_domain_and_by_number(door: Door) -> None:
    a = await door.lead({"email": "a@acme.co.jp", "company_name": "株式会社アクメ"})
    b = await door.lead({"email": "b@acme.co.jp", "company_name": "㈱アクメ", "corporate_number": NUMBER})
    c = await door.lead({"email": "c@acme-group.jp", "company_name": "株式会社アクメ", "corporate_number": NUMBER})
    d = await door.lead({"email": "d@else.jp", "company_name": "アクメ(株)", "corporate_number": OTHER})
    one = {
        "domains": ["acme-group.jp", "acme.co.jp"],
        "corporate_numbers": [NUMBER],
        "names": ["株式会社アクメ", "(株)アクメ"],
        "lead_ids": sorted(lead["lead_id"] for lead in (a, b, c)),
    }
    assert await company(door, domain="acme.co.jp") == [one], "also what is linked in two steps"
    assert await company(door, corporate_number=NUMBER) == [one]
    namesakes = await company(door, name="アクメ　株式会社")
    assert [c["lead_ids"] for c in namesakes] == [one["lead_ids"], [d["lead_id"]]], "a name makes none of two"
    assert await company(door, name="アクメ", domain="else.jp") == namesakes[1:]
    assert await company(door, name="ほか") == []


async def test_a_search_finds_a_company_in_any_writing(door: Door) -> None:
    lead = await door.lead({"email": "a@acme.co.jp", "company_name": "アクメ株式会社"})
    for words in ("㈱アクメ", "(株)アクメ", "アクメ", "アクメ株式会社"):
        assert [item["lead_id"] for item in (await door.get("/v1/leads", q=words)).json()["items"]] == [lead["lead_id"]]


async def test_mistakes(door: Door) -> None:
    for query in ({}, {"domain": "localhost"}, {"corporate_number": "1234567890123"}, {"name": " "}):
        assert (await door.get("/v1/companies", **query)).status_code == 422, query


marks = st.dictionaries(
    st.sampled_from("abcdefgh"), st.sets(st.tuples(st.just("domain"), st.sampled_from("12345")), min_size=1, max_size=3)
)


@given(marks, st.randoms(use_true_random=False))
def test_groups_are_those_of_any_order(has: dict[str, set[tuple[str, str]]], chance: Any) -> None:
    shuffled = list(has.items())
    chance.shuffle(shuffled)
    groups = grouped(has)
    assert sorted(map(tuple, groups)) == sorted(map(tuple, grouped(dict(shuffled))))
    assert sorted(lead for group in groups for lead in group) == sorted(has)
    for group in groups:
        for other in groups:
            shared = set().union(*(has[a] for a in group)) & set().union(*(has[b] for b in other))
            assert (group == other) == bool(shared)
