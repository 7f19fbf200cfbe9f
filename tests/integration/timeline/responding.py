"""Journeys A and C (DOMAIN section 6) as they stand afterwards, for what reads them: made by the services."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from clinic.access.actors import actor_of
from clinic.access.models import Site
from clinic.access.policy import Actor
from patients.models import Patient, SafetyAlarm
from patients.services import alarms
from scheduling.domain.dose_orders import Step
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, CheckIn, Closure, Course, CourseTemplate, VisitType
from scheduling.services import check_ins, prescriptions, visit_steps
from tests.factories import PatientFactory, UserFactory, visit_type
from tests.factories.prescriptions import prescribed
from tests.factories.sessions import pass_discharge, pass_start_gates
from tests.integration.assessments.answering import NO_TO_ALL, answer, phq9
from tests.unit.assessments.shipped import answers

DENVER = ZoneInfo("America/Denver")
ANAS_DAYS = (4, 6, 8, 11, 13, 15)
ANAS_PHQ9 = ((4, 21, 0), (6, 18, 0), (8, 15, 0), (11, 17, 2), (13, 13, 0), (15, 9, 0))
"""Day of January 2027, total, item 9."""


def denver(month: int, day: int, hour: int = 9, minute: int = 0) -> datetime:
    """A moment of 2027 on Denver's clocks."""
    return datetime(2027, month, day, hour, minute, tzinfo=DENVER).astimezone(UTC)


def clinician(site: Site) -> Actor:
    """Somebody who prescribes there."""
    return actor_of(UserFactory.create(roles={site: ["prescriber"]}))


def ana(site: Site) -> Patient:
    """Before the course: depression and fibromyalgia, sertraline since last November."""
    patient: Patient = PatientFactory.create(site=site, first_name="Ana", last_name="Reyes")
    prescribed(
        patient,
        actor=clinician(site),
        now=denver(1, 2),
        first_dose_on=date(2026, 12, 7),
        planned_steps=[Step(Decimal(100), date(2026, 12, 21))],
    )
    return patient


def sessions_of(patient: Patient) -> list[Appointment]:
    """Ana's six, booked at 09:00; the 18th is closed."""
    template = CourseTemplate.objects.filter(visit_type__code="ketamine-mood").order_by("pk").first()
    assert template is not None
    Closure.objects.create(
        site=patient.site, start_at=denver(1, 18, 0), end_at=denver(1, 19, 0), reason="holiday"
    )
    course = Course.objects.create(
        patient=patient,
        template=template,
        template_version=template.version,
        visit_type=template.visit_type,
        site=patient.site,
        stages=template.stages,
        sessions_planned=6,
        prescription_note="35 mg over 40 min (0.5 mg/kg)",
        created_at=denver(1, 2),
    )
    return [
        Appointment.objects.create(
            patient=patient,
            visit_type=visit_type("ketamine-mood"),
            site=patient.site,
            course=course,
            session_number=number,
            start_at=denver(1, day),
            end_at=denver(1, day, 11),
            status="arrived",
            created_at=denver(1, 2),
            scheduled_at=denver(1, 2),
        )
        for number, day in enumerate(ANAS_DAYS, start=1)
    ]


def hold(visit: Appointment, actor: Actor) -> None:
    """Start and complete it; what an infusion asks before each is done."""
    esketamine = visit.visit_type.kind == VisitType.Kind.ESKETAMINE
    for verb, minutes in ((Verb.START, 15), (Verb.COMPLETE, 140 if esketamine else 110)):
        now = visit.start_at + timedelta(minutes=minutes)
        pass_gates = pass_start_gates if verb == Verb.START else pass_discharge
        pass_gates(visit, now=now)
        visit_steps.step(actor=actor, now=now, appointment_id=visit.pk, verb=verb)


def anas_course(patient: Patient) -> list[Appointment]:
    """Answers before each session, the alarm of the fourth signed off, all six held, and the follow-up."""
    actor = clinician(patient.site)
    visits = sessions_of(patient)
    for visit, (day, total, item9) in zip(visits, ANAS_PHQ9, strict=True):
        at = denver(1, day, 8, 40)
        phq9(patient, total, item9=item9, at=at)
        answer(patient, "ASQ", {**NO_TO_ALL, **({"1": 1, "5": 0} if item9 else {})}, at=at)
        answer(patient, "NRS", {"1": max(2, 8 - day // 3)}, at=at)
        for alarm in SafetyAlarm.objects.filter(patient=patient, cleared_at=None):
            alarms.resolve(
                actor=actor,
                now=denver(1, day, 8, 55),
                alarm_id=alarm.pk,
                note="Seen. Passive thoughts only.",
                plan="Safety plan reviewed.",
                cleared_for_treatment=True,
            )
        hold(visit, actor)
    return visits


def fay(site: Site) -> Patient:
    """Venlafaxine from 1 March, 75 mg from the 8th, increased on 6 April: response, then remission."""
    patient: Patient = PatientFactory.create(
        site=site, first_name="Fay", last_name="Moreno", date_of_birth=date(2002, 6, 15)
    )
    actor = clinician(site)
    phq9(patient, 14, at=denver(2, 26))
    medicine = prescribed(
        patient,
        actor=actor,
        now=denver(3, 1),
        medication="venlafaxine",
        drug_class="snri",
        dose_mg=Decimal("37.5"),
        first_dose_on=date(2027, 3, 1),
        planned_steps=[Step(Decimal(75), date(2027, 3, 8))],
    )
    _answered(patient, actor, ((3, 8, "SAFE7", 14), (3, 15, "SAFE7", 13), (3, 22, "REV14", 13)))
    _answered(patient, actor, ((4, 5, "REV28", 12),))
    prescriptions.change_dose(
        actor=actor,
        now=denver(4, 5, 15),
        prescription_id=medicine.pk,
        dose_mg=Decimal("112.5"),
        ordered_on=date(2027, 4, 5),
        effective_on=date(2027, 4, 6),
    )
    _answered(
        patient, actor, ((4, 20, "REV14", 10), (5, 4, "REV28", 8), (5, 18, "REV42", 6), (6, 1, "MAX56", 4))
    )
    return patient


def _answered(patient: Patient, actor: Actor, given: tuple[tuple[int, int, str, int], ...]) -> None:
    for month, day, code, total in given:
        now = denver(month, day, 11)
        row = CheckIn.objects.filter(
            patient=patient, code=code, due_on=date(2027, month, day), status__in=CheckIn.OPEN
        ).get()
        said = {"PHQ-9": answers("PHQ-9", total)} if "PHQ-9" in row.asks else {}
        if "NRS" in row.asks:
            said["NRS"] = {"1": max(1, total // 2)}
        check_ins.record(actor=actor, now=now, check_in_id=row.pk, answers=said, note="by phone")
