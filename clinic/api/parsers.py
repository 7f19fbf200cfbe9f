"""Reads JSON bodies; whatever is not a JSON object of a sensible depth becomes a 400, never a crash."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

DEEPEST = 20
"""Levels of nesting that are read; our own bodies have four."""


class StrictJSONParser(JSONParser):
    """DRF's parser with a bound, which also refuses bodies that are not objects."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The body as a dict. Raises ParseError (400) otherwise."""
        try:
            body = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The body is nested too deeply.") from error
        except ParseError as error:
            raise ParseError("The body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise ParseError("The body must be a JSON object.")
        if _deeper_than(DEEPEST, body):
            raise ParseError("The body is nested too deeply.")
        return body


def refuse_unsized(request: Request) -> None:
    """Raise ParseError (400) for a chunked body: without its length WSGI would read it as empty.

    An action whose fields are all optional would then run without what the caller said.
    """
    if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
        raise ParseError("Send the body with a Content-Length, not in chunks.", code="length_required")


def _deeper_than(limit: int, body: Any) -> bool:
    """Whether containers stand inside each other more than ``limit`` deep; without recursion."""
    level = [body]
    for _depth in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
