"""An installation in which tests cause problems for `flask doctor`."""

from dataclasses import dataclass
from pathlib import Path

from click.testing import Result as CliResult

from agents_app.app import create_app
from agents_app.config import load
from agents_app.doctor import Check, Result, run_checks
from tests.make import KEYS

CANARY = "canary5Xy8Qm1TtLw6"


@dataclass
class Installation:
    """A folder with settings and data, and the environment."""

    folder: Path
    environ: dict[str, str]

    @classmethod
    def with_database(cls, folder: Path, url: str) -> "Installation":
        """An installation without problems, if its database has none."""
        if url.startswith("sqlite"):
            Path(url.removeprefix("sqlite:///")).chmod(0o600)
        return cls(folder, {**KEYS, "DATABASE_URL": url, "BACKUP_FOLDER": str(folder / "backups")})

    @property
    def env_file(self) -> Path:
        """The `.env`, which does not exist yet."""
        return self.folder / ".env"

    @property
    def database(self) -> Path:
        """The SQLite file in the folder, if there is one."""
        return self.folder / "console.db"

    @property
    def backups(self) -> Path:
        """The folder of backups."""
        return self.folder / "backups"

    def checks(self, **settings: str) -> list[Check]:
        """The results of all checks."""
        return run_checks({**self.environ, **settings}, self.env_file)

    def problems(self, **settings: str) -> list[Check]:
        """The results that are problems."""
        return [check for check in self.checks(**settings) if check.result is Result.PROBLEM]

    def only_problem(self, code: str, **settings: str) -> Check:
        """The only problem, which must have this code and say what to do."""
        (found,) = self.problems(**settings)
        assert found.code == code
        assert found.do
        return found

    def check(self, code: str, **settings: str) -> Check:
        """The only result with this code."""
        (found,) = [check for check in self.checks(**settings) if check.code == code]
        assert found.do or found.result in (Result.OK, Result.SKIPPED)
        return found

    def db_status(self, *words: str) -> CliResult:
        """The result of `flask db status`."""
        app = create_app(load(self.environ, self.env_file))
        return app.test_cli_runner().invoke(args=["db", "status", *words])
