"""A phone is E.164 now, without the extension that it had: leads that were stored with one are found without it."""

from shared.migrate import run_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        insert into ingest.lead_terms (lead_id, kind, value)
        select distinct lead_id, kind, split_part(value, ';ext=', 1) from ingest.lead_terms
        where kind = 'phone' and value like '%;ext=%'
        on conflict do nothing
        """
    )


def downgrade() -> None:
    """What it has added stays right."""
