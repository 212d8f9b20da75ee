"""Runs all checks in the order of their dependencies, and returns them in the order in which they are shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from agents_app import config
from agents_app.config import Settings
from agents_app.doctor import backup, clock, configuration, database, disk, files, migrations, program, sign_on
from agents_app.doctor.check import GROUPS, Check, ok, problem, skipped
from agents_app.encryption import Keyring, parse_keys
from agents_app.models import EncryptionKey
from agents_app.operations import encryption_keys
from agents_app.paths import COMMAND, HOME

DATABASE_UNKNOWN = "The settings for the database are invalid."
UNREACHABLE = "The database cannot be reached."
MIGRATION_CODES = ("migrations.pending", "backups.possible")


def run_checks(environ: Mapping[str, str] | None = None, env_file: Path = HOME / ".env") -> list[Check]:
    """Run every check. Problems of the installation are in the result; none is raised."""
    settings, wrong = config.load_with_errors(environ, env_file)
    # With an unreadable file or a misspelled name, the database and the folder are unknown.
    is_read = wrong.keys() <= config.CHECKS.keys()
    url = settings.database_url if is_read and not wrong.keys() & {"DATABASE_URL", "DATABASE_SCHEMA"} else None
    folder = settings.backup_folder if is_read and "BACKUP_FOLDER" not in wrong else None
    newest, size = backup.check_newest(url, folder)
    checks = [
        *program.checks(),
        *configuration.checks(environ, env_file, settings, wrong, is_read=is_read),
        sign_on.check_provider(settings, wrong),
        *files.settings_files(env_file, config.setting_files(environ, env_file if is_read else None)),
        *files.data_files(url, folder),
        *disk.checks(url, folder, newest_backup=size),
        newest,
        *(_database_checks(url, settings, wrong) if url else _skipped_checks(settings, DATABASE_UNKNOWN)),
    ]
    return sorted(checks, key=lambda check: GROUPS.index(check.group))


def _database_checks(url: URL, settings: Settings, wrong: config.SettingErrors) -> Iterator[Check]:
    try:
        with database.connect_or_problem(url, "DATABASE_URL", "database.reachable") as connection:
            yield from database.checks(connection, settings)
            yield from database.run_or_problem(
                connection, "keys.fit", lambda found: _encryption_key_check(found, settings, wrong)
            )
            yield from database.run_or_problem(
                connection, sign_on.ACCOUNT, lambda found: sign_on.check_people(found, settings, wrong)
            )
            yield from database.run_or_problem(connection, "clock.server", clock.compare_with_server)
            yield from database.run_or_problem(connection, "clock.rows", clock.compare_with_events)
            yield from _migration_checks(url, connection, settings, wrong)
    except database.Unreachable as failure:
        yield failure.check
        yield from _skipped_checks(settings, UNREACHABLE)


def _migration_checks(
    url: URL, connection: Connection, settings: Settings, wrong: config.SettingErrors
) -> Iterator[Check]:
    name, direct_url = "MIGRATION_DATABASE_URL", settings.migration_database_url
    if name in wrong:
        yield from (skipped(code, f"{name} is invalid.") for code in MIGRATION_CODES)
    elif direct_url is None:
        yield from _migrations(url, connection)
    else:
        try:
            with database.connect_or_problem(direct_url, name, "database.migration_address") as direct:
                yield from _migrations(url, direct)
        except database.Unreachable as failure:
            yield failure.check
            yield from (skipped(code, UNREACHABLE) for code in MIGRATION_CODES)


def _migrations(url: URL, direct: Connection) -> Iterator[Check]:
    yield from database.run_or_problem(direct, "migrations.unclear", lambda found: migrations.checks(found, url))


def _encryption_key_check(connection: Connection, settings: Settings, wrong: config.SettingErrors) -> Iterator[Check]:
    code = "keys.fit"
    if "ENCRYPTION_KEYS" in {**settings.key_errors, **wrong}:
        yield skipped(code, "ENCRYPTION_KEYS is invalid.")
    elif not sa.inspect(connection).has_table(EncryptionKey.__tablename__):
        yield skipped(code, "The database has no tables of this release yet.")
    elif sentence := encryption_keys.find_problem_in(connection, Keyring(parse_keys(str(settings.encryption_keys)))):
        yield problem(
            code, sentence, f"Restore the old key in ENCRYPTION_KEYS. If it is lost: {COMMAND} secrets give-up KEY"
        )
    else:
        yield ok(code, f"The encryption keys match the stored secrets. To check every secret: {COMMAND} secrets verify")


def _skipped_checks(settings: Settings, why: str) -> list[Check]:
    codes = ("keys.fit", *MIGRATION_CODES, "clock.rows")
    return [*(skipped(code, why) for code in codes), *sign_on.skipped_checks(settings, why)]
