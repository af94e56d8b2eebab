"""Tokens of signatures that may be used once: where a provider signs a token and not the body, somebody who has seen
one delivery could send another body under it."""

import hashlib
from datetime import datetime

from services.ingest.tables import Connection


async def claim(db: Connection, source: str, token: str, said: bytes, at: datetime) -> bool:
    """Whether a delivery may use the token: nobody did before, or one that said the same (a repetition)."""
    digest = hashlib.blake2b(said, digest_size=16).digest()
    used: bytes = await db.fetchval(
        """
        with new as (
            insert into ingest.webhook_tokens (source, token, digest, seen_at) values ($1, $2, $3, $4)
            on conflict (source, token) do update set seen_at = excluded.seen_at returning digest
        )
        select digest from new
        """,
        source,
        token[:500],
        digest,
        at,
    )
    return used == digest
