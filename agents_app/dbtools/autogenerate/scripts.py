"""Makes the files of a difference: one for each part, each after the one before."""

import re
from collections.abc import Iterable, Iterator

from alembic.operations import MigrateOperation, MigrationScript, ops

from agents_app.dbtools.autogenerate.causes import Causes
from agents_app.dbtools.autogenerate.columns import Difference
from agents_app.dbtools.autogenerate.differences import ReadableOps, difference_lines
from agents_app.dbtools.autogenerate.enums import with_enums_and_requirements
from agents_app.dbtools.autogenerate.parts import Part, Stage
from agents_app.dbtools.autogenerate.split import split

WORD, HEX = re.compile(r"\w+"), re.compile(r"[0-9a-f]{8,40}")
# In bytes. A name of a file has 255 at most, with its revision.
LONGEST_TITLE, ROOM_OF_MESSAGE = 110, 20
UNNAMED = "change"
INDEXES = (ops.CreateIndexOp, ops.DropIndexOp)


class StepMessage(str):
    """The message of a step, with what the template must know of it."""

    is_marked: bool
    question: str
    remark: str

    def __new__(cls, text: str, part: Part) -> "StepMessage":
        message = super().__new__(cls, text)
        message.is_marked, message.question, message.remark = part.is_marked, part.question, part.remark
        return message


def divide(script: MigrationScript, difference: Difference, causes: Causes) -> list[MigrationScript]:
    """The scripts that take the place of this one. Each of them has all lines of the difference for `check`."""
    upgrade = script.upgrade_ops_list[0]
    lines = tuple(difference_lines(upgrade.ops, causes))
    parts = list(_files(split(upgrade.ops, difference)))
    scripts: list[MigrationScript] = []
    for number, part in enumerate(parts):
        head = scripts[-1].rev_id if scripts else script.head
        scripts.append(_script(script, part, number, head, lines, is_alone=len(parts) == 1))
    return scripts


def _files(parts: list[Part]) -> Iterator[Part]:
    expand = [part for part in parts if part.stage is Stage.EXPAND]
    if expand:
        changes = [change for part in expand for change in part.upgrade]
        back = [change for part in reversed(expand) for change in part.downgrade]
        merged = with_enums_and_requirements(_merged(changes), _merged(back))
        parts = [*(part for part in parts if part.stage is not Stage.EXPAND), Part(Stage.EXPAND, "", *merged)]
    yield from sorted(parts, key=lambda part: part.stage)


def _merged(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    # SQLite rebuilds a table once for all changes of one batch.
    merged: list[MigrateOperation] = []
    for operation in operations:
        last = merged[-1] if merged else None
        is_batch = isinstance(operation, ops.ModifyTableOps) and isinstance(last, ops.ModifyTableOps)
        if is_batch and operation.table_name == last.table_name:  # type: ignore[union-attr, attr-defined]
            last.ops.extend(operation.ops)  # type: ignore[union-attr, attr-defined]
        else:
            merged.append(operation)
    return [flat for operation in merged for flat in _without_index_batch(operation)]


def _without_index_batch(operation: MigrateOperation) -> list[MigrateOperation]:
    if isinstance(operation, ops.ModifyTableOps) and all(isinstance(part, INDEXES) for part in operation.ops):
        return list(operation.ops)
    return [operation]


def _script(
    first: MigrationScript, part: Part, number: int, head: str | None, lines: tuple[str, ...], *, is_alone: bool
) -> MigrationScript:
    is_first = number == 0
    text = _title(first.message or "", part.name, is_alone=is_alone)
    return MigrationScript(
        _revision(first.rev_id or "", number),
        ReadableOps(part.upgrade, first.upgrade_ops_list[0].upgrade_token, lines),
        ops.DowngradeOps(list(part.downgrade), first.downgrade_ops_list[0].downgrade_token),
        message=StepMessage(text, part),
        head=head,
        splice=first.splice if is_first else None,
        branch_label=first.branch_label if is_first else None,
        version_path=first.version_path,
        depends_on=first.depends_on if is_first else None,
    )


def _title(message: str, part: str, *, is_alone: bool) -> str:
    # The name of the file is made of it.
    words = "_".join(WORD.findall(message)).lower()
    if is_alone and words and len(words.encode()) <= LONGEST_TITLE:
        return " ".join(message.split())
    room = LONGEST_TITLE if is_alone else max(ROOM_OF_MESSAGE, LONGEST_TITLE - len(part.encode()))
    words = words.encode()[:room].decode(errors="ignore").strip("_")
    return "_".join(filter(None, [words, "" if is_alone and words else part])) or UNNAMED


def _revision(first: str, number: int) -> str:
    # Not at random, so that one --rev-id names all files, and one after the other, so that `ls` lists them in order.
    if number == 0 or not HEX.fullmatch(first):
        return f"{first}_{number + 1:02}" if number else first
    return f"{int(first, 16) + number:0{len(first)}x}"[-len(first) :]
