"""The leads' digests."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import asyncpg
import msgspec

from services.metrics.contributions.lead import LeadState
from services.metrics.store.staging import new_load, stage

_pack = msgspec.msgpack.Encoder(order="deterministic").encode
_unpack_state = msgspec.msgpack.Decoder(LeadState).decode


class StoredLead(NamedTuple):
    """A lead's digest as it was stored."""

    shard: int
    packed: bytes

    def state(self) -> LeadState:
        """A fresh copy of the digest."""
        return _unpack_state(self.packed)


async def load_leads(conn: asyncpg.Connection, table: str, leads: Collection[str]) -> dict[str, StoredLead]:
    """The digests of those of the leads that have one. Nobody else may change them: see `locks`."""
    rows = await conn.fetch(
        f"select lead, shard, state from {table} where lead = any($1::text[])",  # noqa: S608 (the table is one of ours)
        list(leads),
    )
    return {row["lead"]: StoredLead(row["shard"], row["state"]) for row in rows}


async def save_leads(conn: asyncpg.Connection, table: str, leads: Mapping[str, tuple[int, LeadState]]) -> None:
    """Write (shard, digest) of leads, in one order for all writers. A lead keeps the shard that it was saved with."""
    if not leads:
        return
    load = new_load()
    await stage(
        conn, "incoming_leads", [(load, lead, shard, _pack(state)) for lead, (shard, state) in sorted(leads.items())]
    )
    await conn.execute(
        f"""
        insert into {table} (lead, shard, state) select lead, shard, state from incoming_leads where load = $1
        on conflict (lead) do update set state = excluded.state
        """,  # noqa: S608 (the table is one of ours)
        load,
    )
