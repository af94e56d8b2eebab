"""The outbox in shards, each published by itself. Rows of an older release beside us are all in shard 0."""

from shared import outbox
from shared.migrate import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(outbox.ADD_SHARD_V2.format(schema="handoff"))


def downgrade() -> None:
    run_sql("alter table handoff.outbox drop column shard")
