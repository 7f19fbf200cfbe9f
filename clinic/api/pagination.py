"""Cursor pages: ``{next, previous, results}``, stable while rows are added, bounded by ``limit``."""

import re
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError as NotAValue
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from clinic.api.fields import read_instant

_NUMBER = re.compile(r"[0-9]{1,3}")


class CursorPages(CursorPagination):
    """``limit`` from 1 to 200 (default 50); anything else is a 400, not a silent correction."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    page_size_query_description = "How many results, 1 to 200 (default 50)."
    ordering: Any = "id"

    def get_page_size(self, request: Request) -> int:
        """The asked size. Raises ValidationError (400) outside 1 to 200."""
        raw = request.query_params.get("limit")
        if raw is None:
            return self.page_size
        if not _NUMBER.fullmatch(raw) or not 1 <= int(raw) <= self.max_page_size:
            raise ValidationError(
                {"limit": f"Use a whole number from 1 to {self.max_page_size}."}, code="out_of_range"
            )
        return int(raw)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        """The view's fixed order; clients cannot choose one that no index serves."""
        ordering = getattr(view, "page_ordering", self.ordering)
        return (ordering,) if isinstance(ordering, str) else tuple(ordering)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """One page. Raises ValidationError (400) for a cursor we did not make."""
        first = self.get_ordering(request, queryset, view)[0].removeprefix("-")
        self._ordered_by = queryset.model._meta.get_field(first)  # noqa: SLF001 - Django's own name for it
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, NotAValue, ValueError, OverflowError) as error:
            raise ValidationError(
                {"cursor": "Use a cursor from a next or previous link."}, code="invalid_cursor"
            ) from error

    def decode_cursor(self, request: Request) -> Any:
        """The cursor. Raises NotFound, ValueError or NotAValue when it cannot be one of ours."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None:
            position = self._ordered_by.to_python(cursor.position)
            if isinstance(position, datetime):
                read_instant(position.isoformat())
        return cursor

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The two parameters with their bounds."""
        return [
            {
                "name": self.cursor_query_param,
                "in": "query",
                "required": False,
                "description": "From a next or previous link.",
                "schema": {"type": "string"},
            },
            {
                "name": self.page_size_query_param,
                "in": "query",
                "required": False,
                "description": "How many results.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": self.max_page_size,
                    "default": self.page_size,
                },
            },
        ]
