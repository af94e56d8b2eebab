"""CSV files of leads: their bytes until their rows are taken, how far that is, and the rows that were rejected."""

from shared.migrate import run_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = """
create table ingest.imports (
    import_id text primary key,
    seq bigint generated always as identity constraint imports_seq_key unique,
    token uuid not null,
    source text not null,
    dry_run boolean not null,
    state text not null default 'receiving',
    received_at timestamptz not null,
    touched_at timestamptz not null,
    finished_at timestamptz,
    bytes bigint not null default 0,
    digest bytea,
    encoding text,
    delimiter text,
    columns jsonb not null default '[]',
    at bigint not null default 0,
    row_number bigint not null default 0,
    inside boolean not null default false,
    rows bigint not null default 0,
    created bigint not null default 0,
    known bigint not null default 0,
    duplicates bigint not null default 0,
    rejected bigint not null default 0,
    incomplete bigint not null default 0,
    reason text,
    traceparent text
) with (fillfactor = 50);
create index imports_open on ingest.imports (seq) where state in ('waiting', 'running');

create table ingest.import_chunks (
    import_id text not null references ingest.imports on delete cascade,
    at bigint not null,
    data bytea not null,
    primary key (import_id, at)
);

create table ingest.import_rejects (
    import_id text not null references ingest.imports on delete cascade,
    row_number bigint not null,
    errors jsonb not null,
    cells jsonb not null,
    primary key (import_id, row_number)
);

create table ingest.import_trials (
    import_id text not null references ingest.imports on delete cascade,
    digest bytea not null,
    primary key (import_id, digest)
);
"""


def upgrade() -> None:
    run_sql(_TABLES)


def downgrade() -> None:
    run_sql("drop table ingest.import_trials, ingest.import_rejects, ingest.import_chunks, ingest.imports;")
