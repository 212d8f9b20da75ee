"""add_agent_versions

Create Date: 2026-11-22 15:31:00+00:00
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = 'a42c8e5f1b73'
down_revision = '7d3e90b1c4f6'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.require_tables('accounts', 'agents', 'users')
    op.add_column('agents', sa.Column('version', sa.Integer(), server_default='1', nullable=False))
    op.create_table('agent_versions',
    sa.Column('agent_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('action', sa.String(length=50), nullable=False),
    sa.Column('actor_name', sa.String(length=255), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('snapshot', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('changes', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('kept_secrets', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_agent_versions_account_id_accounts'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_agent_versions_user_id_users'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('agent_id', 'version', name=op.f('pk_agent_versions'))
    )
    op.create_index(op.f('ix_agent_versions_account_id'), 'agent_versions', ['account_id'], unique=False)
    op.create_index(op.f('ix_agent_versions_user_id'), 'agent_versions', ['user_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_agent_versions_user_id'), table_name='agent_versions')
    op.drop_index(op.f('ix_agent_versions_account_id'), table_name='agent_versions')
    op.drop_table('agent_versions')
    with op.batch_alter_table('agents', schema=None) as batch_op:
        batch_op.drop_column('version')
