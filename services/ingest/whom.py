"""Which lead is meant: from what a sender gives to identity keys and search terms. Pure."""

from collections.abc import Iterable

from services.ingest.forms import LeadReference
from services.ingest.items import Term, Whom
from shared import company_names
from shared.domains import company_domain, registrable_domain
from shared.events import Observation
from shared.fields import FieldRegistry
from shared.identity import identity_keys
from shared.mistakes import FieldError
from shared.normalise import email as normalise_email
from shared.normalise import phone as normalise_phone

MAX_ID = 200
MAX_TERM = 200  # characters; PostgreSQL's b-tree takes 2,700 bytes
_WEAK = ("phone_only", "domain_only")
_SEARCHED = ("text", "email", "phone", "url", "choice")


def is_id(text: str) -> bool:
    """Whether a sender's text may be a lead id or external id: 1 to 200 printable characters without spaces."""
    return 0 < len(text) <= MAX_ID and text.isprintable() and " " not in text


def by_lead_id(lead_id: str, *, create: bool) -> Whom:
    """The lead of this id. Raises ValueError when it cannot be an id."""
    if not is_id(lead_id):
        raise ValueError(f"is no lead id: 1 to {MAX_ID} printable characters without spaces")
    return Whom(lead_id=lead_id, create=create)


def by_reference(reference: LeadReference) -> tuple[Whom, list[FieldError]]:
    """The lead that an activity refers to, and what is wrong with the reference (pointers below `/lead`)."""
    errors: list[FieldError] = []
    email = phone = domain = None
    if reference.external_id is not None and not is_id(reference.external_id):
        errors.append(FieldError("/lead/external_id", f"1 to {MAX_ID} printable characters without spaces"))
    try:
        email = normalise_email(reference.email) if reference.email is not None else None
    except ValueError as error:
        errors.append(FieldError("/lead/email", str(error)))
    try:
        phone = normalise_phone(reference.phone) if reference.phone is not None else None
    except ValueError as error:
        errors.append(FieldError("/lead/phone", str(error)))
    for name, given in (("domain", reference.domain), ("website", reference.website)):
        if given is not None and (domain := domain or registrable_domain(given)) is None:
            errors.append(FieldError(f"/lead/{name}", f"{given[:80]!r} holds no registrable domain"))
    external_ids = [reference.external_id] if reference.external_id else []
    keys = identity_keys(external_ids=external_ids, email=email, phone=phone, domain=domain)
    if not keys and not errors:
        errors.append(FieldError("/lead", "give at least one of external_id, email, phone, domain of a company"))
    return Whom(keys=tuple(keys), terms=_terms(email, phone, company_domain(website=domain, email=email))), errors


def by_fields(registry: FieldRegistry, observations: Iterable[Observation], external_id: str | None) -> Whom:
    """The lead that a submission is about. A phone or a domain alone is nobody's identity here."""
    said = {o.field: o.value for o in observations if isinstance(o.value, str)}
    email, phone, website = said.get("email"), said.get("phone"), said.get("website")
    keys = identity_keys(external_ids=[external_id] if external_id else [], email=email, phone=phone, website=website)
    return Whom(
        keys=tuple(key for key in keys if key.kind not in _WEAK),
        terms=terms_of(registry, said),
    )


def terms_of(registry: FieldRegistry, said: dict[str, str]) -> tuple[Term, ...]:
    """What a lead with these field values is found by."""
    email, phone, website = said.get("email"), said.get("phone"), said.get("website")
    texts = (
        Term("text", value.casefold()[:MAX_TERM])
        for field, value in said.items()
        if field in registry and registry.get(field).type in _SEARCHED
    )
    name, number = said.get("company_name"), said.get("corporate_number")
    company = [Term("company", company_names.read(name).key[:MAX_TERM])] if name else []
    company += [Term("corporate_number", number)] if number else []
    return (*_terms(email, phone, company_domain(website=website, email=email)), *company, *dict.fromkeys(texts))


def _terms(email: str | None, phone: str | None, domain: str | None) -> tuple[Term, ...]:
    found = [Term("email", email)] if email else []
    if phone:
        found.append(Term("phone", phone))
    if domain:
        found.append(Term("domain", domain))
    return tuple(found)
