"""add_invitations

Create Date: 2026-11-22 15:45:48.171558+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = 'a5ecd374ab0b'
down_revision = '18ad6f3c902e'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.require_tables('accounts', 'users')
    op.create_table('invitations',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('made_by', sa.String(length=255), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_invitations_account_id_accounts'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], name=op.f('fk_invitations_created_by_users'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_invitations_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invitations')),
    sa.UniqueConstraint('digest', name=op.f('uq_invitations_digest'))
    )
    op.create_index(op.f('ix_invitations_account_id'), 'invitations', ['account_id'], unique=False)
    op.create_index(op.f('ix_invitations_created_by'), 'invitations', ['created_by'], unique=False)
    op.create_index(op.f('ix_invitations_user_id'), 'invitations', ['user_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_invitations_user_id'), table_name='invitations')
    op.drop_index(op.f('ix_invitations_created_by'), table_name='invitations')
    op.drop_index(op.f('ix_invitations_account_id'), table_name='invitations')
    op.drop_table('invitations')
