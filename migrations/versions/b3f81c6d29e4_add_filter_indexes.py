"""add_filter_indexes

Create Date: 2026-11-28 16:10:00+00:00
"""
from alembic import op

revision = 'b3f81c6d29e4'
down_revision = 'c3f7a92e5d18'
branch_labels = None
depends_on = None

# The table and the columns of each index, and the condition of its rows.
INDEXES = {
    'ix_agents_account_id_connection_type': ('agents', ['account_id', 'connection_type'], None),
    'ix_agents_account_id_environment': ('agents', ['account_id', 'environment'], None),
    'ix_agents_account_id_model_provider': ('agents', ['account_id', 'model_provider'], None),
    'ix_agents_account_id_model_type': ('agents', ['account_id', 'model_type'], None),
    'ix_agent_versions_account_id_deleted': (
        'agent_versions', ['account_id', 'created_at', 'agent_id'], "action = 'agent.deleted'"
    ),
    'ix_events_account_id_action': ('events', ['account_id', 'action'], None),
    'ix_events_account_id_door_created_at_id': ('events', ['account_id', 'door', 'created_at', 'id'], None),
    'ix_events_account_id_target_id_created_at_id': ('events', ['account_id', 'target_id', 'created_at', 'id'], None),
}


LABELS = 'ix_agents_labels'
NOT_EXAMINED = 'ix_agents_account_id_not_examined'


def upgrade() -> None:
    for name, (table, columns, condition) in INDEXES.items():
        op.create_index_concurrently(name, table, columns, where=condition)
    # PostgreSQL finds each name and value in it. SQLite, which reads the labels of all agents, reads them there.
    op.create_index_concurrently(LABELS, 'agents', ['labels'], postgresql_using='gin')
    if op.get_context().dialect.name == 'sqlite':
        # Of several indexes of the account, SQLite uses the newest. This one has hardly any rows.
        op.drop_index_concurrently(NOT_EXAMINED, 'agents')
        op.create_index_concurrently(
            NOT_EXAMINED, 'agents', ['account_id'], where='CAST(examined_version <> version AS INTEGER) = 1'
        )


def downgrade() -> None:
    op.drop_index_concurrently(LABELS, 'agents')
    for name, (table, _, _) in reversed(INDEXES.items()):
        op.drop_index_concurrently(name, table)
