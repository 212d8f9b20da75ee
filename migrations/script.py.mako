<%!
def without_comments(operations):
    """The operations without the two comments that Alembic writes around them."""
    return "\n".join(line for line in operations.splitlines() if not line.strip().startswith("# ### ")).strip()
%>\
<%
lines = (imports or "").splitlines()
standard = [line for line in lines if line.startswith("import ")]
others = [line for line in lines if line not in standard]
# Alembic's text for a step without a message says nothing.
title = message
if title == "empty message":
    title = "merge_" + "_".join(down_revision) if isinstance(down_revision, tuple) else "step_" + up_revision
%>\
"""${title.replace("\\", "\\\\").replace('"', "'")}

Create Date: ${create_date}
"""
% for line in standard:
${line}
% endfor
% if standard:

% endif
import sqlalchemy as sa
from alembic import op
% for line in others:
${line}
% endfor

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
% if getattr(message, "is_marked", False):
# The running release would not survive this step: `flask db deploy --finish` applies it when the new release runs.
after_release = True
% endif
% if getattr(message, "remark", ""):

% for line in message.remark.splitlines():
# ${line.replace("THIS_REVISION", up_revision)}
% endfor
% endif
% if getattr(message, "question", ""):

% for line in message.question.splitlines():
# ${line}
% endfor
is_rename = "?"
% endif


def upgrade() -> None:
    ${without_comments(upgrades) if upgrades else "pass"}


def downgrade() -> None:
    ${without_comments(downgrades) if downgrades else "pass"}
