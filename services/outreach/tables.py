"""The tables of schema `outreach`. `migrations/` makes them; a test holds the two equal."""

from typing import Final

from sqlalchemy import Column, DateTime, Index, MetaData, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from shared.consume import consumer_tables
from shared.lead_merges import merges_table
from shared.lead_observations import observations_table
from shared.outbox import outbox_table

SCHEMA: Final = "outreach"
metadata = MetaData(schema=SCHEMA)

outbox = outbox_table(metadata, SCHEMA)
consumer = consumer_tables(metadata, SCHEMA)
merges = merges_table(metadata, SCHEMA)
observations = observations_table(metadata, SCHEMA)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


leads = Table(
    "leads",
    metadata,
    Column("lead_id", Text, primary_key=True),
    _time("known_at", nullable=True),  # time of lead-created; null while only other events have arrived
    Column("merged_into", Text),  # the lead that it counts as, when that is another one
    _time("erased_at", nullable=True),
    Index("leads_merged_into", "merged_into", postgresql_where=text("merged_into is not null")),
)

# What was told of contacting a lead; the evidence stays with ingest.
consents = Table(
    "consents",
    metadata,
    Column("lead_id", Text, nullable=False),
    _time("time"),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("basis", Text),  # none where an opt-out told of none
    _time("opted_out_at", nullable=True),
    Column("channels", ARRAY(Text), nullable=False),  # none: it holds for all
    PrimaryKeyConstraint("source", "id", name="consents_pkey"),
    Index("consents_lead", "lead_id"),
)

# Every use that was told, so that the repetition of a keyed request tells no second.
uses = Table(
    "uses",
    metadata,
    Column("use_id", Text, primary_key=True),
    Column("lead_id", Text, nullable=False),
    Column("rep", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("channel", Text),
    Column("occasion", Text),
    _time("at"),
    Index("uses_at", "at"),
)

# Every mail that was to be handed to a server. `handing_over`: whether it was taken is not known (yet).
mails = Table(
    "mails",
    metadata,
    Column("mail_id", Text, primary_key=True),
    Column("lead_id", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("state", Text, nullable=False),  # handing_over, sent, refused
    _time("begun_at"),
    _time("sent_at", nullable=True),
    Index("mails_uncertain", "begun_at", postgresql_where=text("state = 'handing_over'")),
)
