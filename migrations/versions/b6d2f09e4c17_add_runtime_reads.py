"""add_runtime_reads

Create Date: 2026-11-27 04:20:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = 'b6d2f09e4c17'
down_revision = '3d8a61f4b0c7'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.require_tables('accounts', 'agents', 'api_tokens')
    op.create_table('runtime_reads',
    sa.Column('agent_id', sa.Uuid(), nullable=False),
    sa.Column('token_id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('fetched_version', sa.Integer(), nullable=True),
    sa.Column('fetch_count', sa.Integer(), nullable=False),
    sa.Column('first_fetched_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_fetched_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_runtime_reads_account_id_accounts'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['agent_id'], ['agents.id'], name=op.f('fk_runtime_reads_agent_id_agents'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['token_id'], ['api_tokens.id'], name=op.f('fk_runtime_reads_token_id_api_tokens'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('agent_id', 'token_id', name=op.f('pk_runtime_reads'))
    )
    op.create_index('ix_runtime_reads_account_id_seen_at', 'runtime_reads', ['account_id', 'seen_at'], unique=False)
    op.create_index('ix_runtime_reads_token_id_seen_at', 'runtime_reads', ['token_id', 'seen_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_runtime_reads_token_id_seen_at', table_name='runtime_reads')
    op.drop_index('ix_runtime_reads_account_id_seen_at', table_name='runtime_reads')
    op.drop_table('runtime_reads')
