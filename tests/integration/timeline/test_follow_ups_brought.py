"""What visits, courses and check-ins bring, what fulfils it, and who is told when nothing did."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from clinic.access.actors import actor_of
from clinic.access.models import Site
from clinic.access.policy import PATIENT_ON_PAGE, Actor
from patients.models import Patient, WorkItem
from scheduling.domain.transitions import Verb
from scheduling.due import FollowUps
from scheduling.models import Appointment, CheckIn, Closure, FollowUp, FollowUpRule, WorkingHours
from scheduling.services import course_changes, follow_ups, follow_ups_done, visit_steps
from scheduling.services.check_ins import record
from scheduling.services.follow_ups_overdue import surface
from scheduling.tasks import surface_follow_ups
from tests.factories import PatientFactory, UserFactory, visit_type
from tests.integration.timeline.responding import ana, clinician, denver, fay, hold, sessions_of

pytestmark = pytest.mark.django_db
NOON = time(12)


@pytest.fixture
def weekdays(site: Site) -> None:
    WorkingHours.objects.bulk_create(
        WorkingHours(site=site, weekday=day, start=time(8), end=time(17)) for day in range(5)
    )


@pytest.fixture
def nurse(site: Site) -> Actor:
    return actor_of(UserFactory.create(roles={site: ["nurse"]}))


@pytest.fixture
def patient(site: Site) -> Patient:
    created: Patient = PatientFactory.create(site=site)
    return created


def visit(patient: Patient, start: datetime, code: str = "follow-up") -> Appointment:
    return Appointment.objects.create(
        patient=patient,
        visit_type=visit_type(code),
        site=patient.site,
        start_at=start,
        end_at=start + timedelta(minutes=20),
        status="arrived",
        created_at=start - timedelta(days=1),
        scheduled_at=start - timedelta(days=1),
    )


def owed(patient: Patient, kind: str, due_on: date, *, now: datetime, actor: Actor, **more: Any) -> FollowUp:
    return follow_ups.create(actor=actor, now=now, patient_id=patient.pk, kind=kind, due_on=due_on, **more)


def shape(patient: Patient) -> list[tuple[str, str, date, time | None, str]]:
    rows = FollowUp.objects.filter(patient=patient).order_by("due_at", "pk")
    return [(row.origin, row.kind, row.due_on, row.due_time, row.status) for row in rows]


# --- what brings them ---------------------------------------------------------------------------


@pytest.mark.usefixtures("weekdays")
def test_journey_a_calls_at_noon_and_a_visit_a_week_after_the_course(site: Site) -> None:
    patient = ana(site)
    actor = clinician(site)
    visits = sessions_of(patient)
    for each in visits[:-1]:
        hold(each, actor)
    assert not FollowUp.objects.filter(origin="after_course").exists()
    hold(visits[-1], actor)
    assert shape(patient) == [
        *(
            ("after_visit", "call", date(2027, 1, day), NOON, "due")
            # 4, 6, 8 (then a weekend), 11, 13, 15 (then a weekend and the closed 18th)
            for day in (5, 7, 11, 12, 14, 19)
        ),
        ("after_course", "visit", date(2027, 1, 22), None, "due"),
    ]
    assert FollowUp.objects.get(due_on=date(2027, 1, 5)).due_at == denver(1, 5, 12)

    visit_steps.undo(actor=actor, now=denver(1, 15, 10, 55), appointment_id=visits[-1].pk)
    withdrawn = [row[2] for row in shape(patient) if row[-1] == "cancelled"]
    assert withdrawn == [date(2027, 1, 19), date(2027, 1, 22)]
    visit_steps.step(actor=actor, now=denver(1, 15, 11), appointment_id=visits[-1].pk, verb=Verb.COMPLETE)
    assert FollowUp.objects.filter(appointment=visits[-1], status="due").count() == 2


@pytest.mark.usefixtures("weekdays")
def test_a_course_that_is_stopped_brings_its_follow_up_once(site: Site) -> None:
    patient, actor = ana(site), clinician(site)
    visits = sessions_of(patient)
    hold(visits[0], actor)
    hold(visits[1], actor)
    Appointment.objects.filter(pk__in=[each.pk for each in visits[2:]]).update(status="booked")
    course_changes.stop(
        actor=actor, now=denver(1, 7), course_id=visits[0].course_id or 0, reason="does not want more"
    )
    assert [row[1:4] for row in shape(patient) if row[0] == "after_course"] == [
        ("visit", date(2027, 1, 13), None)
    ]


@pytest.mark.usefixtures("weekdays")
def test_a_rule_for_one_visit_type_beats_the_general_one(site: Site) -> None:
    patient, actor = ana(site), clinician(site)
    narrow = {"after": "treatment", "kind": "call", "visit_type": visit_type("ketamine-mood"), "mark": "D"}
    FollowUpRule.objects.create(**narrow, days=2, due_time=time(16, 30), source="this clinic")
    hold(sessions_of(patient)[0], actor)
    assert [row[2:4] for row in shape(patient)] == [(date(2027, 1, 6), time(16, 30))]


def test_an_answered_check_in_brings_what_its_rule_says(site: Site) -> None:
    FollowUpRule.objects.filter(after="check_in").update(active=True)
    patient = fay(site)
    [made] = FollowUp.objects.filter(patient=patient)
    assert made.check_in is not None
    assert (made.check_in.code, made.origin, made.kind) == ("REV42", "after_check_in", "visit")
    assert made.due_on == date(2027, 6, 1)


def test_as_shipped_check_ins_bring_nothing(site: Site) -> None:
    assert not FollowUp.objects.filter(patient=fay(site)).exists()


def test_staff_owe_several_after_one_visit(patient: Patient, nurse: Actor) -> None:
    seen = visit(patient, denver(1, 5))
    for day in (6, 8):
        owed(patient, "call", date(2027, 1, day), now=denver(1, 5), actor=nurse, appointment_id=seen.pk)
    assert FollowUp.objects.filter(appointment=seen, status="due").count() == 2


@pytest.mark.usefixtures("weekdays")
def test_what_staff_owe_on_a_closed_day_moves_on(patient: Patient, nurse: Actor) -> None:
    Closure.objects.create(
        site=patient.site, start_at=denver(1, 18, 0), end_at=denver(1, 19, 0), reason="holiday"
    )
    row = owed(patient, "call", date(2027, 1, 16), now=denver(1, 5), actor=nurse, due_time=NOON)
    assert (row.due_on, row.due_at) == (date(2027, 1, 19), denver(1, 19, 12))
    moved = follow_ups.move(actor=nurse, now=denver(1, 5), follow_up_id=row.pk, due_on=date(2027, 1, 9))
    assert (moved.due_on, moved.due_at) == (date(2027, 1, 11), denver(1, 11, 12))


# --- what fulfils them --------------------------------------------------------------------------


def test_a_visit_fulfils_visits_owed_before_it_and_undoing_it_does_not(
    patient: Patient, nurse: Actor
) -> None:
    now = denver(1, 5)
    by_then = owed(patient, "visit", date(2027, 1, 22), now=now, actor=nurse)
    call = owed(patient, "call", date(2027, 1, 22), now=now, actor=nurse)
    much_later = owed(patient, "visit", date(2027, 3, 22), now=now, actor=nurse)
    somebody_else = owed(
        PatientFactory.create(site=patient.site), "visit", date(2027, 1, 22), now=now, actor=nurse
    )
    seen = visit(patient, denver(1, 20))
    agreed_there = owed(patient, "visit", date(2027, 1, 22), now=denver(1, 20, 9, 10), actor=nurse)
    hold(seen, nurse)
    for row in (by_then, call, much_later, somebody_else, agreed_there):
        row.refresh_from_db()
    assert (by_then.status, by_then.fulfilled_by) == ("done", f"visit:{seen.pk}")
    assert (by_then.closed_by_id, by_then.closed_at) == (nurse.user_id, denver(1, 20, 10, 50))
    assert {row.status for row in (call, much_later, somebody_else, agreed_there)} == {"due"}

    visit_steps.undo(actor=nurse, now=denver(1, 20, 11), appointment_id=seen.pk)
    by_then.refresh_from_db()
    assert (by_then.status, by_then.fulfilled_by, by_then.closed_at) == ("due", "", None)


@pytest.mark.parametrize("code", ["ketamine-mood", "esketamine"])
def test_a_treatment_is_no_follow_up_visit(patient: Patient, nurse: Actor, code: str) -> None:
    row = owed(patient, "visit", date(2027, 1, 20), now=denver(1, 5), actor=nurse)
    hold(visit(patient, denver(1, 20), code), nurse)
    row.refresh_from_db()
    assert row.status == "due"


@pytest.mark.parametrize(("who", "fulfilled"), [("staff", {"call", "check_in"}), ("page", {"check_in"})])
def test_a_check_in_fulfils_by_how_it_was_answered(site: Site, who: str, fulfilled: set[str]) -> None:
    patient, actor = ana(site), clinician(site)
    check_in = CheckIn.objects.filter(patient=patient, code="REV14", status__in=CheckIn.OPEN).latest("due_on")
    now = denver(1, 4)
    for kind in ("call", "check_in", "visit"):
        owed(patient, kind, date(2027, 1, 4), now=now, actor=actor)
    if who == "staff":
        record(actor=actor, now=now, check_in_id=check_in.pk, note="by phone")
    else:
        follow_ups_done.by_check_ins(
            check_ins=[check_in], on=date(2027, 1, 4), actor=PATIENT_ON_PAGE, now=now
        )
    done = FollowUp.objects.filter(patient=patient, status="done")
    assert {row.kind for row in done} == fulfilled
    assert {row.fulfilled_by for row in done} == {f"check_in:{check_in.pk}"}


# --- overdue ------------------------------------------------------------------------------------


def items(patient: Patient, **fields: str) -> list[WorkItem]:
    return list(WorkItem.objects.filter(patient=patient, kind="follow_up_overdue", **fields).order_by("pk"))


def test_an_overdue_call_asks_a_nurse_once(
    patient: Patient, nurse: Actor, clock: Callable[[datetime], None]
) -> None:
    row = owed(patient, "call", date(2027, 1, 5), now=denver(1, 4), actor=nurse, due_time=NOON)
    assert FollowUps().next_due_at() == denver(1, 5, 12)
    clock(denver(1, 5, 11, 59))
    surface_follow_ups()
    assert items(patient) == []
    clock(denver(1, 5, 12))
    surface_follow_ups()
    surface_follow_ups()
    [item] = items(patient)
    assert (item.owner_role, item.severity, item.due_at) == ("nurse", "routine", denver(1, 5, 12))
    assert patient.last_name not in item.summary
    assert FollowUps().next_due_at() is None

    item.status = "resolved"  # somebody says it is done, and did not close what is owed
    item.resolved_at, item.note = denver(1, 5, 13), "Later."
    item.save()
    assert surface(now=denver(1, 6), limit=10) == 0
    row.refresh_from_db()
    assert (row.status, row.surfaced_at) == ("due", denver(1, 5, 12))


@pytest.mark.parametrize("how", ["complete", "cancel", "move", "visit"])
def test_the_item_closes_when_it_is_settled(patient: Patient, nurse: Actor, how: str) -> None:
    row = owed(patient, "visit", date(2027, 1, 5), now=denver(1, 4), actor=nurse)
    now = denver(1, 6)
    assert surface(now=now, limit=10) == 1
    assert [item.owner_role for item in items(patient, status="open")] == ["front_desk"]
    if how == "visit":
        hold(visit(patient, denver(1, 6)), nurse)
    elif how == "move":
        follow_ups.move(actor=nurse, now=now, follow_up_id=row.pk, due_on=date(2027, 1, 8))
    else:
        getattr(follow_ups, how)(actor=nurse, now=now, follow_up_id=row.pk)
    [item] = items(patient)
    assert item.status == "resolved"
    assert item.note.startswith("Closed by Onset: the follow-up ")
    if how == "move":
        assert surface(now=denver(1, 8, 23), limit=10) == 0
        assert surface(now=denver(1, 9, 0), limit=10) == 1
        assert len(items(patient, status="open")) == 1


@pytest.mark.usefixtures("weekdays")
def test_a_day_that_was_closed_meanwhile_moves_it_and_asks_nobody(patient: Patient, nurse: Actor) -> None:
    row = owed(patient, "call", date(2027, 1, 18), now=denver(1, 4), actor=nurse, due_time=NOON)
    Closure.objects.create(
        site=patient.site, start_at=denver(1, 18, 0), end_at=denver(1, 19, 0), reason="holiday"
    )
    surface(now=denver(1, 18, 12), limit=10)
    assert items(patient) == []
    row.refresh_from_db()
    assert (row.due_on, row.due_at) == (date(2027, 1, 19), denver(1, 19, 12))
    surface(now=denver(1, 19, 12), limit=10)
    assert len(items(patient)) == 1


def test_nobody_is_told_about_somebody_who_is_no_patient_any_more(patient: Patient, nurse: Actor) -> None:
    owed(patient, "call", date(2027, 1, 5), now=denver(1, 4), actor=nurse)
    Patient.objects.filter(pk=patient.pk).update(status="deceased")
    assert FollowUps().next_due_at() is None
    assert surface(now=denver(1, 9), limit=10) == 0
    assert items(patient) == []


def test_many_are_told_in_batches(site: Site, nurse: Actor) -> None:
    for _number in range(5):
        owed(PatientFactory.create(site=site), "call", date(2027, 1, 5), now=denver(1, 4), actor=nurse)
    done = [surface(now=denver(1, 6), limit=2) for _round in range(4)]
    assert done == [2, 2, 1, 0]
    assert WorkItem.objects.filter(kind="follow_up_overdue").count() == 5
