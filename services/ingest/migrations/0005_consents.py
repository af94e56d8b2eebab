"""On what basis a lead may be contacted, and that it may not."""

from shared.migrate import run_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        create table ingest.consents (
            number bigint generated always as identity primary key,
            lead_id text not null references ingest.leads,
            basis text not null,
            evidence text not null,
            opted_out_at timestamptz,
            channels text[] not null,
            said_by text not null,
            recorded_at timestamptz not null,
            request text
        );
        create index consents_lead on ingest.consents (lead_id, number);
        create unique index consents_request on ingest.consents (lead_id, request);
        """
    )


def downgrade() -> None:
    run_sql("drop table ingest.consents;")
