"""Which topics of Kafka the positions of a group are of: one that was made anew bears the same name and another id."""

from shared.migrate import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table log.read_topics (
            consumer_group text not null,
            topic text not null,
            topic_id uuid not null,
            primary key (consumer_group, topic)
        );
    """)


def downgrade() -> None:
    run_sql("drop table log.read_topics;")
