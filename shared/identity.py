"""Who is the same lead: same external id, else same e-mail, else same phone and same company domain; never by name."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from shared.domains import company_domain

KeyKind = Literal["external_id", "email", "phone_domain", "phone_only", "domain_only"]


class IdentityKey(NamedTuple):
    """One thing by which a lead is recognised; a `phone_domain` reads `+81312345678 acme.co.jp`."""

    kind: KeyKind
    value: str


def identity_keys(
    *,
    external_ids: Sequence[str] = (),
    email: str | None = None,
    phone: str | None = None,
    website: str | None = None,
    domain: str | None = None,
) -> list[IdentityKey]:
    """The keys of a lead or of a reference to one, the strongest first. Values are given normalised.

    `domain` is a registrable domain given as such (an activity's reference); without it the website tells, then the
    e-mail. A reference that says nothing but a phone or nothing but a domain is too weak to be anybody's identity: it
    gets a key of its own kind (`phone_only`, `domain_only`), equal only to the same bare reference.
    """
    company = company_domain(website=domain or website, email=email)
    keys = [IdentityKey("external_id", external_id) for external_id in dict.fromkeys(external_ids)]
    if email:
        keys.append(IdentityKey("email", email))
    if phone and company:
        keys.append(IdentityKey("phone_domain", f"{phone} {company}"))
    if not keys and phone:
        keys.append(IdentityKey("phone_only", phone))
    elif not keys and company:
        keys.append(IdentityKey("domain_only", company))
    return keys


def phone_and_domain(key: IdentityKey) -> tuple[str, str]:
    """What a `phone_domain` is made of."""
    phone, _, domain = key.value.rpartition(" ")
    return phone, domain
