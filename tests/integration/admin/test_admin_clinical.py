"""Prescribing, check-ins, follow-ups, work items and messages in the admin."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from patients.models import Attempt, Message, Patient, SafetyAlarm, WorkItem
from scheduling.models import CheckIn, FollowUp, Prescription
from tests.conftest import NOW
from tests.factories import PatientFactory, UserFactory
from tests.integration.admin.furnished import prescribed
from tests.integration.admin.pages import said, version, words

SERTRALINE = {
    "medication": "sertraline",
    "drug_class": "ssri",
    "dose_mg": "50",
    "first_dose_on": "2027-01-04",
    "indication": "depression",
}


@pytest.fixture
def patient(site: Site) -> Patient:
    """Somebody to treat."""
    return PatientFactory.create(site=site)


@pytest.fixture
def item(patient: Patient) -> WorkItem:
    """Something that needs somebody."""
    return WorkItem.objects.create(
        kind="contact",
        key="test:1",
        severity="urgent",
        site=patient.site,
        patient=patient,
        summary="Call the patient.",
        owner_role="nurse",
        opened_at=NOW,
        due_at=NOW,
    )


def to(name: str, *args: Any) -> str:
    """The address of an admin page."""
    return reverse(f"admin:{name}", args=args)


def test_prescribe_plans_check_ins(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("prescriber", patient.site)
    page = to("scheduling_prescription_prescribe", patient.pk)
    done = client.post(page, SERTRALINE | {"step_1_mg": "100", "step_1_on": "2027-01-11"}, follow=True)
    medicine = Prescription.objects.get()
    assert (medicine.dose_mg, medicine.prescribed_by) == (Decimal(50), client.user)  # type: ignore[attr-defined]
    assert said(done) == ["Prescribed. Its check-ins are planned below."]
    shown = words(done)
    assert "Increase, planned" in shown
    assert all(code in shown for code in CheckIn.objects.values_list("code", flat=True))


def test_a_refused_prescription_says_why_at_its_field(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("prescriber", patient.site)
    page = to("scheduling_prescription_prescribe", patient.pk)
    too_old = client.post(page, SERTRALINE | {"first_dose_on": "2020-01-04"})
    assert too_old.context["form"].errors["first_dose_on"] == [
        "The first dose is more than two years ago. Record the present dose from a later day."
    ]
    half = client.post(page, SERTRALINE | {"step_1_mg": "100"})
    assert half.context["form"].errors["step_1_on"] == ["Give both the dose and the day, or neither."]
    for dose in ("0", "-5", "fifty", "1e9", "NaN"):
        assert "dose_mg" in client.post(page, SERTRALINE | {"dose_mg": dose}).context["form"].errors
    assert not Prescription.objects.exists()


def test_change_the_dose_then_stop(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("prescriber", patient.site)
    medicine = prescribed(patient)
    dose, stop = (
        to("scheduling_prescription_dose", medicine.pk),
        to("scheduling_prescription_stop", medicine.pk),
    )

    shown = version(client.get(dose))
    done = client.post(dose, {"version": shown, "dose_mg": "75", "effective_on": "2027-01-04"}, follow=True)
    assert "sertraline 75 mg" in words(done)
    stale = client.post(dose, {"version": shown, "dose_mg": "100", "effective_on": "2027-01-05"})
    assert stale.context["form"].non_field_errors() == [
        "Someone changed this record since you read it. Read it again, then repeat your change."
    ]
    ended = client.post(
        stop, {"version": version(client.get(stop)), "effective_on": "2027-01-04"}, follow=True
    )
    assert "Stopped" in words(ended)
    assert CheckIn.objects.filter(code="TAPER").exists()


def test_record_a_check_in_by_phone(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("nurse", patient.site)
    prescribed(patient)
    first = CheckIn.objects.order_by("due_on").first()
    assert first is not None
    page = to("scheduling_checkin_record", first.pk)
    assert page in client.get(to("scheduling_checkin_changelist")).content.decode()

    told = {"version": first.version, "answered_on": "2027-01-04", "note": "better", "source": "phone"}
    early = client.post(page, told)
    assert "answered_on" in early.context["form"].errors


def test_record_a_check_in_inside_its_window(
    patient: Patient, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    client = staff("nurse", patient.site)
    prescribed(patient)
    first = CheckIn.objects.order_by("due_on").first()
    assert first is not None
    clock(NOW.replace(day=first.due_on.day))
    page = to("scheduling_checkin_record", first.pk)
    data = {"version": version(client.get(page)), "answered_on": first.due_on.isoformat(), "note": "better"}
    done = client.post(page, data | {"source": "phone", "item-NRS-1": "4"}, follow=True)
    first.refresh_from_db()
    assert (first.status, first.note, first.answered_by) == ("answered", "better", client.user)  # type: ignore[attr-defined]
    assert said(done) == ["Recorded."]
    assert page not in done.content.decode()
    assert "NRS : 4, moderate" in words(done)


def test_critical_answers_on_the_phone_lead_to_the_alarm(
    patient: Patient, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    client = staff("nurse", patient.site)
    prescribed(patient)
    CheckIn.objects.update(asks=["ASQ"])
    first = CheckIn.objects.order_by("due_on").first()
    assert first is not None
    clock(NOW.replace(day=first.due_on.day))
    page = to("scheduling_checkin_record", first.pk)
    data = {"version": version(client.get(page)), "answered_on": first.due_on.isoformat(), "source": "phone"}
    done = client.post(page, data | {"item-ASQ-1": "0", "item-ASQ-3": "1"}, follow=True)
    alarm = SafetyAlarm.objects.get()
    assert done.redirect_chain[-1][0] == to("patients_safetyalarm_change", alarm.pk)
    assert said(done) == ["These answers opened a safety alarm. Stay with the patient."]
    assert alarm.items == ["3"]


def test_a_follow_up_is_added_moved_and_done(patient: Patient, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", patient.site)
    new = to("scheduling_followup_new", patient.pk)
    past = client.post(new, {"kind": "call", "due_on": "2027-01-03"})
    assert past.context["form"].errors["due_on"] == ["This day is over. Choose today or a later day."]
    client.post(new, {"kind": "call", "due_on": "2027-01-05", "note": "sleep"})
    owed = FollowUp.objects.get()

    move = to("scheduling_followup_order", owed.pk, "move")
    client.post(move, {"version": version(client.get(move)), "due_on": "2027-01-06"})
    done = to("scheduling_followup_order", owed.pk, "complete")
    client.post(done, {"version": version(client.get(done)), "note": "slept well"})
    owed.refresh_from_db()
    assert (owed.status, owed.due_on.isoformat(), owed.note) == ("done", "2027-01-06", "slept well")
    again = client.post(done, {"version": owed.version, "note": "again"})
    assert again.context["form"].non_field_errors()
    assert client.get(to("scheduling_followup_order", owed.pk, "burn")).status_code == 404


def test_acknowledge_assign_resolve(item: WorkItem, staff: Callable[..., Client]) -> None:
    client = staff("nurse", item.site)
    colleague = UserFactory.create(roles={item.site: ["nurse"]})
    stranger = UserFactory.create()
    page = to("patients_workitem_change", item.pk)

    client.post(to("patients_workitem_acknowledge", item.pk), {"version": version(client.get(page))})
    item.refresh_from_db()
    assert (item.status, item.acknowledged_by) == ("acknowledged", client.user)  # type: ignore[attr-defined]

    assign = to("patients_workitem_assign", item.pk)
    assert stranger.username not in words(client.get(assign))
    client.post(assign, {"version": version(client.get(assign)), "assigned_to": colleague.pk})
    item.refresh_from_db()
    assert item.assigned_to == colleague

    resolve = to("patients_workitem_resolve", item.pk)
    assert "note" in client.post(resolve, {"version": item.version, "note": " "}).context["form"].errors
    client.post(resolve, {"version": item.version, "note": "Called back."})
    item.refresh_from_db()
    assert (item.status, item.note, item.resolved_by) == ("resolved", "Called back.", client.user)  # type: ignore[attr-defined]

    too_late = client.post(
        to("patients_workitem_acknowledge", item.pk), {"version": item.version}, follow=True
    )
    assert said(too_late)[-1:] == ["This work item is resolved. Nothing more can be done to it."]


def test_urgent_items_are_counted_in_the_menu(item: WorkItem, staff: Callable[..., Client]) -> None:
    def badge(client: Client) -> object:
        groups = client.get(to("index")).context["sidebar_navigation"]
        items = [entry for group in groups for entry in group["items"]]
        return next(entry.get("badge") for entry in items if entry["title"] == "Work items")

    assert badge(staff("nurse", item.site)) == 1
    WorkItem.objects.update(severity="routine")
    assert badge(staff("nurse", item.site)) is None


def test_the_ledger_shows_attempts_and_cannot_be_written(
    patient: Patient, staff: Callable[..., Client]
) -> None:
    message = Message.objects.create(
        patient=patient,
        subject_kind="appointment",
        subject_id=7,
        kind="day_before",
        channel="sms",
        status="failed",
        reason="number_unreachable",
        planned_at=NOW,
        due_at=NOW,
        not_after=NOW,
        created_at=NOW,
    )
    Attempt.objects.create(message=message, number=1, started_at=NOW, outcome="permanent", error="30003")
    client = staff("front_desk", patient.site)
    page = to("patients_message_change", message.pk)
    shown = words(client.get(page))
    assert "permanent failure" in shown
    assert "number unreachable" in shown
    assert "Mon, Jan 4, 2027, 8:00 AM MST" in shown
    assert patient.phone not in shown
    assert client.post(page, {"status": "sent"}).status_code == 403
