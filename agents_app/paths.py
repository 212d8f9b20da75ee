"""The folders of the program and of its data, and the command that people type."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# The folder that Python imports the package from: the root of a checkout, or `site-packages`.
ROOT = PACKAGE.parent
# The wheel has these files inside the package. A checkout has them at its root.
IN_WHEEL = PACKAGE / "files"
IS_CHECKOUT = not IN_WHEEL.is_dir()
# The folder of migrations, templates, static files, the settings of Alembic and the locked requirements.
FILES = ROOT if IS_CHECKOUT else IN_WHEEL
STATIC = FILES / "static"
COMMAND = "flask" if IS_CHECKOUT else "agent-console"
# Not a setting of `.env`, because it says where `.env` is.
HOME_VARIABLE = "AGENT_CONSOLE_HOME"


def _home() -> Path:
    if given := os.environ.get(HOME_VARIABLE, "").strip():
        return Path(os.path.expanduser(given)).absolute()  # noqa: PTH111
    return ROOT if IS_CHECKOUT else Path.cwd()


# The folder of `.env`, the SQLite database and backups. Relative paths in settings start here.
HOME = _home()
