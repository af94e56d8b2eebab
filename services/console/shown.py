"""How values are written for people: numbers, money, times, ages, names, in the language of the reader. Pure."""

import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.console.texts import HAPPENED, PROBLEMS, TEXTS
from shared.client.errors import ProblemError
from shared.client.types import Lead
from shared.config import Config
from shared.config.glossary import Defined, glossary
from shared.events import Language
from shared.sealing import ERASED
from shared.words import Words

_AGES = ((86_400, "days_ago"), (3_600, "hours_ago"), (60, "minutes_ago"))


_FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters by their category that have no ink."""


def _is_seen(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNPS" and letter not in _FILLERS


class Shown:
    """Writes for one reader at one moment."""

    def __init__(self, config: Config, zone: ZoneInfo, now: datetime, language: Language) -> None:
        self._config = config
        self._zone = zone
        self._now = now
        self.language = language

    def text(self, name: str, **values: Any) -> str:
        """A text of texts.py."""
        words = TEXTS[name].to(self.language)
        return words.format(**values) if values else words

    def said(self, words: Mapping[str, str] | Words | None) -> str:
        """A label that a service or the configuration gives."""
        if words is None:
            return ""
        return words.to(self.language) if isinstance(words, Words) else words.get(self.language, "")

    def number(self, value: Any, unit: str = "count") -> str:
        """A figure in its unit; a dash for none."""
        if value is None:
            return "–"
        if unit == "ratio":
            return f"{100 * value:.1f} %"
        if unit in ("duration", "days", "hours", "seconds") or (isinstance(value, float) and not value.is_integer()):
            return f"{value:,.1f}"
        return f"{value:,.0f}"

    def amount(self, row: Mapping[str, Any], unit: str) -> str:
        """The value of a row, with its currency where it has one."""
        written = self.number(row.get("value"), unit)
        return f"{written} {row['currency']}" if row.get("currency") else written

    def time(self, moment: datetime | str | None) -> str:
        """A moment in the business time zone."""
        if moment is None:
            return "–"
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M")

    def age(self, moment: datetime | str) -> str:
        """How long ago."""
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        seconds = (self._now - at).total_seconds()
        for size, name in _AGES:
            if seconds >= size:
                return self.text(name, n=int(seconds // size))
        return self.text("just_now")

    def left(self, seconds: int) -> str:
        """The time that is left, or by how much it is over."""
        hours, minutes = divmod(abs(seconds) // 60, 60)
        return self.text("left" if seconds >= 0 else "late", time=f"{hours}:{minutes:02}")

    def field(self, field_id: str) -> str:
        """The label of a field of leads."""
        registry = self._config.fields
        return self.said(registry.get(field_id).label) if field_id in registry else field_id

    def value(self, value: Any, status: str | None = None) -> str:
        """What a field says."""
        said = self.text(status) if status in ("confirmed", "denied", "assumed", "unknown") else ""
        if value == ERASED:
            return self.text("erased")
        if isinstance(value, Mapping) and {"value", "currency"} <= value.keys():
            value = f"{value['value']} {value['currency']}"
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        if isinstance(value, bool):
            value = self.text("yes" if value else "no")
        return " ".join(part for part in (said, "" if value is None else str(value)) if part)

    def happened(self, activity: Mapping[str, Any]) -> str:
        """What an activity says: its outcome or status, or the content that was used, and its channel."""
        said = (activity.get("outcome") or activity.get("status") or activity.get("content"), activity.get("channel"))
        return " ".join(HAPPENED[word].to(self.language) if word in HAPPENED else word for word in said if word)

    def refusal(self, error: ProblemError) -> str:
        """Why a service has refused something; in its own words where there are none of the reader's."""
        reason = error.document.get("reason")
        if isinstance(reason, Mapping):
            return self.said(reason)
        if error.slug in PROBLEMS:
            return PROBLEMS[error.slug].to(self.language)
        said = (self.text("refused"), error.title, "" if error.errors else error.detail)
        return " ".join(part for part in said if part)

    def named(self, name: str | None, otherwise: str) -> str:
        """A name, or something else where it has none that anybody sees, such as one of spaces without width."""
        said = self.value(name)
        return said if any(_is_seen(letter) for letter in said) else otherwise

    def company(self, lead: Lead) -> str:
        """What a lead is called: its company, else its id."""
        known = lead.fields.get("company_name")
        return self.named(known.value if known else None, lead.lead_id)

    def person(self, rep: str | None) -> str:
        """The name of a member of the team; who is none keeps the id."""
        return self._config.team.name_of(rep) if rep else "–"

    def stage(self, stage_id: str) -> str:
        """The label of a stage."""
        return next((self.said(stage.label) for stage in self._config.stages if stage.id == stage_id), stage_id)

    @property
    def definitions_version(self) -> int | None:
        """Version of definitions.yaml; None where there is none."""
        agreed = self._config.definitions
        return agreed.version if agreed else None

    def glossary(self) -> list[Defined]:
        """What a customer, an appointment and each stage is."""
        agreed = self._config.definitions
        return glossary(
            agreed.customer if agreed else None, agreed.appointment if agreed else None, self._config.stages
        )

    def day(self, day: date) -> str:
        """A day."""
        return day.isoformat()
