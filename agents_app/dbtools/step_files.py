"""Reads the steps from their files without Alembic, which takes longer than all other work of a server's start."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "versions"
MARK = "after_release"
PLAIN_LINES = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef)


@dataclass(frozen=True)
class Step:
    """One migration. One that is `after_release` waits until the release before it no longer runs.

    It follows the revisions in `after`: none is the first step, several are a merge. One that `only_joins` branches
    changes nothing.
    """

    revision: str
    name: str
    after_release: bool = False
    after: tuple[str, ...] = ()
    only_joins: bool = False


def steps_in_line(folder: Path) -> tuple[Step, ...] | None:
    """The steps of a folder of migrations, from the first one on.

    None if only Alembic can tell: they are not in one line, or a file does more than to name its revisions.
    """
    steps = [_step_in(file) for file in (folder / FOLDER).glob("*.py") if not file.name.startswith(("__init__", ".#"))]
    followers = {step.after: step for step in steps if step}
    if len({step.revision for step in followers.values()}) != len(steps):
        return None
    line: list[Step] = []
    while following := followers.pop((line[-1].revision,) if line else (), None):
        line.append(following)
    return tuple(line) if line and len(line) == len(steps) else None


def _step_in(file: Path) -> Step | None:
    try:
        tree = ast.parse(file.read_bytes())
        values = _values(tree)
    except (SyntaxError, ValueError):
        return None
    revision, before, mark = values.get("revision"), values.get("down_revision"), values.get(MARK, False)
    is_plain = isinstance(revision, str) and isinstance(before, str | None) and isinstance(mark, bool)
    if not is_plain or values.get("depends_on") or not all(isinstance(line, PLAIN_LINES) for line in tree.body):
        return None
    name = (ast.get_docstring(tree, clean=False) or "").strip().split("\n\n")[0]
    return Step(str(revision), name, mark, (before,) if before else ())


def _values(tree: ast.Module) -> dict[str, Any]:
    # Raises ValueError if one of these names is given another value than a text, a number or the like.
    names = {"revision", "down_revision", "depends_on", MARK}
    return {
        target.id: ast.literal_eval(line.value)
        for line in tree.body
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name) and target.id in names
    }
