"""stages.yaml: the stages of a lead in their order, in words, and what brings a lead into each."""

from typing import Annotated

import msgspec

from shared.condition_check import check_condition
from shared.conditions import Condition
from shared.config.document import Document
from shared.fields import FieldRegistry
from shared.words import Words


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage. The first has no `enter_when`: a lead is there from the start."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    label: Words
    definition: Words
    enter_when: Condition | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    stages: Annotated[list[Stage], msgspec.Meta(min_length=1)]


def read_stages(document: Document, registry: FieldRegistry) -> tuple[Stage, ...]:
    """The stages in order. Raises ConfigError."""
    stages = document.convert(_File).stages
    ids = [stage.id for stage in stages]
    for index, stage in enumerate(stages):
        at = ("stages", index)
        if stage.id in ids[:index]:
            raise document.error((*at, "id"), f"the stage `{stage.id}` stands here twice; keep one")
        if stage.enter_when is None:
            if index > 0:
                raise document.error(
                    at, f"the stage `{stage.id}` needs `enter_when`: only the first is there from the start"
                )
        else:
            if index == 0:
                reason = f"every lead begins in `{stage.id}`, the first stage: remove its `enter_when`"
                raise document.error((*at, "enter_when"), reason)
            document.refuse(check_condition(stage.enter_when, registry, events=True, at=(*at, "enter_when")))
    return tuple(stages)
