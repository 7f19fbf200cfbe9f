"""The API speaks JSON whatever the Accept header says: one answer is better than a 406."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JsonUnlessRefused(DefaultContentNegotiation):
    """Always the view's first renderer."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, Any]:
        """Ignore Accept and format suffixes."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
