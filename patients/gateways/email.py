"""E-mail over SMTP, one connection for a batch. One idea: until the content went out the server cannot
have taken it, after that only its reply tells; a reply that never came is an unknown outcome."""

import contextlib
import smtplib
from email.utils import formataddr, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from patients.gateways.base import Fault, GatewayError, Outgoing

_BAD_MAILBOX = frozenset({550, 551, 553})
_NOT_OUR_TURN = frozenset({421, 454, 530, 534, 535, 538})
"""Shutting down, or refusing us rather than the message: wrong password, no encryption."""


class _Connection(smtplib.SMTP):
    """Knows whether the content of the present message began to go out."""

    content_begun = False

    def send(self, s: Any) -> None:
        # smtplib writes commands as str and the content, after the server's 354, as bytes.
        if isinstance(s, bytes):
            self.content_begun = True
        super().send(s)


class _Backend(EmailBackend):
    connection: _Connection | None

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _Connection


class EmailGateway:
    """SMTP as the settings say (EMAIL_*)."""

    def __init__(self) -> None:
        self._backend = _Backend()

    def send(self, outgoing: Outgoing) -> str:
        """Deliver to the server and return the Message-ID. Raises GatewayError."""
        message = build(outgoing)
        reused = not self._open()
        if self._backend.connection is not None:
            self._backend.connection.content_begun = False
        try:
            self._backend.send_messages([message])
        except smtplib.SMTPServerDisconnected:
            begun = self._drop()
            if begun:
                raise GatewayError(Fault.UNKNOWN, "smtp_disconnected") from None
            if not reused:
                raise GatewayError(Fault.UNAVAILABLE, "smtp_disconnected") from None
            return self.send(outgoing)  # the server ended an idle connection: once more on a fresh one
        except smtplib.SMTPException as error:
            raise _classified(error) from None
        except OSError as error:
            begun = self._drop()
            fault = Fault.UNKNOWN if begun else Fault.UNAVAILABLE
            raise GatewayError(fault, f"smtp_{type(error).__name__}") from None
        except ValueError:  # an address or header that cannot be written
            raise GatewayError(Fault.UNKNOWN if self._drop() else Fault.REFUSED, "email_unwritable") from None
        return str(message.extra_headers["Message-ID"])

    def close(self) -> None:
        """End the connection politely, if there is one."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self._backend.close()
        self._drop()

    def _open(self) -> bool:
        try:
            return bool(self._backend.open())
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            code = getattr(error, "smtp_code", type(error).__name__)
            raise GatewayError(Fault.UNAVAILABLE, f"smtp_connect_{code}") from None

    def _drop(self) -> bool:
        """Forget the connection without a word; whether content had begun to go out on it."""
        connection = self._backend.connection
        self._backend.connection = None
        if connection is None:
            return False
        with contextlib.suppress(OSError):
            connection.close()
        return connection.content_begun


def build(outgoing: Outgoing) -> EmailMultiAlternatives:
    """The MIME message: plain text, attachments, a Message-ID made of the ledger row, how to unsubscribe."""
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    headers = {
        "Message-ID": f"<{outgoing.reference}@{address.rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
    }
    if outgoing.link:
        headers |= {
            "List-Unsubscribe": f"<{outgoing.link}unsubscribe/>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    message = EmailMultiAlternatives(
        subject=outgoing.subject,
        body=outgoing.body,
        from_email=formataddr((outgoing.sender_name, address)),
        to=[outgoing.to],
        headers=headers,
    )
    for attachment in outgoing.attachments:
        message.attach(attachment.name, attachment.content, attachment.content_type)
    return message


def _classified(error: smtplib.SMTPException) -> GatewayError:
    """The server said no. Its text may quote the address, so only codes are kept."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
        to_recipient = True
    elif isinstance(error, smtplib.SMTPResponseException):
        code, reply = error.smtp_code, error.smtp_error
        text = reply if isinstance(reply, bytes) else str(reply).encode()
        to_recipient = isinstance(error, smtplib.SMTPDataError)
    else:  # the server cannot do what the address or content needs
        return GatewayError(Fault.REFUSED, f"smtp_{type(error).__name__}")
    enhanced = text.split(b" ", 1)[0].decode("ascii", "replace")
    if code in _NOT_OUR_TURN:
        fault = Fault.UNAVAILABLE
    elif code < 500:  # noqa: PLR2004 - 4yz: try later, 5yz: never (RFC 5321, 4.2.1)
        fault = Fault.TEMPORARY
    elif to_recipient and _names_mailbox(code, enhanced):
        fault = Fault.BAD_ADDRESS
    else:
        fault = Fault.REFUSED
    return GatewayError(fault, f"smtp_{code}")


def _names_mailbox(code: int, enhanced: str) -> bool:
    """Whether a 5yz is about the mailbox itself: RFC 3463's 5.1.x or 5.2.1, or a code alone that says so."""
    if enhanced.startswith("5.") and enhanced.count(".") == 2:  # noqa: PLR2004 - class.subject.detail
        return enhanced.startswith("5.1.") or enhanced == "5.2.1"
    return code in _BAD_MAILBOX
