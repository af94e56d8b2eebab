"""Websites to look at for tags, and what came of it."""

from shared.migrate import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table ingest.tag_scans (
            lead_id text primary key references ingest.leads,
            scan_id uuid not null default gen_random_uuid(),
            state text not null default 'queued',
            requested_at timestamptz not null,
            attempts integer not null default 0,
            next_at timestamptz default now(),
            website text,
            observed_at timestamptz,
            tags jsonb,
            finished_at timestamptz,
            reason text
        );
        create index tag_scans_next on ingest.tag_scans (next_at) where next_at is not null;
    """)


def downgrade() -> None:
    run_sql("drop table ingest.tag_scans;")
