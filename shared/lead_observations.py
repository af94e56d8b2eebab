"""What was said about the fields of leads, in the schema of a service that follows the log."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import JSON, Column, DateTime, MetaData, PrimaryKeyConstraint, Table, Text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import lead_keys
from shared.db import driver
from shared.events import Event, FieldValue, LeadFields, Observation
from shared.sealing import unsealed_observation


def observations_table(metadata: MetaData, schema: str) -> Table:
    """`<schema>.observations`: every value ever given, as it came: what is personal is sealed."""
    return Table(
        "observations",
        metadata,
        Column("lead_id", Text, nullable=False),
        Column("observation_id", Text, nullable=False),
        Column("field", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("observed_at", DateTime(timezone=True), nullable=False),
        Column("recorded_at", DateTime(timezone=True), nullable=False),
        Column("value", JSON),
        Column("status", Text),
        Column("by", Text),
        Column("quote", Text),
        PrimaryKeyConstraint("lead_id", "observation_id", name="observations_pkey"),
        schema=schema,
    )


class Said(NamedTuple):
    """What was said about the fields of a lead, in order of time: of itself, and of leads that were merged into it."""

    own: list[Observation]
    merged: list[Observation]


class LeadObservations:
    """The observations in `<schema>.observations`."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def add(self, conn: AsyncConnection, events: Sequence[Event]) -> None:
        """Store those that these events tell of and that are not there yet, in one statement."""
        rows = [
            (
                event.subject,
                o.observation_id,
                o.field,
                o.method,
                o.source,
                o.observed_at,
                event.recorded_at,
                None if o.value is None else msgspec.json.encode(o.value).decode(),
                o.status,
                o.by,
                o.quote,
            )
            for event in events
            if isinstance(event.data, LeadFields)
            for o in event.data.observations
        ]
        if not rows:
            return
        await (await driver(conn)).execute(
            f"""
            insert into {self._schema}.observations
                (lead_id, observation_id, field, method, source, observed_at, recorded_at, value, status, by, quote)
            select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                                 $7::timestamptz[], $8::json[], $9::text[], $10::text[], $11::text[])
            on conflict do nothing
            """,  # noqa: S608 - the schema is ours
            *zip(*rows, strict=True),
        )

    async def of(
        self, conn: AsyncConnection, of: Mapping[str, str], fields: Collection[str] | None = None
    ) -> dict[str, Said]:
        """Everything ever said about leads, from: lead -> which lead it counts as (`LeadMerges.members`).

        fields: of these alone.
        """
        rows = await (await driver(conn)).fetch(
            f"""
            select lead_id, observation_id, field, method, source, observed_at, value::text, status, by, quote
            from {self._schema}.observations
            where lead_id = any($1::text[]) and ($2::text[] is null or field = any($2::text[]))
            order by observed_at, observation_id
            """,  # noqa: S608 - the schema is ours
            list(of),
            None if fields is None else list(fields),
        )
        keys = await lead_keys.read(conn, of)
        found: dict[str, Said] = defaultdict(lambda: Said([], []))
        for row in rows:
            lead_id, survivor = row["lead_id"], of[row["lead_id"]]
            observation = unsealed_observation(read_observation(row), keys.get(lead_id), lead_id)
            (found[survivor].own if lead_id == survivor else found[survivor].merged).append(observation)
        return found


_VALUE: msgspec.json.Decoder[FieldValue] = msgspec.json.Decoder(FieldValue)


def read_observation(row: Any) -> Observation:
    """An observation from a row of the table, sealed as it is there; `value` is text."""
    value = None if row["value"] is None else _VALUE.decode(row["value"])
    return Observation(
        observation_id=row["observation_id"],
        field=row["field"],
        method=row["method"],
        source=row["source"],
        observed_at=row["observed_at"],
        value=value,
        status=row["status"],
        by=row["by"],
        quote=row["quote"],
    )
