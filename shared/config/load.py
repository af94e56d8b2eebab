"""All files of the configuration, read and checked against one another."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.config.campaigns import Campaign, read_campaigns
from shared.config.definitions import Definitions, read_definitions
from shared.config.document import Document, read, read_if_there
from shared.config.kpis import activity_kpis, known_kpis
from shared.config.policies import read_policies
from shared.config.sources import Source, read_sources
from shared.config.stages import Stage, read_stages
from shared.config.targets import Target, read_targets
from shared.config.team import Team, read_team
from shared.config.webhooks import Webhook, read_webhooks
from shared.fields import Field, FieldRegistry
from shared.policy import Policy


@dataclass(frozen=True)
class Config:
    """The configuration. `kpis` is what kpis.yaml says, with its lines: metrics makes its catalogue of it."""

    fields: FieldRegistry
    sources: dict[str, Source]
    team: Team
    stages: tuple[Stage, ...]
    policies: dict[str, Policy]
    kpis: Document
    campaigns: dict[str, Campaign]
    definitions: Definitions | None
    targets: tuple[Target, ...]
    webhooks: dict[str, Webhook]
    documents: dict[str, Document]


_NEEDED = ("fields", "sources", "team", "stages")
_OPTIONAL = ("campaigns", "definitions", "targets", "kpis", "webhooks")


class Unread(NamedTuple):
    """A file of the folder that nobody reads, since it is not named as one of the configuration; `meant`: as which it
    nearly is."""

    name: str
    meant: str | None

    def __str__(self) -> str:
        asked = f": did you mean {self.meant}?" if self.meant else ""
        return f"{self.name} is no file of the configuration, nobody reads it{asked}"


class _Fields(msgspec.Struct, forbid_unknown_fields=True):
    fields: list[Field]


def load_config(folder: Path) -> Config:
    """Reads the folder; campaigns, definitions, targets, kpis, webhooks and further policies are optional.

    Raises ConfigError.
    """
    documents = {name: read(folder, f"{name}.yaml") for name in _NEEDED}
    for name in _OPTIONAL:
        document = read_if_there(folder, f"{name}.yaml")
        if document is not None:
            documents[name] = document
    kpis = documents.get("kpis") or Document(None, str(folder / "kpis.yaml"))
    known = known_kpis(kpis)
    registry = read_fields(documents["fields"])
    campaigns = read_campaigns(documents["campaigns"]) if "campaigns" in documents else None
    return Config(
        fields=registry,
        sources=read_sources(documents["sources"], registry, campaigns),
        team=read_team(documents["team"], activity_kpis(kpis), known),
        stages=read_stages(documents["stages"], registry),
        policies=read_policies(folder, registry),
        kpis=kpis,
        campaigns=campaigns or {},
        definitions=read_definitions(documents["definitions"]) if "definitions" in documents else None,
        targets=read_targets(documents["targets"], known) if "targets" in documents else (),
        webhooks=read_webhooks(documents["webhooks"], registry) if "webhooks" in documents else {},
        documents=documents,
    )


def unread(folder: Path) -> Iterator[Unread]:
    """The YAML files that have no effect: one that is misspelt would be missed in silence, where it is optional."""
    known = [f"{name}.yaml" for name in (*_NEEDED, *_OPTIONAL)]
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        if path.name not in known:
            yield Unread(path.name, next(iter(difflib.get_close_matches(path.name, known, n=1, cutoff=0.8)), None))
    for path in sorted((folder / "policies").glob("*.yml")):
        yield Unread(f"policies/{path.name}", f"policies/{path.stem}.yaml")


def read_fields(document: Document) -> FieldRegistry:
    """Raises ConfigError."""
    fields = document.convert(_Fields).fields
    ids = [field.id for field in fields]
    for index, field_id in enumerate(ids):
        if field_id in ids[:index]:
            raise document.error(("fields", index, "id"), f"the field `{field_id}` stands here twice; keep one")
    return FieldRegistry(fields)
