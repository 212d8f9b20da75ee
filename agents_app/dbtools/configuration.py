"""How Alembic is set up: one table of settings in `pyproject.toml`, which Flask-Migrate reads too."""

from typing import Any

from alembic.config import Config
from sqlalchemy.engine import URL

from agents_app.db import ROOT
from agents_app.dbtools.patience import Patience

SETTINGS = ROOT / "pyproject.toml"
BACKUPS = ROOT / "backups"


def alembic_config(url: URL, patience: Patience | None = None) -> Config:
    """What `alembic.command` needs to work on this database."""
    attributes: dict[str, Any] = {"database_url": url, "patience": patience or Patience()}
    return Config(toml_file=SETTINGS, attributes=attributes)
