"""JavaScript without its comments. Pure, and linear in the length of the code."""

import re

_STRINGS = "|".join(
    [
        *(rf"{quote}[^{quote}\\\n]*+(?:\\[\s\S][^{quote}\\\n]*+)*+{quote}?" for quote in ('"', "'")),
        r"`[^`\\]*+(?:\\[\s\S][^`\\]*+)*+`?",
    ]
)
_PLAIN = rf"""[^"'`/<\n]++|{_STRINGS}|<(?!!--)|\n(?![ \t]*+-->)"""
_TO_SLASH = re.compile(rf"(?:{_PLAIN})*+")
_TO_COMMENT = re.compile(rf"(?:{_PLAIN}|/(?![/*]))*+")
_REGEX = re.compile(r"/(?:[^\\/\[\n]|\\[^\n]|\[(?:[^\\\]\n]|\\[^\n])*+\])++/[a-z]*+")
_BEFORE_REGEX = re.compile(
    r"(?:^|[({\[,;:=!&|?+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new))$"
)
_LINE_END = re.compile(r"[\n\r\u2028\u2029]|$")
_LOOK_BACK, _WORD_MAX = 100, 10


def without_comments(code: str) -> str:
    r"""The code with a space for each comment. Strings stay, with `\/` in them as `/`.

    Whether a slash divides or begins a regular expression is told by what stands before it, as highlighters do; where
    that errs, at most a line is read as text.
    """
    kept: list[str] = []
    at = done = no_regex_until = 0
    before = ""
    while True:
        bounded = at < no_regex_until
        at = (_TO_COMMENT.match(code, at, no_regex_until) if bounded else _TO_SLASH.match(code, at)).end()  # type: ignore[union-attr]  # they match everywhere
        if at >= len(code):
            break
        if bounded and at >= no_regex_until:
            continue
        before = code[max(done, at - _LOOK_BACK) : at].rstrip()[-_WORD_MAX:] or before
        end = _comment_end(code, at)
        if end is not None:
            kept += (code[done:at], " ")
            at = done = end
        elif not bounded and _BEFORE_REGEX.search(before):
            literal = _REGEX.match(code, at)
            if literal is None:  # else a line of slashes would be read again from each of them
                no_regex_until = _line_end(code, at)
            at = at + 1 if literal is None else literal.end()
        else:
            at += 1
    kept.append(code[done:])
    return "".join(kept).replace("\\/", "/")


def _comment_end(code: str, at: int) -> int | None:
    """Where the comment ends that begins here; None when none does."""
    if code.startswith("/*", at):
        close = code.find("*/", at + 2)
        return len(code) if close < 0 else close + 2
    if code.startswith("//", at) or code[at] == "<":
        return _line_end(code, at)
    return _line_end(code, at + 1) if code[at] == "\n" else None


def _line_end(code: str, at: int) -> int:
    found = _LINE_END.search(code, at)
    return len(code) if found is None else found.start()
