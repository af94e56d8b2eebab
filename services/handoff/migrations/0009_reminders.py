"""When sales is to be reminded of a handoff that nobody has answered."""

from shared.migrate import run_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table handoff.handoffs add column remind_at timestamptz")
    run_sql(
        "create index handoffs_remind on handoff.handoffs (remind_at)"
        " where status = 'pending' and remind_at is not null"
    )


def downgrade() -> None:
    run_sql("drop index handoff.handoffs_remind")
    run_sql("alter table handoff.handoffs drop column remind_at")
