"""Putting patients on the waitlist, changing what they wait for, taking them off."""

from copy import copy
from datetime import datetime, time, timedelta
from typing import TypedDict

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import changes as named
from clinic.common import versions
from clinic.common.errors import FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import Patient
from scheduling.domain.waitlist import Verb, after
from scheduling.models import Course, VisitType, WaitlistEntry
from scheduling.selectors.availability import Visit
from scheduling.services import offers
from scheduling.services.allocations import lock_patient
from scheduling.services.appointments import check_patient

LONGEST = timedelta(days=400)
"""How long one entry may wait [D]."""


class Wishes(TypedDict, total=False):
    """What a patient waits for. The visit begins from ``earliest_at`` on and before ``latest_at``."""

    earliest_at: datetime
    latest_at: datetime
    weekdays: list[int]
    earliest_time: time | None
    latest_time: time | None
    priority: int
    notice_minutes: int | None
    has_escort: bool
    note: str


@durable
def add(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    site: Site,
    visit_type: VisitType | None,
    course: Course | None,
    wishes: Wishes,
) -> WaitlistEntry:
    """Put a patient on the waitlist, for a visit type or for a lost session of a course.

    Raises Invalid (``visit_type_or_course``, ``other_patients_course``, ``inactive``,
    ``nothing_to_wait_for``, ``patient_inactive``, ``not_after_start``, ``window_over``,
    ``range_too_long``), NotFound, Forbidden.
    """
    actor.require("appointments.write", site.pk)
    patient = lock_patient(patient_id)
    check_patient(patient, actor)
    visit_type = _waited_for(patient, site, visit_type, course)
    if not (visit_type.active and site.active):
        raise Invalid("The visit type or the site is no longer in service.", code="inactive")
    if not Visit.of(visit_type).requirements:
        raise _refused(
            "visit_type", "nothing_to_wait_for", "This visit needs no chair or staff, so book it at once."
        )
    entry = WaitlistEntry(
        patient=patient,
        site=site,
        visit_type=visit_type,
        course=course,
        created_at=now,
        created_by_id=actor.user_id,
        **wishes,
    )
    _check(entry, now)
    entry.save(force_insert=True)
    return entry


@durable
def change(
    *, actor: Actor, now: datetime, entry_id: int, expected_version: int | None, wishes: Wishes
) -> WaitlistEntry:
    """Change what a patient waits for; an offer already made stands.

    Raises Conflict (``invalid_transition``), StaleVersion, and as :func:`add`.
    """
    entry = _locked(actor, entry_id, expected_version)
    after(WaitlistEntry.Status(entry.status), Verb.CHANGE)
    wanted = copy(entry)
    for name, value in wishes.items():
        setattr(wanted, name, value)
    _check(wanted, now)
    named.apply(entry, wishes)
    return entry


@durable
def cancel(
    *, actor: Actor, now: datetime, entry_id: int, expected_version: int | None = None
) -> WaitlistEntry:
    """The patient no longer waits; an offer to them is withdrawn, and the next one is asked.

    Raises Conflict (``invalid_transition``), StaleVersion, NotFound, Forbidden.
    """
    entry = _locked(actor, entry_id, expected_version)
    entry.status = after(WaitlistEntry.Status(entry.status), Verb.CANCEL).value
    versions.save(entry, "status")
    offers.withdraw(entry=entry, now=now)
    return entry


def _locked(actor: Actor, entry_id: int, expected_version: int | None) -> WaitlistEntry:
    """The entry, locked after its patient."""
    found = WaitlistEntry.objects.visible_to(actor).filter(pk=entry_id).first()
    if found is None:
        raise NotFound("This waitlist entry does not exist.")
    actor.require("appointments.write", found.site_id)
    patient = lock_patient(found.patient_id)
    entry = (
        WaitlistEntry.objects.select_for_update(of=("self",))
        .select_related("site", "visit_type")
        .get(pk=entry_id)
    )
    entry.patient = patient
    versions.require_version(entry, expected_version)
    return entry


def _waited_for(
    patient: Patient, site: Site, visit_type: VisitType | None, course: Course | None
) -> VisitType:
    """The visit type that is waited for. One of the two says which."""
    if course is not None and visit_type is None:
        if course.patient_id != patient.pk or course.site_id != site.pk:
            raise _refused(
                "course", "other_patients_course", "This course is not one of the patient's at this site."
            )
        return course.visit_type
    if visit_type is not None and course is None:
        return visit_type
    raise _refused("visit_type", "visit_type_or_course", "Give either a visit type or a course.")


def _check(entry: WaitlistEntry, now: datetime) -> None:
    if entry.latest_at <= entry.earliest_at:
        raise _refused("latest", "not_after_start", "Latest must be after earliest.")
    if entry.latest_at <= now:
        raise _refused("latest", "window_over", "This time is over. Choose a later one.")
    if entry.latest_at > now + LONGEST:
        raise _refused("latest", "range_too_long", f"Choose a day within {LONGEST.days} days.")
    if entry.earliest_time and entry.latest_time and entry.latest_time < entry.earliest_time:
        raise _refused("latest_time", "not_after_start", "The latest time must not be before the earliest.")


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(f"/{field}", code, detail)])
