"""The tables beneath the chart of a patient's response: every number that it shows, and what it does not."""

from bisect import bisect_right
from datetime import date, datetime

from clinic.access import shown
from clinic.access.admin.sections import Section
from patients.admin.assessments import result_of
from patients.models import Assessment
from scheduling.admin.follow_ups_shown import due_text, follow_up_label, origin_text
from scheduling.models import Appointment
from scheduling.selectors.timeline import Dose, Timeline

_MEANING = {
    "remission": "completed",
    "response": "completed",
    "substantial": "completed",
    "improved": "info",
    "worse": "missed",
}
"""Meaning -> a status of the same colour; the word is always there too."""


def tables(found: Timeline, *, now: datetime) -> list[Section]:
    """The latest first in each."""
    return [
        scores(found),
        treatment(found),
        check_ins(found),
        anchors(found),
        alarms(found),
        flags(found),
        follow_ups(found, now=now),
    ]


def scores(found: Timeline) -> Section:
    """Every questionnaire with its change, and what had been given by then."""
    zone = found.patient.zone
    held = sorted(row.start_at for row in found.sessions if row.status == Appointment.Status.COMPLETED)
    taken = [each for each in found.doses if each.standing]
    return Section(
        title="Scores",
        headers=("When", "Questionnaire", "Result", "Change from baseline", "Meaning", "Sessions", "Doses"),
        rows=[
            (
                shown.local_time(row.answered_at, zone),
                shown.to("patients_assessment_change", row.pk, text=row.instrument.name),
                result_of(row),
                _change(row),
                _meaning(row),
                str(bisect_right(held, row.answered_at)),
                _in_force(taken, row.answered_at.astimezone(zone).date()) or shown.NOTHING,
            )
            for row in reversed(found.assessments)
        ],
        empty="Nothing was answered in this range of dates.",
        note="Sessions: infusions completed by then, in this range. Doses: in effect on that day. "
        f"Times are the patient's ({found.patient.timezone}).",
    )


def treatment(found: Timeline) -> Section:
    """Doses and sessions together, as they followed each other."""
    zone = found.patient.zone
    rows: list[tuple[date, tuple[object, ...]]] = []
    for dose in found.doses:
        event = dose.event
        amount = "stopped" if event.kind == "stop" else f"{event.dose_mg.normalize():f} mg a day"
        ordered = f"ordered {shown.birth_date(event.ordered_on)}"
        rows.append(
            (
                event.effective_on,
                (
                    shown.local_day(event.effective_on),
                    shown.to(
                        "scheduling_prescription_change",
                        event.prescription_id,
                        text=event.prescription.medication,
                    ),
                    f"{event.get_kind_display()}: {amount}",
                    f"{ordered}, planned" if event.planned else ordered,
                    shown.label("active", "Stands") if dose.standing else shown.label("", "Overtaken"),
                ),
            )
        )
    for row in found.sessions:
        number = f"Session {row.session_number} of {row.course.sessions_planned}" if row.course else "Session"
        rows.append(
            (
                row.start_at.astimezone(zone).date(),
                (
                    shown.local_time(row.start_at, row.site.zone),
                    shown.to("scheduling_appointment_change", row.pk, text=row.visit_type.name),
                    number,
                    row.course.prescription_note if row.course else "",
                    shown.label(row.status, row.get_status_display()),
                ),
            )
        )
    rows.sort(key=lambda each: each[0], reverse=True)
    return Section(
        title="Doses and sessions",
        headers=("When", "What", "How much", "Note", "Status"),
        rows=[cells for _day, cells in rows],  # type: ignore[misc]  # texts and safe texts
        empty="Nothing was given in this range of dates.",
        note="A dose stands on the day it takes effect, whenever it was ordered.",
    )


def check_ins(found: Timeline) -> Section:
    """Asked, answered, missed, superseded."""
    return Section(
        title="Check-ins",
        headers=("Due", "Check-in", "Counts from", "Answered", "Status"),
        rows=[
            (
                shown.local_day(row.due_on),
                shown.to("scheduling_checkin_change", row.pk, text=row.code),
                row.explanation[:1].upper() + row.explanation[1:],
                shown.local_day(row.answered_on),
                shown.label(row.status, row.get_status_display()),
            )
            for row in reversed(found.check_ins)
        ],
        empty="None in this range of dates.",
    )


def anchors(found: Timeline) -> Section:
    """Every set, those that were superseded too."""
    return Section(
        title="Days that check-ins count from",
        headers=("Effective", "Medicine", "Dose", "Check-ins", "Superseded", "Status"),
        rows=[
            (
                shown.local_day(row.on),
                row.medication,
                f"{row.kind.capitalize()}: {row.dose_mg.normalize():f} mg",
                str(row.check_ins),
                str(row.superseded),
                shown.label("active", "In force") if row.in_force else shown.label("", "Superseded"),
            )
            for row in reversed(found.anchors)
        ],
        empty="None in this range of dates.",
    )


def alarms(found: Timeline) -> Section:
    """Safety alarms."""
    zone = found.patient.site.zone
    return Section(
        title="Safety alarms",
        headers=("Opened", "From", "Severity", "Resolved", "Cleared for treatment", "Status"),
        rows=[
            (
                shown.local_time(row.opened_at, zone),
                shown.to("patients_safetyalarm_change", row.pk, text=row.assessment.code),
                row.get_severity_display(),
                shown.local_time(row.resolved_at, zone),
                shown.local_time(row.cleared_at, zone),
                shown.label(row.status, row.get_status_display()),
            )
            for row in reversed(found.alarms)
        ],
        empty="None in this range of dates.",
    )


def flags(found: Timeline) -> Section:
    """Screening flags that stood."""
    zone = found.patient.site.zone
    return Section(
        title="Screening flags",
        headers=("Raised", "Flag", "What was found", "Severity", "Status"),
        rows=[
            (
                shown.local_time(row.raised_at, zone),
                shown.to("patients_screeningflag_change", row.pk, text=row.kind.name),
                row.value,
                row.get_severity_display(),
                shown.label(row.status, row.get_status_display()),
            )
            for row in reversed(found.flags)
        ],
        empty="None in this range of dates.",
    )


def follow_ups(found: Timeline, *, now: datetime) -> Section:
    """What was and is owed."""
    return Section(
        title="Follow-ups",
        headers=("Due", "What", "Came from", "Note", "Status"),
        rows=[
            (
                due_text(row),
                shown.to("scheduling_followup_change", row.pk, text=row.get_kind_display()),
                origin_text(row),
                row.note,
                follow_up_label(row, now=now),
            )
            for row in reversed(found.follow_ups)
        ],
        empty="None in this range of dates.",
    )


def _change(row: Assessment) -> str:
    if row.score is None:
        return shown.NOTHING
    if row.baseline is None or row.change_points is None:
        return "baseline"
    percent = "" if row.change_percent is None else f" ({row.change_percent:+} %)"
    return f"{row.change_points:+} from {row.baseline.score}{percent}"


def _meaning(row: Assessment) -> str:
    if not row.meaning:
        return shown.NOTHING
    return shown.label(_MEANING.get(row.meaning, ""), row.meaning.replace("_", " "))


def _in_force(doses: list[Dose], day: date) -> str:
    """What is taken of each medicine on a day."""
    latest: dict[int, Dose] = {}
    for each in sorted(doses, key=lambda dose: (dose.event.effective_on, dose.event.sequence)):
        if each.event.effective_on <= day:
            latest[each.event.prescription_id] = each
    return ", ".join(
        f"{each.event.prescription.medication} {each.event.dose_mg.normalize():f} mg"
        for each in latest.values()
        if each.event.kind != "stop"
    )
