"""What every way out has in common: one method, and one error that says what is known about the fate of
the message. Retrying, giving up and telling people is decided in services, not here."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Fault(Enum):
    """What went wrong, as far as the sender needs to know."""

    TEMPORARY = "this message not now"
    UNAVAILABLE = "the gateway takes nothing now, or not from us"
    REFUSED = "this message never"
    BAD_ADDRESS = "nothing ever at this address"
    OPTED_OUT = "the person told the provider to stop"
    UNKNOWN = "it may or may not have been delivered"


class GatewayError(Exception):
    """A message was not accepted, or nobody knows. ``code`` is the provider's, without personal data."""

    def __init__(self, fault: Fault, code: str) -> None:
        super().__init__(f"{fault.name.lower()}: {code}")
        self.fault = fault
        self.code = code

    @property
    def permanent(self) -> bool:
        """Whether trying again is pointless."""
        return self.fault in {Fault.REFUSED, Fault.BAD_ADDRESS, Fault.OPTED_OUT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with an e-mail."""

    name: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outgoing:
    """One message, addressed and worded. Never logged: it has no repr."""

    reference: str
    """Identifies the ledger row and the try, such as ``m12.1``; the provider may see it."""
    to: str
    sender_name: str
    subject: str
    body: str
    attachments: tuple[Attachment, ...] = ()
    link: str = ""
    """The page that the words lead to, where they do; mail programs unsubscribe below it (RFC 8058)."""


class Gateway(Protocol):
    """A way out. Kept for a batch of messages, so that connections are reused."""

    def send(self, outgoing: Outgoing) -> str:
        """Hand the message over and return the provider's id. Raises GatewayError."""

    def close(self) -> None:
        """Let go of connections. Never raises for a server that is gone already."""
