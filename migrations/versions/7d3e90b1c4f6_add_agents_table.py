"""add_agents_table

Create Date: 2026-11-22 15:33:16.487611+00:00
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '7d3e90b1c4f6'
down_revision = '3b1f07c5d2a9'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.require_tables('accounts', 'users')
    op.create_enum('connectiontype', 'POWERBI', 'DB')
    op.create_table('agents',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('status', sa.String(length=50), server_default='active', nullable=False),
    sa.Column('model_type', sa.String(length=100), nullable=True),
    sa.Column('api_key', sa.String(length=500), nullable=True),
    sa.Column('system_instructions', sa.Text(), nullable=True),
    sa.Column('connection_type', sa.Enum('POWERBI', 'DB', name='connectiontype', create_constraint=True), nullable=False),
    sa.Column('connection_config', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_agents_account_id_accounts'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], name=op.f('fk_agents_created_by_users'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_agents'))
    )
    op.create_index(op.f('ix_agents_account_id'), 'agents', ['account_id'], unique=False)
    op.create_index(op.f('ix_agents_created_by'), 'agents', ['created_by'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_agents_created_by'), table_name='agents')
    op.drop_index(op.f('ix_agents_account_id'), table_name='agents')
    op.drop_table('agents')
    op.drop_enum('connectiontype', 'POWERBI', 'DB')
