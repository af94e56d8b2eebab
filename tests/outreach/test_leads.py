"""What outreach knows of leads: believed values, consent, merges, erasure; in any order of arrival."""

import itertools
import random
from collections.abc import Sequence

import pytest

from services.outreach.permission import Consent, Standing, refusal, standing
from shared.events import Event
from tests.outreach.desk import NOW, Desk, consent, created, erased, fields, merged, unmerged

ALL: Standing = Standing("consent", frozenset())


async def body_of(desk: Desk, lead_id: str = "L1", template: str = "cxo-letter") -> str:
    return str((await desk.render(template, lead_id))["body"])


async def test_the_believed_value_is_used(desk: Desk) -> None:
    await desk.lead(company_name="フォーム社", last_name="山田", title="部長")
    await desk.deliver(
        fields("L1", "tool", 50, company_name="ツール社"), fields("L1", "hearing", company_name="本当社")
    )
    assert await body_of(desk) == "本当社\n部長 山田 様", "a hearing is believed before a form, however old"


async def test_a_merged_lead_counts_as_its_survivor(desk: Desk) -> None:
    await desk.lead("A", company_name="A社", last_name="山田")
    await desk.lead("B", company_name="B社", title="課長")
    await desk.deliver(merged("B", "A"))
    assert await body_of(desk, "B") == await body_of(desk, "A") == "A社\n課長 山田 様", "its own values first"
    assert (await desk.render("cxo-letter", "B"))["lead_id"] == "A"
    await desk.deliver(unmerged("B", "A"))
    assert await body_of(desk, "B") == "B社\n課長 【姓】 様"


async def test_an_opt_out_of_one_stops_all_that_are_merged(desk: Desk) -> None:
    await desk.lead("A", last_name="山田")
    await desk.lead("B", basis=None)
    await desk.deliver(consent("B", out=True))
    await desk.deliver(merged("B", "A"))
    for lead_id in ("A", "B"):
        await desk.render("first-mail", lead_id, 409)
    await desk.deliver(unmerged("B", "A"))
    await desk.render("first-mail", "A", 200)


async def test_an_opt_out_binds_whatever_is_told_later(desk: Desk) -> None:
    await desk.lead(last_name="山田")
    await desk.render("first-mail")
    await desk.deliver(consent("L1", out=True, channels=("email",), minutes=1))
    await desk.render("first-mail", status=409)
    await desk.render("inquiry-reply", status=409)
    await desk.render("cxo-letter", status=200)
    await desk.deliver(consent("L1", "relationship", minutes=2))
    await desk.render("first-mail", status=409)


async def test_a_consent_to_calls_alone_is_none_to_mail(desk: Desk) -> None:
    await desk.lead(basis=None, last_name="山田")
    await desk.deliver(consent("L1", channels=("call",)))
    refused = await desk.render("first-mail", status=409)
    assert refused["type"].endswith("contact-not-allowed")
    assert "email" in refused["reason"]["en"]
    await desk.deliver(consent("L1", channels=("email",), minutes=1))
    await desk.render("first-mail", status=200)


async def test_after_an_erasure_nothing_is_left(desk: Desk) -> None:
    await desk.lead(last_name="秘密山田", email="secret@example.jp")
    headers = {"Idempotency-Key": "k1"}
    body = {"lead_id": "L1", "rep": "tanaka"}
    assert (await desk.call("POST", "/v1/templates/first-mail/render", body, headers=headers)).status == 200
    await desk.deliver(erased("L1"))
    for path in ("/v1/templates/first-mail/render", "/v1/uses"):
        sent = body if "render" in path else body | {"kind": "talk", "content": "platform-user"}
        assert (await desk.call("POST", path, sent)).status == 410
    assert (await desk.call("GET", "/v1/case-studies?lead_id=L1")).status == 410
    repeated = await desk.call("POST", "/v1/templates/first-mail/render", body, headers=headers)
    assert repeated.status == 410, "the answer to the keyed request is forgotten, too"
    assert await desk.rows("select lead_id from outreach.observations") == []
    assert await desk.rows("select lead_id from outreach.consents") == []
    assert [row["key"] for row in await desk.rows("select key from access.lead_keys")] == [None]


async def test_what_comes_after_an_erasure_is_not_kept(desk: Desk) -> None:
    await desk.deliver(erased("L1"))
    await desk.deliver(created("L1"), fields("L1", last_name="山田"), consent("L1"))
    await desk.render("first-mail", status=410)
    assert await desk.rows("select lead_id from outreach.observations") == []
    assert await desk.rows("select lead_id from outreach.consents") == []


EVENTS: Sequence[Event] = [
    created("A"),
    created("B"),
    fields("A", company_name="A社"),
    fields("B", "hearing", 3, company_name="B社", title="課長"),
    consent("A", "published"),
    consent("B", out=True, channels=("email",), minutes=2),
    merged("B", "A", 1),
    merged("A", "B", 4),
    unmerged("B", "A", 6),
]


@pytest.mark.parametrize("seed", range(6))
async def test_order_batches_and_repetition_do_not_matter(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    shuffled = [*EVENTS, *chance.sample(EVENTS, 4)]
    chance.shuffle(shuffled)
    while shuffled:
        batch, shuffled = shuffled[: 1 + seed], shuffled[1 + seed :]
        await desk.deliver(*{event.identity: event for event in batch}.values())
    leads = await desk.rows("select lead_id, merged_into from outreach.leads order by 1")
    assert [tuple(row.values()) for row in leads] == [("A", "B"), ("B", None)]
    consents = await desk.rows("select lead_id, channels from outreach.consents order by 1")
    assert [tuple(row.values()) for row in consents] == [("A", []), ("B", ["email"])]
    assert len(await desk.rows("select * from outreach.observations")) == 3
    assert await body_of(desk, "A") == "B社\n課長 【姓】 様"
    await desk.render("first-mail", "A", 409)


def test_the_latest_basis_holds_in_any_order() -> None:
    said = [
        Consent((NOW, "a", "1"), "published", None, ()),
        Consent((NOW, "a", "2"), "consent", NOW, ("newsletter",)),
        Consent((NOW, "b", "0"), "relationship", NOW, ("sns_dm", "email")),
    ]
    expected = Standing("relationship", frozenset({"newsletter", "sns_dm", "email"}))
    assert {standing(order) for order in itertools.permutations(said)} == {expected}
    assert standing([]) == Standing(None, frozenset())


def told(*said: tuple[str, bool, tuple[str, ...]]) -> Standing:
    """What holds after these consents (basis, whether it opts out, channels), told one after the other."""
    return standing(
        Consent((NOW, "a", str(n)), basis, NOW if out else None, channels)
        for n, (basis, out, channels) in enumerate(said)
    )


CALL = ("consent", False, ("call",))
MAIL = ("relationship", False, ("email",))
ANY = ("published", False, ())
NO_DM = ("notified", True, ("sns_dm",))


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ([CALL], {"call", None}),
        ([MAIL], {"email", "newsletter", "auto_email", None}),
        ([("consent", False, ("newsletter",))], {"newsletter", None}),
        ([CALL, MAIL], {"call", "email", "newsletter", "auto_email", None}),
        ([ANY, CALL], {"call", "email", "newsletter", "auto_email", "sns_dm", None}),
        ([CALL, ANY], {"call", "email", "newsletter", "auto_email", "sns_dm", None}),
        ([NO_DM], {"call", "email", "newsletter", "auto_email", None}),
        ([CALL, NO_DM], {"call", None}),
        ([NO_DM, CALL], {"call", "email", "newsletter", "auto_email", None}),
        ([MAIL, ("consent", True, ("newsletter",))], {"email", "auto_email", None}),
    ],
)
def test_a_basis_holds_for_the_channels_that_it_names(
    said: list[tuple[str, bool, tuple[str, ...]]], allowed: set[str | None]
) -> None:
    channels = ("call", "email", "newsletter", "auto_email", "sns_dm", None)
    assert {channel for channel in channels if refusal(told(*said), channel) is None} == allowed


def test_of_each_channel_the_basis_told_last_holds() -> None:
    assert told(ANY, CALL) == Standing("published", frozenset(), frozenset({"call"}))
    assert told(ANY, CALL, MAIL, ("notified", False, ())) == Standing("notified", frozenset())


def test_the_refusal_names_the_channel_that_lacks_a_basis() -> None:
    why = refusal(told(CALL), "email")
    assert why is not None
    assert "「email」" in why.ja
    assert "channel email" in why.en


@pytest.mark.parametrize(
    ("opted_out", "channel", "allowed"),
    [
        ((), "email", True),
        ((None,), "email", False),
        ((None,), None, False),
        (("email",), "email", False),
        (("email",), "newsletter", False),
        (("email",), "auto_email", False),
        (("newsletter",), "email", True),
        (("newsletter",), "newsletter", False),
        (("email",), "cxo_letter", True),
        (("call",), None, True),
    ],
)
def test_channels(opted_out: Sequence[str | None], channel: str | None, allowed: bool) -> None:
    assert (refusal(Standing("consent", frozenset(opted_out)), channel) is None) == allowed


@pytest.mark.parametrize("basis", ["consent", "notified", "relationship", "published"])
def test_each_basis_of_the_law_will_do_and_none_will_not(basis: str) -> None:
    assert refusal(Standing(basis, frozenset()), "email") is None
    assert refusal(Standing(None, frozenset()), "email") is not None


async def test_who_unsubscribed_is_not_written_to_whatever_is_told_later_and_that_opens_nothing(desk: Desk) -> None:
    out = consent("L1", None, out=True, channels=("email",))
    await desk.deliver(created("L1"), fields("L1", last_name="山田"), out)
    assert "opted out" in (await desk.render("first-mail", status=409))["detail"]
    assert (await desk.rows("select basis from outreach.consents")) == [{"basis": None}]
    await desk.deliver(consent("L1", "consent", minutes=5))
    assert "opted out" in (await desk.render("first-mail", status=409))["detail"]
