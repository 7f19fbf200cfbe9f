"""What the domain refuses, as data: a stable code, a sentence for a person, and typed details.

Only clinic.api.problems turns these into HTTP; the admin shows the same sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """One fault in the input: where (a JSON pointer such as ``/start``), which, and what to do."""

    pointer: str
    code: str
    detail: str


class DomainError(Exception):
    """A refusal. ``detail`` says what is wrong and what to do next, without patient data."""

    code = "error"

    def __init__(
        self, detail: str, *, code: str | None = None, errors: Sequence[FieldError] = (), **data: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = tuple(errors)
        self.data = data


class NotFound(DomainError):
    """It does not exist, or the caller may not know that it does."""

    code = "not_found"


class Forbidden(DomainError):
    """The caller's role does not allow it."""

    code = "forbidden"


class Invalid(DomainError):
    """Well-formed, but a rule of the clinic forbids it."""

    code = "invalid"


class Conflict(DomainError):
    """The present state forbids it; another choice or a reread may help."""

    code = "conflict"


class StaleVersion(DomainError):
    """The caller changes a version that is no longer the current one."""

    code = "stale_version"


class Busy(DomainError):
    """Contention or an outage; the same request may succeed after ``retry_after`` seconds."""

    code = "busy"

    def __init__(self, detail: str, *, retry_after: int = 1, code: str | None = None, **data: Any) -> None:
        super().__init__(detail, code=code, **data)
        self.retry_after = retry_after
