"""Leads that count as another one."""

from shared.migrate import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        create table handoff.merges (
            lead_id text primary key,
            into_lead text,
            time timestamptz not null,
            source text not null,
            id text not null
        );
        create index merges_into on handoff.merges (into_lead);
        alter table handoff.leads add column merged_into text;
        create index leads_merged_into on handoff.leads (merged_into) where merged_into is not null;
        """
    )


def downgrade() -> None:
    run_sql("alter table handoff.leads drop column merged_into; drop table handoff.merges;")
