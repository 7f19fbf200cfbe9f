"""The tables on the page of a visit: what it holds, what its patient is told, what happened to it."""

from zoneinfo import ZoneInfo

from django.urls import reverse

from clinic.access import shown
from clinic.access.admin.sections import Link, Section
from clinic.access.policy import Actor
from patients.models import Message, WorkItem
from scheduling.models import Allocation, Appointment, AppointmentEvent


def sections(visit: Appointment, actor: Actor) -> list[Section]:
    """In the order in which a front desk asks."""
    zone = visit.site.zone
    made = [_resources(visit, zone)]
    if actor.may("messages.read", visit.site_id):
        made.append(_messages(visit, zone))
    return [*made, _history(visit, zone)]


def displaced(visit: Appointment) -> bool:
    """Whether a closure, or a resource out of service, took its place and nobody has dealt with it."""
    # The keys are those of services/displaced.py.
    items = WorkItem.objects.filter(
        kind__in=("closure_hit", "resource_gone"),
        patient=visit.patient_id,
        key__endswith=f":appointment:{visit.pk}",
    )
    return items.exclude(status=WorkItem.Status.RESOLVED).exists()


def _resources(visit: Appointment, zone: ZoneInfo) -> Section:
    held = Allocation.objects.filter(appointment=visit).select_related("resource").order_by("start_at", "id")
    return Section(
        title="Resources",
        headers=("Resource", "Kind", "Use", "From", "Until", "Now"),
        rows=[
            (
                row.resource.name,
                row.resource.get_kind_display(),
                row.get_use_display(),
                shown.clock_time(row.start_at, zone),
                shown.clock_time(row.end_at, zone),
                "released" if row.released_at else "held",
            )
            for row in held
        ],
        empty="This visit needs no chair, nurse or other resource.",
    )


def _messages(visit: Appointment, zone: ZoneInfo) -> Section:
    rows = Message.objects.filter(
        subject_kind="appointment", subject_id=visit.pk, patient_id=visit.patient_id
    ).order_by("-plan_version", "planned_at", "channel")
    return Section(
        title="Messages to the patient",
        headers=("Message", "Channel", "Due", "Status", "Why"),
        rows=[
            (
                shown.to("patients_message_change", row.pk, text=row.kind.replace("_", " ").capitalize()),
                row.get_channel_display(),
                shown.local_time(row.due_at, zone),
                shown.label(row.status, row.get_status_display()),
                row.reason.replace("_", " "),
            )
            for row in rows
        ],
        empty="No message is planned. Reminder rules under Set-up say which ones a visit brings.",
        links=[
            Link(
                "What the patient gets",
                reverse("admin:scheduling_reminderrule_preview_visit", args=[visit.pk]),
                icon="visibility",
            )
        ],
    )


def _history(visit: Appointment, zone: ZoneInfo) -> Section:
    return Section(
        title="History",
        headers=("When", "What", "Now", "Who", "Why"),
        rows=[
            (
                shown.local_time(event.at, zone),
                _what(event, zone),
                shown.label(event.to_status),
                str(event.by or "Onset"),
                " ".join(filter(None, (event.reason, event.note))),
            )
            for event in visit.events.select_related("by").order_by("-at", "-id")
        ],
        empty="Nothing has happened yet.",
    )


def _what(event: AppointmentEvent, zone: ZoneInfo) -> str:
    words = event.verb.replace("_", " ").capitalize()
    if event.moved_from is None:
        return words
    return (
        f"{words} from {shown.local_time(event.moved_from, zone)} to {shown.local_time(event.moved_to, zone)}"
    )
