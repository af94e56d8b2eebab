"""The tables of schema `ingest`. The SQL of this service is in `store.py`, `leads.py` and `record.py`."""

from typing import TypeAlias

import asyncpg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID

from shared.consume import consumer_tables
from shared.outbox import outbox_table

SCHEMA = "ingest"

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""The driver's connection, inside a transaction (`shared.db.driver`): for set-based SQL."""

metadata = MetaData(schema=SCHEMA)

TIME = TIMESTAMP(timezone=True)

# `first_activity_at`, `rep` and `stage` are the greatest (or least) of what was told in a total order, so the order of
# arrival does not matter. `merge_into`: what a merge said, at `merged_at`; `merged_into` always names the last
# survivor, never another merged lead.
leads = Table(
    "leads",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("recorded_at", TIME, nullable=False),
    Column("first_activity_at", TIME),
    Column("rep", Text),
    Column("rep_at", TIME),
    Column("stage", Text, nullable=False, server_default="Awareness"),
    Column("stage_cycle", Integer, nullable=False, server_default="0"),
    Column("stage_at", TIME),
    Column("stage_rank", Integer, nullable=False, server_default="0"),
    Column("merged_into", Text),
    Column("merge_into", Text),
    Column("merged_at", TIME),
    Column("erased_at", TIME),
    UniqueConstraint("seq", name="leads_seq_key"),
    Index("leads_stage", "stage", "seq"),
    Index("leads_rep", "rep", "seq"),
    Index("leads_merge_into", "merge_into"),
    Index("leads_merged_into", "merged_into"),
)

# What says that two leads are the same (kind: external_id, email, phone_domain; and phone or domain for a lead that
# nothing else is known of). A key belongs to one lead.
lead_keys = Table(
    "lead_keys",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("lead_id", Text, ForeignKey("ingest.leads.lead_id"), nullable=False),
    Index("lead_keys_lead", "lead_id"),
)

# What a lead can be found by; many leads may share a term (kinds: `items.Term`).
lead_terms = Table(
    "lead_terms",
    metadata,
    Column("lead_id", Text, ForeignKey("ingest.leads.lead_id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Index("lead_terms_value", "kind", "value"),
)

# One form, hearing or tool result. `unmapped`: [{name, value, reason?}], what came along and is no field of ours.
submissions = Table(
    "submissions",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("lead_id", Text, ForeignKey("ingest.leads.lead_id"), nullable=False),
    Column("observed_at", TIME, nullable=False),
    Column("recorded_at", TIME, nullable=False),
    Column("campaign", Text),
    Column("unmapped", JSONB, nullable=False),
    Index("submissions_lead", "lead_id"),
)

observations = Table(
    "observations",
    metadata,
    Column("observation_id", UUID(as_uuid=False), primary_key=True),
    Column("lead_id", Text, ForeignKey("ingest.leads.lead_id"), nullable=False),
    Column("observation", JSONB, nullable=False),
    Column("observed_at", TIME, nullable=False),
    Index("observations_lead", "lead_id"),
)

# Every identity ever taken in. `digest`: of what the sender sent, so that a repetition is told from a contradiction.
# It is empty while the identity is only awaited by a correction. `key` is empty while a correction waits.
events = Table(
    "events",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary),
    Column("name", Text, nullable=False),
    Column("lead_id", Text),
    Column("key", Text),
    Column("recorded_at", TIME, nullable=False),
)

waiting_corrections = Table(
    "waiting_corrections",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("corrects_source", Text, nullable=False),
    Column("corrects_id", Text, nullable=False),
    Column("time", TIME, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("traceparent", Text),
    Index("waiting_corrections_corrects", "corrects_source", "corrects_id"),
)

# What was said about whether a lead may be contacted. `request`: the keyed request that said so.
consents = Table(
    "consents",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("lead_id", Text, ForeignKey("ingest.leads.lead_id"), nullable=False),
    Column("basis", Text),  # none where an opt-out told of none
    Column("evidence", Text, nullable=False),
    Column("opted_out_at", TIME),
    Column("channels", ARRAY(Text), nullable=False),
    Column("said_by", Text, nullable=False),
    Column("recorded_at", TIME, nullable=False),
    Column("request", Text),
    Index("consents_lead", "lead_id", "number"),
    Index("consents_request", "lead_id", "request", unique=True),
)

# Webhook bodies that could not be used. `headers`: those that reading them needs; others may hold secrets.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),
    Column("received_at", TIME, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("body", LargeBinary, nullable=False),
    Column("errors", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("resolved_at", TIME),
    Column("results", JSONB),
    Column("headers", JSONB, nullable=False, server_default="{}"),
)

# Notices of submissions that must be fetched. `state`: waiting, done, failed.
fetches = Table(
    "fetches",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("reference", JSONB, nullable=False),
    Column("raw", JSONB, nullable=False),
    Column("received_at", TIME, nullable=False),
    Column("next_at", TIME, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("reason", Text),
    Column("traceparent", Text),
    Index("fetches_due", "next_at"),
)

# Tokens of signatures that may be used once, with what was said under them.
webhook_tokens = Table(
    "webhook_tokens",
    metadata,
    Column("source", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("seen_at", TIME, nullable=False),
)

# The last look at each lead's website. `state`: queued running done failed. `next_at`: when it may be taken, on the
# database's clock; of a running one, when it counts as broken off. `website`, `observed_at`, `tags`: what was found,
# kept before it becomes an observation, so that a repetition says the same. `reason`: why the last attempt failed.
tag_scans = Table(
    "tag_scans",
    metadata,
    Column("lead_id", Text, ForeignKey("ingest.leads.lead_id"), primary_key=True),
    Column("scan_id", UUID(as_uuid=False), nullable=False, server_default=func.gen_random_uuid()),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("requested_at", TIME, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", TIME, server_default=func.now()),
    Column("website", Text),
    Column("observed_at", TIME),
    Column("tags", JSONB),
    Column("finished_at", TIME),
    Column("reason", Text),
)
Index("tag_scans_next", tag_scans.c.next_at, postgresql_where=tag_scans.c.next_at.is_not(None))

# A file of leads. `state`: receiving, waiting, running, done, failed, removed. `at`, `row_number`, `inside`: how far
# its rows are taken (`imports.rows.Place`); `token`: which of several uploads under one Idempotency-Key it belongs to.
imports = Table(
    "imports",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("token", UUID(as_uuid=False), nullable=False),
    Column("source", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("state", Text, nullable=False, server_default="receiving"),
    Column("received_at", TIME, nullable=False),
    Column("touched_at", TIME, nullable=False),
    Column("finished_at", TIME),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("digest", LargeBinary),
    Column("encoding", Text),
    Column("delimiter", Text),
    Column("columns", JSONB, nullable=False, server_default="[]"),
    Column("at", BigInteger, nullable=False, server_default="0"),
    Column("row_number", BigInteger, nullable=False, server_default="0"),
    Column("inside", Boolean, nullable=False, server_default="false"),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("created", BigInteger, nullable=False, server_default="0"),
    Column("known", BigInteger, nullable=False, server_default="0"),
    Column("duplicates", BigInteger, nullable=False, server_default="0"),
    Column("rejected", BigInteger, nullable=False, server_default="0"),
    Column("incomplete", BigInteger, nullable=False, server_default="0"),
    Column("reason", Text),
    Column("traceparent", Text),
    UniqueConstraint("seq", name="imports_seq_key"),
    Index("imports_open", "seq", postgresql_where=text("state in ('waiting', 'running')")),
)

# The bytes of a file from `at` on, until its rows are taken.
import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_id", Text, ForeignKey("ingest.imports.import_id", ondelete="cascade"), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

import_rejects = Table(
    "import_rejects",
    metadata,
    Column("import_id", Text, ForeignKey("ingest.imports.import_id", ondelete="cascade"), primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    Column("errors", JSONB, nullable=False),
    Column("cells", JSONB, nullable=False),
)

# What earlier rows of a dry run would have stored: hashes of identities, nothing that could be read.
import_trials = Table(
    "import_trials",
    metadata,
    Column("import_id", Text, ForeignKey("ingest.imports.import_id", ondelete="cascade"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
)

outbox = outbox_table(metadata, SCHEMA)
consumer = consumer_tables(metadata, SCHEMA)
