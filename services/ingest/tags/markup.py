"""The live code of an HTML page: scripts, and the addresses of scripts, frames and images. Pure.

It is the tokenizer of the HTML standard (13.2.5) as far as it decides what is script, text or comment. A whole parser
is not used: building the tree costs quadratic time and memory on hostile pages (open formatting elements are made
anew in each paragraph), and the standard library's reads the same page differently from release to release. Every step
here goes forward, so the time is linear in the page's length.

Three departures from the standard, all for pages that show a server's source, where nothing of it is live:
`<?php ... ?>` is left out as a whole, so is a tag on a line of text that begins with `//`, and `<script ... />` ends
itself, as it does in JSX and XHTML.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

_RAW_TEXT = frozenset({"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"})
_ADDRESSES = ("src", "data-src", "data-rocket-src", "data-lazy-src")
_SCRIPT_TYPES = re.compile(r"(?:.*/)?(?:x-)?(?:java|ecma|j|live)script(?:1\.\d)?|module|text/partytown")
_ASKED_FIRST = (
    "data-cookieconsent",
    "data-cookiecategory",
    "data-category",
    "data-cookie-consent",
    "data-usercentrics",
)
"""A consent manager holds such a script back (as text/plain) until the visitor agrees: it is the site's tag all the
same."""

_MARKUP = re.compile(r"<(?:(/?[a-zA-Z])|[!?/])")
_COMMENT_END = re.compile(r"-->|--!>")
_TAG_NAME = re.compile(r"[^\s/>]+")
_ATTRIBUTE_NAME = re.compile(r"[\s/]*+([^\s/>][^\s/>=]*+)?\s*+")
_UNQUOTED = re.compile(r"[^\s>]*+")
_RAW_TEXT_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW_TEXT}
_IN_SCRIPT = re.compile(r"<!--|-->|</?script(?=[\s/>])", re.IGNORECASE)


class Piece(NamedTuple):
    """Something live: the code of a script, or the addresses and `data-` attributes of an element."""

    text: str
    is_code: bool


class _Tag(NamedTuple):
    name: str
    attributes: dict[str, str]
    closing: bool
    ends_itself: bool
    end: int


def live_pieces(html: str) -> Iterator[Piece]:
    """The live pieces of a page in their order. What stands in comments, texts, templates and JSON is none."""
    at, templates, commented_line = 0, 0, False
    while (found := _MARKUP.search(html, at)) is not None:
        start = found.start()
        commented_line = _is_commented(html[at:start], commented_line)
        if found[1] is None:
            at = _comment_end(html, start)
            continue
        tag = _read_tag(html, start)
        if tag is None:  # the page ends within the tag
            return
        at = tag.end
        if tag.name == "template":
            templates = max(0, templates - 1) if tag.closing else templates + 1
        if tag.closing or tag.name == "plaintext":
            if tag.name == "plaintext" and not tag.closing:
                return
            continue
        content = ""
        if tag.name in _RAW_TEXT and not (tag.name == "script" and tag.ends_itself):
            end = _script_end(html, at) if tag.name == "script" else _raw_text_end(html, at, tag.name)
            content, at = html[at:end], end
        if not templates and not commented_line:
            yield from _of_element(tag, content)


def _is_commented(text: str, before: bool) -> bool:
    """Whether the line on which a text ends begins with `//`."""
    _, newline, line = text.rpartition("\n")
    return line.lstrip().startswith("//") if newline or not before else before


def _comment_end(html: str, start: int) -> int:
    """The end of a comment, or of what the standard treats as one: declarations, instructions, `</` without a name."""
    if html.startswith("<!--", start):
        end = _COMMENT_END.search(html, start + 2)  # `<!-->` is a whole comment
        if end is not None and end[0] == "--!>" and end.start() < start + 4:
            end = _COMMENT_END.search(html, start + 4)
        return len(html) if end is None else end.end()
    closing = "?>" if html.startswith(("<?php", "<?="), start) else ">"
    found = html.find(closing, start + 2)
    return len(html) if found < 0 else found + len(closing)


def _read_tag(html: str, start: int) -> _Tag | None:
    closing = html.startswith("</", start)
    name = _TAG_NAME.match(html, start + 1 + closing)
    if name is None:  # it begins with a letter
        raise AssertionError(start)
    at = name.end()
    attributes: dict[str, str] = {}
    while True:
        found = _ATTRIBUTE_NAME.match(html, at)
        if found is None or found.end() >= len(html):
            return None
        at = found.end()
        if found[1] is None:  # what stopped it is `>`
            return _Tag(name[0].lower(), attributes, closing, html[at - 1] == "/", at + 1)
        value = ""
        if html[at] == "=":
            read = _read_value(html, at + 1)
            if read is None:
                return None
            value, at = read
        attributes.setdefault(found[1].lower(), value)


def _read_value(html: str, at: int) -> tuple[str, int] | None:
    """An attribute's value as it is meant, and where it ends; None when the page ends before."""
    while html[at : at + 1].isspace():
        at += 1
    quote = html[at : at + 1]
    if quote in ('"', "'"):
        end = html.find(quote, at + 1)
        return None if end < 0 else (html[at + 1 : end], end + 1)
    found = _UNQUOTED.match(html, at)
    return None if found is None else (found[0], found.end())


def _raw_text_end(html: str, at: int, name: str) -> int:
    found = _RAW_TEXT_END[name].search(html, at)
    return len(html) if found is None else found.start()


def _script_end(html: str, at: int) -> int:
    """Within `<!-- <script>` a `</script>` ends only the inner one (13.2.5.17 and what follows there)."""
    escaped = doubly = False
    while (found := _IN_SCRIPT.search(html, at)) is not None:
        word, at = found[0].lower(), found.end()
        if word == "<!--":
            escaped, at = True, found.start() + 2  # `<!-->` opens and closes
        elif word == "-->":
            escaped = doubly = False
        elif word == "<script":
            doubly = escaped
        elif doubly:
            doubly = False
        else:
            return found.start()
    return len(html)


def _of_element(tag: _Tag, content: str) -> Iterator[Piece]:
    if tag.name == "script":
        if not _runs(tag.attributes):
            return
        told = {n: v for n, v in tag.attributes.items() if n in _ADDRESSES or n.startswith("data-")}
        if told:
            yield Piece(" ".join(f'{name}="{_meant(value)}"' for name, value in told.items()), is_code=False)
        if "src" not in tag.attributes and content:
            yield Piece(content, is_code=True)
    elif tag.name in ("iframe", "img"):
        for name in _ADDRESSES:
            if name in tag.attributes:
                yield Piece(f'{name}="{_meant(tag.attributes[name])}"', is_code=False)


def _meant(value: str) -> str:
    """An attribute's value with the characters that it refers to; as it is written where a number is of thousands of
    digits, which Python refuses to read."""
    try:
        return unescape(value)
    except ValueError:
        return value


def _runs(attributes: dict[str, str]) -> bool:
    kind = attributes.get("type", "").strip().lower()
    if kind == "text/plain":
        return any(name in attributes for name in _ASKED_FIRST) or "optanon-category" in attributes.get("class", "")
    return not kind or _SCRIPT_TYPES.fullmatch(kind) is not None
