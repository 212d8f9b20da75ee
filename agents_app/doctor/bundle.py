"""`flask doctor --bundle`: one file with what a maintainer needs to find a fault, without names and secrets."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from agents_app import config
from agents_app.db import now
from agents_app.doctor import bundle_database, bundle_facts, bundle_log
from agents_app.doctor.masking import Mask, private_texts
from agents_app.doctor.run import run_checks
from agents_app.paths import HOME

FOLDER = "agent-console-bundle"
README = """\
What a maintainer of Agent Console needs to find a fault. It was made at {time} UTC by `doctor --bundle`.

doctor.json     the answer of `doctor`
settings.json   each setting: where it was read, and its value if it is a number, a switch or a level
machine.json    system, processors, memory, limits, clock, and whether a proxy is set for this process
packages.json   the versions of the packages that the console needs
database.json   the server, its settings, and the sizes and numbers of rows of the console's tables
schema.json     the revision, the pending steps, differences from the models, and the last deployments
log.json        where errors were raised, from the log that was given with --log

It has no row of the database: no agent, person, organisation, token or event. It has no key and no password.
Names, addresses, hosts and paths of settings, of this machine and of the database server are replaced by words such as
<DATABASE_URL>. The differences in schema.json have the names that were given to columns, indexes and constraints which
only this database has. Error messages of the log and of steps are left out, because they can quote rows.
Read the files before you send them to anyone.
"""


def default_name(moment: datetime) -> str:
    """The name of a bundle that was given none."""
    return f"{FOLDER}-{moment:%Y%m%dT%H%M%SZ}.zip"


def write_bundle(
    file: Path, log: Iterable[str] | None, environ: Mapping[str, str] | None = None, env_file: Path = HOME / ".env"
) -> None:
    """Write a bundle to a new file that only its owner can read. `log` has lines of the console's log.

    It works without a database, with wrong keys and with invalid settings. Raises OSError if the file exists or cannot
    be written; then no file remains.
    """
    content = _archive(_parts(log, environ, env_file))
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
    except OSError:
        with suppress(OSError):
            file.unlink()
        raise


def _parts(log: Iterable[str] | None, environ: Mapping[str, str] | None, env_file: Path) -> dict[str, str]:
    settings, wrong = config.load_with_errors(environ, env_file)
    private = private_texts(environ, env_file) | _backup_names(settings.backup_folder)
    makers: dict[str, Callable[[], Any]] = {
        "doctor.json": lambda: [asdict(check) for check in run_checks(environ, env_file)],
        "settings.json": lambda: bundle_facts.settings_facts(settings, wrong),
        "machine.json": bundle_facts.machine_facts,
        "packages.json": bundle_facts.package_facts,
        "database.json": lambda: bundle_database.server_facts(settings, wrong),
        "schema.json": lambda: bundle_database.schema_facts(settings, wrong),
        "log.json": lambda: bundle_log.log_facts(log),
    }
    found = {name: _facts_or_failure(make) for name, make in makers.items()}
    mask = Mask({**bundle_database.private_names(settings, wrong), **private})
    texts = {name: json.dumps(mask.data(facts), indent=1, default=str) for name, facts in found.items()}
    return {"README.txt": README.format(time=f"{now():%Y-%m-%d %H:%M}"), **texts}


def _backup_names(folder: Path) -> dict[str, str]:
    with suppress(OSError):
        return {path.name: "backup" for path in folder.iterdir()}
    return {}


def _facts_or_failure(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # A bundle is made where something is broken. The other parts are still of use.
        return {"failed": type(error).__name__}


def _archive(parts: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", now().timetuple()[:6])
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, f"{text}\n", zipfile.ZIP_DEFLATED)
    return written.getvalue()
