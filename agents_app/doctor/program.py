"""The program: its version, and whether the packages are those that it was tested with."""

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from agents_app import __version__
from agents_app.doctor.check import Check, ok, problem, skipped, warning
from agents_app.paths import ROOT

REQUIREMENTS = ROOT / "requirements.txt"
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?P<condition>\s*;)?", re.MULTILINE)
SHOWN = 5


def checks() -> Iterator[Check]:
    """Version and packages."""
    yield ok("program.version", f"Agent Console {__version__} on Python {platform.python_version()}.")
    try:
        pinned = list(PINNED.finditer(REQUIREMENTS.read_text()))
    except OSError:
        yield skipped("program.packages", "requirements.txt cannot be read here, which says what must be installed.")
        return
    found = {one: _installed(one["name"]) for one in pinned}
    install = f"{sys.executable} -m pip install --require-hashes -r {REQUIREMENTS}"
    # One with a condition is for other systems.
    missing = [one["name"] for one, version in found.items() if version is None and not one["condition"]]
    other = [f"{one['name']} {version}" for one, version in found.items() if version not in (None, one["version"])]
    if missing:
        yield problem("program.packages", f"Not installed: {_list(missing)}.", install)
    if other:
        yield warning("program.packages", f"Of other versions than requirements.txt says: {_list(other)}.", install)
    if not missing and not other:
        yield ok("program.packages", f"The packages are those of requirements.txt ({len(pinned)}).")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
