"""What each kind of text does, inside the transaction in which it is taken in: stop and start, help, confirm
and move, and whatever only a person understands. Each returns a word for what it led to."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.module_loading import import_string

from clinic.access.policy import PATIENT_BY_REPLY
from clinic.common import versions
from patients.domain.replies import Ask, Intent, Standing, Visits, answers_about, may_ask_to_stop, words_of
from patients.models import Consent, Patient
from patients.selectors import replies as selectors
from patients.services import consents, outreach, replies
from patients.services.texts import Text

ACKNOWLEDGE_EVERY = timedelta(hours=4)
"""Free texts of one number are acknowledged once in so long [D]: two machines must not talk to each other."""

ANSWERED_AT_ONCE = "help_at_once"
"""The words go back with the webhook's answer: the sender is nobody's, or has opted out."""

_SPANISH_HELP = frozenset({"ayuda", "informacion"})
_AHEAD = frozenset({Standing.OPEN, Standing.CONFIRMED, Standing.MOVED})


def follow(text: Text, intent: Intent, *, crisis: bool) -> str:
    """Do what the text asks for. ``crisis``: a nurse is asked already, so nobody else need read it."""
    if not text.people:
        return _from_a_stranger(text, intent, crisis=crisis)
    if intent == Intent.OTHER:
        return _read_by_a_person(text, crisis=crisis)
    return _DOES[intent](text)


def words_at_once(text: Text) -> str:
    """The words of HELP for somebody whom the outbox cannot reach."""
    site = text.site
    if site is None:
        return ""
    return replies.words(kind=replies.HELP, site=site, language=_language(text.inbound.body, text.people))


def _stop(text: Text) -> str:
    """Nobody at this number is texted again: all patients who share it, at every site."""
    stopped = [patient for patient in _locked(text) if patient.accepts_sms]
    for patient in stopped:
        _set_consent(patient, granted=False, now=text.now)
    if stopped:
        text.answer(replies.STOPPED, stopped[0])
    return "stopped" if stopped else "stopped_before"


def _start(text: Text) -> str:
    """Whoever had stopped by text is texted again; what staff recorded, staff takes back."""
    people = _locked(text)
    refusing = [patient for patient in people if not patient.accepts_sms]
    started = [patient for patient in refusing if _stopped_by_reply(patient)]
    for patient in started:
        _set_consent(patient, granted=True, now=text.now)
    for patient in refusing:
        if patient not in started:
            text.ask(
                "wants_texts_again",
                "The patient asks for text messages again ({text}). Record the consent, or call.",
                cause=f"patient:{patient.pk}",
                patient=patient,
            )
    able = [patient for patient in people if patient.accepts_sms]
    if able:
        text.answer(replies.STARTED, able[0])
    return "started" if started else "start_asked" if refusing else "started_before"


def _help(text: Text) -> str:
    """HELP is answered to everybody, also to those who have opted out."""
    if text.answered or any(text.answer(replies.HELP, patient) for patient in text.people):
        return "help"
    return ANSWERED_AT_ONCE


def _confirm(text: Text) -> str:
    visits = _visits().asked(selectors.asks(text.inbound.sender), now=text.now)
    if any(visit.standing == Standing.OPEN for visit in visits):
        found = answers_about(visits, frozenset({Standing.OPEN}))
        if found is None:
            return _unclear(text, visits[0].ask)
        if _visits().confirm(found.ask, now=text.now) == Standing.CONFIRMED:
            _tell(text, replies.CONFIRMED, found.ask, found.context)
            return "confirmed"
    confirmed = [visit for visit in visits if visit.standing == Standing.CONFIRMED]
    if confirmed:
        _tell(text, replies.CONFIRMED, confirmed[0].ask, confirmed[0].context)
        return "confirmed_before"
    return _about_nothing(text)


def _move(text: Text) -> str:
    visits = _visits().asked(selectors.asks(text.inbound.sender), now=text.now)
    found = answers_about(visits, _AHEAD)
    if found is not None:
        _visits().ask_to_move(found.ask, now=text.now)
        link = {"link_kind": "appointment", "link_id": str(found.ask.visit_id)}
        _tell(text, replies.MOVE, found.ask, {**found.context, **link})
        return "asked_to_move"
    if any(visit.standing in _AHEAD for visit in visits):
        return _unclear(text, visits[0].ask)
    return _about_nothing(text)


_DOES: Mapping[Intent, Callable[[Text], str]] = {
    Intent.STOP: _stop,
    Intent.START: _start,
    Intent.HELP: _help,
    Intent.CONFIRM: _confirm,
    Intent.MOVE: _move,
}


def _tell(text: Text, kind: str, ask: Ask, context: Mapping[str, str]) -> None:
    patient = next(patient for patient in text.people if patient.pk == ask.patient_id)
    text.inbound.patient = patient
    text.answer(kind, patient, context)


def _unclear(text: Text, latest: Ask) -> str:
    """Several patients share the number and more than one was asked: do nothing, ask both sides to talk."""
    patient = next(patient for patient in text.people if patient.pk == latest.patient_id)
    text.ask(
        "unclear_reply",
        "Several patients share the number that sent {text}; it is unclear whose visit it is about. Call.",
    )
    text.answer(replies.HELP, patient)
    return "unclear"


def _about_nothing(text: Text) -> str:
    text.ask(
        "unclear_reply",
        "The patient answers ({text}) about a visit that has moved, is over or was never asked about. Call."
        + text.shared,
    )
    _acknowledge(text)
    return "nothing_to_answer"


def _read_by_a_person(text: Text, *, crisis: bool) -> str:
    if not crisis:
        text.ask(
            "text_to_read",
            "A patient texted: read {text} and those after it." + _hint(text) + text.shared,
            cause="" if text.inbound.patient is None else f"patient:{text.inbound.patient.pk}",
        )
    _acknowledge(text)
    return "crisis" if crisis else "to_read"


def _from_a_stranger(text: Text, intent: Intent, *, crisis: bool) -> str:
    if intent == Intent.HELP:
        return "help" if text.answered else ANSWERED_AT_ONCE
    if not crisis:
        text.ask(
            "text_from_unknown_number",
            "A number of no patient sent {text}. Find out whose it is." + _hint(text),
        )
    return "unknown_number"


def _acknowledge(text: Text) -> None:
    since = text.now - ACKNOWLEDGE_EVERY
    if not selectors.answered_since(text.inbound.sender, kind=replies.RECEIVED, moment=since):
        any(text.answer(replies.RECEIVED, patient) for patient in text.people)


def _locked(text: Text) -> list[Patient]:
    return list(selectors.people_of(text.inbound.sender).select_for_update(no_key=True))


def _set_consent(patient: Patient, *, granted: bool, now: datetime) -> None:
    consents.append(
        patient=patient,
        actor=PATIENT_BY_REPLY,
        now=now,
        channel=Consent.Channel.SMS,
        purpose=Consent.Purpose.CARE,
        granted=granted,
        source=Consent.Source.REPLY,
    )
    versions.save(patient, consents.ACCEPTS[Consent.Channel.SMS])
    outreach.contact_changed(patient=patient, now=now)


def _stopped_by_reply(patient: Patient) -> bool:
    latest = Consent.objects.filter(
        patient=patient, channel=Consent.Channel.SMS, purpose=Consent.Purpose.CARE
    ).first()
    return latest is not None and not latest.granted and latest.source == Consent.Source.REPLY


def _hint(text: Text) -> str:
    return " It may ask for no more messages." if may_ask_to_stop(text.inbound.body) else ""


def _language(body: str, people: list[Patient]) -> str:
    if people:
        return people[0].language
    return "es" if _SPANISH_HELP & set(words_of(body)) else "en"


def _visits() -> Visits:
    provided: Visits = import_string(settings.VISIT_REPLIES)()
    return provided
