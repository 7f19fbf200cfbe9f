"""What a migration may not do while the code before it still runs. zdm judges the files; the rules here are
those it does not have, over Django's own operations. What is released already is not judged again."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddField,
    AlterField,
    CreateModel,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED, Field

from clinic.operations.errors import Refused

RELEASED = Path(__file__).with_name("released_migrations.txt")
# About going back, which restores a backup here, and about git.
_NOT_OURS = "R008,R009,R012,R013"
_VARCHAR = re.compile(r"varchar\((\d+)\)")
_RISKY_SQL = {
    r"\bALTER\s+COLUMN\s+\S+\s+(SET\s+DATA\s+)?TYPE\b": "rewrites or scans the table under a lock",
    r"\b(DROP|RENAME)\s+(COLUMN|TABLE|TO)\b": "breaks the code that still runs",
    r"\bSET\s+NOT\s+NULL\b": "scans the table under a lock, unless a valid CHECK proves it",
    r"\bADD\s+CONSTRAINT\b(?!.*\bNOT\s+VALID\b)(?!.*\bUSING\s+INDEX\b)": (
        "checks every row under a lock: NOT VALID first"
    ),
}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that a migration may not do: where, what and why."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: {self.text}"


def released() -> set[str]:
    """The migrations that clinics may have run, and those that a person has looked at and let pass."""
    lines = RELEASED.read_text().splitlines() if RELEASED.exists() else []
    return {name for line in lines if (name := line.partition("#")[0].strip())}


def ours(*, below: Path) -> dict[str, Path]:
    """Every migration in files below this directory, as ``app/name``."""
    loader = MigrationLoader(None)
    found = {
        "/".join(key): Path(str(sys.modules[migration.__module__].__file__))
        for key, migration in (loader.disk_migrations or {}).items()
    }
    return {
        name: path
        for name, path in sorted(found.items())
        if path.is_relative_to(below) and ".venv" not in path.parts
    }


def judge(fresh: Mapping[str, Path]) -> list[Finding]:
    """What is wrong with these migrations of :func:`ours`. Raises Refused when zdm is missing."""
    return sorted([*by_zdm(list(fresh.values())), *_by_us(fresh)])


def by_zdm(paths: Sequence[Path]) -> Iterator[Finding]:
    """What zdm says to these files. Raises Refused when it is missing or fails."""
    beside = Path(sys.executable).with_name("zdm")
    zdm = str(beside) if beside.exists() else shutil.which("zdm")
    if zdm is None:
        raise Refused("zdm is missing: run `make install`.")
    if not paths:
        return
    words = [zdm, "--output-format", "json", "--ignore", _NOT_OURS, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own files
    try:
        diagnostics = json.loads(done.stdout)["diagnostics"]
    except ValueError:
        raise Refused(f"zdm failed: {done.stderr.strip()[:300]}") from None
    for each in diagnostics:
        yield Finding(each["path"], each["line"], f"{each['rule_id']} {each['message']}. {each['help']}")


def _by_us(fresh: Mapping[str, Path]) -> Iterator[Finding]:
    loader = MigrationLoader(None)
    new: set[str] = set()
    for name, path in fresh.items():
        app, _, rest = name.partition("/")
        state = loader.project_state((app, rest), at_end=False)
        for problem in judge_migration(loader.get_migration(app, rest), state, new=new):
            yield Finding(str(path), 0, problem)


def judge_migration(migration: Migration, state: ProjectState, *, new: set[str]) -> Iterator[str]:
    """What one migration does wrong, given the ``state`` before it.

    ``new`` are models that the code before does not know, so nothing of it can break there; those that this
    migration creates are added.
    """
    app = migration.app_label
    if migration.atomic and len({isinstance(each, RunPython) for each in _flat(migration.operations)}) > 1:
        yield "RunPython beside other operations keeps their locks: give it a migration of its own."
    for operation in migration.operations:
        for each in _flat([operation]):
            if isinstance(each, CreateModel):
                new.add(f"{app}.{each.name_lower}")
            elif isinstance(each, RunSQL):
                yield from _in_sql(each)
            elif isinstance(each, AddField | AlterField) and f"{app}.{each.model_name_lower}" not in new:
                yield from _in_field(each, app, state)
        operation.state_forwards(app, state)


def _flat(operations: Sequence[Operation]) -> Iterator[Operation]:
    for each in operations:
        if isinstance(each, SeparateDatabaseAndState):
            yield from _flat(each.database_operations)
        else:
            yield each


def _in_sql(operation: RunSQL) -> Iterator[str]:
    statements = operation.sql if isinstance(operation.sql, list | tuple) else [operation.sql]
    for statement in statements:
        text = str(statement[0] if isinstance(statement, list | tuple) else statement)
        for pattern, why in _RISKY_SQL.items():
            found = re.search(pattern, text, re.IGNORECASE | re.DOTALL)
            if found:
                yield f"{' '.join(found[0].split())} {why}."


def _in_field(operation: AddField | AlterField, app: str, state: ProjectState) -> Iterator[str]:
    what = f"{operation.model_name}.{operation.name}"
    if isinstance(operation, AlterField):
        after = state.clone()
        operation.state_forwards(app, after)
        if not _fits(_type(state, app, operation), _type(after, app, operation)):
            yield f"{what} changes its type, which rewrites the table: add a new column."
    elif _must_be_given(operation.field):
        yield f"{what} is NOT NULL without db_default: the running code cannot insert."


def _must_be_given(field: "Field[Any, Any]") -> bool:
    """Whether an INSERT that does not know the column fails."""
    return not field.null and not field.many_to_many and field.db_default is NOT_PROVIDED


def _type(state: ProjectState, app: str, operation: AlterField) -> str | None:
    """The type of the column in PostgreSQL, as of this state."""
    model = state.apps.get_model(app, operation.model_name)
    field = model._meta.get_field(operation.name)  # noqa: SLF001 - the model as it was then
    return field.db_type(connection) if isinstance(field, Field) else None


def _fits(before: str | None, after: str | None) -> bool:
    """Whether PostgreSQL takes over the values as they lie."""
    if before == after:
        return True
    short, long = (_VARCHAR.fullmatch(each or "") for each in (before, after))
    return short is not None and (after == "text" or (long is not None and int(long[1]) >= int(short[1])))
