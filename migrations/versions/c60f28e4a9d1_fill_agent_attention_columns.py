"""fill_agent_attention_columns

Create Date: 2026-11-26 12:31:00+00:00
"""
import datetime as dt

import sqlalchemy as sa
from alembic import op

revision = 'c60f28e4a9d1'
down_revision = 'a1d93c5be702'
branch_labels = None
depends_on = None

AGENTS = sa.table(
    'agents',
    sa.column('id', sa.Uuid()),
    sa.column('version', sa.Integer()),
    sa.column('api_key', sa.Text()),
    sa.column('model_provider', sa.Text()),
    sa.column('model_base_url', sa.Text()),
    sa.column('connection_type', sa.Text()),
    sa.column('connection_config', sa.JSON()),
    sa.column('credential_expires_at', sa.Date()),
    sa.column('api_key_expires_at', sa.Date()),
    sa.column('attention_date', sa.Date()),
    sa.column('secret_key_ids', sa.Text()),
    sa.column('examined_version', sa.Integer()),
)
# The release before this one raises the version and does not know these columns.
NOT_EXAMINED = AGENTS.c.examined_version != AGENTS.c.version
# A copy of the rules by which an agent was incomplete when this step was written.
MODEL_NEEDS = {
    'openai': ('api_key',),
    'azure_openai': ('model_base_url', 'api_key'),
    'anthropic': ('api_key',),
    'ollama': ('model_base_url',),
    'openai_compatible': ('model_base_url',),
}
CONNECTION_NEEDS = {
    ('DB', None): ('password',),
    ('POWERBI', 'client_secret'): ('client_secret',),
    ('POWERBI', 'certificate'): ('certificate_pem', 'private_key_pem'),
}
# For `--sql`. The console reads such a row in full until the agent is changed.
SCRIPT = "/* The console fills these columns of each agent at the agent's next change. */"


def lacks_something(agent: sa.Row, config: dict) -> bool:
    method = (config.get('auth_method') or 'client_secret') if agent.connection_type == 'POWERBI' else None
    connection_needs = CONNECTION_NEEDS.get((agent.connection_type, method), ())
    lacks_model = any(not getattr(agent, name) for name in MODEL_NEEDS.get(agent.model_provider, ()))
    return lacks_model or any(not config.get(name) for name in connection_needs)


def attention_columns(agent: sa.Row) -> dict:
    config = agent.connection_config if isinstance(agent.connection_config, dict) else {}
    days = [day for day in (agent.credential_expires_at, agent.api_key_expires_at) if day]
    encrypted = [str(value['$enc']) for value in config.values() if isinstance(value, dict) and '$enc' in value]
    texts = [*encrypted, *([agent.api_key] if agent.api_key else [])]
    key_ids = {text.split(':')[1] if text.count(':') == 2 else '?' for text in texts}
    return {
        'attention_date': dt.date.min if lacks_something(agent, config) else min(days, default=None),
        'secret_key_ids': ''.join(f'<{key_id}>' for key_id in sorted(key_ids)),
        'examined_version': agent.version,
    }


def upgrade() -> None:
    op.fill_rows(AGENTS, NOT_EXAMINED, attention_columns, SCRIPT, AGENTS.c.version)


def downgrade() -> None:
    pass  # The step before this one drops the columns.
