"""Which flags stand for a person today, and what the rules read to raise them.

Medicines prescribed here live in scheduling, which patients does not know: settings.PRESCRIBED_MEDICINES
names the function that reads them.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from clinic.access.policy import Actor
from patients.domain.flags import Background, Entry, FlagRule, FlagState, state
from patients.domain.medicines import Medicine
from patients.domain.washout import WashoutRule
from patients.models import (
    Allergy,
    FlagKind,
    OtherCondition,
    OtherMedicine,
    Patient,
    Pregnancy,
    ScreeningFlag,
    Washout,
)
from patients.selectors.background import catalogue, told_of_pregnancy

_RANK = {"absolute": 0, "relative": 1, "caution": 2}


def flags_of(patient: Patient, *, actor: Actor) -> QuerySet[ScreeningFlag]:
    """Every flag there was, with its kind and what was done about it. Raises Forbidden by role."""
    actor.require("background.read", patient.site_id)
    return ScreeningFlag.objects.filter(patient=patient).select_related("kind").prefetch_related("events")


def state_of(flag: ScreeningFlag, *, today: date) -> FlagState:
    """What it asks for today."""
    return state(
        status=flag.status,
        expires_on=flag.expires_on,
        acknowledged_until=flag.acknowledged_until,
        today=today,
    )


def standing(patient: Patient, *, now: datetime) -> list[ScreeningFlag]:
    """The flags that count today, the gravest first.

    What asks for early contact stands with the absolute ones: a warning about a life, whatever it says of a
    medicine. Of equally grave ones first those not acknowledged.
    """
    today = now.astimezone(patient.zone).date()
    rows = (
        ScreeningFlag.objects.filter(_counts(today), patient=patient)
        .select_related("kind", "patient", "acknowledged_by")
        .order_by("id")
    )

    def place(flag: ScreeningFlag) -> tuple[int, bool]:
        acknowledged = state_of(flag, today=today) != FlagState.OPEN
        return 0 if flag.kind.early_contact else _RANK[flag.severity], acknowledged

    return sorted(rows, key=place)


def unacknowledged(patient: Patient, *, now: datetime) -> list[ScreeningFlag]:
    """Those of them that a prescriber has not acknowledged, or not for today."""
    today = now.astimezone(patient.zone).date()
    return [flag for flag in standing(patient, now=now) if state_of(flag, today=today) == FlagState.OPEN]


def calls_for_early_contact(patient: Patient, *, now: datetime) -> bool:
    """Whether a flag stands, acknowledged or not, whose kind asks for the safety check-in after a week."""
    today = now.astimezone(patient.zone).date()
    return ScreeningFlag.objects.filter(_counts(today), patient=patient, kind__early_contact=True).exists()


def _counts(today: date) -> Q:
    return ~Q(status=ScreeningFlag.Status.WITHDRAWN) & (Q(expires_on=None) | Q(expires_on__gte=today))


def flag_rules() -> list[FlagRule]:
    """The kinds in force."""
    return [
        FlagRule(
            code=row.code,
            severity=row.severity,
            source=row.source,
            medicine_classes=frozenset(row.medicine_classes),
            medicine_words=tuple(row.medicine_words),
            concerns=frozenset(row.concerns),
            allergy_words=tuple(row.allergy_words),
            pregnancy_states=frozenset(row.pregnancy_states),
        )
        for row in FlagKind.objects.filter(active=True)
    ]


def washout_rules() -> list[WashoutRule]:
    """The washouts in force."""
    return [
        WashoutRule(
            code=row.code,
            days=row.days,
            to_classes=frozenset(row.to_classes),
            from_classes=frozenset(row.from_classes),
            from_words=tuple(row.from_words),
            source=row.source,
        )
        for row in Washout.objects.filter(active=True)
    ]


def background_for_rules(patient: Patient) -> Background:
    """What the rules read: entries held true, and medicines prescribed here and elsewhere."""
    names = catalogue()
    told = told_of_pregnancy(patient)
    return Background(
        medicines=[*_other_medicines(patient), *_prescribed(patient)],
        concerns=[
            Entry(row.thread, row.concern, row.name or names.name("concern", row.concern), row.until_on)
            for row in OtherCondition.objects.filter(patient=patient).current()
        ],
        allergies=[
            Entry(row.thread, row.substance, f"Allergy: {row.substance}", row.until_on)
            for row in Allergy.objects.filter(patient=patient).current()
        ],
        pregnancy=_told(told) if told else None,
    )


def _told(told: Pregnancy) -> Entry:
    return Entry(told.thread, told.state, told.get_state_display(), told.expires_on)


def _other_medicines(patient: Patient) -> list[Medicine]:
    return [
        Medicine(
            key=f"medicine:{row.thread}",
            name=row.name,
            medicine_class=row.medicine_class,
            from_on=row.from_on,
            stopped_on=row.until_on and row.until_on + timedelta(days=1),
        )
        for row in OtherMedicine.objects.filter(patient=patient).current()
    ]


def _prescribed(patient: Patient) -> Sequence[Medicine]:
    read = cast("Callable[..., Any]", import_string(settings.PRESCRIBED_MEDICINES))
    medicines: Sequence[Medicine] = read(patient)
    return medicines
