"""Takes in what people text us. The text, what it does and our answer commit together, keyed by the
provider's id of the text, so that a webhook may come twice or twice at once. No text is ever dropped: what
cannot be understood, or fails, is given to a person.
"""

import re
from datetime import datetime, timedelta
from functools import cache

import structlog
from django.db import IntegrityError, transaction

from clinic.access.policy import Role
from clinic.common import catalogue
from clinic.common.transactions import durable, request_unit, violated
from patients.domain.replies import Intent, Meaning, classify, speaks_of_crisis
from patients.models import InboundMessage, Patient
from patients.selectors import replies as selectors
from patients.services.text_commands import ANSWERED_AT_ONCE, follow, words_at_once
from patients.services.texts import Text

log = structlog.get_logger(__name__)

CRISIS_ANSWER = timedelta(minutes=15)
"""How soon a nurse must look at a text that speaks of a crisis (DOMAIN section 4)."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def receive(*, provider_id: str, sender: str, body: str, answered_by_provider: bool, now: datetime) -> str:
    """Keep a text and do what it asks for, once. ``answered_by_provider``: it has told the sender already.

    Returns words for the provider to answer at once, for senders whom the outbox cannot reach; usually "".
    """
    body = body.replace("\x00", "")
    try:
        with request_unit():
            return _take(provider_id, sender, body, now, answered=answered_by_provider)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the text must reach a person
        log.error("text_not_processed", error=type(error).__name__)  # noqa: TRY400 - a traceback may quote it
        _hand_to_a_person(provider_id, sender, body, now)
        return ""


@durable
def _take(provider_id: str, sender: str, body: str, now: datetime, *, answered: bool) -> str:
    people = _people(sender)
    opted_out = bool(people) and not any(patient.accepts_sms for patient in people)
    meaning = classify(body, opted_out=opted_out)
    if meaning.bare_yes and people and not selectors.last_asked_about_a_visit(sender):
        meaning = Meaning(Intent.OTHER)
    inbound = _store(provider_id, sender, body, intent=meaning.intent, people=people, now=now)
    if inbound is None:
        return _answered_before(provider_id)
    text = Text(inbound=inbound, people=people, answered=answered, now=now)
    crisis = _look_for_a_crisis(text)
    inbound.outcome = follow(text, meaning.intent, crisis=crisis)
    inbound.save(update_fields=["outcome", "patient"])
    return words_at_once(text) if inbound.outcome == ANSWERED_AT_ONCE else ""


def _store(
    provider_id: str, sender: str, body: str, *, intent: str, people: list[Patient], now: datetime
) -> InboundMessage | None:
    """The new row; None when this text came before, or comes twice at this moment and the other was first."""
    try:
        with transaction.atomic():
            return InboundMessage.objects.create(
                provider_id=provider_id,
                sender=sender[:32],
                body=body,
                received_at=now,
                intent=intent,
                patient=people[0] if len(people) == 1 else None,
            )
    except IntegrityError as error:
        if "provider_id" not in (violated(error) or ""):
            raise
        return None


def _look_for_a_crisis(text: Text) -> bool:
    """Whatever else a text is: words of crisis put it before a nurse, each time anew."""
    if not speaks_of_crisis(text.inbound.body, _crisis_phrases()):
        return False
    text.ask(
        "crisis_text",
        "A patient may be in a crisis: read {text} now and call." + text.shared,
        role=Role.NURSE,
        within=CRISIS_ANSWER,
        urgent=True,
    )
    return True


def _answered_before(provider_id: str) -> str:
    """The same answer as the first time."""
    known = InboundMessage.objects.get(provider_id=provider_id)
    if known.outcome != ANSWERED_AT_ONCE:
        return ""
    return words_at_once(
        Text(inbound=known, people=_people(known.sender), answered=False, now=known.received_at)
    )


@durable
def _hand_to_a_person(provider_id: str, sender: str, body: str, now: datetime) -> None:
    """Keep a text whose own effect failed, for somebody to act on."""
    people = _people(sender)
    intent = classify(body).intent
    inbound = _store(provider_id, sender, body, intent=intent, people=people, now=now)
    if inbound is None:
        return
    text = Text(inbound=inbound, people=people, answered=True, now=now)
    _look_for_a_crisis(text)
    text.ask(
        "text_not_processed",
        "Onset could not act on {text}. Read it, do what it asks for, and call." + text.shared,
        within=timedelta(hours=1),
        urgent=True,
    )
    inbound.outcome = "not_processed"
    inbound.save(update_fields=["outcome"])


def _people(sender: str) -> list[Patient]:
    """Whose number it is; nobody's, where a provider puts no number."""
    return list(selectors.people_of(sender).select_related("site")) if _E164.fullmatch(sender) else []


@cache
def _crisis_phrases() -> tuple[str, ...]:
    return tuple(row["phrase"] for row in catalogue.rows("patients", "crisis_words"))
