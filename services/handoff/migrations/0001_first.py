"""What is known of leads, their stages, policies with all versions, handoffs."""

from shared.consume import CREATE_V1 as CONSUMER
from shared.migrate import run_sql
from shared.outbox import CREATE_V1 as OUTBOX

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(OUTBOX.format(schema="handoff"))
    run_sql(CONSUMER.format(schema="handoff"))
    run_sql("""
        create table handoff.leads (
            lead_id text primary key,
            shard integer not null,
            known_at timestamptz,
            stage text,
            cycle integer not null default 1,
            cycle_since timestamptz,
            stage_at timestamptz,
            events bigint not null default 0,
            last_event_at timestamptz,
            kinds text[] not null default '{}'
        );

        create table handoff.observations (
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

        create table handoff.activities (
            source text not null,
            id text not null,
            lead_id text not null,
            name text not null,
            time timestamptz not null,
            recorded_at timestamptz not null,
            data json not null,
            counts boolean not null,
            at timestamptz not null,
            held json not null,
            kind text not null,
            constraint activities_pkey primary key (source, id)
        );
        create index activities_history on handoff.activities (lead_id, at, source, id) where counts;
        create index activities_kinds on handoff.activities (lead_id, kind, at) where counts;

        create table handoff.corrections (
            source text not null,
            id text not null,
            lead_id text not null,
            time timestamptz not null,
            corrects_source text not null,
            corrects_id text not null,
            data json not null,
            constraint corrections_pkey primary key (source, id)
        );
        create index corrections_target on handoff.corrections (corrects_source, corrects_id);

        create table handoff.stage_entries (
            lead_id text not null,
            cycle integer not null,
            stage text not null,
            number bigint generated always as identity not null,
            from_stage text,
            at timestamptz not null,
            recorded_at timestamptz not null,
            rule text not null,
            by text,
            reason text,
            request text,
            constraint stage_entries_pkey primary key (lead_id, cycle, stage)
        );

        create table handoff.policy_versions (
            policy_id text not null,
            version integer not null,
            document json not null,
            origin text not null,
            created_by text not null,
            created_at timestamptz not null,
            constraint policy_versions_pkey primary key (policy_id, version)
        );

        create table handoff.handoffs (
            handoff_id text primary key,
            number bigint generated always as identity not null,
            lead_id text not null,
            cycle integer not null,
            status text not null,
            rep text not null,
            owner text not null,
            segment text not null,
            policy_id text not null,
            policy_version integer not null,
            reason text not null,
            created_by text not null,
            created_at timestamptz not null,
            due_at timestamptz not null,
            readiness json not null,
            inputs json not null,
            appointment json,
            override json,
            automatic boolean not null,
            decided_at timestamptz,
            sales_rep text,
            return_reason text,
            comment text,
            decided_request text,
            constraint handoffs_policy_fkey
                foreign key (policy_id, policy_version) references handoff.policy_versions (policy_id, version)
        );
        create unique index handoffs_open on handoff.handoffs (lead_id) where status = 'pending';
        create index handoffs_inbox on handoff.handoffs (status, due_at, handoff_id);
        create index handoffs_lead on handoff.handoffs (lead_id, number);
        create index handoffs_route on handoff.handoffs (owner, segment, number);
    """)


def downgrade() -> None:
    run_sql("""
        drop table handoff.handoffs, handoff.policy_versions, handoff.stage_entries, handoff.corrections,
            handoff.activities, handoff.observations, handoff.leads;
        drop table handoff.outbox, handoff.positions, handoff.dead_letters, handoff.seen;
    """)
