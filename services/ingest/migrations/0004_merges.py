"""Merges that can be undone: what each lead was merged into, beside the lead that it counts as."""

from shared.migrate import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        alter table ingest.leads add column merge_into text, add column merged_at timestamptz;
        create index leads_merge_into on ingest.leads (merge_into) where merge_into is not null;
        create index leads_merged_into on ingest.leads (merged_into) where merged_into is not null;
        """
    )


def downgrade() -> None:
    run_sql(
        "alter table ingest.leads drop column merge_into, drop column merged_at; drop index ingest.leads_merged_into;"
    )
