"""What the pretended Twilio tells the clinic: reports on the messages it took, and what patients answer. Both
are signed with the account's token, as by Twilio, so that the web checks them as it would in production."""

from __future__ import annotations

import contextlib
import http.client
import queue
import secrets
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from twilio.request_validator import RequestValidator

from clinic.embedded.mailbox import Delivery, deliver, inbox

INBOUND_PATH = "/hooks/twilio/inbound/"
_TIMEOUT_SECONDS = 10.0
_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
_START = frozenset({"start", "unstop", "yes"})
_HELP = frozenset({"help", "info"})
_PROVIDER_SAYS = {
    "STOP": "You have successfully been unsubscribed. You will not receive any more messages from this "
    "number. Reply START to resubscribe.",
    "START": "You have successfully been re-subscribed to messages from this number. Reply STOP to "
    "unsubscribe.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}

# Numbers that take a message and then do not deliver it, with Twilio's reason.
UNDELIVERED_NUMBERS = {"+13035550183": 30003, "+13035550185": 30005, "+13035550186": 30006}


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Whose messages are accepted: the account sid and token that basic authentication must carry."""

    sid: str
    token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What the web said to a patient's text: the HTTP status, 0 without an answer; and the text's sid."""

    status: int
    sid: str


class Hooks:
    """Calls the clinic's webhooks. Reports are sent one after another by a thread of its own.

    ``web`` is the clinic's address without a slash at the end; nothing else is ever called. ``answers_stop``:
    like an account with Twilio's own opt-out handling, answer STOP, START and HELP, and take nothing for
    whoever stopped.
    """

    def __init__(
        self,
        *,
        account: Account,
        web: str,
        mailbox: Path,
        now: Callable[[], datetime],
        answers_stop: bool = False,
    ) -> None:
        self._account = account
        self._web = web
        self._mailbox = mailbox
        self._now = now
        self._answers_stop = answers_stop
        self._stopped: set[str] = set()
        self._reports: queue.SimpleQueue[tuple[str, dict[str, str]]] = queue.SimpleQueue()
        threading.Thread(target=self._report, name="sms-reports", daemon=True).start()

    def stopped(self, number: str) -> bool:
        """Whether this number told the provider to stop."""
        return number in self._stopped

    def accepted(self, *, sid: str, form: Mapping[str, str]) -> None:
        """A message was taken: report how it goes on, where the sender asked for reports."""
        if not form.get("StatusCallback", "").startswith(f"{self._web}/"):
            return
        code = UNDELIVERED_NUMBERS.get(form["To"])
        for status in ("sent", "undelivered" if code else "delivered"):
            report = {
                "AccountSid": self._account.sid,
                "ApiVersion": "2010-04-01",
                "From": form["From"],
                "MessageSid": sid,
                "MessageStatus": status,
                "SmsSid": sid,
                "SmsStatus": status,
                "To": form["To"],
            }
            if status == "undelivered":
                report["ErrorCode"] = str(code)
            self._reports.put((form["StatusCallback"], report))

    def text(self, *, sender: str, to: str, body: str) -> Answered:
        """A patient writes: keep the text and bring it to the clinic."""
        sid = f"SM{secrets.token_hex(16)}"
        self._keep(inbox(self._mailbox), sender=sender, to=to, body=body, sid=sid)
        form = {
            "AccountSid": self._account.sid,
            "ApiVersion": "2010-04-01",
            "Body": body,
            "From": sender,
            "MessageSid": sid,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": sid,
            "SmsSid": sid,
            "SmsStatus": "received",
            "To": to,
        }
        if command := self._command(body) if self._answers_stop else "":
            form["OptOutType"] = command
            self._obey(command, sender)
            self._keep(self._mailbox, sender=to, to=sender, body=_PROVIDER_SAYS[command])
        status, content = self._post(f"{self._web}{INBOUND_PATH}", form)
        for words in _twiml_messages(content):
            self._keep(self._mailbox, sender=to, to=sender, body=words)
        return Answered(status=status, sid=sid)

    def _command(self, body: str) -> str:
        word = body.strip().casefold()
        known = {"STOP": _STOP, "START": _START, "HELP": _HELP}
        return next((name for name, words in known.items() if word in words), "")

    def _obey(self, command: str, sender: str) -> None:
        if command == "STOP":
            self._stopped.add(sender)
        elif command == "START":
            self._stopped.discard(sender)

    def _keep(self, directory: Path, *, sender: str, to: str, body: str, sid: str = "") -> None:
        delivery = Delivery(
            channel="sms",
            to=to,
            sender=sender,
            subject="",
            body=body,
            received_at=self._now(),
            provider_id=sid or f"SM{secrets.token_hex(16)}",
        )
        deliver(directory, [delivery])

    def _report(self) -> None:
        while True:
            address, form = self._reports.get()
            self._post(address, form)  # like Twilio, reports are sent once

    def _post(self, address: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        """The status and content of the answer; 0 when there was none."""
        parts = urlsplit(address)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": RequestValidator(self._account.token).compute_signature(address, form),
        }
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_SECONDS
        )
        with contextlib.closing(connection):
            try:
                connection.request("POST", target, urlencode(form), headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                return 0, b""


def _twiml_messages(content: bytes) -> list[str]:
    """The texts that the web wants sent at once."""
    try:
        root = ET.fromstring(content)  # noqa: S314 - the clinic's own web wrote it
    except ET.ParseError:
        return []
    return [message.text or "" for message in root.iter("Message")]
