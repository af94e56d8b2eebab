"""What is said of each kind of fact is so: whatever happens, the engine makes no other facts."""

from zoneinfo import ZoneInfo

from hypothesis import given, settings

from docs.kpis_page import FACTS as IN_WORDS
from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.contributions import contributions
from services.metrics.contributions.facts import Amount, Dimensions, Fact
from services.metrics.contributions.kinds import FACTS
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import by_target, truths
from shared.config import load_config
from shared.events import Event
from tests.metrics.own import CONFIG
from tests.metrics.strategies import histories

_CONFIG = load_config(CONFIG)
RULES = Rules(
    ZoneInfo("Asia/Tokyo"), _CONFIG.fields, _CONFIG.policies["default"], compile_catalogue(_CONFIG).rank_fields
)


def test_every_fact_is_of_a_known_kind() -> None:
    seen: set[str] = set()

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(history=histories(max_size=40))
    def look(history: list[Event]) -> None:
        _, found = contributions(truths(history, by_target(history)), RULES)
        for fact, amount in found:
            assert_of_its_kind(fact, amount)
            seen.add(fact.dimensions.name)

    look()
    # Of a kind that never came up nothing would have been promised.
    assert seen == FACTS.keys() == IN_WORDS.keys()


def assert_of_its_kind(fact: Fact, amount: Amount) -> None:
    name, *values = fact.dimensions
    kind = FACTS[name]
    for dimension, value in zip(Dimensions._fields[1:], values, strict=True):
        allowed = kind.dimensions.get(dimension, ("",))
        assert allowed is None or value in allowed, (dimension, fact)
    given = fact.dimensions._asdict()
    assert any(all(given[of] in allowed for of, allowed in form.items()) for form in kind.forms), fact
    assert amount.total == 0 or kind.total, fact
    assert amount.n > 0 or kind.stock, fact
    assert fact.hour == 0 or not kind.dated, fact
    assert fact.value == 0 or kind.measured or name == "open_pipeline", fact
