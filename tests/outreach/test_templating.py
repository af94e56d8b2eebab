"""The language of texts: nothing in it loops, calls or calculates, whoever writes it; no missing value is blank."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.outreach.mail import mailto, one_line
from services.outreach.templating import RESULT_MAX, Program, TemplateMistake, TextTooLong
from tests.budget.counting import counting_steps

STEPS_AT_MOST = 7_000_000  # of Python, half a second or so
NAMES = frozenset({"company_name", "last_name", "rep.name", "sender.opt_out.url"})
MARKS = {name: f"【{name}】" for name in NAMES}

HOSTILE = [
    "{% for a in range(10**9) %}x{% endfor %}",
    "{% for c in company_name %}{% for d in company_name %}x{% endfor %}{% endfor %}",
    "{{ company_name * 1000000000 }}",
    "{{ 'x' * 10**9 }}",
    "{{ 9**9**9 }}",
    "{{ 1 / 0 }}",
    "{% set a = company_name ~ company_name %}{{ a }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends company_name %}",
    "{% block b %}{% endblock %}",
    "{% call x() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with a = 1 %}{% endwith %}",
    "{{ company_name.__class__.__mro__ }}",
    "{{ company_name['__class__'] }}",
    "{{ rep.__init__ }}",
    "{{ rep }}",
    "{{ sender.opt_out }}",
    "{{ self }}",
    "{{ loop }}",
    "{{ cycler }}",
    "{{ range(10) }}",
    "{{ lipsum() }}",
    "{{ company_name.upper() }}",
    "{{ company_name | replace('', company_name) }}",
    "{{ company_name | center(1000000000) }}",
    "{{ company_name | default(last_name) }}",
    "{{ company_name | join(company_name) }}",
    "{{ company_name | attr('__class__') }}",
    "{{ company_name | map('upper') }}",
    "{{ company_name ~ last_name }}",
    "{{ company_name < last_name }}",
    "{{ 'a' in company_name }}",
    "{{ company_name is callable }}",
    "{{ [company_name] }}",
    "{{ {'a': company_name} }}",
    "{{ company_name[0:10] }}",
    "{{ -company_name }}",
    "{% if company_name %}",
    "{{ " + "(" * 5_000 + "company_name" + ")" * 5_000 + " }}",
    "{% if company_name %}" * 300 + "{% endif %}" * 300,
    "{{ " + "not " * 20_000 + "company_name }}",
    "{{ company_name" + " | upper" * 5_000 + " }}",
    "{{ company_name | upper(1) }}",
    "{{ company_name | trim(1) }}",
    "{{ company_name | trim('a', 'b') }}",
    "{{ company_name | default }}{{ company_name | default('a', 'b') }}",
    "{{ company_name | default('a', true, 1) }}",
    "{{ company_name | default(default_value='a') }}",
    "{{ company_name is defined(1) }}",
    "{{ '\\ud800' }}",
    "{{ company_name | default('\\ud83d') }}",
    "{{ " + "9" * 5_000 + " }}",
]
"""The last of them could be read, and failed only when a rep asked for the text."""


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_templates_are_refused_in_time(source: str) -> None:
    with counting_steps() as steps, pytest.raises(TemplateMistake) as refused:
        Program("line 1\n" + source, NAMES)
    assert steps.made < STEPS_AT_MOST
    assert refused.value.reason
    assert refused.value.line in (1, 2)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ company_name | upper }}", "ACME <&>"),
        ("{% if company_name == 'Acme <&>' %}a{% else %}b{% endif %}", "a"),
        ("{% if last_name is defined %}a{% elif company_name %}b{% endif %}", "b"),
        ("{{ last_name or 'nobody' }}", "nobody"),
        ("{{ last_name | default('nobody') }}", "nobody"),
        ("{{ last_name | d(0) }}, {{ company_name | default('nobody', true) }}", "0, Acme <&>"),
        ("{{ company_name | trim('A>') }}", "cme <&"),
        ("{{ 'caf\\u00e9 😀' }}", "café 😀"),
        ("{{ 'yes' if company_name and not last_name else 'no' }}", "yes"),
        ("{{ last_name | upper }}", "【LAST_NAME】"),
        ("{{ sender.opt_out.url }}", "【sender.opt_out.url】"),
        ("{# said to nobody #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_what_a_text_may_do(source: str, text: str) -> None:
    assert Program(source, NAMES).fill({"company_name": "Acme <&>", "rep.name": "田中"}, MARKS).text == text


def test_the_result_is_bounded() -> None:
    program = Program("{{ company_name }}" * 100, NAMES)
    with counting_steps() as steps, pytest.raises(TextTooLong):
        program.fill({"company_name": "x" * (RESULT_MAX // 50)}, MARKS)
    assert steps.made < STEPS_AT_MOST


VALUES = st.dictionaries(st.sampled_from(sorted(NAMES)), st.text(min_size=1, max_size=50))
PIECES = st.lists(st.sampled_from(sorted(NAMES)) | st.just("\n"), max_size=10)


@given(VALUES, PIECES)
def test_a_shown_name_is_its_value_or_its_mark_and_never_blank(values: dict[str, str], pieces: list[str]) -> None:
    source = "".join(f"<{{{{ {piece} }}}}>" if piece in NAMES else piece for piece in pieces)
    filled = Program(source, NAMES).fill(values, MARKS)
    expected = "".join(f"<{values.get(piece) or MARKS[piece]}>" if piece in NAMES else piece for piece in pieces)
    assert filled.text == expected, "values stand as they are, whatever is in them"
    shown = list(dict.fromkeys(piece for piece in pieces if piece in NAMES and piece not in values))
    assert filled.missing == shown


@given(st.text())
def test_any_text_is_a_template_or_refused(source: str) -> None:
    with suppress(TemplateMistake):
        assert isinstance(Program(source, NAMES).fill({}, MARKS).text, str)


@given(st.text())
def test_a_subject_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert all(c.isprintable() for c in line)


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_a_link_is_plain_ascii_without_spaces(subject: str, body: str) -> None:
    link = mailto("a&b?c@example.jp", subject, body)
    assert link.isascii()
    assert link.isprintable()
    assert " " not in link
    assert link.startswith("mailto:a%26b%3Fc@example.jp?subject=")
    assert link.count("&") == 1
