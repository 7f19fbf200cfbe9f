"""The SMTP side of the sinks: accepts every e-mail and puts what a reader would see into the mailbox."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from email.utils import parseaddr
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from clinic.embedded.mailbox import Delivery, deliver


class Handler:
    """What aiosmtpd calls for each message. `now` gives clinic time."""

    def __init__(self, mailbox: Path, *, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._now = now

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Store one delivery per recipient; 452 asks the sender to try again later."""
        try:
            deliver(self._mailbox, deliveries(envelope, received_at=self._now()))
        except OSError:
            return "452 4.3.1 Insufficient system storage"
        return "250 2.0.0 Ok: delivered to the mailbox"


def deliveries(envelope: Envelope, *, received_at: datetime) -> list[Delivery]:
    """The envelope as deliveries: the plain-text part and the subject, decoded."""
    content = envelope.content or b""
    message = email.message_from_bytes(
        content.encode() if isinstance(content, str) else content, policy=email.policy.default
    )
    sender = parseaddr(str(message.get("From", "")))[1] or envelope.mail_from or ""
    return [
        Delivery(
            channel="email",
            to=recipient,
            sender=sender,
            subject=str(message.get("Subject", "")),
            body=_plain_text(message),
            received_at=received_at,
            provider_id=str(message.get("Message-ID", "")).strip(),
            calendar=_calendar(message),
        )
        for recipient in envelope.rcpt_tos
    ]


def _plain_text(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain",))
    return "" if part is None else _text_of(part)


def _calendar(message: EmailMessage) -> str:
    """The calendar entry among the attachments."""
    if not message.is_multipart():
        return ""
    parts = (part for part in message.walk() if part.get_content_type() == "text/calendar")
    return next((_text_of(part) for part in parts), "")


def _text_of(part: MIMEPart) -> str:
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):  # a charset nobody knows
        payload = part.get_payload(decode=True)
        text = payload.decode(errors="replace") if isinstance(payload, bytes) else ""
    return text.replace("\r\n", "\n")
