"""Who unsubscribes opts out, and tells of no basis."""

from shared.migrate import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table outreach.consents alter column basis drop not null;")


def downgrade() -> None:
    """A basis that nobody told of would open channels: what has none stays, and the release before this reads it."""
