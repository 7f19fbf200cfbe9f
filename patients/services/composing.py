"""From a ledger row to the message itself: address, words and link are looked up or made at the last
moment."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings

from patients.domain.rendering import CannotRender, Facts, Words, render, uses
from patients.gateways import calendar
from patients.gateways.base import Attachment, Outgoing
from patients.gateways.calendar import Event
from patients.models import Message, MessageTemplate, Patient
from patients.services import links

APPOINTMENT, COURSE, REPLY = "appointment", "course", "reply"
CANCELLATIONS = frozenset({"cancellation", "course_cancellation"})
"""The kinds of messages that take visits out of the patient's calendar again."""
_A_MOMENT = timedelta(minutes=1)


def compose(message: Message, *, template: MessageTemplate | None, number: int, now: datetime) -> Outgoing:
    """The message to hand over, on its ``number``-th try. Needs ``patient`` and its ``site`` loaded.

    The context may say ``site``, ``phone``, ``timezone``, either ``start_at`` (an instant) or ``on`` (a day),
    and ``visits`` (see :func:`visit_line`); what it leaves out is the patient's. Where the words hold a link,
    one is issued, in the caller's transaction. Raises CannotRender, or ValueError for an unreadable context.
    """
    if template is None:
        raise CannotRender("no_template")
    words = Words(subject=template.subject, body=template.body)
    link = _link(message, now) if uses(words, "link") else ""
    facts = facts_of(message.patient, message.context, link=link)
    filled = render(words, facts, channel=message.channel, language=template.language)
    email = message.channel == Message.Channel.EMAIL
    return Outgoing(
        reference=f"m{message.pk}.{number}",
        to=message.patient.email if email else message.patient.phone,
        sender_name=facts.site,
        subject=filled.subject,
        body=filled.body,
        attachments=_calendar(message, facts, template.language, now) if email else (),
        link=link,
    )


def facts_of(patient: Patient, context: Mapping[str, str], *, link: str) -> Facts:
    """What the placeholders stand for in a message of this context."""
    return Facts(
        name=patient.preferred_name or patient.first_name,
        site=context.get("site") or patient.site.discreet_name,
        phone=context.get("phone") or patient.site.phone,
        moment=_moment(context),
        zone=ZoneInfo(context.get("timezone") or patient.timezone),
        home=patient.zone,
        link=link,
        visits=tuple(visit.start_at for visit in _visits(context)),
    )


def visit_line(*, appointment_id: int, version: int, start_at: datetime, end_at: datetime) -> str:
    """One of the lines of a context's ``visits``: the visits that one message tells of, by start."""
    return f"{appointment_id} {version} {start_at.isoformat()} {end_at.isoformat()}"


def told_of(context: Mapping[str, str]) -> set[tuple[int, int]]:
    """(appointment, version of its plan) of every visit that a message with this context tells of."""
    return {(visit.appointment_id, visit.sequence) for visit in _visits(context)}


def _visits(context: Mapping[str, str]) -> list[Event]:
    lines = (line.split(" ") for line in context.get("visits", "").splitlines())
    return [
        Event(
            appointment_id=int(appointment_id),
            sequence=int(version),
            start_at=datetime.fromisoformat(start_at),
            end_at=datetime.fromisoformat(end_at),
        )
        for appointment_id, version, start_at, end_at in lines
    ]


def _moment(context: Mapping[str, str]) -> datetime | date | None:
    if "start_at" in context:
        return datetime.fromisoformat(context["start_at"])
    return date.fromisoformat(context["on"]) if "on" in context else None


def _link(message: Message, now: datetime) -> str:
    """A fresh address; each try has its own, because only hashes are kept."""
    context = message.context
    kind = context.get("link_kind") or message.subject_kind
    if kind == REPLY:
        raise CannotRender("no_link")  # an answer says in its context what its link opens
    return links.issue(
        patient=message.patient,
        subject_kind=kind,
        subject_id=int(context.get("link_id") or message.subject_id),
        message=message,
        expires_at=max(_link_expires_at(message), now + _A_MOMENT),
        now=now,
    )


def _link_expires_at(message: Message) -> datetime:
    """With the visit, or with the last day on which an answer helps, in the patient's zone."""
    context = message.context
    if "end_at" in context:
        return datetime.fromisoformat(context["end_at"])
    if "on" in context:
        day_after = date.fromisoformat(context["on"]) + timedelta(days=1)
        return datetime.combine(day_after, time(), message.patient.zone)
    return message.not_after


def _calendar(message: Message, facts: Facts, language: str, now: datetime) -> tuple[Attachment, ...]:
    events = _visits(message.context) if message.subject_kind == COURSE else _own_visit(message, facts)
    if not events:
        return ()
    cancelled = message.kind in CANCELLATIONS
    if cancelled:  # RFC 5546: what takes an entry out again is later than what put it there
        events = [replace(event, sequence=event.sequence + 1) for event in events]
    return (
        calendar.entries(
            events,
            host=urlsplit(settings.PUBLIC_URL).hostname or "",
            site=facts.site,
            language=language,
            stamped_at=now,
            cancelled=cancelled,
        ),
    )


def _own_visit(message: Message, facts: Facts) -> list[Event]:
    if message.subject_kind != APPOINTMENT or not isinstance(facts.moment, datetime):
        return []
    end_at = message.context.get("end_at")
    return [
        Event(
            appointment_id=message.subject_id,
            sequence=message.plan_version,
            start_at=facts.moment,
            end_at=datetime.fromisoformat(end_at) if end_at else None,
        )
    ]
