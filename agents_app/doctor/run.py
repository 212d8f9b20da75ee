"""All checks, made in the order in which they need each other, answered in the order in which they are shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from agents_app import config
from agents_app.config import Settings
from agents_app.doctor import backup, clock, configuration, database, disk, files, migrations, program
from agents_app.doctor.check import GROUPS, Check, ok, problem, skipped
from agents_app.encryption import Keyring, parse_keys
from agents_app.models import EncryptionKey
from agents_app.operations import encryption_keys
from agents_app.paths import ROOT

NOT_KNOWN = "The settings do not say which database."
AWAY = "The database cannot be reached."
OF_MIGRATIONS = ("migrations.pending", "backups.possible")


def examine(environ: Mapping[str, str] | None = None, env_file: Path = ROOT / ".env") -> list[Check]:
    """Look at everything. What is wrong with the installation is in the answer, and never raised."""
    settings, wrong = config.load_with_errors(environ, env_file)
    # A file that cannot be read, or a slip in a name, may mean another database and another folder.
    is_read = wrong.keys() <= config.CHECKS.keys()
    url = settings.database_url if is_read and not wrong.keys() & {"DATABASE_URL", "DATABASE_SCHEMA"} else None
    folder = settings.backup_folder if is_read and "BACKUP_FOLDER" not in wrong else None
    newest, size = backup.look(url, folder)
    checks = [
        *program.checks(),
        *configuration.checks(environ, env_file, settings, wrong, is_read=is_read),
        *files.settings_files(env_file, config.setting_files(environ, env_file if is_read else None)),
        *files.data_files(url, folder),
        *disk.checks(url, folder, newest_backup=size),
        newest,
        *(_of_database(url, settings, wrong) if url else _not_asked(NOT_KNOWN)),
    ]
    return sorted(checks, key=lambda check: GROUPS.index(check.group))


def _of_database(url: URL, settings: Settings, wrong: config.SettingErrors) -> Iterator[Check]:
    try:
        with database.reached(url, "DATABASE_URL", "database.reachable") as connection:
            yield from database.checks(connection, settings)
            yield from database.answers(connection, "keys.fit", lambda found: _keys_fit(found, settings, wrong))
            yield from database.answers(connection, "clock.server", clock.of_server)
            yield from database.answers(connection, "clock.rows", clock.of_rows)
            yield from _of_migrations(url, connection, settings, wrong)
    except database.Unreachable as failure:
        yield failure.check
        yield from _not_asked(AWAY)


def _of_migrations(
    url: URL, connection: Connection, settings: Settings, wrong: config.SettingErrors
) -> Iterator[Check]:
    name, direct_url = "MIGRATION_DATABASE_URL", settings.migration_database_url
    if name in wrong:
        yield from (skipped(code, f"{name} is wrong.") for code in OF_MIGRATIONS)
    elif direct_url is None:
        yield from _migrations(url, connection)
    else:
        try:
            with database.reached(direct_url, name, "database.migration_address") as direct:
                yield from _migrations(url, direct)
        except database.Unreachable as failure:
            yield failure.check
            yield from (skipped(code, AWAY) for code in OF_MIGRATIONS)


def _migrations(url: URL, direct: Connection) -> Iterator[Check]:
    yield from database.answers(direct, "migrations.unclear", lambda found: migrations.checks(found, url))


def _keys_fit(connection: Connection, settings: Settings, wrong: config.SettingErrors) -> Iterator[Check]:
    code = "keys.fit"
    if "ENCRYPTION_KEYS" in {**settings.key_errors, **wrong}:
        yield skipped(code, "ENCRYPTION_KEYS cannot be used.")
    elif not sa.inspect(connection).has_table(EncryptionKey.__tablename__):
        yield skipped(code, "The database has no tables of this release yet.")
    elif sentence := encryption_keys.find_problem_in(connection, Keyring(parse_keys(str(settings.encryption_keys)))):
        yield problem(
            code, sentence, "Put the old key back into ENCRYPTION_KEYS. If it is lost: flask secrets give-up KEY"
        )
    else:
        yield ok(code, "The encryption keys are those that stored secrets need (all of them: flask secrets verify).")


def _not_asked(why: str) -> list[Check]:
    return [skipped(code, why) for code in ("keys.fit", *OF_MIGRATIONS, "clock.rows")]
