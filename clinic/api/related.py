"""Ids that come as text, from a query string, and records that people name by a code."""

from typing import Any

from clinic.api.fields import VisibleField

_MAX_DIGITS = 18
_MAX_CODE = 50


class VisibleInQueryField(VisibleField):
    """A visible record by id, where the id is text."""

    def to_internal_value(self, data: Any) -> Any:
        """The record. Raises ValidationError as :class:`VisibleField`."""
        if isinstance(data, str) and data.isascii() and data.isdigit() and len(data) <= _MAX_DIGITS:
            data = int(data)
        return super().to_internal_value(data)


class VisibleByCodeField(VisibleInQueryField):
    """A visible record by id or by code: ``7``, ``"7"`` and ``"ketamine-mood"`` all work."""

    def to_internal_value(self, data: Any) -> Any:
        """The record. Raises ValidationError as :class:`VisibleField`."""
        if isinstance(data, str) and not data.isdigit():
            found = self.get_queryset().filter(code=data.replace("\x00", "")[:_MAX_CODE]).first()
            if found is None:
                self.fail("does_not_exist")
            return found
        return super().to_internal_value(data)
