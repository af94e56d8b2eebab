"""Leads whose personal data is gone."""

from shared.migrate import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table handoff.leads add column erased_at timestamptz")


def downgrade() -> None:
    run_sql("alter table handoff.leads drop column erased_at")
