"""Named changes to one locked record: written when they differ, counted as one version."""

from collections.abc import Mapping

from clinic.common import versions
from clinic.common.versions import Versioned


def apply(record: Versioned, changes: Mapping[str, object]) -> frozenset[str]:
    """Set and save the fields that really differ; return their names. No difference, no new version."""
    differing = {name: value for name, value in changes.items() if getattr(record, name) != value}
    for name, value in differing.items():
        setattr(record, name, value)
    if differing:
        versions.save(record, *differing)
    return frozenset(differing)
