"""Every command of the pages for operators is typed by a drill."""

import re
from pathlib import Path

from agents_app.paths import ROOT
from tests.documents import read_blocks
from tests.drills.machine import BLOCKS, PAGES

FILES = [*sorted(Path(__file__).parent.glob("test_*.py")), ROOT / "tests" / "image" / "test_operations.py"]
DRILLS = "".join(file.read_text() for file in FILES)


def test_every_block_of_commands_has_a_name_of_its_own() -> None:
    blocks = [block for page in PAGES for block in read_blocks(ROOT / "docs" / page)]
    typed = [block for block in blocks if block.language == "sh"]

    assert {block.language for block in blocks} <= {"sh", "text", "cron"}
    assert [block.place for block in typed if "drill" not in block.options] == []
    assert len({block.options["drill"] for block in typed}) == len(typed)


def test_every_block_is_typed_by_a_drill() -> None:
    assert set(re.findall(r'\.drill(?:_twice)?\("([\w.-]+)"\)', DRILLS)) == set(BLOCKS)
