"""Rows locked and inserted by statements that are written once per model: the shortest way, for the hot path.

What a queryset builds anew each time costs a booking more than PostgreSQL needs to answer it. Only for models
whose columns are read as they are stored, and whose defaults are Django's own.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def lock(model: type[M], ids: Collection[int]) -> list[M]:
    """Lock these rows in the order of their ids, and read them. Those gone are left out.

    FOR NO KEY UPDATE: whoever only refers to a locked row (a link in a message to a locked patient) need not
    wait for it, so that a worker holding a message and a clerk holding its patient never wait for each other.
    """
    names, select = _selecting(model)
    with connection.cursor() as cursor:
        cursor.execute(select, [sorted(set(ids))])
        return [model.from_db(connection.alias, names, row) for row in cursor.fetchall()]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model in one statement, and give each its id.

    Raises what Django's bulk_create would: IntegrityError.
    """
    if not rows:
        return
    names, prepared, into, values, returning = _inserting(type(rows[0]))
    given: list[Any] = []
    for row in rows:
        held = row.__dict__
        given += [held[name] for name in names]
        given += [field.get_db_prep_save(held[field.attname], connection) for field in prepared]
    with connection.cursor() as cursor:
        cursor.execute(f"{into}{', '.join([values] * len(rows))}{returning}", given)
        ids = cursor.fetchall()
    for row, (key,) in zip(rows, ids, strict=True):
        row.pk = key
        state = row._state  # noqa: SLF001 - Django documents both attributes
        state.adding, state.db = False, connection.alias


@cache
def _selecting(model: type[models.Model]) -> tuple[list[str], str]:
    """Attribute names, and the statement that locks rows and returns them in that order."""
    about = model._meta  # noqa: SLF001 - Django documents it as public
    fields = about.concrete_fields
    columns = ", ".join(_quoted(field.column) for field in fields)
    table = _quoted(about.db_table)
    return (
        [field.attname for field in fields],
        f"SELECT {columns} FROM {table} WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE",  # noqa: S608 - names only
    )


@cache
def _inserting(
    model: type[models.Model],
) -> tuple[list[str], "list[models.JSONField[Any, Any]]", str, str, str]:
    """The attributes that psycopg takes as they are, the fields it does not, the parts of the statement."""
    about = model._meta  # noqa: SLF001 - Django documents it as public
    prepared = [field for field in about.concrete_fields if isinstance(field, models.JSONField)]
    plain = [field for field in about.concrete_fields if not field.primary_key and field not in prepared]
    fields = [*plain, *prepared]
    columns = ", ".join(_quoted(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    return (
        [field.attname for field in plain],
        prepared,
        f"INSERT INTO {_quoted(about.db_table)} ({columns}) VALUES ",  # noqa: S608 - names only
        f"({places})",
        " RETURNING id",
    )


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(str(name))
