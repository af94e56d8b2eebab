import pytest

from shared.domains import company_domain, registrable_domain
from shared.identity import IdentityKey, identity_keys


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("https://www.sales.acme.co.jp/about", "acme.co.jp"),
        ("http://acme.co.jp:8080/a@b", "acme.co.jp"),
        ("tanaka@mail.acme.co.jp", "acme.co.jp"),
        ("ACME.Tokyo.", "acme.tokyo"),
        ("日本語.jp", "xn--wgv71a119e.jp"),
        ("shop.example.test", "example.test"),
        ("co.jp", None),
        ("localhost", None),
        ("127.0.0.1", None),
        ("http://127.1/", None),
        ("http://[::1]/", None),
        ("not a host", None),
        ("", None),
    ],
)
def test_registrable_domain(text: str, domain: str | None) -> None:
    assert registrable_domain(text) == domain


def test_the_company_is_told_by_its_website_then_by_an_address_of_its_own() -> None:
    assert company_domain(website="https://www.acme.co.jp", email="a@holding.jp") == "acme.co.jp"
    assert company_domain(email="a@sales.acme.co.jp") == "acme.co.jp"
    for shared in ("gmail.com", "yahoo.co.jp", "docomo.ne.jp", "i.softbank.jp", "outlook.com", "aaa.ocn.ne.jp"):
        assert company_domain(email=f"a@{shared}") is None
    assert company_domain(website="https://www.softbank.jp/") == "softbank.jp"
    assert company_domain(website="https://www.facebook.com/acme", email="a@acme.co.jp") == "acme.co.jp"


def test_keys_in_their_order() -> None:
    keys = identity_keys(
        external_ids=["hubspot:1", "crm:2"], email="a@acme.co.jp", phone="+81312345678", website="https://acme.jp/"
    )
    assert keys == [
        IdentityKey("external_id", "hubspot:1"),
        IdentityKey("external_id", "crm:2"),
        IdentityKey("email", "a@acme.co.jp"),
        IdentityKey("phone_domain", "+81312345678 acme.jp"),
    ]


def test_a_phone_is_nobody_without_a_company() -> None:
    assert identity_keys(email="a@gmail.com", phone="+81312345678") == [IdentityKey("email", "a@gmail.com")]
    assert identity_keys(phone="+81312345678") == [IdentityKey("phone_only", "+81312345678")]
    assert identity_keys(phone="+81312345678", domain="acme.jp") == [
        IdentityKey("phone_domain", "+81312345678 acme.jp")
    ]


def test_a_domain_alone_has_a_kind_of_its_own_and_nothing_is_nobody() -> None:
    assert identity_keys(domain="acme.jp") == [IdentityKey("domain_only", "acme.jp")]
    assert identity_keys(domain="gmail.com") == []
    assert identity_keys() == []
