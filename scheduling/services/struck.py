"""Striking what was recorded in error: it stays to be seen, with who and why, and no longer counts."""

from datetime import datetime

from clinic.access.policy import Actor
from clinic.common.errors import Conflict, FieldError, Invalid
from scheduling.models import DrugLogEntry, VitalReading


def refuse(row: VitalReading | DrugLogEntry) -> None:
    """Nothing is done with what was struck. Raises Conflict (``already_struck``)."""
    if row.struck_at is not None:
        raise Conflict("This was struck as an error.", code="already_struck")


def mark(row: VitalReading | DrugLogEntry, *, actor: Actor, reason: str, now: datetime) -> None:
    """Strike a row whose session is locked.

    Raises Invalid (``reason_required``), Conflict (``already_struck``).
    """
    refuse(row)
    if not reason.strip():
        detail = "Say why this is struck."
        raise Invalid(
            detail, code="reason_required", errors=[FieldError("/reason", "reason_required", detail)]
        )
    row.struck_at, row.struck_by_id, row.struck_reason = now, actor.user_id, reason.strip()
    row.save(update_fields=["struck_at", "struck_by", "struck_reason"])
