"""Kinds of visit, the same at every site. Bookings already made keep the phases they were made with."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django.db import IntegrityError

from clinic.access.policy import Actor
from clinic.access.services import refuse_revealing
from clinic.common import changes as named
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable, violated
from clinic.common.versions import require_version
from scheduling.domain import phases as domain
from scheduling.domain.phases import Phase
from scheduling.models import VisitType

_MINUTES_A_DAY = 24 * 60


class VisitTypeChanges(TypedDict, total=False):
    """What may change about a visit type; its code never does."""

    name: str
    discreet_name: str
    kind: str
    phases: Sequence[Phase]
    start_grid_minutes: int
    min_notice_minutes: int
    horizon_days: int
    active: bool


@durable
def add_visit_type(
    *,
    actor: Actor,
    now: datetime,
    code: str,
    details: VisitTypeChanges,
) -> VisitType:
    """Add a kind of visit under a code that nothing else has.

    ``details`` holds at least name, discreet_name, kind and phases. Raises Conflict (``code_taken``),
    Invalid (``revealing_name``, ``notice_beyond_horizon``), Forbidden.
    """
    actor.require("setup.write")
    visit_type = VisitType(code=code, **_columns(details))
    _check(visit_type, {})
    try:
        visit_type.save(force_insert=True)
    except IntegrityError as error:
        if "code" not in (violated(error) or ""):
            raise
        detail = "Another visit type has this code. Choose another one."
        raise Conflict(
            detail, code="code_taken", errors=[FieldError("/code", "code_taken", detail)]
        ) from error
    return visit_type


@durable
def change_visit_type(
    *,
    actor: Actor,
    now: datetime,
    visit_type_id: int,
    expected_version: int | None,
    changes: VisitTypeChanges,
) -> VisitType:
    """Change a kind of visit for bookings from now on; time already allocated stays as it is.

    Raises Invalid (``revealing_name``, ``notice_beyond_horizon``), StaleVersion, NotFound, Forbidden.
    """
    visit_type = VisitType.objects.visible_to(actor).select_for_update().filter(pk=visit_type_id).first()
    if visit_type is None:
        raise NotFound("This visit type does not exist.")
    actor.require("setup.write")
    require_version(visit_type, expected_version)
    _check(visit_type, changes)
    named.apply(visit_type, _columns(changes))
    return visit_type


def _columns(details: VisitTypeChanges) -> dict[str, object]:
    """As the database holds them: phases become JSON."""
    columns: dict[str, object] = dict(details)
    if "phases" in details:
        columns["phases"] = domain.to_json(details["phases"])
    return columns


def _check(visit_type: VisitType, changes: VisitTypeChanges) -> None:
    """The rules that span fields, for the visit type as it would be."""
    refuse_revealing(changes.get("discreet_name", visit_type.discreet_name))
    notice = changes.get("min_notice_minutes", visit_type.min_notice_minutes)
    horizon = changes.get("horizon_days", visit_type.horizon_days)
    if notice >= horizon * _MINUTES_A_DAY:
        detail = "The notice reaches beyond the horizon, so nothing could be booked. Shorten the notice."
        raise Invalid(
            detail,
            code="notice_beyond_horizon",
            errors=[FieldError("/min_notice_minutes", "notice_beyond_horizon", detail)],
        )
