"""Storing what a patient answered. Score, band, change, review item and safety alarm are written in the one
transaction that stores the answers: there is no moment in which an answer is known and its alarm is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Q

from clinic.access.policy import Actor
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable, violated
from patients.domain import change, scoring
from patients.domain.change import Baseline, Change, Scored
from patients.domain.scoring import Finding, Opens, Result, Threshold
from patients.models import Assessment, Instrument, Patient, SafetyAlarm, WorkItem
from patients.selectors import assessments as reading
from patients.services import alarms
from patients.services.work_items import open_item

REVIEW_KIND = "review_answers"
REVIEW_SUMMARY = "Answers to a questionnaire need a review. Open the patient's questionnaires."
WENT_ON = "The patient went on answering."
_ONCE = frozenset({"assessment_once_per_subject", "assessment_once_per_moment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What was answered, when and how. ``subject``: the check-in or visit it was asked for, if any."""

    instrument: str
    answers: Mapping[str, object]
    answered_at: datetime
    source: str
    language: str = "en"
    subject_kind: str = ""
    subject_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The stored answers, with the alarm that they opened; ``replayed`` when they were there already."""

    assessment: Assessment
    alarm: SafetyAlarm | None
    replayed: bool = False


@durable
def record(*, actor: Actor, now: datetime, patient_id: int, submission: Submission) -> Recorded:
    """Store one questionnaire. The same answers once more come to the same row.

    Raises NotFound, Forbidden, Conflict (``already_answered``), Invalid (``unknown_instrument``,
    ``answered_in_the_future``, ``answered_before_birth``), InvalidAnswers.
    """
    return store(actor=actor, now=now, patient=_locked(actor, patient_id), submission=submission)


def store(
    *, actor: Actor, now: datetime, patient: Patient, submission: Submission, unfinished: bool = False
) -> Recorded:
    """The same inside the caller's transaction, with the patient's row locked.

    ``unfinished``: the patient is still answering, so what is missing needs no review yet; ``amend`` follows.
    Whoever names a subject has checked that it is this patient's.
    """
    actor.require("assessments.write", patient.site_id)
    instrument = reading.instrument_in_force(submission.instrument)
    if instrument is None:
        raise _refused("instrument", "unknown_instrument", "Use the code of an instrument in the catalogue.")
    answers = instrument.rules.read(submission.answers)
    _require_moment(submission.answered_at, patient=patient, now=now)
    stored = _stored_already(patient, submission)
    if stored is not None:
        if stored.patient_id == patient.pk and stored.answers == answers:
            return Recorded(assessment=stored, alarm=_alarm_of(stored), replayed=True)
        raise _already()
    return _write(
        instrument,
        answers,
        actor=actor,
        now=now,
        patient=patient,
        submission=submission,
        unfinished=unfinished,
    )


@durable
def correct(
    *, actor: Actor, now: datetime, assessment_id: int, answers: Mapping[str, object], reason: str
) -> Recorded:
    """Put right what was written down wrongly: a new row that supersedes the old one.

    It is scored by the version that was asked. What the old answers opened stays for a clinician to close.
    Raises NotFound, Forbidden, Conflict (``already_corrected``), Invalid (``reason_required``),
    InvalidAnswers.
    """
    visible = Assessment.objects.visible_to(actor).filter(pk=assessment_id)
    patient_id = visible.values_list("patient_id", flat=True).first()
    if patient_id is None:
        raise NotFound("There is no such assessment at your sites.")
    patient = _locked(actor, patient_id)
    old = Assessment.objects.select_related("instrument").get(pk=assessment_id)
    actor.require("assessments.write", patient.site_id)
    if not reason.strip():
        raise _refused("reason", "reason_required", "Say why it is corrected.")
    if Assessment.objects.filter(supersedes=old).exists():
        raise Conflict("It was corrected before. Correct the latest one.", code="already_corrected")
    submission = Submission(
        instrument=old.code,
        answers=answers,
        answered_at=old.answered_at,
        source=old.source,
        language=old.language,
        subject_kind=old.subject_kind,
        subject_id=old.subject_id,
    )
    return _write(
        old.instrument,
        old.instrument.rules.read(answers),
        actor=actor,
        now=now,
        patient=patient,
        submission=submission,
        supersedes=old,
        reason=reason.strip(),
    )


def amend(
    *,
    actor: Actor,
    now: datetime,
    patient: Patient,
    earlier: Assessment,
    submission: Submission,
    unfinished: bool = False,
) -> Recorded:
    """The patient went on with a questionnaire of which a critical answer was stored before the rest.

    A new row supersedes the earlier one. Its critical answers join the alarm that is there, unless they are
    graver than what somebody acknowledged or come after it was resolved: then a new one opens. Inside the
    caller's transaction, with the patient's row locked. Raises Forbidden, InvalidAnswers.
    """
    actor.require("assessments.write", patient.site_id)
    return _write(
        earlier.instrument,
        earlier.instrument.rules.read(submission.answers),
        actor=actor,
        now=now,
        patient=patient,
        submission=submission,
        supersedes=earlier,
        reason=WENT_ON,
        unfinished=unfinished,
    )


def _write(
    instrument: Instrument,
    answers: dict[str, int],
    *,
    actor: Actor,
    now: datetime,
    patient: Patient,
    submission: Submission,
    supersedes: Assessment | None = None,
    reason: str = "",
    unfinished: bool = False,
) -> Recorded:
    thresholds = [row.rule for row in instrument.thresholds.filter(active=True)]
    result = scoring.assess(instrument=instrument.rules, thresholds=thresholds, answers=answers)
    earlier = _earlier(patient, instrument, submission, result, supersedes)
    baseline, moved, worse = _change(patient, result, earlier, thresholds, submission.answered_at)
    result = replace(result, findings=result.findings + worse)
    reviews = [each for each in result.findings if each.threshold.opens == Opens.REVIEW and not unfinished]
    try:
        assessment = Assessment.objects.create(
            patient=patient,
            instrument=instrument,
            code=instrument.code,
            answers=answers,
            language=submission.language,
            answered_at=submission.answered_at,
            complete=result.complete,
            score=result.score,
            band=result.band,
            baseline_id=baseline.scored.id if baseline else None,
            baseline_rule=baseline.rule if baseline else "",
            change_points=moved.points if moved else None,
            change_percent=moved.percent if moved else None,
            meaning=moved.meaning if moved else "",
            meets=list(moved.meets) if moved else [],
            reviews=[{"kind": each.threshold.kind, "items": list(each.items)} for each in reviews],
            source=submission.source,
            subject_kind=submission.subject_kind,
            subject_id=submission.subject_id,
            recorded_at=now,
            recorded_by_id=actor.user_id,
            via=actor.via,
            supersedes=supersedes,
            reason=reason,
        )
    except IntegrityError as error:
        if violated(error) in _ONCE:
            raise _already() from error
        raise
    if reviews:
        _open_review(assessment, patient, reviews, now=now)
    return Recorded(assessment=assessment, alarm=_open_alarm(assessment, patient, result, now=now))


def _earlier(
    patient: Patient,
    instrument: Instrument,
    submission: Submission,
    result: Result,
    supersedes: Assessment | None,
) -> list[Scored]:
    if result.score is None:
        return []
    found = reading.scored_before(patient_id=patient.pk, code=instrument.code, moment=submission.answered_at)
    return [each for each in found if supersedes is None or each.id != supersedes.pk]


def _change(
    patient: Patient,
    result: Result,
    earlier: Sequence[Scored],
    thresholds: Sequence[Threshold],
    moment: datetime,
) -> tuple[Baseline | None, Change | None, tuple[Finding, ...]]:
    if result.score is None or not earlier:
        return None, None, ()
    began = reading.treatment_began(patient_id=patient.pk, by=moment)
    baseline = change.choose_baseline(earlier=earlier, treatment_began=began)
    if baseline is None:
        return None, None, ()
    moved = change.compare(score=result.score, baseline=baseline.scored.score, thresholds=thresholds)
    worse = change.worsened(
        score=result.score,
        baseline=baseline.scored.score,
        previous=earlier[-1].score,
        thresholds=thresholds,
    )
    return baseline, moved, worse


def _open_review(
    assessment: Assessment, patient: Patient, reviews: Sequence[Finding], *, now: datetime
) -> WorkItem:
    soonest = min(reviews, key=lambda each: each.threshold.within_minutes or 0).threshold
    return open_item(
        kind=REVIEW_KIND,
        key=f"{REVIEW_KIND}:{assessment.pk}",
        severity=WorkItem.Severity.ROUTINE,
        site_id=patient.site_id,
        patient=patient,
        summary=REVIEW_SUMMARY,
        owner_role=soonest.owner_role,
        due_at=now + timedelta(minutes=soonest.within_minutes or 0),
        now=now,
    )


def _open_alarm(
    assessment: Assessment, patient: Patient, result: Result, *, now: datetime
) -> SafetyAlarm | None:
    """A correction whose critical answers already have their alarm opens no second one."""
    findings = [each for each in result.findings if each.threshold.opens == Opens.ALARM]
    if not findings:
        return None
    known = _alarm_of(assessment.supersedes) if assessment.supersedes else None
    if known is not None and {code for each in findings for code in each.items} <= set(known.items):
        return known
    if known is not None and assessment.reason == WENT_ON and alarms.join(known, findings, now=now):
        return known
    return alarms.open_for(assessment=assessment, patient=patient, findings=findings, now=now)


def _alarm_of(assessment: Assessment) -> SafetyAlarm | None:
    """The latest alarm of these answers, or of what they superseded."""
    row: Assessment | None = assessment
    while row is not None:
        alarm = SafetyAlarm.objects.filter(assessment=row).first()
        if alarm is not None:
            return alarm
        row = row.supersedes
    return None


def _locked(actor: Actor, patient_id: int) -> Patient:
    visible = Patient.objects.visible_to(actor).select_for_update(no_key=True)
    patient = visible.filter(pk=patient_id).first()
    if patient is None:
        raise NotFound("There is no such patient at your sites.")
    return patient


def _stored_already(patient: Patient, submission: Submission) -> Assessment | None:
    same = Q(patient=patient, answered_at=submission.answered_at)
    if submission.subject_id is not None:
        same |= Q(subject_kind=submission.subject_kind, subject_id=submission.subject_id)
    firsts = Assessment.objects.filter(same, code=submission.instrument, supersedes=None)
    return firsts.order_by("pk").first()


def _require_moment(answered_at: datetime, *, patient: Patient, now: datetime) -> None:
    if answered_at > now:
        raise _refused("answered_at", "answered_in_the_future", "This moment is in the future.")
    if answered_at.astimezone(patient.zone).date() < patient.date_of_birth:
        raise _refused("answered_at", "answered_before_birth", "This moment is before the patient's birth.")


def _already() -> Conflict:
    return Conflict(
        "This questionnaire is already answered for this occasion. Correct the answers instead.",
        code="already_answered",
    )


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer=f"/{field}", code=code, detail=detail)])
