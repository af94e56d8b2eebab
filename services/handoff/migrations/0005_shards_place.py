"""The shard of an outbox's row tells its partition of the log, so a release that sets none may not write to it."""

from alembic import op

from shared import outbox

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
oldest = "0002"


def upgrade() -> None:
    outbox.set_shards(op.get_bind(), "handoff")


def downgrade() -> None:
    """What it has set stays right."""
