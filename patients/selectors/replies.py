"""What somebody who texts us may be answering: the people of a number and what it was last told."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Max, QuerySet

from patients.domain.replies import Ask
from patients.models import Attempt, Message, Patient

VISIT_TEXTS = ("confirmation", "preparation", "confirm_request", "day_before", "hours_before")
"""The kinds of texts about a visit that C and R answer."""
_GONE_OUT = (
    Message.Status.SENDING,
    Message.Status.SENT,
    Message.Status.DELIVERED,
    Message.Status.UNCERTAIN,
)
_LATEST = 50


def people_of(phone: str) -> QuerySet[Patient]:
    """Who can be reached at this number, by id: the order in which they are locked."""
    return Patient.objects.filter(phone=phone).exclude(status=Patient.Status.DECEASED).order_by("id")


def asks(phone: str) -> list[Ask]:
    """The visits that this number was texted about, the latest first, each once with its latest plan."""
    found: dict[int, Ask] = {}
    for patient_id, visit_id, plan_version in (
        _texts(phone)
        .filter(subject_kind="appointment", kind__in=VISIT_TEXTS)
        .values_list("patient_id", "subject_id", "plan_version")[:_LATEST]
    ):
        found.setdefault(visit_id, Ask(patient_id=patient_id, visit_id=visit_id, plan_version=plan_version))
    return list(found.values())


def last_asked_about_a_visit(phone: str) -> bool:
    """Whether the last thing this number was told by text, our answers apart, was about a visit."""
    kind = _texts(phone).filter(in_reply_to=None).values_list("kind", flat=True).first()
    return kind in VISIT_TEXTS


def answered_since(phone: str, *, kind: str, moment: datetime) -> bool:
    """Whether this number got an answer of this kind from us after that moment."""
    return Message.objects.filter(
        in_reply_to__sender=phone, kind=kind, created_at__gt=moment, channel=Message.Channel.SMS
    ).exists()


def _texts(phone: str) -> QuerySet[Message]:
    """What was handed over for this number, the latest first."""
    return (
        Message.objects.filter(patient__phone=phone, channel=Message.Channel.SMS, status__in=_GONE_OUT)
        .annotate(handed_over_at=Max("attempts__handed_over_at"))
        .filter(handed_over_at__isnull=False)
        .order_by(F("handed_over_at").desc(), "-id")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Whose message it is and what became of it, for the demo's mailbox."""

    patient_id: int
    name: str
    phone: str
    status: str


def receivers(provider_ids: Iterable[str]) -> dict[str, Receiver]:
    """By the provider's id, as far as the ledger knows."""
    attempts = (
        Attempt.objects.filter(provider_id__in=list(provider_ids))
        .exclude(provider_id="")
        .select_related("message__patient")
    )
    return {
        attempt.provider_id: Receiver(
            patient_id=attempt.message.patient_id,
            name=f"{attempt.message.patient.first_name} {attempt.message.patient.last_name}",
            phone=attempt.message.patient.phone,
            status=attempt.message.status,
        )
        for attempt in attempts
    }
