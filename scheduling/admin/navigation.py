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
            Entry("Day board", "scheduling_day_board", "view_week", "appointments.read"),
            Entry("Visits", "scheduling_appointment_changelist", "calendar_month", "appointments.read"),
            Entry("Book a visit", "scheduling_appointment_book", "calendar_add_on", "appointments.write"),
            Entry("Courses", "scheduling_course_changelist", "event_repeat", "appointments.read"),
            Entry("Plan a course", "scheduling_course_plan", "edit_calendar", "appointments.write"),
            Entry("Repairs", "scheduling_repair_changelist", "healing", "appointments.read"),
            Entry("Holds", "scheduling_hold_changelist", "hourglass_top", "appointments.read"),
            Entry("Calendar feeds", "scheduling_calendarfeed_changelist", "rss_feed", "appointments.read"),
        ),
    ),
    (
        "Waiting list",
        (
            Entry("Who waits", "scheduling_waitlistentry_changelist", "hail", "appointments.read"),
            Entry("Freed times", "scheduling_freedslot_changelist", "event_available", "appointments.read"),
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
            Entry("Screening flags", "patients_screeningflag_changelist", "flag", "background.read"),
            Entry("Treatment plans", "scheduling_treatmentplan_changelist", "route", "treatment_plans.read"),
            Entry("Safety alarms", "patients_safetyalarm_changelist", "e911_emergency", "assessments.read"),
            Entry("Schedule III log", "scheduling_druglogentry_changelist", "medication", "drug_log.read"),
            Entry("Questionnaires", "patients_assessment_changelist", "monitoring", "assessments.read"),
        ),
    ),
    (
        "Outreach",
        (
            Entry("Messages", "patients_message_changelist", "outgoing_mail", "messages.read"),
            Entry("Texts received", "patients_inboundmessage_changelist", "sms", "messages.read"),
            Entry("Follow-ups", "scheduling_followup_changelist", "add_task", "follow_ups.read"),
        ),
    ),
    ("Work", (Entry("Work items", "patients_workitem_changelist", "inbox", "work_items.read"),)),
    ("Reports", (Entry("Measures", "scheduling_measurepolicy_measures", "monitoring", "reports.read"),)),
    (
        "Set-up",
        (
            Entry("Sites", "access_site_changelist", "home_health", "setup.read"),
            Entry("People", "access_user_changelist", "badge", "staff.write"),
            Entry("Service tokens", "access_servicetoken_changelist", "key", "staff.write"),
            Entry("Resources", "scheduling_resource_changelist", "airline_seat_recline_extra", "setup.read"),
            Entry("Working hours", "scheduling_workinghours_changelist", "schedule", "setup.read"),
            Entry("Closures", "scheduling_closure_changelist", "event_busy", "setup.read"),
            Entry("Holidays", "scheduling_siteholidaycalendar_changelist", "celebration", "setup.read"),
            Entry("Visit types", "scheduling_visittype_changelist", "category", "setup.read"),
            Entry("Course templates", "scheduling_coursetemplate_changelist", "view_timeline", "setup.read"),
            Entry("Reminder rules", "scheduling_reminderrule_changelist", "notifications", "setup.read"),
            Entry("Confirmation rules", "scheduling_confirmationrule_changelist", "task_alt", "setup.read"),
            Entry("Check-in rules", "scheduling_checkinrule_changelist", "rule", "setup.read"),
            Entry("Efficacy rules", "scheduling_efficacyrule_changelist", "trending_down", "setup.read"),
            Entry("Check-in times", "scheduling_checkinpolicy_changelist", "alarm", "setup.read"),
            Entry("Follow-up rules", "scheduling_followuprule_changelist", "event_upcoming", "setup.read"),
            Entry("Hold rules", "scheduling_holdpolicy_changelist", "timer", "setup.read"),
            Entry("Waiting-list rules", "scheduling_waitlistpolicy_changelist", "low_priority", "setup.read"),
            Entry("Dose protocols", "scheduling_doseprotocol_changelist", "medication_liquid", "setup.read"),
            Entry("Gates", "scheduling_gaterule_changelist", "checklist", "setup.read"),
            Entry("Vitals schedules", "scheduling_vitalschedule_changelist", "more_time", "setup.read"),
            Entry("Vitals thresholds", "scheduling_vitalthreshold_changelist", "monitor_heart", "setup.read"),
            Entry("Infusion day", "scheduling_infusiondaypolicy_changelist", "vaccines", "setup.read"),
            Entry("Measure rules", "scheduling_measurepolicy_changelist", "speed", "setup.read"),
            Entry("Instruments", "patients_instrument_changelist", "quiz", "setup.read"),
            Entry("Thresholds", "patients_threshold_changelist", "straighten", "setup.read"),
            Entry("Alarm policy", "patients_alarmpolicy_changelist", "crisis_alert", "setup.read"),
            Entry("Crisis contacts", "patients_crisiscontact_changelist", "support", "setup.read"),
            Entry("Message templates", "patients_messagetemplate_changelist", "sms", "setup.read"),
            Entry("Quiet hours", "patients_contactpolicy_changelist", "bedtime", "setup.read"),
            Entry("Patient pages", "scheduling_patientpagepolicy_changelist", "web", "setup.read"),
            Entry("Conditions", "patients_condition_changelist", "medical_information", "setup.read"),
            Entry("Background lists", "patients_term_changelist", "list_alt", "setup.read"),
            Entry("Kinds of flags", "patients_flagkind_changelist", "flag", "setup.read"),
            Entry("Washouts", "patients_washout_changelist", "hourglass_empty", "setup.read"),
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
