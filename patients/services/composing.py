"""From a ledger row to the message itself: the address and the words are looked up at the last moment."""

from datetime import date, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings

from patients.domain.rendering import CannotRender, Facts, Words, render
from patients.gateways import calendar
from patients.gateways.base import Attachment, Outgoing
from patients.models import Message, MessageTemplate

APPOINTMENT = "appointment"
CANCELLATION = "cancellation"
"""The kind of message that takes a visit out of the patient's calendar again."""


def compose(message: Message, *, template: MessageTemplate | None, number: int, now: datetime) -> Outgoing:
    """The message to hand over, on its ``number``-th try. Needs ``patient`` and its ``site`` loaded.

    The context may say ``site``, ``phone``, ``timezone`` and either ``start_at`` (an instant) or ``on`` (a
    day); what it leaves out is the patient's. Raises CannotRender, or ValueError for an unreadable context.
    """
    if template is None:
        raise CannotRender("no_template")
    patient, context = message.patient, message.context
    site = context.get("site") or patient.site.discreet_name
    facts = Facts(
        name=patient.preferred_name or patient.first_name,
        site=site,
        phone=context.get("phone") or patient.site.phone,
        moment=_moment(context),
        zone=ZoneInfo(context.get("timezone") or patient.timezone),
        home=patient.zone,
    )
    words = render(
        Words(subject=template.subject, body=template.body),
        facts,
        channel=message.channel,
        language=template.language,
    )
    email = message.channel == Message.Channel.EMAIL
    return Outgoing(
        reference=f"m{message.pk}.{number}",
        to=patient.email if email else patient.phone,
        sender_name=site,
        subject=words.subject,
        body=words.body,
        attachments=_calendar(message, facts, template.language, now) if email else (),
    )


def _moment(context: dict[str, str]) -> datetime | date | None:
    if "start_at" in context:
        return datetime.fromisoformat(context["start_at"])
    return date.fromisoformat(context["on"]) if "on" in context else None


def _calendar(message: Message, facts: Facts, language: str, now: datetime) -> tuple[Attachment, ...]:
    if message.subject_kind != APPOINTMENT or not isinstance(facts.moment, datetime):
        return ()
    end_at = message.context.get("end_at")
    return (
        calendar.entry(
            uid=f"{APPOINTMENT}-{message.subject_id}@{urlsplit(settings.PUBLIC_URL).hostname}",
            sequence=message.plan_version,
            site=facts.site,
            language=language,
            start_at=facts.moment,
            end_at=datetime.fromisoformat(end_at) if end_at else None,
            stamped_at=now,
            cancelled=message.kind == CANCELLATION,
        ),
    )
