"""Reads around the ledger of messages: what a list shows, what the planner and the worker need to know."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time

from django.conf import settings
from django.db.models import Min, Prefetch

from patients.domain.messages import Contact, Existing, Reach, RowStatus
from patients.domain.quiet_hours import QuietHours
from patients.models import Attempt, ContactPolicy, Message, MessageTemplate, Patient
from patients.models.messages import MessageQuerySet

_WITHOUT_POLICY = QuietHours(start=time(20), end=time(9), pull_to=time(18))
"""DOMAIN section 5 [D]. Counts only where a clinic deleted even the default policy row."""


def ledger() -> MessageQuerySet:
    """Messages with their attempts, in a constant number of queries."""
    return Message.objects.prefetch_related(Prefetch("attempts", Attempt.objects.order_by("number")))


def quiet_hours(site_ids: Iterable[int]) -> dict[int, QuietHours]:
    """The quiet hours of each of these sites: its own policy, else the default one."""
    wanted = set(site_ids)
    stored: dict[int | None, QuietHours] = {
        site_id: QuietHours(start=start, end=end, pull_to=pull_to)
        for site_id, start, end, pull_to in ContactPolicy.objects.filter(site_id__in=wanted)
        .union(ContactPolicy.objects.filter(site=None))
        .values_list("site_id", "quiet_from", "quiet_until", "pull_to")
    }
    default = stored.get(None, _WITHOUT_POLICY)
    return {site_id: stored.get(site_id, default) for site_id in wanted}


def reach_of(patient: Patient, quiet: QuietHours) -> Reach:
    """Whether and how this patient may be reached, as the record stands."""
    return Reach(
        status=patient.status,
        email=Contact(
            given=bool(patient.email),
            allowed=patient.accepts_email,
            failed=patient.email_failed_at is not None,
        ),
        sms=Contact(
            given=bool(patient.phone),
            allowed=patient.accepts_sms,
            failed=patient.phone_failed_at is not None,
        ),
        sms_on=settings.SMS_GATEWAY != "off",
        quiet=quiet,
        zone=patient.zone,
    )


def as_existing(message: Message) -> Existing:
    """A row as the rules see it."""
    return Existing(
        id=message.pk,
        kind=message.kind,
        channel=message.channel,
        plan_version=message.plan_version,
        status=RowStatus(message.status),
        reason=message.reason,
        planned_at=message.planned_at,
        due_at=message.due_at,
        not_after=message.not_after,
        context=message.context,
    )


def templates(kinds: Iterable[str]) -> Mapping[tuple[str, str, str], MessageTemplate]:
    """The newest active words of these kinds, by kind, channel and language."""
    newest = (
        MessageTemplate.objects.filter(kind__in=set(kinds), active=True)
        .order_by("kind", "channel", "language", "-version")
        .distinct("kind", "channel", "language")
    )
    return {(each.kind, each.channel, each.language): each for each in newest}


def oldest_due() -> datetime | None:
    """When the first queued message is due; read from the partial index alone."""
    oldest: datetime | None = Message.objects.filter(status=Message.Status.QUEUED).aggregate(
        oldest=Min("due_at")
    )["oldest"]
    return oldest


def sending() -> bool:
    """Whether a worker holds any message just now."""
    return Message.objects.filter(status=Message.Status.SENDING).exists()


def patients_by_provider_id(provider_ids: Iterable[str]) -> dict[str, int]:
    """Whose message a gateway's id belongs to, as far as the ledger knows."""
    rows = Attempt.objects.filter(provider_id__in=list(provider_ids)).exclude(provider_id="")
    return dict(rows.order_by().values_list("provider_id", "message__patient_id"))
