"""What one contact asks and what is known of its answers: the rows asked together, the draft, what is stored.

The idea to know: a contact is asked what any of its rows asks, each questionnaire once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from patients.models import Assessment, Instrument, Patient, SafetyAlarm
from scheduling.models import CheckIn, CheckInDraft

SUBJECT = "check_in"
"""What an assessment says it was asked for."""
Answers = Mapping[str, Mapping[str, object]]
"""Instrument code -> item -> value."""


def rows_answered_with(row: CheckIn, *, day: date) -> list[CheckIn]:
    """The check-in and the other open rows of its contact that an answer on ``day`` answers too, its lead
    first. A missed one is answered alone."""
    if row.status not in CheckIn.OPEN:
        return [row]
    lead_id = row.merged_into_id or row.pk
    same = CheckIn.objects.filter(
        status__in=CheckIn.OPEN, window_start_on__lte=day, window_end_on__gte=day, patient_id=row.patient_id
    )
    found = (same.filter(pk=lead_id) | same.filter(merged_into_id=lead_id)).exclude(pk=row.pk)
    return sorted([row, *found], key=lambda each: (each.pk != lead_id, each.pk))


def asked_by(rows: Iterable[CheckIn]) -> list[str]:
    """The codes of all questionnaires asked, each once."""
    return list(dict.fromkeys(code for row in rows for code in row.asks))


def instruments(codes: Sequence[str]) -> list[Instrument]:
    """The versions in force, in this order; a questionnaire that the clinic took out of use is not asked."""
    found = {row.code: row for row in Instrument.objects.filter(code__in=codes, active=True)}
    return [found[code] for code in codes if code in found]


def draft_of(rows: Iterable[CheckIn]) -> CheckInDraft | None:
    """What was begun on any row of the contact: the grouping may have changed since."""
    return CheckInDraft.objects.filter(check_in__in=[row.pk for row in rows]).order_by("-saved_at").first()


def drafted(draft: CheckInDraft | None, asked: Iterable[Instrument]) -> dict[str, dict[str, int]]:
    """The draft's answers to these questionnaires; those to another version are answers to something else."""
    held = draft.answers if draft else {}
    return {
        each.code: dict(held[each.code]["given"])
        for each in asked
        if each.code in held and held[each.code]["version"] == each.version
    }


def stored_for(rows: Iterable[CheckIn], *, patient: Patient) -> dict[str, Assessment]:
    """By questionnaire, the assessment in force of this contact."""
    current = Assessment.objects.current().filter(
        patient=patient, subject_kind=SUBJECT, subject_id__in=[row.pk for row in rows]
    )
    return {row.code: row for row in current.select_related("instrument").order_by("pk")}


def alarms_of(rows: Iterable[CheckIn], *, patient: Patient) -> list[SafetyAlarm]:
    """The alarms that answers of this contact opened."""
    found = SafetyAlarm.objects.filter(
        patient=patient,
        assessment__subject_kind=SUBJECT,
        assessment__subject_id__in=[row.pk for row in rows],
    )
    return list(found.order_by("opened_at", "pk"))


def contact_rows(row: CheckIn) -> list[CheckIn]:
    """Every row of the contact, answered or not, its lead first."""
    lead_id = row.merged_into_id or row.pk
    found = CheckIn.objects.filter(pk=lead_id) | CheckIn.objects.filter(merged_into_id=lead_id)
    return sorted(found, key=lambda each: (each.pk != lead_id, each.pk))
