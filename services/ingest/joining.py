"""Phones and domains that come to a lead one after the other, within one batch. Pure."""

from collections.abc import Iterable
from itertools import product

from services.ingest.items import Term
from shared.identity import IdentityKey, phone_and_domain


class Joining:
    """Keys of a phone and a domain that nobody has yet, and which leads come to have both of one, item by item: first
    the one and then the other, as if each item were a request of its own."""

    def __init__(self, missing: Iterable[IdentityKey]) -> None:
        self._keys = {phone_and_domain(key): key for key in missing if key.kind == "phone_domain"}
        self.phones = frozenset(phone for phone, _ in self._keys)
        self.domains = frozenset(domain for _, domain in self._keys)
        self._of: dict[str, tuple[set[str], set[str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def know(self, terms: Iterable[tuple[str, Term]]) -> None:
        """What leads had before."""
        for lead_id, term in terms:
            self.come(lead_id, (term,))

    def come(self, lead_id: str, terms: Iterable[Term]) -> list[IdentityKey]:
        """The keys of which a lead has both, now that it has these terms, too."""
        phones, domains = self._of.setdefault(lead_id, (set(), set()))
        phones.update(term.value for term in terms if term.kind == "phone" and term.value in self.phones)
        domains.update(term.value for term in terms if term.kind == "domain" and term.value in self.domains)
        return [self._keys[both] for both in product(phones, domains) if both in self._keys]
