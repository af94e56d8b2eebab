"""The encodings of a body: JSON, form-urlencoded, multipart -> plain objects."""

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from services.ingest.forms import MAX_ACTIVITIES, MAX_FIELDS
from services.ingest.providers.base import Broken, Delivery, Form, Payload, Unusable
from shared.web.bodies import parse_json
from shared.web.problems import Problem

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_CHARSETS = {"utf-8", "utf8", "us-ascii", "shift_jis", "shift-jis", "sjis", "cp932", "windows-31j", "euc-jp"}
_CHARSETS |= {"iso-2022-jp"}
_NAMES_CHARSET = "_charset_"
"""A hidden field of this name is filled in by browsers, which name the encoding of a form nowhere else (HTML)."""
_BYTES = "latin-1"
"""An encoding in which each byte is a character, and comes back as it was."""
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def media_type(content_type: str) -> str:
    """`text/html; charset=utf-8` -> `text/html`."""
    return content_type.partition(";")[0].strip().lower()


async def read_forms(delivery: Delivery) -> Payload:
    """The submissions in a body, told apart by nothing but their content; a JSON array is a batch. Raises Unusable."""
    body = await read_body(delivery)
    entries = body if isinstance(body, list) else [body]
    if not 0 < len(entries) <= MAX_ACTIVITIES:
        raise Unusable(f"a batch holds 1 to {MAX_ACTIVITIES} submissions, not {len(entries)}")
    forms = [
        Form(values=entry, raw=entry)
        if isinstance(entry, dict)
        else Broken(reason="is no object with names and values", raw=entry)
        for entry in entries
    ]
    return Payload(entries=forms, is_batch=isinstance(body, list))


async def read_body(delivery: Delivery) -> Any:
    """A body in any of the three encodings: parsed JSON, or the names and values of a form. Raises Unusable."""
    kind = media_type(delivery.content_type)
    if kind == JSON:
        return read_json(delivery.body)
    return _collect(await _multipart(delivery) if kind == MULTIPART else read_urlencoded(delivery))


def read_json(body: bytes) -> Any:
    """Raises Unusable."""
    try:
        return parse_json(body)
    except Problem as problem:
        raise Unusable(problem.detail) from problem


def read_object(body: bytes) -> dict[str, Any]:
    """Raises Unusable."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise Unusable("the body is no JSON object")
    return value


def read_urlencoded(delivery: Delivery) -> list[tuple[str, str]]:
    """Names and values in their order, blanks kept. Raises Unusable."""
    try:  # many senders percent-encode only what they must
        body = delivery.body.decode(_BYTES)
        pairs = parse_qsl(body, keep_blank_values=True, encoding=_BYTES, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Unusable(f"the form cannot be read: {error}") from error
    return _decoded(delivery, pairs)


async def _multipart(delivery: Delivery) -> list[tuple[str, str]]:
    """Text parts; of an uploaded file only the name is kept."""

    async def whole() -> AsyncGenerator[bytes, None]:
        yield delivery.body

    try:
        content_type = _content_type(delivery)
        content_type.set_param("charset", _BYTES)  # what is in no other encoding, the parser takes for that in silence
        headers = Headers({"content-type": str(content_type["content-type"])})
        parser = MultiPartParser(headers, whole(), max_files=MAX_FIELDS, max_fields=MAX_FIELDS)
        form = await parser.parse()
    except (MultiPartException, ValueError, KeyError, LookupError) as error:
        raise Unusable(f"the multipart body cannot be read: {error}") from error
    try:
        pairs = [(name, v if isinstance(v, str) else f"file: {v.filename}") for name, v in form.multi_items()]
    finally:
        await form.close()
    return _decoded(delivery, pairs)


def _decoded(delivery: Delivery, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names and values of which each character is a byte, in the encoding that they are in. Raises Unusable."""
    charset = _charset(delivery, dict(pairs).get(_NAMES_CHARSET))
    try:
        return [(name.encode(_BYTES).decode(charset), value.encode(_BYTES).decode(charset)) for name, value in pairs]
    except UnicodeError as error:
        raise Unusable(f"the form is not {charset}") from error


def _content_type(delivery: Delivery) -> Message:
    message = Message()
    message["content-type"] = delivery.content_type
    return message


def _charset(delivery: Delivery, said: str | None) -> str:
    """`said`: by the form itself, which counts where the content type names none. Raises Unusable."""
    charset = (_content_type(delivery).get_content_charset() or said or "utf-8").lower()
    if charset not in _CHARSETS:
        raise Unusable(f"the charset {charset[:20]!r} is not read here; send UTF-8")
    return "cp932" if charset in {"shift_jis", "shift-jis", "sjis", "windows-31j"} else charset


def _collect(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a=1&b[c]=2&d=3&d=4` -> `{"a": "1", "b.c": "2", "d": ["3", "4"]}`."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if _UNFIT.search(name) or _UNFIT.search(value):
            raise Unusable("the form holds NUL or half of a surrogate pair, which is no character")
        if name == _NAMES_CHARSET:
            continue
        plain = _BRACKETS.sub(lambda found: f".{found[1]}" if found[1] else "", name)
        if plain not in values:
            values[plain] = [value] if name.endswith("[]") else value
        elif isinstance(values[plain], list):
            values[plain].append(value)
        else:
            values[plain] = [values[plain], value]
    return values
