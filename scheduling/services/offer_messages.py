"""What a waiting patient is told about an offer, kept equal to where the offer is."""

from datetime import datetime

from patients.domain.messages import WantedMessage
from patients.models import Patient
from patients.services import outreach
from scheduling.models import Offer

SUBJECT = "offer"
OFFERED = "waitlist_offer"
GONE = "waitlist_gone"


def offered(offer: Offer, *, patient: Patient, now: datetime) -> None:
    """Tell the patient. Inside the transaction of the offer, with the patient locked."""
    _reconcile(offer, patient, [_message(OFFERED, offer, now, offer.expires_at)], now)


def settled(offer: Offer, *, patient: Patient, now: datetime, tell: bool) -> None:
    """The offer is over: what was not sent yet is withdrawn; ``tell`` says that the time is gone."""
    gone = tell and now < offer.start_at
    _reconcile(offer, patient, [_message(GONE, offer, now, offer.start_at)] if gone else [], now)


def _message(kind: str, offer: Offer, due_at: datetime, not_after: datetime) -> WantedMessage:
    site = offer.slot.site
    return WantedMessage(
        kind=kind,
        due_at=due_at,
        not_after=not_after,
        context={
            "start_at": offer.start_at.isoformat(),
            "end_at": offer.end_at.isoformat(),
            "timezone": site.timezone,
            "site": site.discreet_name,
            "phone": site.phone,
        },
    )


def _reconcile(offer: Offer, patient: Patient, wanted: list[WantedMessage], now: datetime) -> None:
    outreach.reconcile(
        patient=patient,
        subject_kind=SUBJECT,
        subject_id=offer.pk,
        plan_version=1,
        wanted=wanted,
        now=now,
        reason=offer.status,
    )
