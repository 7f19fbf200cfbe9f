"""The base of every resource: who acts, what they may load, versions, idempotent POSTs."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.actors import actor_of
from clinic.access.policy import Actor
from clinic.api import etags, idempotency
from clinic.common import clock
from clinic.common.versions import Versioned


class OnsetViewSet(viewsets.GenericViewSet[Any]):
    """Loads through ``visible_to`` only, parses with serializers, calls one service, shows.

    Subclasses set ``permissions`` (action -> name in the role table), ``queryset`` (a model's
    manager with ``visible_to``) and serializers.
    """

    permissions: ClassVar[Mapping[str, str]] = {}

    @property
    def actor(self) -> Actor:
        """Who is asking."""
        return actor_of(self.request.user)

    @property
    def now(self) -> datetime:
        """The clinic's time, read once per request."""
        if not hasattr(self, "_now"):
            self._now = clock.now()
        return self._now

    def action_map_missing(self, request: Request) -> bool:
        """Whether no action answers this method, so that DRF will say 405."""
        return (request.method or "").lower() not in self.action_map

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After sign-in, permission and throttle: guard keyed POSTs."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and "Idempotency-Key" in request.headers and hasattr(self, "post"):
            # DRF looks the handler up after this, on the instance.
            setattr(self, "post", partial(self._once, getattr(self, "post")))  # noqa: B009, B010

    def _once(self, handler: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return idempotency.once(
            request, partial(handler, request, *args, **kwargs), on_error=self.handle_exception
        )

    def get_queryset(self) -> QuerySet[Any]:
        """Only what the caller may see."""
        queryset: Any = super().get_queryset()
        visible: QuerySet[Any] = queryset.visible_to(self.actor)
        return visible

    def parse(self, serializer_class: type[serializers.BaseSerializer[Any]], **options: Any) -> Any:
        """The validated body. Raises ValidationError (400) that names each field."""
        serializer = serializer_class(
            data=self.request.data, context=self.get_serializer_context(), **options
        )
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def expected_version(self, *, required: bool = False) -> int | None:
        """What If-Match asks for."""
        return etags.expected_version(self.request, required=required)

    def show(self, record: Any, *, status: int = 200, extra: Mapping[str, Any] | None = None) -> Response:
        """One record with its ETag."""
        data = {**self.get_serializer(record).data, **(extra or {})}
        headers = {"ETag": etags.etag_of(record)} if isinstance(record, Versioned) else {}
        return Response(data, status=status, headers=headers)


class ReadMixin:
    """GET of the list and of one record."""

    def list(self: Any, request: Request) -> Response:
        """One page of what the caller may see."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)  # type: ignore[no-any-return]

    def retrieve(self: Any, request: Request, pk: str) -> Response:
        """One record; 404 when it is not there or not the caller's to see."""
        return self.show(self.get_object())  # type: ignore[no-any-return]
