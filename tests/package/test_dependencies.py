"""docs/dependencies.md names every package that is installed, with the licence that its metadata states."""

import re
import tomllib
from importlib import metadata

import pytest

from agents_app.paths import ROOT

ROW = re.compile(r"^\| ([a-z0-9-]+) \| .* \| ([^|]+) \|$", re.MULTILINE)
PAGE = (ROOT / "docs" / "dependencies.md").read_text()
LICENCE_MAX = 40


def rows(heading: str) -> dict[str, str]:
    """The licence of each package in the tables of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = [row for row in ROW.findall(section) if row[0] != "package"]
    assert len(found) == len(dict(found))
    return dict(found)


def normalised(requirement: str) -> str:
    """The name in a requirement, as indexes write it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def stated_licence(name: str) -> str:
    """The licence in the metadata: the expression, or else a short text, or else the classifier."""
    found = metadata.metadata(name)
    short = (found.get("License") or "").strip()
    kinds = [text.rpartition(" :: ")[2] for text in found.get_all("Classifier", []) if text.startswith("License")]
    is_short = 0 < len(short) <= LICENCE_MAX and "\n" not in short
    return found.get("License-Expression") or (short if is_short else "") or (kinds or ["none stated"])[0]


IN_WHEEL, IN_CHECKOUT = rows("The packages of the console"), rows("The packages of a checkout")


def test_every_package_of_the_wheel_is_in_the_table_and_no_other_one() -> None:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements-wheel.txt").read_text(), re.MULTILINE)

    assert sorted(IN_WHEEL) == sorted(map(normalised, locked))


def test_every_package_of_a_checkout_is_in_the_table_and_no_other_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = {**project["dependency-groups"], **project["project"]["optional-dependencies"]}
    compared = groups.pop("benchmarks")

    assert sorted(IN_CHECKOUT) == sorted(normalised(one) for group in groups.values() for one in group)
    # They are installed for benchmarks only, so their metadata is not here.
    assert sorted(rows("The packages of the benchmarks")) == sorted(map(normalised, compared))


@pytest.mark.parametrize(("name", "licence"), sorted((IN_WHEEL | IN_CHECKOUT).items()))
def test_the_licence_is_the_one_that_the_package_states(name: str, licence: str) -> None:
    assert licence == stated_licence(name)


def test_the_locks_agree() -> None:
    versions = {}
    for file in ("requirements-wheel.txt", "requirements.txt", "requirements-mssql.txt", "requirements-dev.txt"):
        pinned = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / file).read_text(), re.MULTILINE))
        assert {name: version for name, version in versions.items() if pinned.get(name) != version} == {}
        versions = pinned
