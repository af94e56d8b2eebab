"""Which language a caller wants. Pure."""

from shared.events import Language

DEFAULT: Language = "ja"


def wanted(asked: Language | None, accept: str | None) -> Language:
    """The language asked for, else the one that `Accept-Language` prefers of those that there are, else Japanese."""
    if asked is not None:
        return asked
    best: tuple[float, Language] = (0.0, DEFAULT)
    for part in (accept or "")[:1000].split(","):
        tag, _, parameters = part.strip().partition(";")
        language = _of(tag)
        if language is not None and _quality(parameters) > best[0]:
            best = (_quality(parameters), language)
    return best[1]


def _of(tag: str) -> Language | None:
    match tag.strip().lower().partition("-")[0]:
        case "ja":
            return "ja"
        case "en":
            return "en"
    return None


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
