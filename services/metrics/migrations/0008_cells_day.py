"""Finds the cells of some days."""

from shared.migrate import make_index, run_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_index("metrics", "cells_day", "cells (day)")


def downgrade() -> None:
    run_sql("drop index metrics.cells_day")
