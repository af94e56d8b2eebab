"""The identity of events is kept by the index that begins with the id, and by no other."""

from shared.migrate import run_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        alter table metrics.events drop constraint events_pkey;
        alter table metrics.events add constraint events_pkey primary key using index events_identity;
    """)


def downgrade() -> None:
    run_sql("""
        alter table metrics.events drop constraint events_pkey;
        alter table metrics.events add constraint events_pkey primary key (source, id);
    """)
