"""The leads' digests."""

from collections.abc import Mapping
from typing import NamedTuple

import asyncpg
import msgspec

from services.metrics.contributions.lead import LeadState

_pack = msgspec.msgpack.Encoder(order="deterministic").encode
_unpack_state = msgspec.msgpack.Decoder(LeadState).decode


class StoredLead(NamedTuple):
    """A lead's digest as it was stored; `packed` is b"" when nothing was."""

    shard: int
    packed: bytes

    def state(self) -> LeadState:
        """A fresh copy of the digest."""
        return _unpack_state(self.packed) if self.packed else LeadState()


async def load_leads(conn: asyncpg.Connection, table: str, shards: Mapping[str, int]) -> dict[str, StoredLead]:
    """The leads' digests, locked until the transaction ends; `shards` gives the home of leads not known yet.

    Rows are made and locked in one order by everybody, so that transactions wait for one another without deadlock.
    """
    names = sorted(shards)
    locked = f"select lead, shard, state from {table} where lead = any($1::text[]) order by lead for update"  # noqa: S608
    rows = await conn.fetch(locked, names)
    if len(rows) < len(names):
        await conn.execute(
            f"""
            insert into {table} (lead, shard, state)
            select * from unnest($1::text[], $2::smallint[], array_fill(''::bytea, array[$3::int]))
            on conflict (lead) do nothing
            """,  # noqa: S608 (the table is one of ours)
            names,
            [shards[name] for name in names],
            len(names),
        )
        rows = await conn.fetch(locked, names)
    return {row["lead"]: StoredLead(row["shard"], row["state"]) for row in rows}


async def save_leads(conn: asyncpg.Connection, table: str, states: Mapping[str, LeadState]) -> None:
    """Write the digests of leads that `load_leads` has locked."""
    await conn.execute(
        f"""
        update {table} as held set state = new.state
        from unnest($1::text[], $2::bytea[]) as new(lead, state) where held.lead = new.lead
        """,  # noqa: S608 (the table is one of ours)
        list(states),
        [_pack(state) for state in states.values()],
    )


async def insert_leads(conn: asyncpg.Connection, table: str, leads: Mapping[str, tuple[int, LeadState]]) -> None:
    """Write (shard, digest) of leads that are not there yet."""
    await conn.execute(
        f"insert into {table} (lead, shard, state) select * from unnest($1::text[], $2::smallint[], $3::bytea[])",  # noqa: S608
        list(leads),
        [shard for shard, _ in leads.values()],
        [_pack(state) for _, state in leads.values()],
    )
