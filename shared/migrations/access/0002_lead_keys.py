"""The key of each lead, by which its personal values are sealed. An erased lead's row has none."""

from shared.migrate import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        create table access.lead_keys (
            lead_id text primary key,
            key bytea check (length(key) = 32),
            made_at timestamptz not null default now(),
            destroyed_at timestamptz
        );
        """
    )


def downgrade() -> None:
    run_sql("drop table access.lead_keys;")
