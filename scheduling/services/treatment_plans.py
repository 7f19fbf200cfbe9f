"""Treatment plans as they change: made, extended with treatments, given follow-ups, finished.

Any mix is a plan. An item may point at the prescription or course that carries it out; what happens there is
decided there.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from clinic.access.policy import Actor
from clinic.common import changes as changing
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import Patient
from scheduling.models import Course, FollowUp, PlanEvent, PlanItem, Prescription, TreatmentPlan
from scheduling.services import follow_ups
from scheduling.services.allocations import lock_patient

MOST_ITEMS = 20
_LINKS = {"prescription_id": PlanItem.Kind.ANTIDEPRESSANT, "course_id": PlanItem.Kind.INFUSIONS}
"""Field of a link -> the kind of item that may have it."""


@durable
def create(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    title: str,
    starts_on: date,
    goal: str = "",
    ends_on: date | None = None,
    items: Sequence[Mapping[str, Any]] = (),
) -> TreatmentPlan:
    """Begin a plan with its treatments: ``items`` hold kind, starts_on, and goal, ends_on, a link if known.

    Raises Invalid (``patient_inactive``, ``ends_before_it_begins``, ``too_many_items``, and the codes of
    :func:`add_item`), NotFound, Forbidden.
    """
    patient = lock_patient(patient_id)
    _require_patient(actor, patient)
    _require_order(starts_on, ends_on)
    if len(items) > MOST_ITEMS:
        raise _refused("items", "too_many_items", f"A plan holds at most {MOST_ITEMS} treatments.")
    plan = TreatmentPlan.objects.create(
        patient=patient,
        title=title,
        goal=goal,
        starts_on=starts_on,
        ends_on=ends_on,
        created_at=now,
        created_by_id=actor.user_id,
    )
    _note(plan, None, "made", actor=actor, now=now)
    for item in items:
        _add_item(plan, patient, item, actor=actor, now=now)
    return plan


@durable
def amend(
    *,
    actor: Actor,
    now: datetime,
    plan_id: int,
    changes: Mapping[str, Any],
    expected_version: int | None = None,
) -> TreatmentPlan:
    """Change title, goal or dates of a plan that is still followed.

    Raises Conflict (``plan_over``), Invalid (``ends_before_it_begins``), StaleVersion, NotFound, Forbidden.
    """
    plan, _patient = _locked(actor, plan_id, expected_version)
    _require_order(changes.get("starts_on", plan.starts_on), changes.get("ends_on", plan.ends_on))
    if changing.apply(plan, changes):
        _note(plan, None, "changed", actor=actor, now=now)
    return plan


@durable
def add_item(
    *,
    actor: Actor,
    now: datetime,
    plan_id: int,
    item: Mapping[str, Any],
    expected_version: int | None = None,
) -> PlanItem:
    """Add a treatment to a plan.

    Raises Invalid (``ends_before_it_begins``, ``before_plan``, ``link_does_not_fit``,
    ``other_patients_link``, ``too_many_items``), Conflict (``plan_over``), StaleVersion, NotFound, Forbidden.
    """
    plan, patient = _locked(actor, plan_id, expected_version)
    if plan.items.count() >= MOST_ITEMS:
        raise _refused("plan", "too_many_items", f"A plan holds at most {MOST_ITEMS} treatments.")
    versions.save(plan)
    return _add_item(plan, patient, item, actor=actor, now=now)


@durable
def amend_item(
    *,
    actor: Actor,
    now: datetime,
    item_id: int,
    changes: Mapping[str, Any],
    expected_version: int | None = None,
) -> PlanItem:
    """Change goal, dates or link of a treatment that is still given. Raises as :func:`add_item`."""
    item, patient = _locked_item(actor, item_id, expected_version)
    values = {name: getattr(item, name) for name in ("starts_on", "ends_on", *_LINKS)} | dict(changes)
    _check_item(item.plan, patient, {**values, "kind": item.kind})
    if changing.apply(item, changes):
        _note(item.plan, item, "changed", actor=actor, now=now)
    return item


@durable
def finish_item(
    *,
    actor: Actor,
    now: datetime,
    item_id: int,
    outcome: str,
    note: str = "",
    expected_version: int | None = None,
) -> PlanItem:
    """The goal was achieved or the treatment stopped; follow-ups still due for it are cancelled.

    Raises Conflict (``plan_over``), StaleVersion, NotFound, Forbidden.
    """
    item, _patient = _locked_item(actor, item_id, expected_version)
    _finish(item, outcome, note=note, actor=actor, now=now)
    return item


@durable
def finish(
    *,
    actor: Actor,
    now: datetime,
    plan_id: int,
    outcome: str,
    note: str = "",
    expected_version: int | None = None,
) -> TreatmentPlan:
    """The plan is over, and with it what is still open in it. Prescriptions and courses go on as they are.

    Raises Conflict (``plan_over``), StaleVersion, NotFound, Forbidden.
    """
    plan, _patient = _locked(actor, plan_id, expected_version)
    for item in plan.items.select_for_update().filter(status=PlanItem.Status.ACTIVE).order_by("pk"):
        _finish(item, outcome, note=note, actor=actor, now=now)
    plan.status = outcome
    versions.save(plan, "status")
    _note(plan, None, outcome, actor=actor, now=now, note=note)
    return plan


@durable
def owe(
    *,
    actor: Actor,
    now: datetime,
    item_id: int,
    kind: str,
    due_on: date,
    note: str = "",
    expected_version: int | None = None,
) -> FollowUp:
    """A follow-up of this treatment: how does the walking go, is the dose taken.

    Raises Invalid (``due_in_the_past``, ``due_too_far_ahead``), Conflict (``plan_over``), StaleVersion,
    NotFound, Forbidden.
    """
    item, patient = _locked_item(actor, item_id, expected_version)
    return follow_ups.owe(patient=patient, now=now, kind=kind, due_on=due_on, origin=item.origin, note=note)


def _add_item(
    plan: TreatmentPlan, patient: Patient, given: Mapping[str, Any], *, actor: Actor, now: datetime
) -> PlanItem:
    _check_item(plan, patient, given)
    item = PlanItem.objects.create(plan=plan, **given)
    _note(plan, item, "added", actor=actor, now=now)
    return item


def _check_item(plan: TreatmentPlan, patient: Patient, given: Mapping[str, Any]) -> None:
    _require_order(given["starts_on"], given.get("ends_on"))
    if given["starts_on"] < plan.starts_on:
        raise _refused("starts_on", "before_plan", "The plan begins later than that.")
    models = {"prescription_id": Prescription, "course_id": Course}
    for field, kind in _LINKS.items():
        linked = given.get(field)
        if linked is None:
            continue
        name = field.removesuffix("_id")
        if given["kind"] != kind:
            raise _refused(name, "link_does_not_fit", "A treatment of this kind has no such link.")
        if not models[field].objects.filter(pk=linked, patient=patient).exists():  # type: ignore[attr-defined]  # either model
            raise _refused(name, "other_patients_link", f"This {name} is not one of the patient's.")


def _finish(item: PlanItem, outcome: str, *, note: str, actor: Actor, now: datetime) -> None:
    item.status = outcome
    versions.save(item, "status")
    _note(item.plan, item, outcome, actor=actor, now=now, note=note)
    follow_ups.withdraw(now=now, actor=actor, patient_id=item.plan.patient_id, origin=item.origin)


def _locked(actor: Actor, plan_id: int, expected_version: int | None) -> tuple[TreatmentPlan, Patient]:
    """The plan, locked after its patient, still followed."""
    visible = TreatmentPlan.objects.visible_to(actor).filter(pk=plan_id)
    patient_id = visible.values_list("patient_id", flat=True).first()
    if patient_id is None:
        raise NotFound("This treatment plan does not exist.")
    patient = lock_patient(patient_id)
    actor.require("treatment_plans.write", patient.site_id)
    plan = TreatmentPlan.objects.select_for_update().get(pk=plan_id)
    versions.require_version(plan, expected_version)
    _require_active(plan)
    return plan, patient


def _locked_item(actor: Actor, item_id: int, expected_version: int | None) -> tuple[PlanItem, Patient]:
    """The item, locked after its patient and plan, both still followed."""
    visible = PlanItem.objects.visible_to(actor).filter(pk=item_id)
    plan_id = visible.values_list("plan_id", flat=True).first()
    if plan_id is None:
        raise NotFound("This treatment does not exist.")
    plan, patient = _locked(actor, plan_id, None)
    item = PlanItem.objects.select_for_update().get(pk=item_id)
    versions.require_version(item, expected_version)
    _require_active(item)
    item.plan = plan
    return item, patient


def _require_patient(actor: Actor, patient: Patient) -> None:
    if not actor.may("treatment_plans.read", patient.site_id):
        raise NotFound("This patient does not exist.")
    actor.require("treatment_plans.write", patient.site_id)
    if patient.status != Patient.Status.ACTIVE:
        raise _refused(
            "patient", "patient_inactive", "This patient is not active. Activate the record first."
        )


def _require_active(record: TreatmentPlan | PlanItem) -> None:
    if record.status != TreatmentPlan.Status.ACTIVE:
        raise Conflict("This is over and stays as it is. Begin a new one.", code="plan_over")


def _require_order(starts_on: date, ends_on: date | None) -> None:
    if ends_on is not None and ends_on < starts_on:
        raise _refused("ends_on", "ends_before_it_begins", "The last day is before the first.")


def _note(
    plan: TreatmentPlan, item: PlanItem | None, verb: str, *, actor: Actor, now: datetime, note: str = ""
) -> None:
    PlanEvent.objects.create(plan=plan, item=item, verb=verb, at=now, by_id=actor.user_id, note=note)


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(f"/{field}", code, detail)])
