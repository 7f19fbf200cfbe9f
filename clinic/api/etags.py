"""ETags are record versions in quotes; If-Match brings one back."""

import re

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from clinic.api.problems import PreconditionRequired
from clinic.common.versions import Versioned

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


def etag_of(record: Versioned) -> str:
    """The ETag of this version of a record."""
    return f'"{record.version}"'


def expected_version(request: Request, *, required: bool = False) -> int | None:
    """The version that If-Match names; None for none or ``*``.

    Raises PreconditionRequired (428) when required and absent, ValidationError (400) when unreadable.
    """
    header = request.headers.get("If-Match", "").strip()
    if not header:
        if required:
            raise PreconditionRequired
        return None
    if header == "*":
        return None
    match = _ETAG.fullmatch(header)
    if match is None:
        raise ValidationError({"If-Match": 'Send one ETag as you received it, such as "3".'}, code="invalid")
    return int(match[1])
