"""An answer to a check-in, however it came: from the patient's page, from an app, or told to staff.

The idea to know: one transaction scores every questionnaire, opens the alarms and reviews, answers every
row of the contact, closes what asked for it and withdraws what was not sent yet.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

from clinic.access.policy import Actor, Role
from clinic.common.errors import FieldError, Invalid
from patients.domain.instruments import InvalidAnswers
from patients.models import Patient, WorkItem
from patients.services import assessments
from patients.services.assessments import Recorded, Submission
from patients.services.work_items import close_items, open_item
from scheduling.domain.check_in_answers import Efficacy, falls_short
from scheduling.models import CheckIn, CheckInDraft, EfficacyRule
from scheduling.selectors import check_in_answers as reading
from scheduling.selectors.check_in_answers import SUBJECT, Answers
from scheduling.services import follow_ups_done, follow_ups_made
from scheduling.services.check_in_contacts import contact_key, missed_key, refresh

EFFICACY_KIND, UNASKED_KIND = "review_efficacy", "review_unasked"
_EFFICACY = "Check-in {id} needs a prescriber's review. Open it to see the answers."
_UNASKED = "Check-in {id} was recorded without all that it asks. Decide whether to ask the rest."
_UNASKED_WITHIN = timedelta(days=1)
_CLOSED = "Closed by Onset: the check-in was recorded."
_FIELDS = ("status", "answered_on", "answered_at", "answered_by", "note", "next_action_at", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was answered, on which day of the patient's, at which moment, and how it came."""

    answers: Answers
    on: date
    at: datetime
    source: str
    language: str
    note: str = ""


def answer_contact(
    *, actor: Actor, now: datetime, patient: Patient, row: CheckIn, given: Given
) -> list[Recorded]:
    """Answer the check-in and what is asked with it. Inside the caller's transaction, with the patient row
    locked and ``row`` found open (or missed) and ``given.on`` inside its window.

    Raises InvalidAnswers, Invalid (``not_asked``), Forbidden.
    """
    rows = reading.rows_answered_with(row, day=given.on)
    recorded = store_answers(actor=actor, now=now, patient=patient, row=row, rows=rows, given=given)
    for each in rows:
        each.status = CheckIn.Status.ANSWERED
        each.answered_on, each.answered_at, each.answered_by_id = given.on, now, actor.user_id
        each.note = given.note
        each.next_action_at = None
        each.version += 1
    CheckIn.objects.bulk_update(rows, _FIELDS)
    CheckInDraft.objects.filter(check_in__in=rows).delete()
    keys = [key for each in rows for key in (contact_key(each), missed_key(each))]
    close_items(keys, note=_CLOSED, now=now)
    follow_ups_done.by_check_ins(check_ins=rows, on=given.on, actor=actor, now=now)
    follow_ups_made.after_check_in(check_ins=rows, now=now)
    _review(row, rows, recorded, patient=patient, now=now)
    refresh(patient=patient, now=now)
    return recorded


def store_answers(
    *, actor: Actor, now: datetime, patient: Patient, row: CheckIn, rows: Sequence[CheckIn], given: Given
) -> list[Recorded]:
    """Score and store each questionnaire; nothing is said of the check-ins themselves. What was stored
    before the rest, because it was critical, is superseded by the whole.

    Raises InvalidAnswers, Invalid (``not_asked``), Forbidden.
    """
    asked = reading.asked_by(rows)
    _require_asked(given.answers, asked)
    stored = reading.stored_for(rows, patient=patient)
    recorded = []
    for code in asked:
        answers = given.answers.get(code, {})
        if all(value is None for value in answers.values()):
            continue
        submission = Submission(
            instrument=code,
            answers=answers,
            answered_at=given.at,
            source=given.source,
            language=given.language,
            subject_kind=SUBJECT,
            subject_id=row.pk,
        )
        write = partial(assessments.amend, earlier=stored[code]) if code in stored else assessments.store
        with _pointing_at(code):
            recorded.append(write(actor=actor, now=now, patient=patient, submission=submission))
    return recorded


@contextmanager
def _pointing_at(code: str) -> Iterator[None]:
    """Says to which questionnaire a refused answer belongs."""
    try:
        yield
    except InvalidAnswers as error:
        raise InvalidAnswers(
            error.detail,
            errors=[
                replace(each, pointer=each.pointer.replace("/answers", f"/answers/{code}", 1))
                for each in error.errors
            ],
        ) from error


def _require_asked(answers: Answers, asked: Sequence[str]) -> None:
    for code in answers:
        if code not in asked:
            detail = f"This check-in asks {', '.join(asked)} only."
            raise Invalid(
                detail, code="not_asked", errors=[FieldError(f"/answers/{code[:20]}", "not_asked", detail)]
            )


def _review(
    row: CheckIn, rows: Sequence[CheckIn], recorded: Iterable[Recorded], *, patient: Patient, now: datetime
) -> None:
    """Too little effect, or a mandatory contact that did not ask everything, is for a prescriber to judge.
    Source: DOMAIN section 3."""
    measured = {each.assessment.code: each.assessment for each in recorded}
    short = [
        rule
        for rule in EfficacyRule.objects.filter(active=True, check_in__in=[each.code for each in rows])
        if (found := measured.get(rule.instrument))
        and found.score is not None
        and found.change_points is not None
        and falls_short(
            score=found.score,
            baseline=found.score - found.change_points,
            rule=Efficacy(rule.better_by_percent, rule.baseline_at_least),
        )
    ]
    if short:
        soonest = min(short, key=lambda rule: rule.within_minutes)
        _open(
            EFFICACY_KIND,
            _EFFICACY,
            row,
            patient=patient,
            owner_role=soonest.owner_role,
            due_at=now + timedelta(minutes=soonest.within_minutes),
            now=now,
        )
    if not set(reading.asked_by(each for each in rows if each.mandatory)) <= measured.keys():
        _open(
            UNASKED_KIND,
            _UNASKED,
            row,
            patient=patient,
            owner_role=Role.PRESCRIBER,
            due_at=now + _UNASKED_WITHIN,
            now=now,
        )


def _open(
    kind: str,
    summary: str,
    row: CheckIn,
    *,
    patient: Patient,
    owner_role: str,
    due_at: datetime,
    now: datetime,
) -> None:
    open_item(
        kind=kind,
        key=f"{kind}:{row.pk}",
        severity=WorkItem.Severity.ROUTINE,
        site_id=patient.site_id,
        patient=patient,
        summary=summary.format(id=row.pk),
        owner_role=owner_role,
        due_at=due_at,
        now=now,
    )
