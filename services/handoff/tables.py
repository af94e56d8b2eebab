"""The tables of schema `handoff`. `migrations/` makes them; a test holds the two equal."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from shared.consume import consumer_tables
from shared.lead_merges import merges_table
from shared.lead_observations import observations_table
from shared.outbox import outbox_table

SCHEMA: Final = "handoff"
metadata = MetaData(schema=SCHEMA)

outbox = outbox_table(metadata, SCHEMA)
consumer = consumer_tables(metadata, SCHEMA)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


# A row is the lock of its lead: whoever decides about the lead holds it.
leads = Table(
    "leads",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),  # partition of the log that holds its events
    _time("known_at", nullable=True),  # time of lead-created; null while only activities have arrived
    Column("stage", Text),
    Column("cycle", Integer, nullable=False, server_default="1"),
    _time("cycle_since", nullable=True),  # when it was recycled into this cycle; null in the first
    _time("stage_at", nullable=True),
    Column("events", BigInteger, nullable=False, server_default="0"),
    _time("last_event_at", nullable=True),
    Column("kinds", ARRAY(Text), nullable=False, server_default="{}"),  # of the activities it ever had
    Column("merged_into", Text),  # the lead that it counts as, when that is another one
    _time("erased_at", nullable=True),
    Column("external_ids", ARRAY(Text)),  # as lead-created told them, sealed; null where it told none
    Index("leads_merged_into", "merged_into", postgresql_where=text("merged_into is not null")),
)

merges = merges_table(metadata, SCHEMA)
observations = observations_table(metadata, SCHEMA)

activities = Table(
    "activities",
    metadata,
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("lead_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    _time("time"),
    _time("recorded_at"),
    Column("data", JSON, nullable=False),  # as it was sent
    Column("counts", Boolean, nullable=False),  # false after a void
    _time("at"),  # after corrections, like held
    Column("held", JSON, nullable=False),  # the data after corrections
    Column("kind", Text, nullable=False),  # what conditions on events tell apart, after corrections
    PrimaryKeyConstraint("source", "id", name="activities_pkey"),
    Index("activities_history", "lead_id", "at", "source", "id", postgresql_where=text("counts")),
    Index("activities_kinds", "lead_id", "kind", "at", postgresql_where=text("counts")),
)

corrections = Table(
    "corrections",
    metadata,
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("lead_id", Text, nullable=False),
    _time("time"),
    Column("corrects_source", Text, nullable=False),
    Column("corrects_id", Text, nullable=False),
    Column("data", JSON, nullable=False),
    PrimaryKeyConstraint("source", "id", name="corrections_pkey"),
    Index("corrections_target", "corrects_source", "corrects_id"),
)

stage_entries = Table(
    "stage_entries",
    metadata,
    Column("lead_id", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("from_stage", Text),
    _time("at"),
    _time("recorded_at"),
    Column("rule", Text, nullable=False),
    Column("by", Text),
    Column("reason", Text),
    Column("request", Text),  # the keyed request that made it, so that its repetition makes no second
    PrimaryKeyConstraint("lead_id", "cycle", "stage", name="stage_entries_pkey"),
)

# Versions are only ever added.
policy_versions = Table(
    "policy_versions",
    metadata,
    Column("policy_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("origin", Text, nullable=False),  # file or api
    Column("created_by", Text, nullable=False),
    _time("created_at"),
    PrimaryKeyConstraint("policy_id", "version", name="policy_versions_pkey"),
)

# How far sweep.py has come with the version in force: the row that is there.
sweep = Table(
    "sweep",
    metadata,
    Column("policy_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("after_lead", Text, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("one", Boolean, primary_key=True, server_default="true"),
    CheckConstraint("one", name="sweep_one_check"),
)

handoffs = Table(
    "handoffs",
    metadata,
    Column("handoff_id", Text, primary_key=True),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("lead_id", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("rep", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("policy_id", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    _time("created_at"),
    _time("due_at"),
    Column("readiness", JSON, nullable=False),  # the decision, as of then
    Column("inputs", JSON, nullable=False),  # the believed observations it was made from
    Column("appointment", JSON),
    Column("override", JSON),
    Column("automatic", Boolean, nullable=False),
    _time("decided_at", nullable=True),
    Column("sales_rep", Text),
    Column("return_reason", Text),
    Column("comment", Text),
    Column("decided_request", Text),  # the keyed request that decided it, so that its repetition is no conflict
    _time("overdue_at", nullable=True),  # the due time at which nobody had decided, once that was told
    Column("routed", JSON),  # why it went to whom it went first
    _time("remind_at", nullable=True),  # when sales is to be reminded of it, until that was done
    ForeignKeyConstraint(
        ["policy_id", "policy_version"],
        ["handoff.policy_versions.policy_id", "handoff.policy_versions.version"],
        name="handoffs_policy_fkey",
    ),
    Index("handoffs_open", "lead_id", unique=True, postgresql_where=text("status = 'pending'")),
    Index("handoffs_inbox", "status", "due_at", "handoff_id"),
    Index("handoffs_remind", "remind_at", postgresql_where=text("status = 'pending' and remind_at is not null")),
    Index("handoffs_lead", "lead_id", "number"),
    Index("handoffs_route", "owner", "segment", "number"),
)

# Each time that a handoff was given to somebody else. `owner` had it until then; whoever had it has had a turn.
reassignments = Table(
    "reassignments",
    metadata,
    Column("handoff_id", Text, nullable=False),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("owner", Text, nullable=False),
    Column("new_owner", Text, nullable=False),
    _time("at"),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request", Text),  # the keyed request that said so, so that its repetition is no second
    Column("segment", Text, nullable=False),  # of the handoff, like its number
    Column("handoff_number", BigInteger, nullable=False),
    PrimaryKeyConstraint("handoff_id", "number", name="reassignments_pkey"),
    Index("reassignments_route", "owner", "segment", "handoff_number"),
)

# What webhooks.yaml says of each endpoint, so that whoever makes an event knows whom to tell; and what became of it.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("events", ARRAY(Text), nullable=False),
    Column("segments", ARRAY(Text)),
    Column("owners", ARRAY(Text)),
    Column("address", Text, nullable=False),  # a digest of it: another address begins anew
    _time("gone_at", nullable=True),  # when it answered 410: it gets nothing more until somebody enables it
    _time("paused_until", nullable=True),  # as it asked for
)

# One event for one endpoint. `number` gives the order of each lead's events.
deliveries = Table(
    "deliveries",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("lead_id", Text, nullable=False),
    Column("event", JSON, nullable=False),  # structured, what is personal sealed as in the log
    _time("made_at"),
    Column("status", Text, nullable=False, server_default="pending"),  # pending, delivered or dead
    Column("attempts", Integer, nullable=False, server_default="0"),
    _time("next_at"),  # while somebody is sending it: when it is taken for broken off
    _time("last_at", nullable=True),
    Column("answer", Integer),  # the HTTP status of the last attempt
    Column("reason", Text),  # why the last attempt failed
    _time("finished_at", nullable=True),
    UniqueConstraint("endpoint", "event_id", name="deliveries_event"),
    Index("deliveries_due", "endpoint", "next_at", postgresql_where=text("status = 'pending'")),
    Index("deliveries_order", "endpoint", "lead_id", "number", postgresql_where=text("status = 'pending'")),
)
