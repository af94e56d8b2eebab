"""A page's bytes as text. Pure.

It matters: in Shift_JIS and ISO-2022-JP the bytes of a Japanese character may be those of a quote, a backslash or `<`.
"""

import codecs
import re

_LABEL = re.compile(rb"""charset\s*+=\s*+["']?\s*+([\w:.-]{1,40})""", re.IGNORECASE)
_HEAD = 1024
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_KNOWN = {
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "ms_kanji": "cp932",
    "euc-jp": "euc_jp",
    "x-euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "windows-1252": "cp1252",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5",
}
"""Labels of the Encoding standard as Python calls them. Any other is read as UTF-8: Python knows codecs by name that
are no character sets."""


def text_of(body: bytes, content_type: str) -> str:
    """By its byte order mark, else what Content-Type says, else a `meta` in the first 1,024 bytes, else UTF-8."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace")
    said = _LABEL.search(content_type.encode("ascii", "replace")) or _LABEL.search(body[:_HEAD])
    label = said[1].decode().lower() if said else "utf-8"
    return body.decode(_KNOWN.get(label, "utf-8"), "replace")
