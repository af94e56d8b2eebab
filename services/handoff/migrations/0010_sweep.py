"""How far the leads that were there before their policy have been looked at, see sweep.py."""

from shared.migrate import run_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table handoff.sweep (
            policy_id text not null,
            version integer not null,
            after_lead text not null,
            done boolean not null,
            one boolean primary key default true check (one)
        );
    """)


def downgrade() -> None:
    run_sql("drop table handoff.sweep")
