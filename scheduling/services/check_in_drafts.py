"""A patient answering on the page: what each screen says is kept, and one press sends it all.

The idea to know: a critical answer never waits for that press. The screen that holds it stores the
questionnaire as far as it has come, with its alarm, in the transaction that keeps the draft. What is sent
later supersedes it, and the alarm that is there stays the only one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clinic.access.policy import PATIENT_ON_PAGE
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.domain.instruments import Answers
from patients.models import Assessment, Instrument, Patient
from patients.selectors.assessments import alarming
from patients.services import assessments
from patients.services.assessments import Submission
from scheduling.models import CheckIn, CheckInDraft
from scheduling.selectors import check_in_answers as reading
from scheduling.services.allocations import lock_patient
from scheduling.services.check_in_answers import Given, answer_contact, store_answers


class CheckInClosed(Conflict):
    """It cannot be answered now; ``state`` says where it is, ``open`` when only the day is not right."""

    code = "check_in_closed"


class Sent(StrEnum):
    """What became of answers that were sent."""

    SENT = "sent"
    BEFORE = "before"
    """The check-in was answered already, here or by phone."""
    KEPT = "kept"
    """It is over or was replaced; the answers are on record all the same."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What the page of one check-in works on. ``draft``: what was begun; ``answers``: its answers."""

    row: CheckIn
    rows: list[CheckIn]
    asked: list[Instrument]
    draft: CheckInDraft | None
    answers: dict[str, dict[str, int]]
    is_open: bool


def contact_of(*, patient: Patient, check_in_id: int, now: datetime) -> Contact:
    """The patient's check-in with all that is asked with it. Raises NotFound."""
    row = CheckIn.objects.filter(pk=check_in_id, patient=patient).first()
    if row is None:
        raise NotFound("This link opens no check-in.")
    today = now.astimezone(patient.zone).date()
    is_open = row.status in CheckIn.OPEN and row.window_start_on <= today <= row.window_end_on
    rows = reading.rows_answered_with(row, day=today) if is_open else reading.contact_rows(row)
    draft = reading.draft_of(rows)
    asked = reading.instruments(reading.asked_by(rows))
    return Contact(row, rows, asked, draft, reading.drafted(draft, asked), is_open)


@durable
def save(
    *, now: datetime, patient_id: int, check_in_id: int, given: Mapping[str, Mapping[str, int | None]]
) -> bool:
    """Keep what a screen said, None for what is left open; whether it held an answer that is critical and
    new, which then is stored and has its alarm.

    Raises CheckInClosed, InvalidAnswers, NotFound.
    """
    patient = lock_patient(patient_id)
    contact = contact_of(patient=patient, check_in_id=check_in_id, now=now)
    if not contact.is_open:
        raise _closed(contact.row)
    asked = {each.code: each for each in contact.asked}
    merged = {code: dict(answers) for code, answers in contact.answers.items()}
    for code, answers in given.items():
        if code not in asked:
            raise _closed(contact.row)  # a change of dose took the question away while it was on the screen
        held: dict[str, object] = {**merged.get(code, {}), **answers}
        kept = {item: value for item, value in held.items() if value is not None}
        merged[code] = asked[code].rules.read(kept) if kept else {}
    _keep(contact, merged, now=now)
    told = [_tell(contact, asked[code], merged[code], patient=patient, now=now) for code in given]
    return any(told)


@durable
def send(
    *, now: datetime, patient_id: int, check_in_id: int, draft_version: int | None, language: str
) -> Sent:
    """Answer the check-in with what was kept. Sent twice, it is answered once.

    Raises StaleVersion (another window changed the answers), Invalid (``no_answers``), CheckInClosed,
    NotFound.
    """
    patient = lock_patient(patient_id)
    contact = contact_of(patient=patient, check_in_id=check_in_id, now=now)
    if contact.row.status == CheckIn.Status.ANSWERED:
        return Sent.BEFORE
    if contact.draft is None:
        raise _nothing() if contact.is_open else _closed(contact.row)
    versions.require_version(contact.draft, draft_version)
    answers = _asked_only(contact)
    if not answers:
        raise _nothing()
    given = Given(
        answers=answers,
        on=now.astimezone(patient.zone).date(),
        at=now,
        source=Assessment.Source.PAGE,
        language=language,
    )
    if contact.is_open:
        answer_contact(actor=PATIENT_ON_PAGE, now=now, patient=patient, row=contact.row, given=given)
        return Sent.SENT
    store_answers(
        actor=PATIENT_ON_PAGE, now=now, patient=patient, row=contact.row, rows=contact.rows, given=given
    )
    contact.draft.delete()
    return Sent.KEPT


def _keep(contact: Contact, merged: Mapping[str, Answers], *, now: datetime) -> None:
    asked = {each.code: each.version for each in contact.asked}
    stored = {code: {"version": asked[code], "given": given} for code, given in merged.items()}
    if contact.draft is None:
        CheckInDraft.objects.create(check_in=contact.row, answers=stored, started_at=now, saved_at=now)
    elif contact.draft.answers != stored:
        contact.draft.answers, contact.draft.saved_at = stored, now
        versions.save(contact.draft, "answers", "saved_at")


def _tell(
    contact: Contact, instrument: Instrument, answers: Answers, *, patient: Patient, now: datetime
) -> bool:
    """Store critical answers that no alarm knows yet, with what was answered around them."""
    critical = alarming(instrument, answers)
    if not critical:
        return False
    earlier = reading.stored_for(contact.rows, patient=patient).get(instrument.code)
    if earlier is not None and critical <= alarming(earlier.instrument, earlier.answers):
        return False
    submission = Submission(
        instrument=instrument.code,
        answers=answers,
        answered_at=now,
        source=Assessment.Source.PAGE,
        language=patient.language,
        subject_kind=reading.SUBJECT,
        subject_id=contact.row.pk,
    )
    if earlier is None:
        assessments.store(
            actor=PATIENT_ON_PAGE, now=now, patient=patient, submission=submission, unfinished=True
        )
    else:
        assessments.amend(
            actor=PATIENT_ON_PAGE,
            now=now,
            patient=patient,
            earlier=earlier,
            submission=submission,
            unfinished=True,
        )
    return True


def _asked_only(contact: Contact) -> dict[str, dict[str, int]]:
    """Without answers to questions that a changed answer took away again."""
    kept = {}
    for each in contact.asked:
        given = contact.answers.get(each.code, {})
        rules = each.rules
        asked = {item.code for item in rules.items if item.is_asked(given)}
        if found := {code: value for code, value in given.items() if code in asked}:
            kept[each.code] = found
    return kept


def _closed(row: CheckIn) -> CheckInClosed:
    state = "open" if row.status in CheckIn.OPEN else row.status
    return CheckInClosed("This check-in cannot be answered now.", state=state)


def _nothing() -> Invalid:
    detail = "Answer at least one question."
    return Invalid(detail, code="no_answers", errors=[FieldError("/answers", "no_answers", detail)])
