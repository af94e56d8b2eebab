"""Under which ids other systems know a lead: its company may be somebody's account by them."""

from shared.migrate import run_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table handoff.leads add column external_ids text[]")


def downgrade() -> None:
    run_sql("alter table handoff.leads drop column external_ids")
