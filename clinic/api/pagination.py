"""Cursor pages: ``{next, previous, results}``, stable while rows are added, bounded by ``limit``."""

from typing import Any

from django.core.exceptions import ValidationError as NotAValue
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


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
        if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= self.max_page_size:
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
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, NotAValue, ValueError) as error:
            raise ValidationError(
                {"cursor": "Use a cursor from a next or previous link."}, code="invalid_cursor"
            ) from error
