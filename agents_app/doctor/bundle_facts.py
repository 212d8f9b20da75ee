"""The parts of a bundle about settings, machine and packages. They ask no database."""

import locale
import os
import platform
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from agents_app import __version__
from agents_app.config import CHECKS, SettingErrors, Settings
from agents_app.config_display import shown_settings
from agents_app.database.url import session_settings
from agents_app.db import now
from agents_app.doctor.masking import PLAIN_SETTINGS, PROXY_VARIABLES
from agents_app.doctor.program import PINNED, REQUIREMENTS
from agents_app.paths import COMMAND, HOME_VARIABLE, IS_CHECKOUT

CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
MEMORY_FILE, MEMORY_FACTS = Path("/proc/meminfo"), ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")


def settings_facts(settings: Settings, wrong: SettingErrors) -> dict[str, Any]:
    """Each setting: whether it is set, where, and what can be said of it."""
    known = {one.name: one for one in shown_settings(settings)}
    shapes = {name: _shape(getattr(settings, name.lower())) for name in CHECKS}
    return {
        "invalid": sorted(wrong.keys() & CHECKS.keys()),
        "other_problems": len(wrong.keys() - CHECKS.keys()),
        "settings": {
            name: {
                "source": known[name].source,
                "value": known[name].value if name in PLAIN_SETTINGS else shapes[name],
            }
            for name in CHECKS
        },
    }


def machine_facts() -> dict[str, Any]:
    """The program, the system under it, and the clock."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "version": __version__,
        "command": COMMAND,
        "is_checkout": IS_CHECKOUT,
        "has_home_variable": HOME_VARIABLE in os.environ,
        "python": sys.version,
        "system": platform.platform(),
        "release": _os_release(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "sqlite": sqlite3.sqlite_version,
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": dict(_memory()),
        "open_files": open_files,
        "is_root": os.geteuid() == 0,
        "is_container": any(Path(file).exists() for file in CONTAINER_FILES),
        "encoding": locale.getpreferredencoding(),
        "time": now().isoformat(timespec="seconds"),
        "time_zone": time.strftime("%z"),
        "proxy_variables": [name for name in PROXY_VARIABLES if name in os.environ or name.lower() in os.environ],
    }


def package_facts() -> dict[str, Any]:
    """Each package of the lock with its version there and here. Other packages can have private names: their number."""
    locked = {one["name"]: one["version"] for one in PINNED.finditer(REQUIREMENTS.read_text())}
    installed = {_plain(found.name): found.version for found in metadata.distributions()}
    return {
        "packages": {
            name: {"locked": version, "installed": installed.get(_plain(name))} for name, version in locked.items()
        },
        "other_packages": len(installed.keys() - set(map(_plain, locked))),
    }


def _shape(value: Any) -> Any:
    """What is not private of a value: the type of a database, the scheme of an address."""
    if value is None:
        return None
    if isinstance(value, URL):
        options = sorted(session_settings(value)) if value.get_backend_name() == "postgresql" else []
        names = sorted(name for name in value.query if name != "options")
        has = {
            "has_user": bool(value.username),
            "has_password": bool(value.password),
            "has_port": value.port is not None,
        }
        return {"type": value.get_backend_name(), **has, "parameters": names, "options": options}
    if isinstance(value, str) and "://" in value:
        scheme, _, rest = value.partition("://")
        return {"scheme": scheme, "has_path": "/" in rest.rstrip("/"), "has_port": ":" in rest}
    return "set"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _os_release() -> str | None:
    try:
        found = platform.freedesktop_os_release()
    except OSError:
        return None
    return f"{found.get('ID', '')} {found.get('VERSION_ID', '')}".strip()


def _memory() -> Iterator[tuple[str, str]]:
    # Only Linux has this file.
    if MEMORY_FILE.exists():
        for line in MEMORY_FILE.read_text().splitlines():
            name, _, amount = line.partition(":")
            if name in MEMORY_FACTS:
                yield name, amount.strip()
