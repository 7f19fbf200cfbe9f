"""The last look before a message leaves: is it still ours, still wanted, still allowed, still in time, not
in the patient's night? Only then the moment of handing over is committed, and the gateway is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from clinic.common.transactions import durable
from patients.domain.messages import Suppression
from patients.domain.quiet_hours import QuietHours, is_quiet, next_allowed
from patients.domain.rendering import CannotRender
from patients.gateways.base import Outgoing
from patients.models import Attempt, Message, MessageTemplate
from patients.selectors.messages import reach_of
from patients.services.claims import Claimed, held
from patients.services.composing import compose

log = structlog.get_logger(__name__)
Templates = Mapping[tuple[str, str, str], MessageTemplate]


class Objection(StrEnum):
    """Why a claimed message is not handed over."""

    WITHDRAWN = "withdrawn"
    SUPPRESSED = "suppressed"
    TOO_LATE = "too_late"
    QUIET = "quiet_hours"
    POISON = "poison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """It stays here. ``until`` is the morning, for quiet hours."""

    objection: Objection
    reason: str
    until: datetime | None = None


@durable
def hand_over(
    claimed: Claimed, *, quiet: Mapping[int, QuietHours], templates: Templates, now: datetime
) -> Outgoing | Held | None:
    """What to give to the gateway, having recorded that it is being given; or why not; or None when the
    row is no longer ours."""
    message = held(claimed).select_related("patient__site").first()
    if message is None:
        return None
    objection = _objection(message, quiet, now)
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
    Attempt.objects.filter(message_id=message.pk, number=claimed.number).update(handed_over_at=now)
    return outgoing


def _objection(message: Message, quiet: Mapping[int, QuietHours], now: datetime) -> Held | None:
    hours = quiet[message.patient.site_id]
    refusal = reach_of(message.patient, hours).refusal(message.channel)
    if refusal is not None:
        return Held(objection=Objection.SUPPRESSED, reason=refusal)
    if message.reason:
        return taken_back(message.reason)
    if now > message.not_after:
        return Held(objection=Objection.TOO_LATE, reason=Objection.TOO_LATE)
    if is_quiet(now, hours, message.patient.zone):
        until = next_allowed(now, hours, message.patient.zone)
        if until > message.not_after:
            return Held(objection=Objection.TOO_LATE, reason=Objection.TOO_LATE)
        return Held(objection=Objection.QUIET, reason=Objection.QUIET, until=until)
    return None


def taken_back(reason: str) -> Held:
    """The mark on a row in a worker's hands, as an objection."""
    suppressed = reason in set(Suppression)
    return Held(objection=Objection.SUPPRESSED if suppressed else Objection.WITHDRAWN, reason=reason)
