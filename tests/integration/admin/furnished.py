"""A site with one row of everything, for tests of who sees what."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from clinic.access import service_tokens
from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common import clock
from patients.models import (
    AlarmPolicy,
    Assessment,
    Condition,
    ContactPolicy,
    CrisisContact,
    FlagKind,
    InboundMessage,
    Instrument,
    Message,
    MessageTemplate,
    Patient,
    SafetyAlarm,
    Term,
    Threshold,
    Washout,
    WorkItem,
)
from patients.services import assessments, flags
from patients.services.assessments import Submission
from scheduling.models import (
    CalendarFeed,
    CheckIn,
    CheckInPolicy,
    CheckInRule,
    Closure,
    ConfirmationRule,
    Course,
    CourseTemplate,
    DoseProtocol,
    DrugLogEntry,
    EfficacyRule,
    FollowUp,
    FollowUpRule,
    FreedSlot,
    GateRule,
    Hold,
    HoldPolicy,
    InfusionDayPolicy,
    InfusionSession,
    MeasurePolicy,
    Offer,
    PatientPagePolicy,
    Prescription,
    ReminderRule,
    Repair,
    RepairChange,
    Resource,
    SiteHolidayCalendar,
    VitalSchedule,
    VitalThreshold,
    WaitlistEntry,
    WaitlistPolicy,
    WorkingHours,
)
from scheduling.services import prescriptions, treatment_plans
from tests.conftest import NOW
from tests.factories import PatientFactory, UserFactory, open_clinic, visit_type
from tests.factories.bookings import booked


def prescribed(patient: Patient) -> Prescription:
    """Sertraline from today on, with its check-ins."""
    return prescriptions.prescribe(
        actor=SYSTEM,
        now=NOW,
        patient_id=patient.pk,
        medication="sertraline",
        drug_class="ssri",
        dose_mg=Decimal(50),
        first_dose_on=NOW.date(),
    )


def alarming(patient: Patient) -> SafetyAlarm:
    """A PHQ-9 of which only item 9 is answered: incomplete, and an alarm."""
    submission = Submission(
        instrument="PHQ-9", answers={"9": 1}, answered_at=NOW, source=Assessment.Source.IN_CLINIC
    )
    alarm = assessments.record(actor=SYSTEM, now=NOW, patient_id=patient.pk, submission=submission).alarm
    assert alarm is not None
    return alarm


@dataclass
class Clinic:
    """One row of everything at a site."""

    site: Site
    rows: dict[str, int]
    """Model -> id of a row that belongs to the site."""


def furnish(site: Site) -> Clinic:
    """A site with one row of everything that belongs to a site."""
    chair, *_others = open_clinic(site)
    patient = PatientFactory.create(site=site)
    visit = booked(site, NOW + timedelta(days=1), on={chair: 0}, patient=patient)
    medicine = prescribed(patient)
    check_in = CheckIn.objects.filter(patient=patient).first()
    assert check_in is not None
    alarm = alarming(patient)
    follow_up = FollowUp.objects.create(
        patient=patient, kind="call", due_on=NOW.date(), due_at=NOW, origin="staff", created_at=NOW
    )
    message = Message.objects.create(
        patient=patient,
        subject_kind="appointment",
        subject_id=visit.pk,
        kind="confirmation",
        channel="sms",
        planned_at=NOW,
        due_at=NOW,
        not_after=NOW + timedelta(hours=1),
        created_at=NOW,
    )
    inbound = InboundMessage.objects.create(
        provider_id=f"SMtest{site.pk}",
        sender=patient.phone,
        body="C",
        received_at=NOW,
        intent="confirm",
        patient=patient,
        outcome="confirmed",
    )
    item = WorkItem.objects.create(
        kind="contact",
        key=f"test:{site.pk}",
        site=site,
        patient=patient,
        summary="Call back.",
        owner_role="nurse",
        opened_at=NOW,
        due_at=NOW,
    )
    flag = flags.add(actor=SYSTEM, now=NOW, patient_id=patient.pk, kind="other", value="Faints easily")
    plan = treatment_plans.create(
        actor=SYSTEM, now=NOW, patient_id=patient.pk, title="Walk again", starts_on=NOW.date()
    )
    closure = Closure.objects.create(
        site=site, start_at=NOW + timedelta(days=30), end_at=NOW + timedelta(days=31), reason="Holiday"
    )
    hours = WorkingHours.objects.filter(site=site).first()
    assert hours is not None
    session, _made = InfusionSession.objects.get_or_create(appointment=visit)
    drawn = DrugLogEntry.objects.create(
        session=session, site=site, kind="drawn", drug="ketamine", mg=50, at=NOW, recorded_at=NOW
    )
    rows = _planned(site, patient) | {
        "patients_patient": patient.pk,
        "scheduling_appointment": visit.pk,
        "scheduling_prescription": medicine.pk,
        "scheduling_checkin": check_in.pk,
        "patients_assessment": alarm.assessment_id,
        "patients_safetyalarm": alarm.pk,
        "scheduling_followup": follow_up.pk,
        "patients_message": message.pk,
        "patients_inboundmessage": inbound.pk,
        "patients_workitem": item.pk,
        "patients_screeningflag": flag.pk,
        "scheduling_treatmentplan": plan.pk,
        "scheduling_closure": closure.pk,
        "scheduling_druglogentry": drawn.pk,
        "scheduling_workinghours": hours.pk,
        "scheduling_resource": chair.pk,
        "access_site": site.pk,
        "access_user": UserFactory.create(roles={site: ["nurse"]}).pk,
        "access_servicetoken": _program(site),
    }
    return Clinic(site, rows)


def _program(site: Site) -> int:
    """A token of a program that reads patients."""
    _secret, token = service_tokens.issue(
        actor=SYSTEM,
        wall=clock.wall(),
        name="Lab feed",
        site_ids=[site.pk],
        scopes=["patients.read"],
        expires_at=clock.wall() + timedelta(days=1),
    )
    return token.pk


def _planned(site: Site, patient: Patient) -> dict[str, int]:
    """A course with a session, an entry with an offer of a freed time, a hold, a repair, holidays."""
    course = course_of(patient)
    session = booked(site, NOW + timedelta(days=3), on={}, patient=patient, course=course, session_number=1)
    at = {"start_at": NOW + timedelta(days=2), "end_at": NOW + timedelta(days=2, hours=1)}
    kind = {"patient": patient, "site": site, "visit_type": visit_type()}
    entry = WaitlistEntry.objects.create(
        **kind, earliest_at=NOW, latest_at=NOW + timedelta(days=9), created_at=NOW
    )
    slot = FreedSlot.objects.create(site=site, cause="cancelled", freed_at=NOW, next_action_at=NOW, **at)
    Offer.objects.create(
        slot=slot, entry=entry, patient=patient, offered_at=NOW, expires_at=NOW + timedelta(hours=1), **at
    )
    hold = Hold.objects.create(**kind, created_at=NOW, expires_at=NOW + timedelta(minutes=10), **at)
    repair = Repair.objects.create(
        site=site,
        appointment_ids=[session.pk],
        time_limit_seconds=5,
        horizon_days=14,
        requested_at=NOW,
        proposed_at=NOW,
        status="proposed",
    )
    RepairChange.objects.create(
        repair=repair,
        appointment=session,
        appointment_version=session.version,
        sequence=0,
        together=0,
        from_start_at=session.start_at,
        reason="no_place",
    )
    feed = CalendarFeed.objects.create(
        resource=Resource.objects.filter(site=site)[0],
        token_hash=f"test{site.pk}",
        created_at=NOW,
        issued_at=NOW,
    )
    holidays = SiteHolidayCalendar.objects.create(site=site, country="US", subdivision="CO")
    return {
        "scheduling_course": course.pk,
        "scheduling_waitlistentry": entry.pk,
        "scheduling_freedslot": slot.pk,
        "scheduling_hold": hold.pk,
        "scheduling_calendarfeed": feed.pk,
        "scheduling_repair": repair.pk,
        "scheduling_siteholidaycalendar": holidays.pk,
    }


def course_of(patient: Patient) -> Course:
    """Six sessions of ketamine, none of them booked."""
    template = CourseTemplate.objects.get(code="ketamine-mood-3-per-week")
    return Course.objects.create(
        patient=patient,
        site=patient.site,
        template=template,
        template_version=template.version,
        visit_type=template.visit_type,
        stages=template.stages,
        sessions_planned=6,
        created_at=NOW,
    )


def shared_rows() -> dict[str, int]:
    """One row of everything that all sites share."""
    shared = {
        "scheduling_visittype": visit_type(),
        "scheduling_coursetemplate": CourseTemplate.objects.first(),
        "scheduling_followuprule": FollowUpRule.objects.first(),
        "scheduling_holdpolicy": HoldPolicy.objects.first(),
        "scheduling_confirmationrule": ConfirmationRule.objects.first(),
        "scheduling_waitlistpolicy": WaitlistPolicy.objects.first(),
        "scheduling_measurepolicy": MeasurePolicy.objects.first(),
        "scheduling_doseprotocol": DoseProtocol.objects.first(),
        "scheduling_gaterule": GateRule.objects.first(),
        "scheduling_vitalschedule": VitalSchedule.objects.first(),
        "scheduling_vitalthreshold": VitalThreshold.objects.first(),
        "scheduling_infusiondaypolicy": InfusionDayPolicy.objects.first(),
        "scheduling_reminderrule": ReminderRule.objects.first(),
        "scheduling_checkinrule": CheckInRule.objects.first(),
        "scheduling_efficacyrule": EfficacyRule.objects.first(),
        "scheduling_checkinpolicy": CheckInPolicy.objects.first(),
        "scheduling_patientpagepolicy": PatientPagePolicy.objects.first(),
        "patients_messagetemplate": MessageTemplate.objects.first(),
        "patients_contactpolicy": ContactPolicy.objects.first(),
        "patients_instrument": Instrument.objects.first(),
        "patients_threshold": Threshold.objects.first(),
        "patients_alarmpolicy": AlarmPolicy.objects.first(),
        "patients_crisiscontact": CrisisContact.objects.first(),
        "patients_condition": Condition.objects.first(),
        "patients_term": Term.objects.first(),
        "patients_flagkind": FlagKind.objects.first(),
        "patients_washout": Washout.objects.first(),
    }
    return {model: row.pk for model, row in shared.items() if row is not None}
