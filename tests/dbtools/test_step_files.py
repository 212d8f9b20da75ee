"""Reading the steps from their files without Alembic, as `flask serve` does."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from agents_app.dbtools import alembic_config
from agents_app.dbtools.alembic_steps import steps_of
from agents_app.dbtools.step_files import Step, steps_in_line
from agents_app.paths import FILES

FIRST = '"""first\n\nCreate Date: 2026"""\nfrom alembic import op\n\nrevision = "a"\ndown_revision = None\n'
SECOND = '"""second"""\nrevision = "b"\ndown_revision = "a"\ndepends_on = None\nafter_release = True\n'


def steps(folder: Path, *texts: str) -> tuple[Step, ...] | None:
    (folder / "versions").mkdir()
    (folder / "versions" / "__init__.py").touch()
    for number, text in enumerate(texts):
        (folder / "versions" / f"{number}.py").write_text(f"{text}\n\ndef upgrade() -> None:\n    pass\n")
    return steps_in_line(folder)


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([], id="no step"),
        pytest.param([SECOND], id="no first step"),
        pytest.param([FIRST, FIRST], id="two first steps"),
        pytest.param([FIRST, SECOND, SECOND.replace('"b"', '"c"')], id="two last steps"),
        pytest.param([FIRST, SECOND, SECOND.replace('"a"', '"b"')], id="a step that follows itself"),
        pytest.param([FIRST, SECOND.replace('"a"', '("a",)')], id="a merge"),
        pytest.param([FIRST, SECOND.replace("on = None", 'on = "a"')], id="a step that depends on another one"),
        pytest.param([FIRST, SECOND.replace("True", "1")], id="an unclear mark"),
        pytest.param([FIRST, SECOND.replace('"b"', 'str("b")')], id="a revision that is computed"),
        pytest.param([FIRST, SECOND.replace("after", "if True:\n    after")], id="a mark within a block"),
        pytest.param([FIRST, SECOND + "("], id="a file that is not Python"),
        pytest.param([FIRST, "x = 1"], id="a file without a revision"),
    ],
)
def test_what_is_not_plain_is_left_to_alembic(tmp_path: Path, texts: list[str]) -> None:
    assert steps(tmp_path, *texts) is None


def test_a_line_of_plain_files_is_read_whatever_they_are_called(tmp_path: Path) -> None:
    found = steps(tmp_path, SECOND, FIRST)

    assert found == (Step("a", "first"), Step("b", "second", after_release=True, after=("a",)))


def test_the_steps_of_this_release_are_those_that_alembic_reads() -> None:
    script = ScriptDirectory.from_config(alembic_config(sa.make_url("sqlite://")))

    assert steps_in_line(FILES / "migrations") == steps_of(script)
