"""In which encoding a file is written: said by its sender, or found by looking at every byte. Pure."""

import codecs
from email.message import Message

_KNOWN = {
    "utf-8": ("utf-8", "utf8", "us-ascii", "ascii"),
    "cp932": ("cp932", "windows-31j", "shift_jis", "shift-jis", "sjis", "ms932"),
    "euc-jp": ("euc-jp", "eucjp"),
}
_NAMES = {name: encoding for encoding, names in _KNOWN.items() for name in names}
_TRIED = ("utf-8", "cp932")
_BOM = codecs.BOM_UTF8
_OTHERS = {
    codecs.BOM_UTF16_LE: "it is UTF-16; save it as CSV UTF-8",
    codecs.BOM_UTF16_BE: "it is UTF-16; save it as CSV UTF-8",
    b"PK\x03\x04": "it is a workbook of a spreadsheet; save it as CSV UTF-8",
}


class Unreadable(Exception):
    """A file that no rows can be read from; the text says why and what to do."""


def charset_of(content_type: str) -> str | None:
    """The encoding that `text/csv; charset=...` names, None where it names none. Raises Unreadable for another one."""
    message = Message()
    message["content-type"] = content_type
    if message.get_param("charset") is None:
        return None
    charset = message.get_content_charset("")
    if charset not in _NAMES:
        raise Unreadable(f"the charset {charset[:20]!r} is not read here: utf-8, cp932 or euc-jp")
    return _NAMES[charset]


class Detector:
    """Is shown a file chunk by chunk, and then knows its encoding.

    `said` wins, then a byte order mark; else it is UTF-8 if every byte of the file agrees with that, else cp932 if
    every byte agrees with that. Japanese text in cp932 is hardly ever UTF-8 by chance: its bytes would have to pair up.
    """

    def __init__(self, said: str | None) -> None:
        self._said = said
        self._head = b""
        self._possible = {name: codecs.getincrementaldecoder(name)() for name in _TRIED if said is None}

    def look(self, chunk: bytes, *, is_last: bool = False) -> None:
        """The next bytes. Raises Unreadable as soon as the file's first bytes tell that it is no text."""
        if len(self._head) < len(_BOM) + 1:
            self._head = (self._head + chunk)[: len(_BOM) + 1]
            if self._said is None and self._head.startswith(_BOM):
                self._said, self._possible = "utf-8", {}
            for mark, reason in _OTHERS.items():
                if self._head.startswith(mark):
                    raise Unreadable(reason)
        for name, decoder in list(self._possible.items()):
            try:
                decoder.decode(chunk, is_last)
            except UnicodeDecodeError:
                del self._possible[name]

    @property
    def encoding(self) -> str:
        """After the last chunk. Raises Unreadable for what is neither."""
        if self._said is not None:
            return self._said
        if not self._possible:
            raise Unreadable("it is neither UTF-8 nor cp932; say what it is: Content-Type: text/csv; charset=...")
        return next(name for name in _TRIED if name in self._possible)


def begin_of(head: bytes, encoding: str) -> int:
    """The first byte after a byte order mark."""
    return len(_BOM) if encoding == "utf-8" and head.startswith(_BOM) else 0
