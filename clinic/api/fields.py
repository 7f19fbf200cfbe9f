"""Fields that bodies and queries share: instants, days, times on the wall, ids, values fixed at creation.

The idea to know: whatever is ambiguous is refused by name, never guessed. An instant without its offset
could mean two moments, so it is an error of its own (``offset_required``).
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError as FormError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import SkipField

FIRST_YEAR, LAST_YEAR = 1900, 2200
LARGEST_ID = 2**63 - 1
LARGEST_OFFSET = timedelta(hours=14)
"""No place is further from UTC, and PostgreSQL takes no more than 16 hours."""

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WALL_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_YEARS = f"Use a year from {FIRST_YEAR} to {LAST_YEAR}."
_INSTANT_HELP = "RFC 3339 with its offset, such as 2027-01-04T09:00:00-07:00."


class Unreadable(ValueError):
    """A value that cannot be read: ``code`` is stable, ``detail`` says what to send instead."""

    def __init__(self, detail: str, *, code: str = "invalid") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_instant(text: str) -> datetime:
    """An instant from RFC 3339 text, keeping the offset it was written with.

    The offset is kept because it tells whether a person meant a local time that the clocks skip.
    Raises Unreadable (``invalid``, ``offset_required``, ``out_of_range``).
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Unreadable(f"Write a date and time as {_INSTANT_HELP}")
    if match[1] is None:
        raise Unreadable(
            "A time without its offset from UTC could mean two moments. Add it, such as -07:00 or Z.",
            code="offset_required",
        )
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError:
        raise Unreadable(f"There is no such date or time. Write it as {_INSTANT_HELP}") from None
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise Unreadable(_YEARS, code="out_of_range")
    if abs(instant.utcoffset() or timedelta()) > LARGEST_OFFSET:
        raise Unreadable("No place is more than 14 hours from UTC. Check the offset.", code="out_of_range")
    return instant


def write_instant(instant: datetime, zone: tzinfo = UTC) -> str:
    """RFC 3339 text of an instant with the offset in force in ``zone``; ``Z`` for UTC itself."""
    text = instant.astimezone(zone).isoformat()
    return f"{text.removesuffix('+00:00')}Z" if zone is UTC else text


class InstantField(serializers.DateTimeField):
    """An instant. Read with its offset, shown with the offset of ``zone(record)`` when given, else in UTC."""

    def __init__(self, *, zone: Callable[[Any], tzinfo] | None = None, **options: Any) -> None:
        options.setdefault("help_text", _INSTANT_HELP)
        super().__init__(**options)
        self._zone = zone

    def to_internal_value(self, value: Any) -> datetime:
        """Raises ValidationError with the code of :func:`read_instant`."""
        try:
            return read_instant(value if isinstance(value, str) else "")
        except Unreadable as error:
            raise serializers.ValidationError(error.detail, code=error.code) from None

    def get_attribute(self, instance: Any) -> Any:
        """The record's instant, as the clocks of its place show it."""
        value = super().get_attribute(instance)
        if self._zone is None or not isinstance(value, datetime):
            return value
        return value.astimezone(self._zone(instance))

    def to_representation(self, value: datetime) -> str:
        """RFC 3339."""
        return write_instant(value, UTC if self._zone is None else value.tzinfo or UTC)


class DayField(serializers.DateField):
    """A calendar date, YYYY-MM-DD and nothing else."""

    def to_internal_value(self, value: Any) -> date:
        """Raises ValidationError (``invalid``, ``out_of_range``)."""
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise serializers.ValidationError("Write a date as YYYY-MM-DD.", code="invalid")
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise serializers.ValidationError("There is no such date.", code="invalid") from None
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise serializers.ValidationError(_YEARS, code="out_of_range")
        return day


@extend_schema_field({"type": "string", "pattern": f"^{_WALL_TIME.pattern}$", "examples": ["08:00"]})
class WallTimeField(serializers.TimeField):
    """A time on the clocks of the site, HH:MM and nothing else."""

    def to_internal_value(self, value: Any) -> time:
        """Raises ValidationError (``invalid``)."""
        if not isinstance(value, str) or not _WALL_TIME.fullmatch(value):
            raise serializers.ValidationError("Write a time as HH:MM, 00:00 to 23:59.", code="invalid")
        return time.fromisoformat(value)

    def to_representation(self, value: time) -> str:
        """HH:MM."""
        return f"{value:%H:%M}"


class VisibleField(serializers.PrimaryKeyRelatedField[Any]):
    """The id of a record the caller may see; one they may not see reads the same as one not there."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is none with this id among those you may see.",
        "incorrect_type": "Send its id, a whole number.",
    }

    def get_queryset(self) -> Any:
        """Only what the caller may see."""
        queryset: Any = super().get_queryset()
        return queryset.visible_to(self.context["view"].actor)

    def to_internal_value(self, data: Any) -> Any:
        """The record. Raises ValidationError (``incorrect_type``, ``does_not_exist``)."""
        if type(data) is not int:
            self.fail("incorrect_type")
        return super().to_internal_value(data)


def chosen_at_creation(name: str) -> Callable[[Any, Any], Any]:
    """A serializer's ``validate_<name>``: a PATCH may repeat what is there, not change it.

    Raises ValidationError (``immutable``).
    """

    def validate(serializer: serializers.Serializer[Any], value: Any) -> Any:
        if serializer.instance is None:
            return value
        if value != getattr(serializer.instance, name):
            detail = "This is chosen at creation. Leave it out, or make a new record."
            raise serializers.ValidationError(detail, code="immutable")
        raise SkipField

    return validate


class _InstantFormField(forms.Field):
    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return read_instant(value)
        except Unreadable as error:
            hint = " In an address, write + as %2B." if " " in value else ""
            # As a parameter, because django-filter formats the message with %.
            raise FormError("%(detail)s", code=error.code, params={"detail": error.detail + hint}) from None


class InstantFilter(django_filters.IsoDateTimeFilter):
    """Compares with an instant, read as strictly as in a body."""

    field_class = _InstantFormField


@extend_schema_field({"type": "integer", "minimum": 1})
class IdFilter(django_filters.Filter):
    """Records that belong to the one with this id. An id that is not there matches nothing."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, min_value=1, max_value=LARGEST_ID, **options)


@extend_schema_field(OpenApiTypes.BOOL)
class FlagFilter(django_filters.TypedChoiceFilter):
    """``true`` or ``false``; any other word is refused rather than ignored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        choices = (("true", "true"), ("false", "false"))
        super().__init__(*args, choices=choices, coerce=lambda word: word == "true", **options)
