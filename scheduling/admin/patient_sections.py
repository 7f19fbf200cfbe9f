"""What scheduling adds to a patient's page: visits, courses, medicines, check-ins, and ways to begin."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from clinic.access import shown
from clinic.access.admin.base import actor_in
from clinic.access.admin.sections import Link, Section
from clinic.common import clock
from patients.admin.record import MOST_ROWS, PAGE
from patients.models import Patient
from scheduling.admin.courses import alarm_label, next_session, of_planned, with_alarm
from scheduling.admin.follow_ups_shown import due_text, follow_up_label, origin_text
from scheduling.admin.waitlist_shown import status_label, waited_for, window
from scheduling.domain.waitlist import EntryStatus
from scheduling.models import Appointment, CheckIn, Course, FollowUp, Prescription, WaitlistEntry


@PAGE.links
def begin(request: HttpRequest, patient: Patient) -> list[Link]:
    """Book, prescribe, owe a call."""
    actor = actor_in(request)
    if patient.status != Patient.Status.ACTIVE:
        return []
    links = []
    if actor.may("appointments.write", patient.site_id):
        query = urlencode({"patient": patient.pk})
        book = f"{reverse('admin:scheduling_appointment_book')}?{query}"
        links.append(Link("Book a visit", book, icon="calendar_add_on", primary=True))
        plan = f"{reverse('admin:scheduling_course_plan')}?{query}"
        links.append(Link("Plan a course", plan, icon="event_repeat"))
        wait = f"{reverse('admin:scheduling_waitlistentry_new')}?{query}"
        links.append(Link("Waiting list", wait, icon="hail"))
    if actor.may("prescriptions.write", patient.site_id):
        prescribe = reverse("admin:scheduling_prescription_prescribe", args=[patient.pk])
        links.append(Link("Prescribe", prescribe, icon="prescriptions"))
    if actor.may("follow_ups.write", patient.site_id):
        follow_up = reverse("admin:scheduling_followup_new", args=[patient.pk])
        links.append(Link("Add a follow-up", follow_up, icon="add_task"))
    return links


@PAGE.section(order=10)
def appointments(request: HttpRequest, patient: Patient) -> Section | None:
    """At the sites whose schedule the person reads, the latest first."""
    actor = actor_in(request)
    if not actor.may("appointments.read"):
        return None
    rows = Appointment.objects.visible_to(actor).filter(patient=patient)
    return Section(
        title="Visits",
        headers=("When", "What", "Where", "Status"),
        rows=[
            (
                shown.to(
                    "scheduling_appointment_change",
                    row.pk,
                    text=shown.local_time(row.start_at, row.site.zone),
                ),
                row.visit_type.name,
                row.site.name,
                shown.label(row.status, row.get_status_display()),
            )
            for row in rows.select_related("visit_type", "site").order_by("-start_at")[:MOST_ROWS]
        ],
        empty="No visit yet. Book the first one with the button above.",
    )


@PAGE.section(order=12)
def courses(request: HttpRequest, patient: Patient) -> Section | None:
    """At the sites whose schedule the person reads, the latest first."""
    actor, now = actor_in(request), clock.now()
    if not actor.may("appointments.read"):
        return None
    rows = with_alarm(Course.objects.visible_to(actor).filter(patient=patient))
    rows = rows.select_related("template", "site").prefetch_related("sessions")
    return Section(
        title="Courses",
        headers=("Course", "Held", "Next session", "Status"),
        rows=[
            (
                shown.to("scheduling_course_change", row.pk, text=row.template.name),
                of_planned(row),
                next_session(row, now),
                format_html("{} {}", shown.label(row.status, row.get_status_display()), alarm_label(row)),
            )
            for row in rows.order_by("-created_at", "-id")[:MOST_ROWS]
        ],
        empty="No course yet. Plan one with the button above.",
    )


@PAGE.section(order=14)
def waiting(request: HttpRequest, patient: Patient) -> Section | None:
    """What they still wait for."""
    actor, now = actor_in(request), clock.now()
    if not actor.may("appointments.read"):
        return None
    rows = (
        WaitlistEntry.objects.visible_to(actor)
        .filter(patient=patient, status=EntryStatus.ACTIVE)
        .select_related("site", "visit_type", "course__template")
    )
    return Section(
        title="Waiting list",
        headers=("Waits for", "When", "Where", "Status"),
        rows=[
            (
                shown.to("scheduling_waitlistentry_change", row.pk, text=waited_for(row)),
                window(row),
                row.site.name,
                status_label(row, now),
            )
            for row in rows[:MOST_ROWS]
        ],
        empty="Not on the waiting list.",
    )


@PAGE.section(order=20)
def prescriptions(request: HttpRequest, patient: Patient) -> Section | None:
    """Clinical roles only."""
    if not actor_in(request).may("prescriptions.read", patient.site_id):
        return None
    rows = Prescription.objects.filter(patient=patient).order_by("-first_dose_on", "-id")[:MOST_ROWS]
    return Section(
        title="Prescriptions",
        headers=("Medicine", "Class", "First dose", "Status"),
        rows=[
            (
                shown.to("scheduling_prescription_change", row.pk, text=row),
                row.get_drug_class_display(),
                shown.local_day(row.first_dose_on),
                shown.label(row.status, row.get_status_display()),
            )
            for row in rows
        ],
        empty="Nothing is prescribed. A prescription plans its own check-ins.",
    )


@PAGE.section(order=30)
def check_ins(request: HttpRequest, patient: Patient) -> Section | None:
    """Clinical roles only; what is over because of a newer dose is on the prescription."""
    if not actor_in(request).may("check_ins.read", patient.site_id):
        return None
    rows = (
        CheckIn.objects.filter(patient=patient)
        .exclude(status__in=(CheckIn.Status.SUPERSEDED, CheckIn.Status.CANCELLED))
        .select_related("prescription")
        .order_by("due_on", "id")[:MOST_ROWS]
    )
    return Section(
        title="Check-ins",
        headers=("Check-in", "Due", "Medicine", "Status", "Answered"),
        rows=[
            (
                shown.to("scheduling_checkin_change", row.pk, text=row.code),
                shown.local_day(row.due_on),
                str(row.prescription),
                shown.label(row.status, row.get_status_display()),
                shown.local_day(row.answered_on),
            )
            for row in rows
        ],
        empty="None planned. They come with a prescription.",
    )


@PAGE.section(order=40)
def follow_ups(request: HttpRequest, patient: Patient) -> Section | None:
    """What is owed."""
    if not actor_in(request).may("follow_ups.read", patient.site_id):
        return None
    now = clock.now()
    rows = FollowUp.objects.filter(patient=patient).select_related("patient__site")
    return Section(
        title="Follow-ups",
        headers=("What", "Due", "Came from", "Status", "Note"),
        rows=[
            (
                shown.to("scheduling_followup_change", row.pk, text=row.get_kind_display()),
                due_text(row),
                origin_text(row),
                follow_up_label(row, now=now),
                row.note,
            )
            for row in rows.order_by("-due_on", "-id")[:MOST_ROWS]
        ],
        empty="Nothing is owed.",
    )
