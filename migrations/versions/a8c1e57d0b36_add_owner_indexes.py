"""add_owner_indexes

Create Date: 2026-11-26 21:38:00+00:00
"""
from alembic import op

revision = 'a8c1e57d0b36'
down_revision = 'f06a3d58c7e2'
branch_labels = None
depends_on = None

OWNERS, DELETED_USERS = 'ix_agents_account_id_owner', 'ix_events_account_id_deleted_users'


def upgrade() -> None:
    op.create_index_concurrently(OWNERS, 'agents', ['account_id', 'owner'])
    op.create_index_concurrently(DELETED_USERS, 'events', ['account_id'], where="action = 'user.deleted'")


def downgrade() -> None:
    op.drop_index_concurrently(DELETED_USERS, 'events')
    op.drop_index_concurrently(OWNERS, 'agents')
