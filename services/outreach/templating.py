"""The language of texts that are filled in: the part of Jinja that comes to an end by its form. Pure.

A text may show names, ask whether they are known, choose between two wordings and change letters' case. It may not
loop, call, assign or calculate, so what it takes grows with its own length alone; the result's length is bounded
beside. What a name stands for is put in as text and never read as a template.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jinja2 import TemplateSyntaxError, Undefined, nodes
from jinja2.environment import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

RESULT_MAX = 100_000
"""Characters of a filled-in text; a mail is far shorter."""
DEPTH_MAX = 40

FILTERS = ("capitalize", "d", "default", "lower", "title", "trim", "upper")
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
        if node.node is None or not _are_constants(node.args) or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise TemplateMistake(node.lineno, f"the filter `{node.name}` may be told texts and numbers only")
    elif isinstance(node, nodes.Test):
        if node.name not in TESTS:
            raise TemplateMistake(node.lineno, f"`is {node.name}` is not possible; `is defined` is")
    elif isinstance(node, nodes.Compare):
        if any(operand.op not in _COMPARISONS for operand in node.ops):
            raise TemplateMistake(node.lineno, "names can be compared by == and != only")
    elif not isinstance(node, _PLAIN):
        word = type(node).__name__.lower()
        raise TemplateMistake(node.lineno, f"`{word}` is not possible here: {_ALLOWED}")


def _are_constants(arguments: list[nodes.Expr]) -> bool:
    return all(isinstance(argument, nodes.Const) for argument in arguments)


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
