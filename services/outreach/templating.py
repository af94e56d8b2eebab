"""The language of texts that are filled in: the part of Jinja that comes to an end by its form. Pure.

A text may show names, ask whether they are known, choose between two wordings and change letters' case. It may not
loop, call, assign or calculate, so what it takes grows with its own length alone; the result's length is bounded
beside. What a name stands for is put in as text and never read as a template.
"""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, NamedTuple

from jinja2 import TemplateSyntaxError, Undefined, nodes
from jinja2.environment import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

RESULT_MAX = 100_000
"""Characters of a filled-in text; a mail is far shorter."""
DEPTH_MAX = 40

_Kinds = tuple[type | UnionType, ...]

FILTERS: Mapping[str, _Kinds] = {
    "capitalize": (),
    "d": (str | int | float, bool),
    "default": (str | int | float, bool),
    "lower": (),
    "title": (),
    "trim": (str,),
    "upper": (),
}
"""What may be done with a name's text, and what each filter may be told: with other things it would fail when a rep
asks for the text, not when the file is read."""
TESTS = ("defined", "undefined")
_COMPARISONS = ("eq", "ne")
_PLAIN = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Operand,
)
_ALLOWED = "a text may show names, ask whether they are known ({% if name is defined %}) and change letters' case"


class TemplateMistake(Exception):
    """A text that cannot be a template. `line`: of the text, from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"{line}: {reason}")
        self.line = line
        self.reason = reason


class TextTooLong(Exception):
    """What was put in makes the text longer than RESULT_MAX."""


class Filled(NamedTuple):
    """A text with its names filled in, and those of them that were shown and not known, in order."""

    text: str
    missing: list[str]


class Program:
    """A text that is ready to be filled in. Raises TemplateMistake.

    names: what may be used, such as `company_name` or `rep.name`.
    """

    def __init__(self, source: str, names: frozenset[str]) -> None:
        self._template, self.used = _compiled(source, names)

    def fill(self, known: Mapping[str, str], marks: Mapping[str, str]) -> Filled:
        """The text. known: name -> value, for names that have one; marks: name -> what is shown where it has none.

        Raises TextTooLong.
        """
        missing: dict[str, None] = {}
        context: dict[str, Any] = {}
        for name in self.used:
            value = known.get(name) or _Unknown(name, marks[name], missing)
            *outer, last = name.split(".")
            at = context
            for part in outer:
                at = at.setdefault(part, {})
            at[last] = value
        parts: list[str] = []
        length = 0
        for part in self._template.generate(context):
            length += len(part)
            if length > RESULT_MAX:
                raise TextTooLong
            parts.append(part)
        return Filled("".join(parts), list(missing))


class _Unknown(Undefined):
    """A name that has no value: false, not defined, and never blank where it is shown."""

    __slots__ = ("_mark", "_missing")

    def __init__(self, name: str, mark: str, missing: dict[str, None]) -> None:
        super().__init__(name=name)
        self._mark = mark
        self._missing = missing

    def __str__(self) -> str:
        self._missing[self._undefined_name or ""] = None
        return self._mark


_ENVIRONMENT = ImmutableSandboxedEnvironment(autoescape=False, keep_trailing_newline=True, cache_size=0)
_ENVIRONMENT.globals.clear()


def _compiled(source: str, names: frozenset[str]) -> tuple[Template, tuple[str, ...]]:
    try:
        tree = _ENVIRONMENT.parse(source)
        used = tuple(dict.fromkeys(_names_in(tree, names)))
        code = _ENVIRONMENT.compile(tree)
        return Template.from_code(_ENVIRONMENT, code, {}), used
    except TemplateSyntaxError as error:
        raise TemplateMistake(error.lineno, f"this cannot be read as a template: {error.message}") from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise TemplateMistake(1, "this is nested too deep") from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise TemplateMistake(1, "there is a number that is too long; put it in quotes") from error


def _names_in(node: nodes.Node, names: frozenset[str], depth: int = 0) -> Iterator[str]:
    """The names that a text uses. Raises TemplateMistake for what is not allowed in one."""
    if depth > DEPTH_MAX:
        raise TemplateMistake(node.lineno, f"this is nested more than {DEPTH_MAX} deep")
    if isinstance(node, nodes.Name | nodes.Getattr):
        yield _name_of(node, names)
        return
    _check(node)
    for child in node.iter_child_nodes():
        yield from _names_in(child, names, depth + 1)


def _check(node: nodes.Node) -> None:
    if isinstance(node, nodes.Filter):
        if node.name not in FILTERS:
            raise TemplateMistake(node.lineno, f"the filter `{node.name}` is not one of {', '.join(FILTERS)}")
        if node.node is None or not _are_told(FILTERS[node.name], node):
            raise TemplateMistake(node.lineno, f"the filter `{node.name}` {_may_be_told(FILTERS[node.name])}")
    elif isinstance(node, nodes.Test):
        if node.name not in TESTS or not _are_told((), node):
            raise TemplateMistake(node.lineno, f"`is {node.name}` is not possible so; `is defined` alone is")
    elif isinstance(node, nodes.Const):
        if isinstance(node.value, str) and not _can_be_sent(node.value):
            raise TemplateMistake(node.lineno, "a text in quotes holds half a letter (a surrogate); write the letter")
    elif isinstance(node, nodes.Compare):
        if any(operand.op not in _COMPARISONS for operand in node.ops):
            raise TemplateMistake(node.lineno, "names can be compared by == and != only")
    elif not isinstance(node, _PLAIN):
        word = type(node).__name__.lower()
        raise TemplateMistake(node.lineno, f"`{word}` is not possible here: {_ALLOWED}")


def _are_told(kinds: _Kinds, node: nodes.Filter | nodes.Test) -> bool:
    """Whether what stands in brackets is no more than constants of these kinds, in this order."""
    if node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) > len(kinds):
        return False
    told = [argument.value if isinstance(argument, nodes.Const) else None for argument in node.args]
    return all(isinstance(value, kind) for value, kind in zip(told, kinds, strict=False))


def _may_be_told(kinds: _Kinds) -> str:
    if not kinds:
        return "is told nothing more; remove what stands in brackets"
    return "may be told a text in quotes" + (" or a number, and `true`" if bool in kinds else "")


def _can_be_sent(text: str) -> bool:
    """Whether it has a form in UTF-8: `"\\ud800"` is read as half a letter, which no answer can hold."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _name_of(node: nodes.Expr, names: frozenset[str]) -> str:
    path: list[str] = []
    inner: nodes.Expr = node
    while isinstance(inner, nodes.Getattr):
        path.insert(0, inner.attr)
        inner = inner.node
    if not isinstance(inner, nodes.Name) or inner.ctx != "load":
        raise TemplateMistake(node.lineno, f"this is not possible here: {_ALLOWED}")
    name = ".".join([inner.name, *path])
    if name not in names:
        raise TemplateMistake(
            node.lineno,
            f"the name `{name[:60]}` is neither a field of fields.yaml nor a value that this piece declares, nor one of"
            f" {', '.join(sorted(known for known in names if '.' in known))}; correct it, or declare it under `values`",
        )
    return name
