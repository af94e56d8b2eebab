"""Who read and changed what: see shared/audit_log.py."""

from shared.migrate import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        create table access.audit (
            number bigint generated always as identity primary key,
            at timestamptz not null default now(),
            who text not null,
            operation text not null,
            subject text,
            lead_ids text[] not null
        );
        create index audit_at on access.audit (at);
        create index audit_lead_ids on access.audit using gin (lead_ids);
        """
    )


def downgrade() -> None:
    run_sql("drop table access.audit;")
