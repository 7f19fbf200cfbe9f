"""A kind of resource: who may read it, how it is searched for, and how its rows become JSON."""

import base64
import binascii
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from clinic.access.policy import Actor
from clinic.api.fields import LARGEST_ID, Unreadable, read_instant
from scheduling.fhir import parameters
from scheduling.fhir.parameters import Asked, Parameter

_ID_DIGITS = 18
ID = Parameter("_id", "token", "The logical id.", parameters.pk)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One search, as far as the address and the form could be read."""

    values: Mapping[str, Sequence[str]]
    count: int
    after: Sequence[Any] = ()
    """Where the last page ended."""

    def one(self, name: str) -> str | None:
        """The value of a parameter that does not repeat."""
        given = self.values.get(name)
        return given[0] if given else None


@dataclass(frozen=True, slots=True)
class Page:
    """What was found: at most ``count`` resources, where the next page begins, what else there is to say."""

    resources: Sequence[Mapping[str, Any]]
    after: Sequence[Any] = ()
    notes: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Kind(ABC):
    """One type of resource."""

    type: str
    permission: str
    parameters: tuple[Parameter, ...]
    versioned: bool = True

    @abstractmethod
    def read(self, pk: str, asked: Asked) -> Mapping[str, Any] | None:
        """The resource with this id, if the caller may see it."""

    @abstractmethod
    def search(self, wanted: Wanted, asked: Asked) -> Page:
        """One page. Raises ValidationError (400) for what cannot be read."""

    def narrowed(self, wanted: Wanted, asked: Asked) -> Q:
        """What all parameters together leave."""
        left = Q()
        for parameter in self.parameters:
            for value in wanted.values.get(parameter.name, ()):
                left &= parameter.narrow(value, asked)
        return left


@dataclass(frozen=True)
class OfRows(Kind):
    """A resource that is one row: pages follow a fixed order that ends in the id."""

    rows: Callable[[Actor], QuerySet[Any]] = field(kw_only=True)
    show: Callable[[Any], Mapping[str, Any]] = field(kw_only=True)
    order: tuple[str, ...] = field(default=("pk",), kw_only=True)

    def read(self, pk: str, asked: Asked) -> Mapping[str, Any] | None:
        """By primary key."""
        if not (pk.isascii() and pk.isdigit() and len(pk) <= _ID_DIGITS):
            return None
        row = self.rows(asked.actor).filter(pk=int(pk)).first()
        return None if row is None else self.show(row)

    def search(self, wanted: Wanted, asked: Asked) -> Page:
        """One query, and one for each thing prefetched."""
        narrowed = self.rows(asked.actor).filter(self.narrowed(wanted, asked))
        found = ordered(narrowed, self.order, after=wanted.after, count=wanted.count)
        page = [self.show(row) for row in found[: wanted.count]]
        if len(found) <= wanted.count:
            return Page(page)
        return Page(page, after=[getattr(found[wanted.count - 1], name) for name in self.order])


def ordered(rows: QuerySet[Any], order: Sequence[str], *, after: Sequence[Any], count: int) -> list[Any]:
    """One row more than ``count`` of those behind ``after``, if there are as many."""
    return list(rows.filter(_behind(order, after)).order_by(*order)[: count + 1])


def _behind(order: Sequence[str], after: Sequence[Any]) -> Q:
    if not after:
        return Q()
    if len(after) != len(order):
        raise no_cursor()
    read_as = [_instant if name.endswith("_at") else _number for name in order]
    return _further(order, [read(value) for read, value in zip(read_as, after, strict=True)])


def _further(order: Sequence[str], values: Sequence[Any]) -> Q:
    further = Q(**{f"{order[0]}__gt": values[0]})
    if len(order) == 1:
        return further
    return Q(**{f"{order[0]}__gte": values[0]}) & (further | _further(order[1:], values[1:]))


def no_cursor() -> Exception:
    """The 400 for a cursor that none of our links has."""
    return parameters.refused("_cursor", "Use the address of a next link as it is.", code="invalid_cursor")


def written(after: Sequence[Any]) -> str:
    """A cursor: opaque to callers, and never more than ids and moments."""
    text = json.dumps([value.isoformat() if isinstance(value, datetime) else value for value in after])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str) -> list[Any]:
    """What :func:`written` wrote. Raises ValidationError (400)."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise no_cursor() from None
    if not isinstance(values, list) or not values:
        raise no_cursor()
    return values


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_ID:
        raise no_cursor()
    return value


def _instant(value: Any) -> datetime:
    try:
        return read_instant(value if isinstance(value, str) else "")
    except Unreadable:
        raise no_cursor() from None
