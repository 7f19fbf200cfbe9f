"""The form behind every admin page that changes a record.

It carries a stamp of the record as it was read, so that an edit of something that changed meanwhile
is refused, and it shows what a service refused on a second pass (see base.OnsetAdmin).
"""

import hashlib
from typing import Any, ClassVar

from django import forms
from django.db import models

from clinic.access.admin import refusals
from clinic.common.errors import DomainError, StaleVersion
from clinic.common.versions import Versioned

STAMP = "stamp"
_NOT_EDITED = frozenset({"last_login"})
"""Fields that change without anybody editing the record."""


def stamp_of(record: models.Model) -> str:
    """What identifies this state of the record: its version, or a digest where it counts none."""
    if isinstance(record, Versioned):
        return str(record.version)
    concrete = record._meta.concrete_fields  # noqa: SLF001 - Django documents it as public
    fields = (field for field in concrete if field.name not in _NOT_EDITED)
    values = [str(field.value_from_object(record)) for field in fields]
    return hashlib.sha256("\x1f".join(values).encode()).hexdigest()[:16]


def require_stamp(record: models.Model, stamp: str) -> None:
    """Raise StaleVersion unless the locked record is as it was when the page was made."""
    if stamp_of(record) != stamp:
        raise StaleVersion(
            "Someone changed this record since you opened the page. Open it again, then repeat your change."
        )


class OnsetForm(forms.ModelForm[Any]):
    """A model form whose rules are the service's: see the module."""

    stamp = forms.CharField(required=False, widget=forms.HiddenInput)

    refusal: ClassVar[DomainError | None] = None
    """Set on the class made for one request when the service refused what it was given."""
    names: ClassVar[dict[str, str]] = {}
    """What the service calls a field -> what this form calls it."""
    ruled_by_service: ClassVar[bool] = True
    """Leave uniqueness and other constraints to the service, which says them in sentences."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.ruled_by_service:
            # Forms have a switch for uniqueness (see clean) but none for the model's other constraints.
            self.instance.validate_constraints = lambda exclude=None: None  # noqa: ARG005
        if self.instance.pk is not None:
            self.initial[STAMP] = stamp_of(self.instance)

    def clean(self) -> dict[str, Any]:
        """Show the refusal, if this is the second pass."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.ruled_by_service:
            self._validate_unique = False
        if self.refusal is not None:
            refusals.put_on(self, self.refusal, names=self.names)
        return cleaned

    def changes(self, *leave_out: str) -> dict[str, Any]:
        """What was really changed, by field."""
        left = {STAMP, *leave_out}
        return {name: self.cleaned_data[name] for name in self.changed_data if name not in left}

    def given(self, *leave_out: str) -> dict[str, Any]:
        """Everything the form holds, by field."""
        left = {STAMP, *leave_out}
        return {name: value for name, value in self.cleaned_data.items() if name not in left}

    def expected_version(self) -> int:
        """The version that was shown. Raises StaleVersion when the page did not say."""
        stamp = str(self.cleaned_data.get(STAMP, ""))
        if not stamp.isdecimal():
            require_stamp(self.instance, stamp)
        return int(stamp)
