"""Mails that outreach sends itself: once for each keyed request, as far as SMTP lets anybody know.

Before a mail is handed over, it is kept as `handing_over`. Only when the server has taken it, it becomes `sent`, and
the touch and the use are told to the log, in one transaction. A process that dies in between leaves `handing_over`:
nobody can tell whether the server had it, so a repetition is refused instead of sending a second one.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from email.message import EmailMessage
from uuid import NAMESPACE_URL, uuid5

from prometheus_client.metrics_core import Metric
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.outreach.problems import mail_refused, mail_uncertain
from services.outreach.smtp import MailRefused, MailUncertain, Post
from services.outreach.uses import Use, record, tell
from shared.clock import Clock
from shared.db import driver, in_transaction, transaction
from shared.events import Touch
from shared.telemetry import Collector, Family

_NAMES = uuid5(NAMESPACE_URL, "urn:tasuki:outreach:touch")
_HANDED_OVER_WITHIN = timedelta(minutes=10)
UNCERTAIN = Family(
    "gauge",
    "tasuki_mails_uncertain",
    "Mails that were or were not sent: the process ended, or the connection was lost, meanwhile.",
)


async def is_sent(conn: AsyncConnection, mail_id: str) -> bool:
    """Whether the server has taken this mail before."""
    statement = "select exists (select from outreach.mails where mail_id = $1 and state = 'sent')"
    return bool(await (await driver(conn)).fetchval(statement, mail_id))


async def begin(conn: AsyncConnection, mail_id: str, lead_id: str, template: str, now: datetime) -> bool:
    """Keep that a mail is about to be handed over. False when it was begun before and its end is not known.

    A mail that was refused may be tried again.
    """
    begun = await (await driver(conn)).fetchval(
        """
        insert into outreach.mails as m (mail_id, lead_id, template, state, begun_at)
        values ($1, $2, $3, 'handing_over', $4)
        on conflict (mail_id) do update set state = 'handing_over', begun_at = excluded.begun_at
        where m.state = 'refused' returning mail_id
        """,
        mail_id,
        lead_id,
        template,
        now,
    )
    return begun is not None


async def hand_over(engine: AsyncEngine, post: Post, message: EmailMessage, use: Use) -> Use:
    """Send a mail that was begun, and tell the log.

    Raises Problem 422 or 503 when the server has not taken it, 409 when nobody can know.
    """
    try:
        await post.send(message)
    except MailRefused as error:
        await _refused(engine, use.use_id)
        raise mail_refused(str(error), lasting=error.lasting) from error
    except MailUncertain as error:
        raise mail_uncertain() from error
    return await _sent(engine, use)


async def _refused(engine: AsyncEngine, mail_id: str) -> None:
    async def work(conn: AsyncConnection) -> None:
        await (await driver(conn)).execute(
            "update outreach.mails set state = 'refused' where mail_id = $1 and state = 'handing_over'", mail_id
        )

    await in_transaction(engine, work)


async def _sent(engine: AsyncEngine, use: Use) -> Use:
    async def work(conn: AsyncConnection) -> Use:
        await (await driver(conn)).execute(
            "update outreach.mails set state = 'sent', sent_at = $2 where mail_id = $1", use.use_id, use.used_at
        )
        if use.channel is not None:
            touch = Touch(channel=use.channel, direction="outbound", rep=use.rep, outcome="sent")
            await tell(conn, "touch", str(uuid5(_NAMES, use.use_id)), use.lead_id, touch, use.used_at)
        return await record(conn, use)

    return await in_transaction(engine, work)


def figures(engine: AsyncEngine, clock: Clock) -> Collector:
    """The gauge of mails of which nobody knows whether they were sent."""

    async def collect() -> Iterable[Metric]:
        async with transaction(engine) as conn:
            waiting = await (await driver(conn)).fetchval(
                "select count(*) from outreach.mails where state = 'handing_over' and begun_at < $1",
                clock.now() - _HANDED_OVER_WITHIN,
            )
        family = UNCERTAIN.metric()
        family.add_metric((), waiting)
        return [family]

    return collect
