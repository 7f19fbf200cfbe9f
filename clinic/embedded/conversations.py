"""The mailbox as telephones would show it: one conversation per patient, what they got on the left, what they
wrote on the right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clinic.embedded.mailbox import Delivery

_TICKS = {
    "sent": ("✓", "Sent"),
    "delivered": ("✓✓", "Delivered"),
    "failed": ("!", "Not delivered"),
    "suppressed": ("!", "Not delivered"),
    "uncertain": ("?", "Uncertain"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bubble:
    """One message. ``mine``: written by the patient. ``mark`` and ``state``: what the ledger knows of it."""

    delivery: Delivery
    mine: bool
    mark: str = ""
    state: str = ""


@dataclass(kw_only=True, slots=True)
class Conversation:
    """Everything between the clinic and one patient, oldest first. ``phone`` is empty when unknown."""

    key: str
    name: str
    phone: str = ""
    email: str = ""
    bubbles: list[Bubble] = field(default_factory=list)

    @property
    def latest(self) -> Delivery:
        """The last message."""
        return self.bubbles[-1].delivery

    @property
    def latest_at(self) -> datetime:
        """When it came."""
        return self.latest.received_at

    @property
    def initials(self) -> str:
        """For the round picture."""
        parts = [part for part in self.name.split() if part[0].isalpha()]
        return "".join(part[0] for part in (*parts[:1], *parts[1:][-1:])).upper() or "#"


def conversations(
    received: Iterable[Delivery], written: Iterable[Delivery], receivers: Mapping[str, Any]
) -> list[Conversation]:
    """All conversations, the latest first. ``receivers`` knows patients by a provider's id; what belongs to
    nobody is kept under its address."""
    found: dict[str, Conversation] = {}
    for delivery in received:
        whose = receivers.get(delivery.provider_id)
        key = str(whose.patient_id) if whose else _known(found, delivery.to)
        talk = found.setdefault(key, Conversation(key=key, name=whose.name if whose else delivery.to))
        if delivery.channel == "email":
            talk.email = delivery.to
            talk.phone = talk.phone or (whose.phone if whose else "")
        else:
            talk.phone = delivery.to
        mark, state = _TICKS.get(whose.status, ("", "")) if whose else ("", "")
        talk.bubbles.append(Bubble(delivery=delivery, mine=False, mark=mark, state=state))
    for delivery in written:
        talks = [talk for talk in found.values() if talk.phone == delivery.sender]
        if not talks:
            talks = [Conversation(key=delivery.sender, name=delivery.sender, phone=delivery.sender)]
            found[delivery.sender] = talks[0]
        for talk in talks:  # a telephone that several patients share
            talk.bubbles.append(Bubble(delivery=delivery, mine=True))
    for talk in found.values():
        talk.bubbles.sort(key=lambda bubble: bubble.delivery.received_at)
    return sorted(found.values(), key=lambda talk: talk.latest_at, reverse=True)


def _known(found: Mapping[str, Conversation], address: str) -> str:
    """The conversation that already has this address, for what the provider itself sends; else a new key."""
    return next((talk.key for talk in found.values() if address in {talk.phone, talk.email}), address)
