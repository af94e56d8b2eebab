"""Names of companies as people write them: one form for comparing. Pure.

`㈱アクメ`, `(株) アクメ`, `アクメ株式会社` and `株式会社アクメ` have one key. Whether the legal form stands before the
name (前株) or after it (後株) tells companies apart in the register, but hardly ever for who writes it down: so it is
read, and not compared.
"""

import re
import unicodedata
from typing import Literal, NamedTuple

Placed = Literal["before", "after", ""]

LEGAL_FORMS = {
    "株式会社": ("株",),
    "有限会社": ("有",),
    "合同会社": ("同", "合"),
    "合資会社": ("資",),
    "合名会社": ("名",),
    "一般社団法人": ("一社",),
    "公益社団法人": ("公社",),
    "社団法人": ("社",),
    "一般財団法人": ("一財",),
    "公益財団法人": ("公財",),
    "財団法人": ("財",),
    "医療法人": ("医",),
    "学校法人": ("学",),
    "社会福祉法人": ("福", "社福"),
    "宗教法人": ("宗",),
    "特定非営利活動法人": ("特非",),
    "npo法人": ("非",),
    "独立行政法人": ("独",),
    "国立大学法人": ("大",),
    "税理士法人": ("税",),
    "弁護士法人": ("弁",),
    "監査法人": (),
}
"""Legal form -> its short forms, which stand in brackets."""
_ENGLISH: tuple[str, ...] = (
    "co., ltd.",
    "co.,ltd.",
    "co. ltd.",
    "co ltd",
    "corporation",
    "corp.",
    "corp",
    "incorporated",
    "inc.",
    "inc",
)
_ENGLISH += ("limited", "ltd.", "ltd", "l.l.c.", "llc", "k.k.", "kk", "gmbh", "plc")
_WRITTEN = {form: form for form in LEGAL_FORMS} | {
    f"{opening}{short}{closing}": form
    for form, shorts in LEGAL_FORMS.items()
    for short in shorts
    for opening, closing in ("()", "[]", "〔〕")
}
_LONGEST_FIRST = sorted(_WRITTEN, key=len, reverse=True)
_NOISE = re.compile(r"[\s・·.,、。'’\"&＆_/-]+")


class CompanyName(NamedTuple):
    """A name taken apart: its legal form ("" where none is written), where that stands, and the rest for comparing."""

    key: str
    form: str
    placed: Placed


def read(name: str) -> CompanyName:
    """Take a name apart. A name of nothing but a form keeps it as its key."""
    text = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    for written in _LONGEST_FIRST:
        if text.startswith(written) and (rest := _key(text.removeprefix(written))):
            return CompanyName(rest, _WRITTEN[written], "before")
        if text.endswith(written) and (rest := _key(text.removesuffix(written))):
            return CompanyName(rest, _WRITTEN[written], "after")
    for written in _ENGLISH:
        if text.endswith((f" {written}", f",{written}")) and (rest := _key(text.removesuffix(written))):
            return CompanyName(rest, written.strip("."), "after")
    return CompanyName(_key(text) or text, "", "")


def _key(text: str) -> str:
    return _NOISE.sub("", text)
