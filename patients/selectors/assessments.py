"""Reads around questionnaires and alarms: what is in force, what a patient answered before, what is held.

What scheduling knows (opening hours, when a treatment began) is asked through dotted names in settings.
"""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db.models import Min
from django.utils.module_loading import import_string

from clinic.common import catalogue
from patients.domain import scoring
from patients.domain.alarms import Step, Watch
from patients.domain.change import Scored
from patients.domain.instruments import Answers
from patients.domain.scoring import Opens
from patients.models import AlarmPolicy, Assessment, CrisisContact, Instrument, SafetyAlarm

DEFAULT_LANGUAGE = "en"


def instrument_in_force(code: str) -> Instrument | None:
    """The active version of a questionnaire."""
    return Instrument.objects.filter(code=code, active=True).first()


def alarming(instrument: Instrument, answers: Answers) -> frozenset[str]:
    """The items whose answers open a safety alarm, complete or not."""
    thresholds = [row.rule for row in instrument.thresholds.filter(active=True)]
    found = scoring.assess(instrument=instrument.rules, thresholds=thresholds, answers=answers).findings
    return frozenset(code for each in found if each.threshold.opens == Opens.ALARM for code in each.items)


def crisis_contacts(language: str) -> list[CrisisContact]:
    """Who helps at any hour, in this language; in English where the clinic has no others."""
    rows = CrisisContact.objects.filter(language__in={language, DEFAULT_LANGUAGE})
    found = list(rows.order_by("position"))
    return [row for row in found if row.language == language] or found


def watch(*, site_id: int, now: datetime) -> Watch:
    """Whether somebody is at the clinic to see an alarm now, and if not, when next."""
    asked: Callable[..., Watch] = import_string(settings.CLINIC_HOURS)
    return asked(site_id=site_id, now=now)


def treatment_began(*, patient_id: int, by: datetime) -> datetime | None:
    """When the latest treatment that had begun by then began; None without one."""
    asked: Callable[..., datetime | None] = import_string(settings.TREATMENT_BEGAN)
    return asked(patient_id=patient_id, by=by)


def scored_before(*, patient_id: int, code: str, moment: datetime) -> list[Scored]:
    """The patient's complete, uncorrected scores of this questionnaire answered before ``moment``."""
    rows = Assessment.objects.current().filter(
        patient_id=patient_id, code=code, complete=True, score__isnull=False, answered_at__lt=moment
    )
    return [
        Scored(id=pk, score=score, answered_at=answered_at)
        for pk, score, answered_at in rows.order_by("answered_at", "id").values_list(
            "pk", "score", "answered_at"
        )
        if score is not None
    ]


def alarm_chain(site_id: int) -> list[Step]:
    """Who owns the site's alarms in turn: the site's own rows, or those of every site.

    Where somebody has removed them all, those that ship count: an answer never waits for a setting.
    """
    rows = AlarmPolicy.objects.filter(site_id=site_id) | AlarmPolicy.objects.filter(site=None)
    found = list(rows.order_by("position"))
    own = [row for row in found if row.site_id is not None]
    chain = [Step(role=row.owner_role, minutes=row.minutes) for row in own or found]
    return chain or [
        Step(role=row["owner_role"], minutes=row["minutes"])
        for row in catalogue.rows("patients", "alarm_policies")
    ]


def hold_on_treatment(patient_id: int) -> list[SafetyAlarm]:
    """The alarms for which the patient's next infusion is held: not yet cleared by a prescriber."""
    return list(SafetyAlarm.objects.holding().filter(patient_id=patient_id).order_by("opened_at", "id"))


def next_escalation_at() -> datetime | None:
    """The earliest moment at which an open alarm goes on to the next role."""
    waiting = SafetyAlarm.objects.filter(next_escalation_at__isnull=False)
    earliest: datetime | None = waiting.aggregate(at=Min("next_escalation_at"))["at"]
    return earliest


def alarms_due(*, now: datetime, limit: int) -> list[int]:
    """Open alarms whose turn is over, the longest first."""
    due = SafetyAlarm.objects.filter(next_escalation_at__lte=now).order_by("next_escalation_at", "id")
    return list(due.values_list("pk", flat=True)[:limit])
