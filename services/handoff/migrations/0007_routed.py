"""Why a handoff went to whom it went, and who had it before."""

from shared.migrate import run_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table handoff.reassignments (
            handoff_id text not null,
            number bigint generated always as identity not null,
            owner text not null,
            new_owner text not null,
            at timestamptz not null,
            by text not null,
            reason text not null,
            request text,
            segment text not null,
            handoff_number bigint not null,
            constraint reassignments_pkey primary key (handoff_id, number)
        );
        create index reassignments_route on handoff.reassignments (owner, segment, handoff_number);

        alter table handoff.handoffs add column routed json;
    """)


def downgrade() -> None:
    run_sql("""
        drop table handoff.reassignments;
        alter table handoff.handoffs drop column routed;
    """)
