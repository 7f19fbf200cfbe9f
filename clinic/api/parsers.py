"""Reads JSON bodies; whatever is not JSON becomes a 400, never a crash."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJSONParser(JSONParser):
    """DRF's parser, which also survives absurd nesting and refuses bodies that are not objects."""

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
        return body
