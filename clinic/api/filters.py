"""Declared filters only: an unknown query parameter is a mistake that the caller hears about."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

PAGING = frozenset({"limit", "cursor"})
_LONGEST_ECHO = 60


class DeclaredFilters(DjangoFilterBackend):
    """django-filter, refusing what a view does not declare and what is given twice."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Raises ValidationError (400) that names each unknown or repeated parameter."""
        filterset_class = self.get_filterset_class(view, queryset)
        declared = set(filterset_class.base_filters) if filterset_class else set()
        refuse_unknown(request, declared | PAGING)
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


def refuse_unknown(request: Request, known: set[str] | frozenset[str]) -> None:
    """Raise ValidationError (400) for query parameters outside ``known`` or given more than once."""
    faults = {}
    for name, values in request.query_params.lists():
        if name not in known:
            listed = f"Known here: {', '.join(sorted(known))}." if known else "This address takes none."
            faults[name[:_LONGEST_ECHO]] = [f"Unknown parameter. {listed}"]
        elif len(values) > 1:
            faults[name] = ["Given more than once."]
        elif "\x00" in values[0]:
            faults[name] = ["Null characters are not allowed."]
    if faults:
        raise ValidationError(faults, code="unknown_parameter")
