"""The SMS side of the sinks: the one call of Twilio's REST API that sends a message, with Twilio's
answers and errors, and a call of our own that writes as a patient. Nothing leaves the machine; the message
goes to the mailbox."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from urllib.parse import parse_qs, urlsplit

from clinic.embedded.mailbox import Delivery, deliver
from clinic.embedded.sms_hooks import Account, Hooks

WRITE_PATH = "/demo/text"
"""POST From, To and Body here, as the account, to write as a patient."""
_PATH = re.compile(r"/2010-04-01/Accounts/(?P<account>AC[0-9a-fA-F]{32})/Messages\.json")
_E164 = re.compile(r"\+[1-9]\d{7,14}")
_LONGEST_BODY = 1600
_LONGEST_FORM_BYTES = 64 * 1024
_IDLE_SECONDS = 60
# Characters that fit GSM 03.38; the second set takes two places each.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_DOUBLE = frozenset("^{}\\[~]|€\f")

# Twilio's own test numbers and what sending to them answers.
MAGIC_NUMBERS = {
    "+15005550001": (21211, "The 'To' number +15005550001 is not a valid phone number."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
}


class Refused(Exception):
    """Twilio's error answer: an HTTP status, Twilio's code, and a sentence."""

    def __init__(self, status: HTTPStatus, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class SmsServer(ThreadingHTTPServer):
    """Serves on 127.0.0.1. `now` gives clinic time; `per_second` limits messages (0: no limit); without
    `hooks` nothing is reported to a clinic and nobody can write as a patient."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        *,
        account: Account,
        mailbox: Path,
        now: Callable[[], datetime],
        per_second: int = 0,
        hooks: Hooks | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.account = account
        self.hooks = hooks
        self._mailbox = mailbox
        self._now = now
        self._per_second = per_second
        self._recent: deque[float] = deque()
        self._lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of our own name, which may ask a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller who hangs up is nothing to report; anything else is, without what was sent."""
        error = sys.exc_info()[0]
        if error is not None and not issubclass(error, OSError):
            print(f"onset: the SMS sink met {error.__name__}.", file=sys.stderr, flush=True)

    def accept(self, form: Mapping[str, str]) -> dict[str, object]:
        """Deliver one message and return Twilio's answer. Raises Refused, or OSError when it cannot
        be stored."""
        _check(form)
        if self.hooks is not None and self.hooks.stopped(form["To"]):
            raise Refused(HTTPStatus.BAD_REQUEST, *MAGIC_NUMBERS["+15005550004"])
        self._check_rate()
        now = self._now()
        sid = f"SM{secrets.token_hex(16)}"
        to, sender, body = form["To"], form["From"], form["Body"]
        deliver(
            self._mailbox,
            [
                Delivery(
                    channel="sms",
                    to=to,
                    sender=sender,
                    subject="",
                    body=body,
                    received_at=now,
                    provider_id=sid,
                )
            ],
        )
        if self.hooks is not None:
            self.hooks.accepted(sid=sid, form=form)
        created = format_datetime(now)
        uri = f"/2010-04-01/Accounts/{self.account.sid}/Messages/{sid}"
        return {
            "account_sid": self.account.sid,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": created,
            "date_sent": None,
            "date_updated": created,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(segments(body)),
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "queued",
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": to,
            "uri": f"{uri}.json",
        }

    def write(self, form: Mapping[str, str]) -> dict[str, object]:
        """Write to the clinic as a patient; what its web answered. Raises Refused, or OSError."""
        if self.hooks is None:
            raise Refused(HTTPStatus.NOT_FOUND, 20404, "The requested resource was not found")
        _check(form)
        answered = self.hooks.text(sender=form["From"], to=form["To"], body=form["Body"])
        return {"sid": answered.sid, "web_status": answered.status}

    def _check_rate(self) -> None:
        if not self._per_second:
            return
        now = time.monotonic()
        with self._lock:
            while self._recent and self._recent[0] <= now - 1.0:
                self._recent.popleft()
            if len(self._recent) >= self._per_second:
                raise Refused(HTTPStatus.TOO_MANY_REQUESTS, 20429, "Too Many Requests")
            self._recent.append(now)


def segments(body: str) -> int:
    """How many SMS a text takes: 160 places of GSM 03.38 in one or 153 in each of several, else 70
    or 67 of UCS-2."""
    if set(body) <= _GSM | _GSM_DOUBLE:
        places, single, several = len(body) + sum(character in _GSM_DOUBLE for character in body), 160, 153
    else:
        places, single, several = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if places <= single else -(-places // several)


def _check(form: Mapping[str, str]) -> None:
    bad = HTTPStatus.BAD_REQUEST
    to = form.get("To", "")
    if not to:
        raise Refused(bad, 21604, "A 'To' phone number is required.")
    if not form.get("From"):
        raise Refused(bad, 21603, "A 'From' phone number is required.")
    if not form.get("Body"):
        raise Refused(bad, 21602, "Message body is required.")
    if len(form["Body"]) > _LONGEST_BODY:
        raise Refused(bad, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if to in MAGIC_NUMBERS:
        raise Refused(bad, *MAGIC_NUMBERS[to])
    if not _E164.fullmatch(to):
        raise Refused(bad, 21211, "The 'To' number is not a valid phone number.")


class _Handler(BaseHTTPRequestHandler):
    server: SmsServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS

    def do_POST(self) -> None:
        """Send a message, or write as a patient."""
        try:
            form = self._form()  # first of all, so that the connection can be used again
            writing = self._authenticate()
            answer = self.server.write(form) if writing else self.server.accept(form)
        except Refused as refused:
            self._answer(
                refused.status,
                {
                    "code": refused.code,
                    "message": refused.message,
                    "more_info": f"https://www.twilio.com/docs/errors/{refused.code}",
                    "status": refused.status.value,
                },
            )
        except OSError:
            self._answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                {"code": 20503, "message": "Service unavailable", "status": 503},
            )
        else:
            self._answer(HTTPStatus.CREATED, answer)

    def _form(self) -> dict[str, str]:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _LONGEST_FORM_BYTES:
            self.close_connection = True
            raise Refused(
                HTTPStatus.BAD_REQUEST, 20001, "A Content-Length of at most 65536 bytes is required."
            )
        content = self.rfile.read(int(length))
        try:
            fields = parse_qs(content.decode(), keep_blank_values=True, errors="strict", max_num_fields=50)
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, 20001, "The form could not be read.") from error
        return {name: values[-1] for name, values in fields.items()}

    def _authenticate(self) -> bool:
        """Whether the account writes as a patient, rather than sends."""
        path = urlsplit(self.path).path
        found = _PATH.fullmatch(path)
        if found is None and path != WRITE_PATH:
            raise Refused(HTTPStatus.NOT_FOUND, 20404, "The requested resource was not found")
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            given = b""
        account = self.server.account
        wanted = f"{account.sid}:{account.token}".encode()
        if (
            scheme.lower() != "basic"
            or not hmac.compare_digest(given, wanted)
            or (found is not None and found["account"] != account.sid)
        ):
            raise Refused(HTTPStatus.UNAUTHORIZED, 20003, "Authenticate")
        return found is None

    def _answer(self, status: HTTPStatus, document: Mapping[str, object]) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="Twilio API"')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
        """Log nothing: a request names patients' numbers."""
