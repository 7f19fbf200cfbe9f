"""What we answer to a text: an ordinary row of the ledger, sent by the ordinary dispatcher, but at once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from clinic.access.models import Site
from patients.domain.messages import Suppression
from patients.domain.rendering import CannotRender, Facts, Words, render
from patients.models import InboundMessage, Message, Patient
from patients.selectors.messages import quiet_hours, reach_of, templates
from patients.services import wakeup

CONFIRMED: Final = "reply_confirmed"
MOVE: Final = "reply_move"
STOPPED: Final = "reply_stopped"
STARTED: Final = "reply_started"
HELP: Final = "reply_help"
RECEIVED: Final = "reply_received"

SUBJECT = "reply"
_USEFUL_FOR = timedelta(hours=4)
"""An answer that could not be sent for so long only confuses [D]."""


def answer(
    *,
    inbound: InboundMessage,
    patient: Patient,
    kind: str,
    now: datetime,
    context: Mapping[str, str] | None = None,
) -> bool:
    """Queue an answer to whoever has just texted; False when this patient may not be texted.

    Call it inside the transaction of what is answered. Without a ``context`` the words use the patient's
    site. A closed record, an opt-out (except for its own confirmation) and a dead number get no answer.
    """
    refusal = reach_of(patient, quiet_hours([patient.site_id])[patient.site_id]).refusal("sms")
    if refusal is not None and not (refusal == Suppression.OPTED_OUT and kind == STOPPED):
        return False
    Message.objects.create(
        patient=patient,
        subject_kind=SUBJECT,
        subject_id=inbound.pk,
        kind=kind,
        channel=Message.Channel.SMS,
        context=dict(context or {}),
        planned_at=now,
        due_at=now,
        not_after=now + _USEFUL_FOR,
        created_at=now,
        in_reply_to=inbound,
    )
    wakeup.wake()
    return True


def words(*, kind: str, site: Site, language: str) -> str:
    """The same words for a number that has no patient and so no ledger row; "" when there is no template."""
    template = templates([kind]).get((kind, "sms", language))
    if template is None:
        return ""
    zone = ZoneInfo(site.timezone)
    facts = Facts(name="", site=site.discreet_name, phone=site.phone, moment=None, zone=zone, home=zone)
    try:
        return render(Words(subject="", body=template.body), facts, channel="sms", language=language).body
    except CannotRender:
        return ""
