"""Who may call (API keys) and what was answered to whom (Idempotency-Key).

idempotency.status is null while the request runs; token tells which run of it that is.
"""

from shared.migrate import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table access.keys (
            name text primary key,
            digest bytea not null unique check (length(digest) = 32),
            scopes text[] not null,
            created_at timestamptz not null default now(),
            revoked_at timestamptz
        );

        create table access.idempotency (
            principal text not null,
            operation text not null,
            key text not null,
            token uuid not null,
            body_hash bytea,
            started_at timestamptz not null default now(),
            status smallint,
            headers jsonb,
            media_type text,
            body bytea,
            primary key (principal, operation, key)
        );
        create index on access.idempotency (started_at);
    """)


def downgrade() -> None:
    run_sql("drop table access.idempotency, access.keys;")
