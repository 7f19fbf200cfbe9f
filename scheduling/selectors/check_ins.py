"""Reads around check-ins: the rules and policy in force, what is known of a patient, what is due next."""

import re
from datetime import datetime, time

from django.db.models import Min, Q

from patients.models import Condition, Patient, PatientCondition
from patients.selectors.assessments import hold_on_treatment
from patients.selectors.flags import calls_for_early_contact
from scheduling.domain.check_in_contacts import MERGE_WITHIN_DAYS
from scheduling.domain.check_in_history import DoseKind
from scheduling.domain.check_in_rules import CheckInRule as Rule
from scheduling.domain.check_in_rules import PatientFacts
from scheduling.domain.check_ins import CheckInStatus, ExistingCheckIn, PlannedCheckIn
from scheduling.models import CheckIn, CheckInPolicy, CheckInRule, Prescription

_RULE_FIELDS = (
    "code",
    "day",
    "window_before",
    "window_after",
    "purpose",
    "asks",
    "mandatory",
    "staff_contact",
    "follows",
    "max_age",
    "risk_flag",
    "drug_classes",
    "indications",
    "replaces",
    "applies",
    "source",
    "mark",
)


def rules_in_force() -> list[Rule]:
    """The check-in schedule as the clinic has it now. Raises InvalidRules."""
    rows = CheckInRule.objects.filter(active=True).order_by("day", "code").values(*_RULE_FIELDS)
    return [Rule.from_row({**row, "replaces": row["replaces"] or None}) for row in rows]


def facts_of(patient: Patient, *, indication: str, now: datetime) -> PatientFacts:
    """What the rules ask about the patient: birth date, what is treated, and whether a flag asks for contact.

    A safety alarm that no prescriber has signed off is such a flag. What is treated are the patient's
    unresolved conditions and those that ``indication`` names by code, name or synonym.
    """
    today = now.astimezone(patient.zone).date()
    treated = set(
        PatientCondition.objects.filter(
            Q(resolved_on=None) | Q(resolved_on__gt=today), patient=patient
        ).values_list("condition__code", flat=True)
    )
    if indication:
        for code, name, synonyms in Condition.objects.values_list("code", "name", "synonyms"):
            if any(_names(word, indication) for word in (code, name, *synonyms)):
                treated.add(code)
    return PatientFacts(
        date_of_birth=patient.date_of_birth,
        indications=frozenset(treated),
        risk_flag=calls_for_early_contact(patient, now=now) or bool(hold_on_treatment(patient.pk)),
    )


def policy_of(site_id: int) -> CheckInPolicy:
    """When this site's patients are asked: its own policy, else the default one."""
    rows = list(CheckInPolicy.objects.filter(Q(site_id=site_id) | Q(site=None)))
    own = [row for row in rows if row.site_id == site_id]
    # A clinic that deleted even the default row still asks, at the shipped hour.
    return (own or rows or [CheckInPolicy(ask_at=time(10), merge_within_days=MERGE_WITHIN_DAYS)])[0]


def as_existing(row: CheckIn) -> ExistingCheckIn:
    """A stored row as the engine compares it with its plan."""
    return ExistingCheckIn(
        id=row.pk,
        status=CheckInStatus(row.status),
        check_in=PlannedCheckIn(
            key=row.key,
            code=row.code,
            day=row.day,
            due_on=row.due_on,
            window_start_on=row.window_start_on,
            window_end_on=row.window_end_on,
            mandatory=row.mandatory,
            staff_contact=row.staff_contact,
            asks=tuple(row.asks),
            anchor_sequence=row.anchor_sequence,
            anchor_kind=DoseKind(row.anchor_kind),
            anchor_on=row.anchor_on,
            anchor_dose_mg=row.anchor_dose_mg,
        ),
    )


def patients_due(*, now: datetime, limit: int) -> list[int]:
    """Patients with a check-in or a dose about which something is to be done, the longest waiting first."""
    check_ins = CheckIn.objects.filter(next_action_at__lte=now).order_by("next_action_at")
    doses = Prescription.objects.filter(next_change_at__lte=now).order_by("next_change_at")
    waiting: dict[int, datetime] = {}
    for patient_id, due_at in [
        *check_ins.values_list("patient_id", "next_action_at")[:limit],
        *doses.values_list("patient_id", "next_change_at")[:limit],
    ]:
        if due_at is not None:
            waiting[patient_id] = min(due_at, waiting.get(patient_id, due_at))
    return sorted(waiting, key=lambda patient_id: (waiting[patient_id], patient_id))[:limit]


def next_action_at() -> datetime | None:
    """The earliest moment at which something is to be done about any check-in or dose."""
    moments = [
        CheckIn.objects.aggregate(earliest=Min("next_action_at"))["earliest"],
        Prescription.objects.aggregate(earliest=Min("next_change_at"))["earliest"],
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def _names(word: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None
