"""robots.txt by RFC 9309. Pure. (The standard library's reader takes `*` and `$` in paths literally.)"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

LINES_MAX = 10_000
_PRODUCT = re.compile(r"[a-z_-]+")


class Rule(NamedTuple):
    """One `Allow` or `Disallow` of the group that is ours."""

    path: str
    allows: bool


class Robots:
    """What a robots.txt says to one robot."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    def allow(self, path: str) -> bool:
        """Whether this path (with its query) may be fetched: the longest rule decides, of two as long the allowing."""
        if path == "/robots.txt":
            return True
        path = _normalised(path)
        matching = [(len(rule.path), rule.allows) for rule in self._rules if _matches(rule.path, path)]
        return max(matching, default=(0, True))[1]


def read_robots(text: str, product: str) -> Robots:
    """The rules for the robot of this name, else those for `*`. Lines that cannot be read are passed over."""
    ours = product.lower()
    groups: dict[str, list[Rule]] = {}
    agents: set[str] = set()  # of the group, those alone that are us: a file may name thousands
    in_rules = False
    for line in text.lstrip("\ufeff").splitlines()[:LINES_MAX]:
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            agents = set() if in_rules else agents
            in_rules = False
            agents |= {_agent(value)} & {ours, "*"}
            groups |= {agent: groups.get(agent, []) for agent in agents}
        elif key in ("allow", "disallow"):
            in_rules = True
            for agent in agents if value else ():
                groups[agent].append(Rule(_normalised(value), key == "allow"))
    return Robots(groups.get(ours, groups.get("*", [])))


def _agent(value: str) -> str:
    if value.startswith("*"):
        return "*"
    product = _PRODUCT.match(value.lower())
    return product[0] if product else ""


def _normalised(path: str) -> str:
    """Percent-encoded in one way, so that `/日本` and `/%e6%97%a5%E6%9C%AC` are the same."""
    return quote(unquote_to_bytes(path), safe="/*$?=&;:@!+,()'~-._")


def _matches(pattern: str, path: str) -> bool:
    """`*` stands for anything, a `$` at the end for the end. Each part is looked for once, from left to right."""
    anchored = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    last = rest.pop() if anchored and rest else None
    for part in rest:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if last is not None:
        return path.endswith(last) and len(path) - len(last) >= at
    return not anchored or at == len(path)
