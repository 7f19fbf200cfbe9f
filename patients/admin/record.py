"""A patient's page: who they are, how to reach them, and tables that each app adds.

``PAGE`` is where scheduling hangs appointments, prescriptions and check-ins; patients does not know it.
"""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from clinic.access import shown
from clinic.access.admin.base import actor_in
from clinic.access.admin.sections import Extensible, Link, Section
from patients.models import Consent, Message, Patient, WorkItem
from patients.selectors.patients import conditions_of, consents_of

PAGE = Extensible()
MOST_ROWS = 20
"""Of each table; the lists in the menu have the rest."""


def facts(patient: Patient) -> list[tuple[str, Any]]:
    """What stands at the top of the page."""
    return [
        ("Born", shown.birth_date(patient.date_of_birth)),
        ("Sex", patient.get_sex_display()),
        ("Site", patient.site.name),
        ("Phone", patient.phone or shown.NOTHING),
        ("E-mail", patient.email or shown.NOTHING),
        ("Language", patient.get_language_display()),
        ("Time zone", patient.timezone),
    ]


def channels(patient: Patient) -> list[dict[str, Any]]:
    """Per channel: whether care messages may use it, and the opposite that one click records."""
    state = (
        (Consent.Channel.EMAIL, patient.accepts_email, patient.email, patient.email_failed_at),
        (Consent.Channel.SMS, patient.accepts_sms, patient.phone, patient.phone_failed_at),
    )
    return [
        {
            "channel": channel.value,
            "label": channel.label,
            "accepts": accepts,
            "address": bool(address),
            "failed_at": failed_at,
        }
        for channel, accepts, address, failed_at in state
    ]


@PAGE.section(order=50)
def work_items(request: HttpRequest, patient: Patient) -> Section | None:
    """What needs somebody."""
    actor, zone = actor_in(request), patient.site.zone
    if not actor.may("work_items.read", patient.site_id):
        return None
    rows = WorkItem.objects.visible_to(actor).filter(patient=patient)
    return Section(
        title="Work items",
        headers=("What", "Due", "Owner", "Status"),
        rows=[
            (
                shown.to("patients_workitem_change", item.pk, text=item.summary),
                shown.local_time(item.due_at, zone),
                item.owner_role.replace("_", " "),
                shown.label(item.status, item.get_status_display()),
            )
            for item in rows.order_by("status", "due_at")[:MOST_ROWS]
        ],
        empty="Nothing about this patient needs anybody.",
    )


@PAGE.section(order=60)
def messages(request: HttpRequest, patient: Patient) -> Section | None:
    """What they were and will be told."""
    if not actor_in(request).may("messages.read", patient.site_id):
        return None
    every = Message.objects.filter(patient=patient)
    waiting = every.unfinished().order_by("due_at", "id")[: MOST_ROWS // 2]
    over = every.exclude(status__in=Message.UNFINISHED).order_by("-due_at", "-id")[: MOST_ROWS // 2]
    return Section(
        title="Messages",
        headers=("Message", "Channel", "Due", "Status", "Why"),
        rows=[
            (
                shown.to("patients_message_change", row.pk, text=row.kind.replace("_", " ").capitalize()),
                row.get_channel_display(),
                shown.local_time(row.due_at, patient.zone),
                shown.label(row.status, row.get_status_display()),
                row.reason.replace("_", " "),
            )
            for row in (*waiting, *over)
        ],
        empty="No message was planned yet. A visit brings its own.",
        note=f"The next to go out, then the latest that went. Times are the patient's ({patient.timezone}).",
    )


@PAGE.section(order=70)
def conditions(request: HttpRequest, patient: Patient) -> Section | None:
    """What is treated; clinical roles only."""
    actor = actor_in(request)
    if not actor.may("background.read", patient.site_id):
        return None
    return Section(
        title="Conditions",
        headers=("Condition", "Since", "Until"),
        rows=[
            (row.condition.name, shown.local_day(row.onset_on), shown.local_day(row.resolved_on))
            for row in conditions_of(patient, actor=actor)
        ],
        empty="None recorded. Record them through the API or an import.",
    )


@PAGE.section(order=80)
def consents(request: HttpRequest, patient: Patient) -> Section:
    """Every yes and no, the latest first."""
    rows = consents_of(patient).select_related("recorded_by")[:MOST_ROWS]
    return Section(
        title="Consent history",
        headers=("When", "Channel", "For", "Said", "How we know", "Who"),
        rows=[
            (
                shown.local_time(row.recorded_at, patient.site.zone),
                row.get_channel_display(),
                row.get_purpose_display(),
                "yes" if row.granted else "no",
                row.get_source_display(),
                str(row.recorded_by or "Onset"),
            )
            for row in rows
        ],
        empty="Nobody has said yes or no to being reached.",
    )


@PAGE.links
def before_prescribing(request: HttpRequest, patient: Patient) -> list[Link]:
    """To what a prescriber reads before choosing."""
    if not actor_in(request).may("background.read", patient.site_id):
        return []
    url = reverse("admin:patients_screeningflag_before", args=[patient.pk])
    return [Link("Before prescribing", url, icon="clinical_notes")]


@PAGE.links
def edit(request: HttpRequest, patient: Patient) -> list[Link]:
    """To the form with the details."""
    if not actor_in(request).may("patients.write", patient.site_id):
        return []
    return [Link("Edit details", reverse("admin:patients_patient_change", args=[patient.pk]), icon="edit")]
