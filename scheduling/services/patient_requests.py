"""What patients ask for on their own pages: the steps that staff take, within what the site's policy leaves
to patients, and a person who calls back where it does not.

Every change names the version of the visit that the page showed. So what was checked before the locks (the
policy, the time left) still holds under them, and a visit that staff moved meanwhile is shown again first.
"""

from datetime import datetime, timedelta
from functools import partial

from clinic.access.policy import PATIENT_ON_PAGE, Role
from clinic.common.errors import Conflict, Invalid
from clinic.common.transactions import durable
from patients.models import WorkItem
from patients.services.work_items import open_item
from scheduling.domain.patient_pages import Answer
from scheduling.domain.transitions import Status, Verb
from scheduling.models import Appointment
from scheduling.selectors import patient_pages as selector
from scheduling.selectors.courses import local_date
from scheduling.services import appointments, visit_steps

_SOON = timedelta(hours=24)
_CALL_WITHIN = {True: timedelta(hours=1), False: timedelta(hours=24)}
"""Whether the visit is soon -> until when somebody calls the patient."""


def confirm(*, visit: Appointment, version: int, now: datetime) -> None:
    """The patient will come. Raises Conflict (``not_on_page``), StaleVersion."""
    if Status(visit.status) == Status.CONFIRMED and visit.start_at > now:
        return
    if not selector.permitted_for(visit, selector.policy_of(visit.site_id), now=now).confirm:
        raise _not_on_page()
    visit_steps.step(
        actor=PATIENT_ON_PAGE,
        now=now,
        appointment_id=visit.pk,
        verb=Verb.CONFIRM,
        expected_version=version,
    )


def cancel(*, visit: Appointment, version: int, now: datetime) -> None:
    """The patient will not come. Raises Conflict (``not_on_page``), StaleVersion."""
    if Status(visit.status) == Status.CANCELLED:
        return
    if selector.permitted_for(visit, selector.policy_of(visit.site_id), now=now).cancel != Answer.YES:
        raise _not_on_page()
    visit_steps.step(
        actor=PATIENT_ON_PAGE,
        now=now,
        appointment_id=visit.pk,
        verb=Verb.CANCEL,
        expected_version=version,
        reason="patient, on the page",
    )


def move(*, visit: Appointment, version: int, start: datetime, now: datetime) -> None:
    """The patient comes at another time, of those that the page offers.

    Raises as appointments.reschedule, Conflict (``not_on_page``), Invalid (``not_offered``) for a time
    outside the site's policy or the gaps of the visit's course, StaleVersion.
    """
    if visit.start_at == start and visit.version > version:
        return  # the same form, sent twice
    policy = selector.policy_of(visit.site_id)
    if selector.permitted_for(visit, policy, now=now).move != Answer.YES:
        raise _not_on_page()
    if not selector.window(visit, policy, now=now).contains(start):
        raise _not_offered()
    appointments.reschedule(
        actor=PATIENT_ON_PAGE,
        now=now,
        appointment_id=visit.pk,
        start=start,
        expected_version=version,
        reason="patient, on the page",
        recheck=partial(_keeps_gaps, start=start, now=now),
    )


@durable
def ask_for_call(*, visit: Appointment, now: datetime) -> WorkItem:
    """Somebody calls the patient about this visit. Asking again changes nothing."""
    soon = timedelta() <= visit.start_at - now < _SOON
    return open_item(
        kind="call_patient",
        key=f"appointment:{visit.pk}:call",
        severity=WorkItem.Severity.URGENT if soon else WorkItem.Severity.ROUTINE,
        site_id=visit.site_id,
        patient=visit.patient,
        summary=f"On their page the patient asks for a call about visit {visit.pk}: to move or cancel it. "
        "Call them.",
        owner_role=Role.FRONT_DESK,
        due_at=now + _CALL_WITHIN[soon],
        now=now,
    )


def _keeps_gaps(visit: Appointment, *, start: datetime, now: datetime) -> None:
    """Under the patient's lock, which is the lock on the dates of all their sessions."""
    kept = selector.gaps_of(visit, selector.window(visit, selector.policy_of(visit.site_id), now=now))
    if kept is not None and not kept.allow(local_date(visit.site, start)):
        raise _not_offered()


def _not_on_page() -> Conflict:
    return Conflict("This is not for the page to decide: ask the patient to call.", code="not_on_page")


def _not_offered() -> Invalid:
    return Invalid("This time is not one that the page offers. Choose another one.", code="not_offered")
