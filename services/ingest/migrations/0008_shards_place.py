"""The shard of an outbox's row tells its partition of the log, so a release that sets none may not write to it."""

from alembic import op

from shared import outbox

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
oldest = "0003"


def upgrade() -> None:
    outbox.set_shards(op.get_bind(), "ingest")


def downgrade() -> None:
    """What it has set stays right."""
