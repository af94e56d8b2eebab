"""Phones and domains that come to a lead one after the other, within one batch. Pure."""

from collections.abc import Collection, Iterable

from services.ingest.items import Term
from shared.identity import IdentityKey, phone_and_domain


class Joining:
    """Keys of a phone and a domain that nobody has yet, and which leads come to have both of one, item by item: first
    the one and then the other, as if each item were a request of its own."""

    def __init__(self, missing: Iterable[IdentityKey]) -> None:
        self._with: dict[Term, list[tuple[Term, IdentityKey]]] = {}
        self._of: dict[str, set[Term]] = {}
        for key in missing:
            if key.kind == "phone_domain":
                phone, domain = phone_and_domain(key)
                one, other = Term("phone", phone), Term("domain", domain)
                self._with.setdefault(one, []).append((other, key))
                self._with.setdefault(other, []).append((one, key))

    def __bool__(self) -> bool:
        return bool(self._with)

    @property
    def terms(self) -> Collection[Term]:
        """What the keys are made of."""
        return self._with.keys()

    def know(self, terms: Iterable[tuple[str, Term]]) -> None:
        """What leads had before."""
        for lead_id, term in terms:
            self._of.setdefault(lead_id, set()).add(term)

    def come(self, lead_id: str, terms: Iterable[Term]) -> list[IdentityKey]:
        """The keys of which a lead has both, now that it has these terms, too."""
        told = [term for term in terms if term in self._with]
        held = self._of.setdefault(lead_id, set())
        held.update(told)
        return [key for term in told for other, key in self._with[term] if other in held]
