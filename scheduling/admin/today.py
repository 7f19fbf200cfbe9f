"""The first page: today's visits at one's sites, what needs somebody, check-ins and follow-ups due."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from clinic.access import shown
from clinic.access.admin.base import actor_in
from clinic.access.admin.sections import Link, Section
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import clock, due
from patients.models import WorkItem
from scheduling.admin.appointments import within_days
from scheduling.admin.follow_ups_shown import due_text, follow_up_label, origin_text
from scheduling.admin.repairs import cause
from scheduling.models import Appointment, CheckIn, FollowUp, Repair

MOST_ROWS = 100
CHECK_INS_AHEAD = timedelta(days=2)
_STALLED = {
    "outreach": "No message goes out to patients",
    "check_ins": "No check-in is asked for",
    "repairs": "No plan is repaired",
    "follow_ups": "Nobody is told of overdue follow-ups",
    "measures": "Measures are not counted anew",
    "waitlist": "No freed time is offered to waiting patients",
}
"""What it means to a front desk that nobody does a kind of due work."""

admin.site.index_template = "admin/scheduling/today.html"
admin.site.index_title = "Today"


def context(request: HttpRequest, frame: dict[str, Any]) -> dict[str, Any]:
    """What UNFOLD's DASHBOARD_CALLBACK adds; a fixed number of queries whatever there is to show."""
    actor, now = actor_in(request), clock.now()
    sections = [
        *_visits(actor, now),
        *_work_items(actor),
        *_repairs(actor),
        *_check_ins(actor, now),
        *_follow_ups(actor, now),
    ]
    stalled = [
        f"{_STALLED.get(name, name.replace('_', ' ').capitalize())} since {since:%Y-%m-%d %H:%M} UTC"
        for name, since in due.stalled(now=now).items()
        if since is not None
    ]
    return {**frame, "sections": sections, "links": _links(actor), "stalled": stalled}


def _links(actor: Actor) -> list[Link]:
    links = []
    if actor.may("appointments.read"):
        url = reverse("admin:scheduling_day_board")
        links.append(Link("Day board", url, icon="view_week", primary=True))
    if actor.may("appointments.write"):
        url = reverse("admin:scheduling_appointment_book")
        links.append(Link("Book a visit", url, icon="calendar_add_on"))
    if actor.may("patients.read"):
        links.append(Link("Find a patient", reverse("admin:patients_patient_search"), icon="person_search"))
    return links


def _visits(actor: Actor, now: datetime) -> Iterable[Section]:
    if not actor.may("appointments.read"):
        return
    rows = (
        Appointment.objects.visible_to(actor)
        .filter(within_days(actor, now, 0, 1))
        .exclude(status=Appointment.Status.CANCELLED)
        .select_related("patient", "visit_type", "site")
        .order_by("start_at", "id")[:MOST_ROWS]
    )
    url = reverse("admin:scheduling_appointment_changelist")
    yield Section(
        title="Visits today",
        headers=("When", "Patient", "What", "Where", "Status"),
        rows=[
            (
                shown.to(
                    "scheduling_appointment_change",
                    row.pk,
                    text=shown.clock_time(row.start_at, row.site.zone),
                ),
                shown.to("patients_patient_record", row.patient_id, text=row.patient),
                row.visit_type.name,
                row.site.name,
                shown.label(row.status, row.get_status_display()),
            )
            for row in rows
        ],
        empty="No visit today at your sites.",
        links=[Link("All visits", url)],
    )


def _work_items(actor: Actor) -> Iterable[Section]:
    if not actor.may("work_items.read"):
        return
    rows = (
        WorkItem.objects.visible_to(actor)
        .exclude(status=WorkItem.Status.RESOLVED)
        .select_related("site", "patient")
        .order_by("-severity", "due_at", "id")[:MOST_ROWS]
    )
    yield Section(
        title="Needs somebody",
        headers=("What", "Severity", "Patient", "Owner", "Due"),
        rows=[
            (
                shown.to("patients_workitem_change", row.pk, text=row.summary),
                shown.label(row.severity, row.get_severity_display()),
                shown.to("patients_patient_record", row.patient_id, text=row.patient) if row.patient else "",
                row.owner_role.replace("_", " ").capitalize(),
                shown.local_time(row.due_at, row.site.zone),
            )
            for row in rows
        ],
        empty="Nothing needs anybody just now.",
        links=[Link("All work items", reverse("admin:patients_workitem_changelist"))],
    )


def _repairs(actor: Actor) -> Iterable[Section]:
    """Proposals that wait for a decision; nothing when there is none."""
    if not actor.may("appointments.read"):
        return
    rows = (
        Repair.objects.visible_to(actor)
        .filter(status__in=(*Repair.UNFINISHED, Repair.Status.PROPOSED))
        .select_related("site", "closure__resource", "resource")
        .order_by("requested_at", "id")[:MOST_ROWS]
    )
    open_ = [
        (
            shown.to("scheduling_repair_change", row.pk, text=cause(row)),
            row.site.name,
            str(row.patients_moved) if row.proposed_at else shown.NOTHING,
            shown.label(row.status, row.get_status_display()),
        )
        for row in rows
    ]
    if open_:
        url = reverse("admin:scheduling_repair_changelist")
        yield Section(
            title="Repairs to decide",
            headers=("Cause", "Where", "Patients moved", "Status"),
            rows=open_,
            empty="",
            links=[Link("All repairs", url)],
        )


def _check_ins(actor: Actor, now: datetime) -> Iterable[Section]:
    if not actor.may("check_ins.read"):
        return
    rows = (
        CheckIn.objects.visible_to(actor)
        .filter(status__in=CheckIn.OPEN, merged_into=None, due_on__lte=(now + CHECK_INS_AHEAD).date())
        .select_related("patient", "prescription")
        .order_by("due_on", "id")[:MOST_ROWS]
    )
    yield Section(
        title="Check-ins due",
        headers=("Check-in", "Due", "Patient", "Medicine", "Status"),
        rows=[
            (
                shown.to("scheduling_checkin_change", row.pk, text=row.code),
                shown.local_day(row.due_on),
                shown.to("patients_patient_record", row.patient_id, text=row.patient),
                str(row.prescription),
                shown.label(row.status, row.get_status_display()),
            )
            for row in rows
        ],
        empty="No check-in is due today or in the next two days.",
        links=[Link("All check-ins", reverse("admin:scheduling_checkin_changelist"))],
    )


def _follow_ups(actor: Actor, now: datetime) -> Iterable[Section]:
    if not actor.may("follow_ups.read"):
        return
    due = Q(pk__in=())
    for day, sites in _sites_by_day(actor, now).items():
        due |= Q(patient__site_id__in=sites, due_on__lte=day)
    rows = (
        FollowUp.objects.visible_to(actor)
        .filter(due, status=FollowUp.Status.DUE)
        .select_related("patient__site")
        .order_by("due_at", "id")[:MOST_ROWS]
    )
    late = sum(row.due_at <= now for row in rows)
    yield Section(
        title="Follow-ups due",
        headers=("What", "Due", "Patient", "Came from", "Note", "Status"),
        rows=[
            (
                shown.to("scheduling_followup_change", row.pk, text=row.get_kind_display()),
                due_text(row),
                shown.to("patients_patient_record", row.patient_id, text=row.patient),
                origin_text(row),
                row.note,
                follow_up_label(row, now=now),
            )
            for row in rows
        ],
        empty="Nothing is owed to a patient today.",
        note=f"{late} of these {'is' if late == 1 else 'are'} overdue." if late else "",
        links=[Link("All follow-ups", reverse("admin:scheduling_followup_changelist"))],
    )


def _sites_by_day(actor: Actor, now: datetime) -> dict[date, list[int]]:
    days: dict[date, list[int]] = defaultdict(list)
    for site in Site.objects.visible_to(actor):
        days[now.astimezone(site.zone).date()].append(site.pk)
    return days
