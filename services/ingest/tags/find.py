"""Which vendors' tags are live in a page. Pure, but for reading `signatures.yaml` once.

An entry is `vendor:id` (`gtm:GTM-ABC123`), or the vendor alone where its tag shows no id (`adobe_analytics`). Patterns
are RE2's: their time is linear in the text, whatever the page.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import re2

from services.ingest.tags.markup import live_pieces
from services.ingest.tags.script import without_comments
from shared.config.document import Document, read
from shared.events import Text
from shared.fields import FieldId

IDS_MAX = 20
"""Ids of one vendor in a page; no site needs more, a hostile one may hold a million."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: FieldId
    name: Text
    find: list[str]


class _Signatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    vendors: list[_Entry]


@dataclass(frozen=True)
class Signature:
    """How to know one vendor's tag: any of the patterns, whose group `id` is the customer's id there."""

    id: str
    name: str
    patterns: tuple[Any, ...]

    def ids(self, text: bytes) -> set[str] | None:
        """Ids in the live text of a page; empty where the tag shows none, None where there is no tag."""
        seen: set[str] = set()
        present = False
        for pattern in self.patterns:
            group = pattern.groupindex.get(b"id")
            for found in pattern.finditer(text):
                present = True
                if group is not None and found[group]:
                    seen.add(found[group].decode())
                if group is None or len(seen) >= IDS_MAX:
                    break
        return seen if present else None


def read_signatures(document: Document) -> tuple[Signature, ...]:
    """Raises ConfigError."""
    signatures: list[Signature] = []
    for at, entry in enumerate(document.convert(_Signatures).vendors):
        if entry.id in {signature.id for signature in signatures}:
            raise document.error(("vendors", at, "id"), f"the vendor `{entry.id}` stands here twice; keep one")
        try:
            patterns = tuple(re2.compile(written.encode(), _quiet()) for written in entry.find)
        except re2.error as error:
            raise document.error(
                ("vendors", at, "find"), f"a pattern is none of RE2: {error.args[0].decode()}"
            ) from error
        signatures.append(Signature(entry.id, entry.name, patterns))
    return tuple(signatures)


@cache
def shipped_signatures() -> tuple[Signature, ...]:
    """Those of `signatures.yaml` beside this file."""
    return read_signatures(read(Path(__file__).parent, "signatures.yaml"))


def find_tags(html: str, signatures: Iterable[Signature]) -> list[str]:
    """The entries for a page in alphabetical order, each once."""
    pieces = (without_comments(text) if is_code else text for text, is_code in live_pieces(html))
    live = "\n".join(pieces).encode("utf-8", "replace")
    entries: set[str] = set()
    for signature in signatures:
        ids = signature.ids(live)
        if ids is not None:
            entries |= {f"{signature.id}:{id_}" for id_ in ids} or {signature.id}
    return sorted(entries)


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options
