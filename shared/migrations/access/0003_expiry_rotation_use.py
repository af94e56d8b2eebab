"""Keys may expire and be rotated: the secret before stays good until previous_until. And when each was last used."""

from shared.migrate import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        """
        alter table access.keys
            add column expires_at timestamptz,
            add column last_used_at timestamptz,
            add column previous_digest bytea unique check (length(previous_digest) = 32),
            add column previous_until timestamptz,
            add check ((previous_digest is null) = (previous_until is null));
        """
    )


def downgrade() -> None:
    run_sql(
        """
        alter table access.keys
            drop column expires_at,
            drop column last_used_at,
            drop column previous_digest,
            drop column previous_until;
        """
    )
