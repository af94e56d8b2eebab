"""Texts that people read, in the two languages of Tasuki."""

from typing import Annotated, Literal

import msgspec

Phrase = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in Japanese and English."""

    ja: Phrase
    en: Phrase

    def to(self, language: Literal["ja", "en"]) -> str:
        """The text for a reader of this language."""
        return self.ja if language == "ja" else self.en
