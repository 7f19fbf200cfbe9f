"""The last look before a message leaves: is it still ours, still wanted, still allowed, still in time, not
in the patient's night, not one text too many? Only then the moment of handing over is committed, and the
gateway is called.

Texts to one patient are counted under the lock of the patient's row, taken before the message's as
everywhere: of two workers the second sees what the first has handed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from clinic.common.transactions import durable
from patients.domain import caps
from patients.domain.messages import Suppression
from patients.domain.quiet_hours import is_quiet, next_allowed
from patients.domain.rendering import CannotRender
from patients.gateways.base import Outgoing
from patients.models import Attempt, Message, MessageTemplate, Patient
from patients.selectors import messages as selectors
from patients.selectors.messages import Policy, reach_of
from patients.services.claims import Claimed, held
from patients.services.composing import compose

log = structlog.get_logger(__name__)
Templates = Mapping[tuple[str, str, str], MessageTemplate]
STOPPED = "reply_stopped"
"""The one message to somebody who has just opted out: that they have."""


class Objection(StrEnum):
    """Why a claimed message is not handed over."""

    WITHDRAWN = "withdrawn"
    SUPPRESSED = "suppressed"
    TOO_LATE = "too_late"
    QUIET = "quiet_hours"
    CAPPED = "capped"
    POISON = "poison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """It stays here. ``until`` is when to look again: after the night, or when there is room for a text."""

    objection: Objection
    reason: str
    until: datetime | None = None


@durable
def hand_over(
    claimed: Claimed, *, policies: Mapping[int, Policy], templates: Templates, now: datetime
) -> Outgoing | Held | None:
    """What to give to the gateway, having recorded that it is being given; or why not; or None when the
    row is no longer ours."""
    if claimed.channel == Message.Channel.SMS:
        Patient.objects.select_for_update(no_key=True).only("pk").get(pk=claimed.patient_id)
    message = held(claimed).select_related("patient__site").first()
    if message is None:
        return None
    objection = _objection(message, policies[message.patient.site_id], now)
    if objection is not None:
        return objection
    try:
        template = templates.get((message.kind, message.channel, message.patient.language))
        outgoing = compose(message, template=template, number=claimed.number, now=now)
    except CannotRender as error:
        return Held(objection=Objection.POISON, reason=error.code)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one row must not stop the others
        log.error("message_cannot_be_composed", message=message.pk, error=type(error).__name__)  # noqa: TRY400
        return Held(objection=Objection.POISON, reason="cannot_render")
    Attempt.objects.filter(message_id=message.pk, number=claimed.number).update(
        handed_over_at=now, template=template
    )
    return outgoing


def _objection(message: Message, policy: Policy, now: datetime) -> Held | None:
    answers = message.in_reply_to_id is not None
    refusal = reach_of(message.patient, policy.quiet).refusal(message.channel)
    if refusal is not None and not (answers and (message.kind, refusal) == (STOPPED, Suppression.OPTED_OUT)):
        return Held(objection=Objection.SUPPRESSED, reason=refusal)
    if message.reason:
        return taken_back(message.reason)
    if now > message.not_after:
        return Held(objection=Objection.TOO_LATE, reason=Objection.TOO_LATE)
    return None if answers else _bad_moment(message, policy, now)


def _bad_moment(message: Message, policy: Policy, now: datetime) -> Held | None:
    zone = message.patient.zone
    if is_quiet(now, policy.quiet, zone):
        until = next_allowed(now, policy.quiet, zone)
        if until > message.not_after:
            return Held(objection=Objection.TOO_LATE, reason=Objection.TOO_LATE)
        return Held(objection=Objection.QUIET, reason=Objection.QUIET, until=until)
    return _one_too_many(message, policy, now) if message.channel == Message.Channel.SMS else None


def _one_too_many(message: Message, policy: Policy, now: datetime) -> Held | None:
    """The patient row is locked."""
    zone = message.patient.zone
    sent = selectors.texts_sent(message.patient_id, since=now - caps.WEEK)
    kept = selectors.texts_kept(message, now=now)
    if caps.allows(now, sent=sent, kept=kept, cap=policy.cap, zone=zone):
        return None
    if selectors.texts_often(message.patient_id):
        return None
    until = caps.first_allowed(
        now=now,
        not_after=message.not_after,
        sent=sent,
        kept=kept,
        cap=policy.cap,
        quiet=policy.quiet,
        zone=zone,
    )
    if until is None:
        return Held(objection=Objection.SUPPRESSED, reason=Suppression.CAPPED)
    return Held(objection=Objection.CAPPED, reason=Objection.CAPPED, until=until)


def taken_back(reason: str) -> Held:
    """The mark on a row in a worker's hands, as an objection."""
    suppressed = reason in set(Suppression)
    return Held(objection=Objection.SUPPRESSED if suppressed else Objection.WITHDRAWN, reason=reason)
