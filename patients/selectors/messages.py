"""Reads around the ledger of messages: what a list shows, what the planner and the worker need to know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Min, Prefetch

from patients.domain import caps
from patients.domain.caps import Allowance
from patients.domain.messages import Contact, Existing, Reach, RowStatus
from patients.domain.quiet_hours import QuietHours
from patients.models import Attempt, Consent, Message, MessageTemplate, Patient
from patients.models.messages import MessageQuerySet


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a site may reach its patients, and how often by text."""

    quiet: QuietHours
    cap: Allowance


_WITHOUT_POLICY = Policy(
    quiet=QuietHours(start=time(20), end=time(9), pull_to=time(18)), cap=Allowance(per_day=1, per_week=3)
)
"""DOMAIN section 5 [D]. Counts only where a clinic deleted even the default policy row."""
# By hand, because every booking asks.
_POLICIES = """
SELECT site_id, quiet_from, quiet_until, pull_to, texts_per_day, texts_per_week
FROM patients_contactpolicy
WHERE site_id = ANY (%s) OR site_id IS NULL
"""
_KNOWN_NOT_SENT = (Attempt.Outcome.NOT_SENT, Attempt.Outcome.TEMPORARY, Attempt.Outcome.PERMANENT)


def ledger() -> MessageQuerySet:
    """Messages with their attempts, in a constant number of queries."""
    return Message.objects.prefetch_related(Prefetch("attempts", Attempt.objects.order_by("number")))


def policies(site_ids: Iterable[int]) -> dict[int, Policy]:
    """What counts at each of these sites: its own policy, else the default one."""
    wanted = set(site_ids)
    with connection.cursor() as cursor:
        cursor.execute(_POLICIES, [list(wanted)])
        stored: dict[int | None, Policy] = {
            site_id: Policy(
                quiet=QuietHours(start=start, end=end, pull_to=pull_to),
                cap=Allowance(per_day=per_day, per_week=per_week),
            )
            for site_id, start, end, pull_to, per_day, per_week in cursor.fetchall()
        }
    default = stored.get(None, _WITHOUT_POLICY)
    return {site_id: stored.get(site_id, default) for site_id in wanted}


def quiet_hours(site_ids: Iterable[int]) -> dict[int, QuietHours]:
    """The quiet hours of each of these sites."""
    return {site_id: policy.quiet for site_id, policy in policies(site_ids).items()}


def texts_sent(patient_id: int, *, since: datetime) -> list[datetime]:
    """When texts to this patient were handed over, whatever became of them, unless they are known not to have
    gone out. Answers to the patient's own texts do not count."""
    rows = Attempt.objects.filter(
        message__patient_id=patient_id,
        message__channel=Message.Channel.SMS,
        message__in_reply_to=None,
        handed_over_at__gt=since,
    ).exclude(outcome__in=_KNOWN_NOT_SENT)
    moments = rows.order_by().values_list("handed_over_at", flat=True)
    return [moment for moment in moments if moment is not None]


def texts_kept(message: Message, *, now: datetime) -> list[datetime]:
    """When texts that are worth more than this one are due; what is late goes out as soon as it can."""
    if message.kind in caps.WORTH_MORE:
        return []
    rows = Message.objects.filter(
        patient_id=message.patient_id,
        channel=Message.Channel.SMS,
        kind__in=caps.WORTH_MORE,
        status__in=Message.UNFINISHED,
        due_at__lt=message.not_after + caps.WEEK,
        not_after__gte=now,
    ).exclude(pk=message.pk)
    return [max(due_at, now) for due_at in rows.order_by().values_list("due_at", flat=True)]


def texts_often(patient_id: int) -> bool:
    """Whether the patient agreed to more texts than the cap: the latest word counts."""
    latest = Consent.objects.filter(
        patient_id=patient_id, channel=Consent.Channel.SMS, purpose=Consent.Purpose.FREQUENT
    ).first()
    return latest is not None and latest.granted


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


def counts(*, now: datetime) -> dict[str, int]:
    """How many messages are due, being sent, uncertain (of seven days) and failed within the hour."""
    rows = Message.objects.order_by()
    recent = rows.filter(due_at__gt=now - caps.WEEK)  # the ledger grows; what is older has its work item
    return {
        "due": rows.filter(status=Message.Status.QUEUED, due_at__lte=now).count(),
        "sending": rows.filter(status=Message.Status.SENDING).count(),
        "uncertain": recent.filter(status=Message.Status.UNCERTAIN).count(),
        "failed_last_hour": recent.filter(
            status=Message.Status.FAILED, finished_at__gt=now - timedelta(hours=1)
        ).count(),
    }


def patients_by_provider_id(provider_ids: Iterable[str]) -> dict[str, int]:
    """Whose message a gateway's id belongs to, as far as the ledger knows."""
    rows = Attempt.objects.filter(provider_id__in=list(provider_ids)).exclude(provider_id="")
    return dict(rows.order_by().values_list("provider_id", "message__patient_id"))
