"""What the words mean that marketing, inside sales and sales share."""

import msgspec

from shared.config import Config
from shared.config.definitions import AppointmentDefinition, Customer
from shared.config.glossary import Defined, glossary
from shared.words import Words

RETURN_REASONS = {
    "unreachable": Words(ja="連絡がつかない", en="unreachable"),
    "bad_data": Words(ja="データ不備", en="bad data"),
    "no_need": Words(ja="ニーズなし", en="no need"),
    "no_budget": Words(ja="予算なし", en="no budget"),
    "no_authority": Words(ja="決裁権なし", en="no authority"),
    "bad_timing": Words(ja="時期が合わない", en="bad timing"),
    "not_a_fit": Words(ja="対象外", en="not a fit"),
    "duplicate": Words(ja="重複", en="duplicate"),
}
"""Why sales gives a lead back, for people."""


class StageInWords(msgspec.Struct, frozen=True):
    """A stage and what being in it means."""

    id: str
    label: Words
    definition: Words


class Definitions(msgspec.Struct, frozen=True):
    """Who our customer is, what an appointment is, what each stage is. `version` is that of definitions.yaml, null
    where there is no such file."""

    version: int | None
    customer: Customer | None
    appointment: AppointmentDefinition | None
    stages: list[StageInWords]

    def glossary(self) -> list[Defined]:
        """The same as questions and answers."""
        return glossary(self.customer, self.appointment, self.stages)


def definitions_of(config: Config) -> Definitions:
    """The definitions in the configuration."""
    words = config.definitions
    stages = [StageInWords(stage.id, stage.label, stage.definition) for stage in config.stages]
    return Definitions(
        version=words.version if words else None,
        customer=words.customer if words else None,
        appointment=words.appointment if words else None,
        stages=stages,
    )
