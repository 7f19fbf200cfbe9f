"""The menu, grouped as a clinic works, with only what the person's roles open."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from clinic.access.admin.base import actor_in
from clinic.access.policy import Actor
from patients.models import WorkItem


@dataclass(frozen=True)
class Entry:
    """A page: its name, its URL's name, what it needs."""

    title: str
    page: str
    icon: str
    needs: str


MENU: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Schedule",
        (
            Entry("Visits", "scheduling_appointment_changelist", "calendar_month", "appointments.read"),
            Entry("Book a visit", "scheduling_appointment_book", "calendar_add_on", "appointments.write"),
        ),
    ),
    (
        "Patients",
        (
            Entry("Find a patient", "patients_patient_search", "person_search", "patients.read"),
            Entry("Patients", "patients_patient_changelist", "groups", "patients.read"),
            Entry("Import", "patients_patient_import", "upload_file", "patients.import"),
        ),
    ),
    (
        "Clinical",
        (
            Entry(
                "Prescriptions", "scheduling_prescription_changelist", "prescriptions", "prescriptions.read"
            ),
            Entry("Check-ins", "scheduling_checkin_changelist", "fact_check", "check_ins.read"),
        ),
    ),
    (
        "Outreach",
        (
            Entry("Messages", "patients_message_changelist", "outgoing_mail", "messages.read"),
            Entry("Follow-ups", "scheduling_followup_changelist", "add_task", "follow_ups.read"),
        ),
    ),
    ("Work", (Entry("Work items", "patients_workitem_changelist", "inbox", "work_items.read"),)),
    (
        "Set-up",
        (
            Entry("Sites", "access_site_changelist", "home_health", "setup.read"),
            Entry("People", "access_user_changelist", "badge", "staff.write"),
            Entry("Resources", "scheduling_resource_changelist", "airline_seat_recline_extra", "setup.read"),
            Entry("Working hours", "scheduling_workinghours_changelist", "schedule", "setup.read"),
            Entry("Closures", "scheduling_closure_changelist", "event_busy", "setup.read"),
            Entry("Visit types", "scheduling_visittype_changelist", "category", "setup.read"),
            Entry("Reminder rules", "scheduling_reminderrule_changelist", "notifications", "setup.read"),
            Entry("Check-in rules", "scheduling_checkinrule_changelist", "rule", "setup.read"),
            Entry("Check-in times", "scheduling_checkinpolicy_changelist", "alarm", "setup.read"),
            Entry("Message templates", "patients_messagetemplate_changelist", "sms", "setup.read"),
            Entry("Quiet hours", "patients_contactpolicy_changelist", "bedtime", "setup.read"),
            Entry("Conditions", "patients_condition_changelist", "medical_information", "setup.read"),
        ),
    ),
)


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """What UNFOLD's SIDEBAR shows. One query: the urgent work items, for their badge."""
    actor = actor_in(request)
    open_here = [
        (title, [(entry, reverse(f"admin:{entry.page}")) for entry in entries if actor.may(entry.needs)])
        for title, entries in MENU
    ]
    here = max(
        (url for _title, entries in open_here for _entry, url in entries if request.path.startswith(url)),
        key=len,
        default="",
    )
    today = reverse("admin:index")
    menu: list[dict[str, Any]] = [
        {"items": [{"title": "Today", "icon": "today", "link": today, "active": request.path == today}]}
    ]
    for title, entries in open_here:
        items = [_item(entry, url, active=url == here, actor=actor) for entry, url in entries]
        if items:
            menu.append({"title": title, "separator": True, "items": items, "collapsible": title == "Set-up"})
    return menu


def _item(entry: Entry, url: str, *, active: bool, actor: Actor) -> dict[str, Any]:
    item: dict[str, Any] = {"title": entry.title, "icon": entry.icon, "link": url, "active": active}
    if entry.page == "patients_workitem_changelist":
        urgent = (
            WorkItem.objects.visible_to(actor)
            .filter(severity=WorkItem.Severity.URGENT)
            .exclude(status=WorkItem.Status.RESOLVED)
            .count()
        )
        if urgent:
            item |= {"badge": urgent, "badge_variant": "danger", "badge_style": "solid"}
    return item
