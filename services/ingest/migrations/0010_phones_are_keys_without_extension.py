"""As 0009, for the keys by which leads are the same: of those that differ by an extension the first has the key."""

from shared.migrate import run_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        insert into ingest.lead_keys (kind, value, lead_id)
        select distinct on (1, 2) kind, regexp_replace(value, ';ext=[0-9]+', ''), lead_id from ingest.lead_keys
        where kind in ('phone_domain', 'phone_only') and value like '%;ext=%'
        order by 1, 2, 3
        on conflict do nothing
        """
    )


def downgrade() -> None:
    """What it has added stays right."""
