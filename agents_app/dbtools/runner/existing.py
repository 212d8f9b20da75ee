"""What to say when a step adds what is there already: who made it, as far as the files of the steps show it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents_app.paths import COMMAND

STAMP = f"If its tables match the models, run `{COMMAND} db stamp head`, then compare with `{COMMAND} db check`"
# The names in the messages of PostgreSQL and SQLite: the object, and the table of a column.
NAMES = re.compile(r"\"([^\"]+)\"|(?:table|index|column name:?|view) ([^\s\"]+)")
OTHER_NAME = "Take it out of this step if it is the same, or choose another name"

ON_THE_WAY_BACK = ". The way back of the step adds it again. Rename what is there, then run the same command again"


def advice_for_existing(cause: str, script: Any, older: Sequence[Any]) -> str:
    """The end of the sentence that begins with `cause`. `older` are the steps before that of `script`, newest first.

    Without a step before it, the database was never stamped: the tables were made by another program.
    """
    if script is None or not script.down_revision:
        return f", but no migration created it here. {STAMP}"
    names = [one or other for one, other in NAMES.findall(cause)]
    found = [step for step in older if names and _names_all(Path(step.path).read_text("utf-8-sig"), names)]
    if found:
        maker = found[-1]
        return f". The step {maker.revision}, {maker.doc}, names it and may have made it. {OTHER_NAME}"
    return f". No step before this one names it: it was made by hand or by another program. {OTHER_NAME}, or rename it"


def _names_all(text: str, names: Sequence[str]) -> bool:
    return all(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names)
