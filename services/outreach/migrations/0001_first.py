"""What is known of leads and of contacting them; which content was used."""

from shared.consume import CREATE_V1 as CONSUMER
from shared.migrate import run_sql
from shared.outbox import ADD_SHARD_V2
from shared.outbox import CREATE_V1 as OUTBOX

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(OUTBOX.format(schema="outreach"))
    run_sql(ADD_SHARD_V2.format(schema="outreach"))
    run_sql(CONSUMER.format(schema="outreach"))
    run_sql("""
        create table outreach.leads (
            lead_id text primary key,
            known_at timestamptz,
            merged_into text,
            erased_at timestamptz
        );
        create index leads_merged_into on outreach.leads (merged_into) where merged_into is not null;

        create table outreach.merges (
            lead_id text primary key,
            into_lead text,
            time timestamptz not null,
            source text not null,
            id text not null
        );
        create index merges_into on outreach.merges (into_lead);

        create table outreach.observations (
            lead_id text not null,
            observation_id text not null,
            field text not null,
            method text not null,
            source text not null,
            observed_at timestamptz not null,
            recorded_at timestamptz not null,
            value json,
            status text,
            by text,
            quote text,
            constraint observations_pkey primary key (lead_id, observation_id)
        );

        create table outreach.consents (
            lead_id text not null,
            time timestamptz not null,
            source text not null,
            id text not null,
            basis text not null,
            opted_out_at timestamptz,
            channels text[] not null,
            constraint consents_pkey primary key (source, id)
        );
        create index consents_lead on outreach.consents (lead_id);

        create table outreach.uses (
            use_id text primary key,
            lead_id text not null,
            rep text not null,
            kind text not null,
            content text not null,
            language text not null,
            channel text,
            occasion text,
            at timestamptz not null
        );
        create index uses_at on outreach.uses (at);

        create table outreach.mails (
            mail_id text primary key,
            lead_id text not null,
            template text not null,
            state text not null,
            begun_at timestamptz not null,
            sent_at timestamptz
        );
        create index mails_uncertain on outreach.mails (begun_at) where state = 'handing_over';
    """)


def downgrade() -> None:
    run_sql("""
        drop table outreach.mails, outreach.uses, outreach.consents, outreach.observations, outreach.merges,
            outreach.leads;
        drop table outreach.outbox, outreach.positions, outreach.dead_letters, outreach.seen;
    """)
