"""Finds the second set's cells of some days."""

from shared.migrate import make_index, run_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_index("metrics", "cells_2_day", "cells_2 (day)")


def downgrade() -> None:
    run_sql("drop index metrics.cells_2_day")
