"""What ingest tells the log: sealed where it is personal, in the transaction of the caller."""

from collections.abc import Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared import lead_keys, outbox
from shared.events import Event


async def tell(conn: AsyncConnection, events: Sequence[Event], personal: Collection[str]) -> None:
    """Tell the log, if and when the transaction commits. personal: ids of the fields that hold personal data."""
    await outbox.enqueue(conn, "ingest", await lead_keys.seal_events(conn, events, personal))
