"""Webhooks that tell only where a submission is, tokens that may be used once, headers that a retry needs."""

from shared.migrate import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = """
create table ingest.fetches (
    source text not null,
    id text not null,
    reference jsonb not null,
    raw jsonb not null,
    received_at timestamptz not null,
    next_at timestamptz not null,
    attempts integer not null default 0,
    state text not null default 'waiting' constraint fetches_state check (state in ('waiting', 'done', 'failed')),
    reason text,
    traceparent text,
    primary key (source, id)
);
create index fetches_due on ingest.fetches (next_at) where state = 'waiting';

create table ingest.webhook_tokens (
    source text not null,
    token text not null,
    digest bytea not null,
    seen_at timestamptz not null,
    primary key (source, token)
);

alter table ingest.quarantine add column headers jsonb not null default '{}';
"""


def upgrade() -> None:
    run_sql(_UP)


def downgrade() -> None:
    run_sql(
        """
        alter table ingest.quarantine drop column headers;
        drop table ingest.webhook_tokens;
        drop table ingest.fetches;
        """
    )
