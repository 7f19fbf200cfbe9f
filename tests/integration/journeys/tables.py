"""A patient's messages as a table to read: what the ledger says became of each, and what arrived."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from clinic.embedded.mailbox import Delivery, read
from patients.domain.gsm7 import SINGLE_SMS, is_gsm7, places
from patients.domain.wording import revealing_words
from patients.models import Message, Patient

DENVER = ZoneInfo("America/Denver")
_LINK = re.compile(r"https?://\S+/p/[\w-]{22}/")
_GONE_OUT = frozenset({"sent", "delivered"})
_WITHOUT_LINK = frozenset({"cancellation", "course_cancellation", "waitlist_gone"})


def at(text: str) -> datetime:
    """``2027-01-04T09:00`` on Denver's clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=DENVER)


def local(moment: datetime, zone: ZoneInfo = DENVER) -> str:
    """``01-04 09:00`` as people there read it."""
    return moment.astimezone(zone).strftime("%m-%d %H:%M")


def ledger(patient: Patient) -> list[str]:
    """``01-03 09:00 day_before of 01-04: email sent, sms sent``, by the moment each is due."""
    rows = Message.objects.filter(patient=patient).order_by("channel", "pk")
    found: dict[tuple[datetime, int, str, str], list[str]] = {}
    for row in rows:
        about = local(datetime.fromisoformat(row.context["start_at"])) if "start_at" in row.context else ""
        about = about or row.context.get("on", "")[5:]
        line = (
            f"{local(row.due_at)} {row.kind} of {about[:5]}" if about else f"{local(row.due_at)} {row.kind}"
        )
        fate = row.status if row.status in _GONE_OUT or not row.reason else f"{row.status} ({row.reason})"
        found.setdefault((row.due_at, row.subject_id, row.kind, line), []).append(f"{row.channel} {fate}")
    return [f"{line}: {', '.join(fates)}" for (*_place, line), fates in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing that arrived, and the row it came from."""

    kind: str
    delivery: Delivery


def letters(patient: Patient, mailbox: Path) -> list[Letter]:
    """Everything that arrived at the patient's address and number, oldest first, each with its own row.

    Fails when something arrived that the ledger does not have as sent, or twice, or at another moment.
    """
    arrived = [each for each in read(mailbox) if each.to in {patient.email, patient.phone}]
    rows = Message.objects.filter(patient=patient, status__in=_GONE_OUT).prefetch_related("attempts")
    sent = {
        attempt.provider_id: (row, attempt.handed_over_at)
        for row in rows
        for attempt in row.attempts.all()
        if attempt.outcome == "accepted"
    }
    assert len(sent) == len(rows), "each sent row has one attempt that was accepted"
    assert sorted(each.provider_id for each in arrived) == sorted(sent), "once each, and nothing else"
    found = []
    for each in arrived:
        row, handed_over_at = sent[each.provider_id]
        assert (row.channel, handed_over_at) == (each.channel, each.received_at)
        found.append(Letter(row.kind, each))
    return found


def assert_discreet(arrived: list[Letter]) -> None:
    """What holds of every message to every patient, whatever it says."""
    for letter in arrived:
        told = letter.delivery
        assert revealing_words(f"{told.sender}\n{told.subject}\n{told.body}\n{told.calendar}") == [], letter
        assert bool(_LINK.search(told.body)) == (letter.kind not in _WITHOUT_LINK), letter
        assert 9 <= told.received_at.astimezone(DENVER).hour < 20, "quiet hours"
        if told.channel == "sms":
            assert is_gsm7(told.body)
            assert places(told.body) <= SINGLE_SMS
            assert "STOP" in told.body
            assert "${" not in told.body
    links = [link for letter in arrived for link in _LINK.findall(letter.delivery.body)]
    assert len(links) == len(set(links)), "each message has a link of its own"


def words(arrived: list[Letter], kind: str, channel: str) -> str:
    """The first message of this kind on this channel; its link as <link>."""
    told = next(
        letter.delivery for letter in arrived if (letter.kind, letter.delivery.channel) == (kind, channel)
    )
    return _LINK.sub("<link>", f"{told.subject}\n{told.body}" if channel == "email" else told.body)
