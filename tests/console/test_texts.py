"""Each word of a page is there in both languages, and none is there for nothing."""

import re
from pathlib import Path

from jinja2 import nodes

from services.console.site import environment
from services.console.texts import TEXTS

CONSOLE = Path(__file__).resolve().parents[2] / "services" / "console"
NAMED = re.compile(r'"([a-z_0-9-]+)"')


def named_in_templates() -> set[str]:
    """What templates ask for by `t("...")`."""
    found = set()
    made = environment()
    for path in (CONSOLE / "templates").glob("*.html"):
        for call in made.parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t" and isinstance(call.args[0], nodes.Const):
                found.add(call.args[0].value)
    return found


def test_each_word_is_there() -> None:
    assert named_in_templates() <= TEXTS.keys()
    assert len(named_in_templates()) > 80


def test_no_word_is_there_for_nothing() -> None:
    files = [*CONSOLE.rglob("*.py"), *CONSOLE.rglob("*.html")]
    said = set()
    for path in files:
        if path.name != "texts.py":
            said |= set(re.findall(r"""["']([a-z_0-9-]+)["']""", path.read_text()))
    by_data = {name for name in TEXTS if name.startswith(("weekday_", "language_"))}
    from_services = {"form", "hearing", "tool", "import", "met", "unmet", "not_ready", "needs_information", "assumed"}
    from_services |= {"touch", "content-used", "appointment", "opportunity", "contract", "denied"}
    assert TEXTS.keys() - said - by_data - from_services == set()


def test_the_two_languages_differ() -> None:
    same = {name for name, words in TEXTS.items() if words.ja == words.en}
    assert same == {"tasuki"}
    for name, words in TEXTS.items():
        assert set(re.findall(r"{\w+}", words.ja)) == set(re.findall(r"{\w+}", words.en)), name
