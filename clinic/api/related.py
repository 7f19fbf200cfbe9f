"""Ids that come as text, from a query string, and records that people name by a code."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field

from clinic.api.fields import VisibleField

_MAX_DIGITS = 18
_MAX_CODE = 50
_CODE = re.compile(rf"[-\w]{{1,{_MAX_CODE}}}", re.ASCII)


class VisibleInQueryField(VisibleField):
    """A visible record by id, where the id is text."""

    def to_internal_value(self, data: Any) -> Any:
        """The record. Raises ValidationError as :class:`VisibleField`."""
        if isinstance(data, str) and data.isascii() and data.isdigit() and len(data) <= _MAX_DIGITS:
            data = int(data)
        return super().to_internal_value(data)


@extend_schema_field(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "minLength": 1, "maxLength": _MAX_CODE},
        ]
    }
)
class VisibleByCodeField(VisibleInQueryField):
    """A visible record by id or by code: ``7``, ``"7"`` and ``"ketamine-mood"`` all work."""

    def to_internal_value(self, data: Any) -> Any:
        """The record. Raises ValidationError as :class:`VisibleField`."""
        if not isinstance(data, str) or data.isdigit():
            return super().to_internal_value(data)
        found = self.get_queryset().filter(code=data).first() if _CODE.fullmatch(data) else None
        if found is None:
            self.fail("does_not_exist")
        return found
