"""What became of a claimed message, written where the claim is still ours, together with what follows
from it: another try, the other channel, a person who calls, a contact that is no longer used.

Locks patient, then message: the order of every service that changes both.
"""

from datetime import datetime

from django.db.models import Case, QuerySet, Value, When

from clinic.access.policy import SYSTEM, Role
from clinic.common import versions
from clinic.common.transactions import durable
from patients.domain.messages import TRY_THE_OTHER, RowStatus, WantedMessage, decide
from patients.domain.reports import Verdict, verdict
from patients.domain.retries import next_try
from patients.gateways.base import Fault, GatewayError
from patients.gateways.sms import fault_of
from patients.models import Attempt, Consent, DeliveryReport, Message, Patient
from patients.selectors.messages import quiet_hours, reach_of
from patients.services import consents, outreach, wakeup
from patients.services.claims import Claimed, held
from patients.services.handover import Held, Objection, taken_back
from patients.services.work_items import close_items, open_item

TOO_LATE_TO_WITHDRAW = "sent_before_withdrawal"
_COVERED = (
    Message.Status.QUEUED,
    Message.Status.SENDING,
    Message.Status.SENT,
    Message.Status.DELIVERED,
    Message.Status.UNCERTAIN,
)
_MAY_TURN_OUT_DELIVERED = (Message.Status.SENT, Message.Status.QUEUED)
"""Queued: the provider had taken it although it answered with a fault; it is not sent again."""
_FAILED_FIELD = {"email": "email_failed_at", "sms": "phone_failed_at"}
_ADDRESS_WORDS = {"email": "e-mail address", "sms": "phone number"}


@durable
def accepted(claimed: Claimed, *, provider_id: str, now: datetime) -> None:
    """The gateway took it. True even when the lease ran out meanwhile and the row was called uncertain."""
    sent = {"status": Message.Status.SENT, "claim": None, "leased_until": None, "finished_at": now}
    ours = Message.objects.filter(pk=claimed.message_id, claim=claimed.claim).update(
        reason=Case(When(reason="", then=Value("")), default=Value(TOO_LATE_TO_WITHDRAW)), **sent
    )
    if not ours:
        late = Message.objects.filter(
            pk=claimed.message_id, status=Message.Status.UNCERTAIN, attempts_made=claimed.number
        ).update(reason="", **sent)
        if late:
            close_items(
                [uncertain_key(claimed.message_id)], note="Closed by Onset: it was delivered.", now=now
            )
    _end_attempt(claimed, Attempt.Outcome.ACCEPTED, now, provider_id=provider_id)
    if claimed.channel == Message.Channel.SMS:
        _reported_early(claimed, provider_id, now)


@durable
def refused(claimed: Claimed, error: GatewayError, *, sent_to: str, now: datetime, spread: float) -> bool:
    """The gateway did not take it, or nobody knows; True when it will be tried again. ``sent_to`` is the
    address used ("" when none was): only that one is marked as bad, not one given since."""
    _end_attempt(claimed, _OUTCOMES.get(error.fault, Attempt.Outcome.PERMANENT), now, error=error.code)
    patient = _lock_patient(claimed.patient_id)
    message = held(claimed).first()
    if message is None:
        return False
    if error.fault == Fault.UNKNOWN:
        doubt(message, patient, reason=error.code, now=now)
    elif not error.permanent:
        return _again(message, patient, error.code, now=now, spread=spread)
    elif error.fault == Fault.OPTED_OUT:
        finish(message, Message.Status.SUPPRESSED, "opted_out", now=now)
    else:
        finish(message, Message.Status.FAILED, error.code, now=now)
    if error.permanent:
        _learn(patient, message.channel, error.fault, sent_to, now)
        pass_on(message, patient, now=now)
    return False


@durable
def not_handed_over(claimed: Claimed, why: Held, *, now: datetime) -> None:
    """The last look found an objection."""
    patient = _lock_patient(claimed.patient_id)
    message = held(claimed).first()
    if message is None:
        return
    _end_attempt(claimed, Attempt.Outcome.NOT_SENT, now, error=why.reason)
    keep(message, patient, why, now=now)


def keep(message: Message, patient: Patient, why: Held, *, now: datetime) -> None:
    """Write an objection into a locked message: withdrawn, suppressed, failed, or waiting for a better
    time."""
    if why.until is not None:
        requeue(message, why.until)
        return
    status = {
        Objection.WITHDRAWN: Message.Status.WITHDRAWN,
        Objection.SUPPRESSED: Message.Status.SUPPRESSED,
    }.get(why.objection, Message.Status.FAILED)
    finish(message, status, why.reason, now=now)
    if why.reason in TRY_THE_OTHER:
        pass_on(message, patient, now=now)
    elif status != Message.Status.WITHDRAWN:
        ask_for_a_call(message, patient, now=now)


def finish(message: Message, status: str, reason: str, *, now: datetime) -> None:
    """Write how the story of a locked message ends."""
    message.status, message.reason, message.finished_at = status, reason[:64], now
    message.claim = message.leased_until = None
    message.save(update_fields=["status", "reason", "finished_at", "claim", "leased_until"])


def requeue(message: Message, due_at: datetime) -> None:
    """Put a locked message back, to be looked at from ``due_at`` on."""
    message.status, message.reason, message.due_at = Message.Status.QUEUED, "", due_at
    message.claim = message.leased_until = None
    message.save(update_fields=["status", "reason", "due_at", "claim", "leased_until"])


def doubt(message: Message, patient: Patient, *, reason: str, now: datetime) -> None:
    """It may have been delivered: never send it again by ourselves, ask a person to find out (unless it
    only answers a text)."""
    finish(message, Message.Status.UNCERTAIN, reason, now=now)
    if message.in_reply_to_id is not None:
        return
    open_item(
        kind="uncertain_message",
        key=uncertain_key(message.pk),
        severity="routine",
        site_id=patient.site_id,
        patient=patient,
        summary=f"It is unclear whether a message arrived ({_named(message)}). Call the patient.",
        owner_role=Role.FRONT_DESK,
        due_at=max(now, message.not_after),
        now=now,
    )


def pass_on(message: Message, patient: Patient, *, now: datetime) -> None:
    """Let the other channel carry what this one never will, though the plan had not asked for it there; where
    that cannot be, a person calls."""
    if message.in_reply_to_id is None and not _siblings(message).exists():
        other = Message.Channel.SMS if message.channel == Message.Channel.EMAIL else Message.Channel.EMAIL
        if _queued_on(other, message, patient, now=now):
            return
    ask_for_a_call(message, patient, now=now)


def ask_for_a_call(message: Message, patient: Patient, *, now: datetime) -> None:
    """Open an item for a message that failed, unless the other channel carries it or may yet.

    Not for our answer to a text: what a text asks of a person opened its item when the text came.
    """
    if patient.status == Patient.Status.DECEASED or message.in_reply_to_id is not None:
        return
    if _siblings(message).filter(status__in=_COVERED).exists():
        return
    open_item(
        kind="undelivered_message",
        key=f"undelivered:{message.subject_kind}:{message.subject_id}:{message.kind}:{message.plan_version}",
        severity="routine",
        site_id=patient.site_id,
        patient=patient,
        summary=f"A message was not delivered ({_named(message)}). Call the patient.",
        owner_role=Role.FRONT_DESK,
        due_at=max(now, message.not_after),
        now=now,
    )


def _siblings(message: Message) -> QuerySet[Message]:
    """The same message on the other channel."""
    return Message.objects.filter(
        subject_kind=message.subject_kind,
        subject_id=message.subject_id,
        kind=message.kind,
        plan_version=message.plan_version,
    ).exclude(channel=message.channel)


def _queued_on(channel: str, message: Message, patient: Patient, *, now: datetime) -> bool:
    """Queue the message on another channel; whether that is possible."""
    row = decide(
        WantedMessage(
            kind=message.kind,
            due_at=message.planned_at,
            not_after=message.not_after,
            context=message.context,
        ),
        channel=channel,
        reach=reach_of(patient, quiet_hours([patient.site_id])[patient.site_id]),
        now=now,
    )
    if row.status != RowStatus.QUEUED:
        return False
    Message.objects.create(
        patient=patient,
        subject_kind=message.subject_kind,
        subject_id=message.subject_id,
        plan_version=message.plan_version,
        kind=message.kind,
        channel=channel,
        context=message.context,
        planned_at=row.planned_at,
        due_at=row.due_at,
        not_after=row.not_after,
        created_at=now,
    )
    wakeup.wake()
    return True


def reported(
    message: Message, patient: Patient, *, attempt: Attempt, provider_id: str, sent_to: str, now: datetime
) -> None:
    """Let a locked message follow what its provider's reports add up to. ``sent_to`` is the address used:
    only that one is marked as bad, not one given since."""
    reports = {
        report.status: report.error for report in DeliveryReport.objects.filter(provider_id=provider_id)
    }
    said = verdict(reports)
    uncertain = message.status == Message.Status.UNCERTAIN
    if said == Verdict.DELIVERED and (uncertain or message.status in _MAY_TURN_OUT_DELIVERED):
        finish(message, Message.Status.DELIVERED, "" if uncertain else message.reason, now=now)
    elif said == Verdict.FAILED and (uncertain or message.status == Message.Status.SENT):
        code = next((int(error) for error in reports.values() if error), 0)
        fault = fault_of(code)
        if fault == Fault.OPTED_OUT:
            finish(message, Message.Status.SUPPRESSED, "opted_out", now=now)
        else:
            finish(message, Message.Status.FAILED, f"twilio_{code}" if code else "undelivered", now=now)
        _learn(patient, message.channel, fault, sent_to, now)
        pass_on(message, patient, now=now)
    elif uncertain:  # it is on its way, so it was accepted
        finish(message, Message.Status.SENT, "", now=now)
    else:
        return
    attempt.outcome, attempt.provider_id = Attempt.Outcome.ACCEPTED, provider_id
    attempt.save(update_fields=["outcome", "provider_id"])
    if uncertain:
        close_items([uncertain_key(message.pk)], note="Closed by Onset: the provider reported.", now=now)


def uncertain_key(message_id: int) -> str:
    """The cause of the item about an uncertain message."""
    return f"uncertain:{message_id}"


_OUTCOMES = {
    Fault.TEMPORARY: Attempt.Outcome.TEMPORARY,
    Fault.UNAVAILABLE: Attempt.Outcome.TEMPORARY,
    Fault.UNKNOWN: Attempt.Outcome.UNKNOWN,
}


def _again(message: Message, patient: Patient, code: str, *, now: datetime, spread: float) -> bool:
    if message.reason:
        keep(message, patient, taken_back(message.reason), now=now)
        return False
    due_at = next_try(now=now, tries=message.attempts_made, not_after=message.not_after, spread=spread)
    if due_at is None:
        finish(message, Message.Status.FAILED, code, now=now)
        ask_for_a_call(message, patient, now=now)
        return False
    requeue(message, due_at)
    return True


def _reported_early(claimed: Claimed, provider_id: str, now: datetime) -> None:
    """Apply reports that came before the provider's id was written down. Locks the patient after the message,
    against the order: a deadlock, should this rarest of meetings come to one, is retried by ``durable``."""
    if not DeliveryReport.objects.filter(provider_id=provider_id).exists():
        return
    patient = _lock_patient(claimed.patient_id)
    message = Message.objects.select_for_update().get(pk=claimed.message_id)
    attempt = message.attempts.get(number=claimed.number)
    reported(message, patient, attempt=attempt, provider_id=provider_id, sent_to=patient.phone, now=now)


def _learn(patient: Patient, channel: str, fault: Fault, sent_to: str, now: datetime) -> None:
    """Stop using a contact that the gateway says is dead, or whose owner told the provider to stop."""
    if (
        fault not in {Fault.BAD_ADDRESS, Fault.OPTED_OUT}
        or getattr(patient, consents.ADDRESS[channel]) != sent_to
    ):
        return
    if fault == Fault.OPTED_OUT:
        consents.append(
            patient=patient,
            actor=SYSTEM,
            now=now,
            channel=channel,
            purpose=Consent.Purpose.CARE,
            granted=False,
            source=Consent.Source.REPLY,
        )
        versions.save(patient, consents.ACCEPTS[channel])
    else:
        setattr(patient, _FAILED_FIELD[channel], now)
        versions.save(patient, _FAILED_FIELD[channel])
        open_item(
            kind="bad_contact",
            key=f"bad_contact:{patient.pk}:{channel}",
            severity="routine",
            site_id=patient.site_id,
            patient=patient,
            summary=f"The patient's {_ADDRESS_WORDS[channel]} does not work. Ask for the right one.",
            owner_role=Role.FRONT_DESK,
            due_at=now,
            now=now,
        )
    outreach.contact_changed(patient=patient, now=now)


def _lock_patient(patient_id: int) -> Patient:
    return Patient.objects.select_for_update(no_key=True).get(pk=patient_id)


def _end_attempt(
    claimed: Claimed, outcome: str, now: datetime, *, error: str = "", provider_id: str = ""
) -> None:
    Attempt.objects.filter(message_id=claimed.message_id, number=claimed.number).update(
        outcome=outcome, ended_at=now, error=error[:120], provider_id=provider_id[:255]
    )


def _named(message: Message) -> str:
    channel = "text" if message.channel == Message.Channel.SMS else "e-mail"
    return f"{message.kind.replace('_', ' ')}, {channel}"
