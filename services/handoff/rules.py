"""What every decision of handoff goes by."""

from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

from services.handoff.questions import Guide
from services.handoff.stages import Ladder, Rule
from shared.config import Config
from shared.config.kpis import rank_fields
from shared.config.team import Team
from shared.fields import FieldRegistry
from shared.telemetry import Telemetry


@dataclass(frozen=True)
class Rules:
    """What every decision goes by."""

    registry: FieldRegistry
    ladder: Ladder
    zone: ZoneInfo
    telemetry: Telemetry
    guide: Guide
    team: Team

    @classmethod
    def of(cls, config: Config, zone: ZoneInfo, telemetry: Telemetry) -> Self:
        """The rules in the configuration; the first stage is entered without one."""
        first, *others = config.stages
        ladder = Ladder(first.id, [Rule(s.id, s.enter_when) for s in others if s.enter_when is not None])
        labels = {stage.id: stage.label for stage in config.stages}
        guide = Guide(ladder, labels, rank_fields(config.kpis))
        return cls(config.fields, ladder, zone, telemetry, guide, config.team)
