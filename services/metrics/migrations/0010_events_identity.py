"""Finds events by id first: most have one source, so that comparing it first tells nothing."""

from shared.migrate import make_index, run_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_index("metrics", "events_identity", "events (id, source)", unique=True)


def downgrade() -> None:
    run_sql("drop index if exists metrics.events_identity")
