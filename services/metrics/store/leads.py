"""The leads' digests."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import asyncpg
import msgspec

from services.metrics.contributions.lead import Glance, LeadState
from shared.text_arrays import columns, text_array, text_rows, texts


class _Begin(msgspec.Struct, array_like=True):
    """How a packed digest begins: who needs no more unpacks no more."""

    glance: Glance


class _Packed(_Begin, array_like=True):
    state: LeadState


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode_begin = msgspec.msgpack.Decoder(_Begin).decode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(state: LeadState) -> bytes:
    """A digest as it is stored."""
    return _encode(_Packed(state.glance(), state))


class StoredLead(NamedTuple):
    """A lead's digest as it was stored."""

    packed: bytes

    def glance(self) -> Glance:
        """What of it is enough for most calls."""
        return _decode_begin(self.packed).glance

    def state(self) -> LeadState:
        """A fresh copy of the digest."""
        return _decode(self.packed).state


async def load_leads(conn: asyncpg.Connection, table: str, leads: Collection[str]) -> dict[str, StoredLead]:
    """The digests of those of the leads that have one. Nobody else may change them: see `locks`."""
    rows = await conn.fetch(
        f"select lead, state from {table} where lead = any({text_array(1)})",  # noqa: S608 (the table is one of ours)
        texts(leads),
    )
    return {row["lead"]: StoredLead(row["state"]) for row in rows}


async def save_leads(conn: asyncpg.Connection, table: str, leads: Mapping[str, LeadState]) -> None:
    """Write digests of leads, in one order for all writers."""
    if not leads:
        return
    await conn.execute(
        f"""
        insert into {table} (lead, shard, state)
        select lead, 0, decode(state, 'hex') from {text_rows(2)} as changed(lead, state)
        on conflict (lead) do update set state = excluded.state
        """,  # noqa: S608 (the table is one of ours)
        *columns([(lead, pack(leads[lead]).hex()) for lead in sorted(leads)]),
    )
