"""Files of content -> pieces, or an error that names file, line and reason. Pure.

A file is YAML between two lines `---`, then the text in two languages, each begun by a line `<!-- ja -->` or
`<!-- en -->`. The first line of a mail's text is `Subject: ...`, with an empty line below.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from services.outreach.content import (
    HEADS,
    LANGUAGES,
    MAILS,
    Piece,
    Sender,
    SnippetHead,
    Source,
    TemplateHead,
    Text,
    Vocabulary,
)
from services.outreach.templating import Program, TemplateMistake
from shared import normalise
from shared.config import ConfigError, Document
from shared.config.yaml import parse
from shared.events import ContentKind, Language
from shared.fields import FieldRegistry

T = TypeVar("T")

SIZE_MAX = 64 * 1024
"""Bytes of a file."""
BESIDE = frozenset({"rep.id", "rep.name"})
OF_SENDER = ("organisation", "department", "address", "phone", "email", "opt_out.url", "opt_out.email")
"""What a text may say of the sender: `{{ sender.organisation }}`."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_MARK = re.compile(r"<!--\s*([a-z]{2})\s*-->\s*")
_SUBJECT = re.compile(r"[Ss]ubject:\s*(.*\S)\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def names_for(registry: FieldRegistry, declared: Iterable[str] = ()) -> frozenset[str]:
    """The names that a text may use."""
    fields = (field.id for field in registry)
    return BESIDE | {f"sender.{name}" for name in OF_SENDER} | {*fields, *declared}


def read_piece(kind: ContentKind, name: str, raw: bytes, file: str, registry: FieldRegistry) -> Piece:
    """A piece from its file's name without `.md` and the file's bytes. Raises ConfigError."""
    if not _ID.fullmatch(name):
        reason = f"the file's name is the id: it has lower-case letters, digits and `-` only, unlike {name[:40]!r}"
        raise ConfigError(file, 1, reason)
    lines = decoded(raw, file).split("\n")
    document, begin = _front_matter(lines, file)
    head = document.convert(HEADS[kind])
    declared = _declared(head, document, registry)
    texts = {
        part.language: _text(part, head, file, names_for(registry, declared) if _is_filled_in(kind) else None)
        for part in _parts(lines, begin, file)
    }
    return Piece(kind, name, head, texts, file, document.lines)


def read_sender(raw: bytes, file: str) -> Sender:
    """sender.yaml. Raises ConfigError."""
    document = _document(decoded(raw, file), file)
    sender = document.convert(Sender)
    for path, address in ((("email",), sender.email), (("opt_out", "email"), sender.opt_out.email)):
        try:
            normalise.email(address)
        except ValueError as error:
            raise document.error(path, f"{address!r} {error}") from error
    for name, words in (("organisation", sender.organisation), ("department", sender.department)):
        if words is not None and ("\n" in words.ja or "\n" in words.en):
            raise document.error((name,), "a name stands on one line; remove the line break")
    url = sender.opt_out.url
    if url is not None and not _is_plain_https(url):
        reason = f"{url!r} is not an https address; `{{lead_id}}` in it stands for the lead's id"
        raise document.error(("opt_out", "url"), reason)
    return sender


def read_vocabulary(raw: bytes, file: str) -> Vocabulary:
    """words.yaml. Raises ConfigError."""
    return _document(decoded(raw, file), file).convert(Vocabulary)


def decoded(raw: bytes, file: str) -> str:
    """The text of a file. Raises ConfigError for what is too large, no UTF-8, or holds control characters."""
    if len(raw) > SIZE_MAX:
        raise ConfigError(file, 1, f"the file has more than {SIZE_MAX:,} bytes; make two of it")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(file, line, "this is not UTF-8; save the file in UTF-8") from error
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise ConfigError(file, line, f"there is a control character (U+{ord(control[0]):04X}); remove it")
    return text


def _document(text: str, file: str) -> Document:
    data, lines = parse(text, file)
    return Document(data, file, lines)


def _front_matter(lines: list[str], file: str) -> tuple[Document, int]:
    """What stands between the lines `---`, and the index of the line after it."""
    if lines[0].rstrip() != "---":
        raise ConfigError(file, 1, "the file begins with a line `---`, then YAML, then another line `---`")
    for end, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return _document("\n".join(["", *lines[1:end]]), file), end + 1  # an empty line: lines keep their numbers
    raise ConfigError(file, 1, "the front matter has no end: put a line `---` below it")


class _Part(NamedTuple):
    language: Language
    first: int  # number of the line below the mark
    lines: list[str]


def _parts(lines: list[str], begin: int, file: str) -> Iterator[_Part]:
    """The lines of each language; both have to be there, each once, and nothing before them."""
    marks = [(at, m[1]) for at in range(begin, len(lines)) if (m := _MARK.fullmatch(lines[at]))]
    for at in range(begin, marks[0][0] if marks else len(lines)):
        if lines[at].strip():
            raise ConfigError(file, at + 1, "text stands before the first language; put `<!-- ja -->` above it")
    for number, (at, language) in enumerate(marks):
        if language not in LANGUAGES:
            raise ConfigError(file, at + 1, f"`{language}` is none of the languages: {', '.join(LANGUAGES)}")
        if language in [before for _, before in marks[:number]]:
            raise ConfigError(file, at + 1, f"`<!-- {language} -->` stands here twice; keep one")
    for language in LANGUAGES:
        if language not in [found for _, found in marks]:
            raise ConfigError(
                file, len(lines), f"the text in `{language}` is missing; begin it by `<!-- {language} -->`"
            )
    ends = [at for at, _ in marks[1:]] + [len(lines)]
    for (at, found), end in zip(marks, ends, strict=True):
        yield _Part("ja" if found == "ja" else "en", at + 2, lines[at + 1 : end])


def _text(part: _Part, head: object, file: str, names: frozenset[str] | None) -> Text:
    lines, first = part.lines, part.first
    while lines and not lines[0].strip():
        lines, first = lines[1:], first + 1
    subject = None
    if isinstance(head, TemplateHead):
        match = _SUBJECT.fullmatch(lines[0]) if lines else None
        if match and head.channel not in MAILS:
            raise ConfigError(file, first, f"a text for the channel `{head.channel}` has no subject; remove this line")
        if match is None and head.channel == "email":
            raise ConfigError(file, first, "a mail begins with a line `Subject: ...`")
        if match:
            subject = _source(match[1], first, file, names)
            if len(lines) > 1 and lines[1].strip():
                raise ConfigError(file, first + 1, "an empty line stands below the subject; add it")
            lines, first = lines[1:], first + 1
    while lines and not lines[0].strip():
        lines, first = lines[1:], first + 1
    body = "\n".join(line.rstrip() for line in lines).rstrip()
    if not body:
        raise ConfigError(file, first - 1, f"the text in `{part.language}` is empty")
    return Text(_source(body, first, file, names), subject)


def _source(text: str, line: int, file: str, names: frozenset[str] | None) -> Source:
    if names is None:
        return Source(text, line)
    try:
        return Source(text, line, Program(text, names))
    except TemplateMistake as mistake:
        raise ConfigError(file, line + mistake.line - 1, mistake.reason) from mistake


def _is_filled_in(kind: ContentKind) -> bool:
    return HEADS[kind] in (TemplateHead, SnippetHead)


def _declared(head: object, document: Document, registry: FieldRegistry) -> tuple[str, ...]:
    """The values that a template declares, checked: none is a field, and all that is required can be had."""
    if not isinstance(head, TemplateHead):
        return ()
    for name in head.values:
        if name in registry or name in ("rep", "sender"):
            raise document.error(("values", name), f"`{name}` is there already; give the value another name")
    for index, name in enumerate(head.require):
        if name not in registry and name not in head.values:
            reason = f"`{name}` is neither a field of fields.yaml nor one of `values`; correct it or declare it"
            raise document.error(("require", index), reason)
    return tuple(head.values)


def _is_plain_https(url: str) -> bool:
    """Whether it can stand in a header and in a text."""
    try:
        normalise.url(url.replace("{lead_id}", "0"))
    except ValueError:
        return False
    return url.startswith("https://") and url.isascii() and not re.search(r'[\s<>",{}#]', url.replace("{lead_id}", ""))
