"""Optimistic versions: every mutable record counts its changes, and ETags are made of the count."""

from django.db import models

from clinic.common.errors import StaleVersion


class Versioned(models.Model):
    """A record that others may edit at the same time."""

    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        abstract = True


def require_version(record: Versioned, expected: int | None) -> None:
    """Refuse when the caller decided on another version than the locked one. None skips the check."""
    if expected is not None and record.version != expected:
        raise StaleVersion(
            "Someone changed this record since you read it. Read it again, then repeat your change.",
            current_version=record.version,
        )


def save(record: Versioned, *fields: str) -> None:
    """Write the named fields of a locked record and count the change."""
    record.version += 1
    record.save(update_fields=[*fields, "version"])
