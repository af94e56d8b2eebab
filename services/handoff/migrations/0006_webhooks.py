"""Endpoints that are told what happens, what each of them is told, and that a handoff's time is over."""

from shared.migrate import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table handoff.webhooks (
            id text primary key,
            events text[] not null,
            segments text[],
            owners text[],
            address text not null,
            gone_at timestamptz,
            paused_until timestamptz
        );

        create table handoff.deliveries (
            number bigint generated always as identity primary key,
            endpoint text not null,
            event_id text not null,
            name text not null,
            lead_id text not null,
            event json not null,
            made_at timestamptz not null,
            status text not null default 'pending',
            attempts integer not null default 0,
            next_at timestamptz not null,
            last_at timestamptz,
            answer integer,
            reason text,
            finished_at timestamptz,
            constraint deliveries_event unique (endpoint, event_id)
        );
        create index deliveries_due on handoff.deliveries (endpoint, next_at) where status = 'pending';
        create index deliveries_order on handoff.deliveries (endpoint, lead_id, number) where status = 'pending';

        alter table handoff.handoffs add column overdue_at timestamptz;
    """)


def downgrade() -> None:
    run_sql("""
        drop table handoff.deliveries, handoff.webhooks;
        alter table handoff.handoffs drop column overdue_at;
    """)
