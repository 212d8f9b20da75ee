"""The version of the program, and whether the installed packages have the tested versions."""

import importlib.util
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from agents_app import __version__
from agents_app.doctor.check import Check, ok, problem, skipped, warning
from agents_app.paths import FILES

# The locked versions: in the wheel without what only a checkout needs.
REQUIREMENTS = FILES / "requirements.txt"
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?P<condition>\s*;)?", re.MULTILINE)
NAMES_MAX = 5


def checks() -> Iterator[Check]:
    """Check the version and the packages."""
    yield ok("program.version", f"Agent Console {__version__} on Python {platform.python_version()}.")
    try:
        pinned = list(PINNED.finditer(REQUIREMENTS.read_text()))
    except OSError:
        yield skipped("program.packages", "requirements.txt cannot be read, so the packages are not checked.")
        return
    found = {one: _installed(one["name"]) for one in pinned}
    # A package with a condition may be for another system.
    missing = [one["name"] for one, version in found.items() if version is None and not one["condition"]]
    other = [f"{one['name']} {version}" for one, version in found.items() if version not in (None, one["version"])]
    if missing:
        yield problem("program.packages", f"Not installed: {_shortened(missing)}.", _install())
    if other:
        yield warning("program.packages", f"Other versions than in requirements.txt: {_shortened(other)}.", _install())
    if not missing and not other:
        yield ok("program.packages", f"The packages have the versions of requirements.txt ({len(pinned)}).")


def _install() -> str:
    # Tools such as uv and pipx make environments without pip.
    has_pip = importlib.util.find_spec("pip") is not None
    pip = f"{sys.executable} -m pip install" if has_pip else f"uv pip install --python {sys.executable}"
    return f"{pip} --require-hashes -r {REQUIREMENTS}"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more
