"""An installation that a test makes ill, as `flask doctor` sees it."""

from dataclasses import dataclass
from pathlib import Path

from click.testing import Result as Answer

from agents_app.app import create_app
from agents_app.config import load
from agents_app.doctor import Check, Result, examine
from tests.make import KEYS

CANARY = "canary5Xy8Qm1TtLw6"


@dataclass
class Patient:
    """Its folder and its environment."""

    folder: Path
    environ: dict[str, str]

    @classmethod
    def on(cls, folder: Path, url: str) -> "Patient":
        """One that is well as far as its database is."""
        if url.startswith("sqlite"):
            Path(url.removeprefix("sqlite:///")).chmod(0o600)
        return cls(folder, {**KEYS, "DATABASE_URL": url, "BACKUP_FOLDER": str(folder / "backups")})

    @property
    def env_file(self) -> Path:
        """Its file of settings, which a test may write."""
        return self.folder / ".env"

    @property
    def database(self) -> Path:
        """Its SQLite file, where it has one in its folder."""
        return self.folder / "console.db"

    @property
    def backups(self) -> Path:
        """Where its backups go."""
        return self.folder / "backups"

    def checks(self, **settings: str) -> list[Check]:
        """What the doctor says of it."""
        return examine({**self.environ, **settings}, self.env_file)

    def wrong(self, **settings: str) -> list[Check]:
        """The problems alone."""
        return [check for check in self.checks(**settings) if check.result is Result.PROBLEM]

    def only_problem(self, code: str, **settings: str) -> Check:
        """The one thing that is wrong."""
        (found,) = self.wrong(**settings)
        assert found.code == code
        assert found.do
        return found

    def check(self, code: str, **settings: str) -> Check:
        """The one check of this code."""
        (found,) = [check for check in self.checks(**settings) if check.code == code]
        assert found.do or found.result in (Result.OK, Result.SKIPPED)
        return found

    def status(self, *words: str) -> Answer:
        """What `flask db status` says of it."""
        app = create_app(load(self.environ, self.env_file))
        return app.test_cli_runner().invoke(args=["db", "status", *words])
