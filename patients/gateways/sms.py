"""Text messages through Twilio's official SDK. One idea: Twilio makes a message for every request it
reads, so a reply that never came is an unknown outcome, never a reason to send again."""

import logging
from typing import Any
from urllib.parse import urlencode

import requests
from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from patients.gateways.base import Fault, GatewayError, Outgoing
from patients.gateways.http import before_or_after

_TIMEOUT_SECONDS = 10.0
_API = "https://api.twilio.com"
STATUS_PATH = "/hooks/twilio/status/"
_OPTED_OUT = 21610
_BAD_NUMBERS = frozenset(
    {21211, 21214, 21217, 21401, 21407, 21421, 21614}  # refused at once
    | {30003, 30004, 30005, 30006}  # found out on the way: unreachable, blocked, unknown, a landline
)
_GATEWAY_TIMEOUT = 504
_OURS_TO_FIX = frozenset({401, 403, 404, 429})
"""Credentials, account, rate: says nothing about the message or the number."""

_silent = logging.getLogger("patients.gateways.sms.http")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False
_silent.setLevel(logging.CRITICAL)
"""The SDK logs requests; a request names a patient's number."""


class _Http(TwilioHttpClient):
    """The SDK's client, pointed at ``base`` when one is set (demo and tests)."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=_TIMEOUT_SECONDS, logger=_silent, max_retries=0)
        self._base = base.rstrip("/")

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        if self._base:
            url = self._base + url.removeprefix(_API)
        return super().request(method, url, *arguments, **named)

    def close(self) -> None:
        if self.session is not None:
            self.session.close()


class SmsGateway:
    """Twilio as the settings say (TWILIO_*)."""

    def __init__(self) -> None:
        self._http = _Http(settings.TWILIO_BASE_URL)
        self._client = Client(settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, http_client=self._http)

    def send(self, outgoing: Outgoing) -> str:
        """Hand over to Twilio and return the message's sid. Raises GatewayError."""
        try:
            message = self._client.messages.create(
                to=outgoing.to,
                from_=settings.TWILIO_FROM,
                body=outgoing.body,
                status_callback=status_callback(outgoing.reference),
            )
        except TwilioRestException as error:
            raise _classified(error) from None
        except requests.ConnectionError as error:  # ConnectTimeout is one
            raise GatewayError(before_or_after(error), "sms_connection") from None
        except requests.Timeout:
            raise GatewayError(Fault.UNKNOWN, "sms_read_timeout") from None
        except (TwilioException, requests.RequestException, ValueError) as error:
            # An answer that cannot be read, after the request was.
            raise GatewayError(Fault.UNKNOWN, f"sms_{type(error).__name__}") from None
        return str(message.sid)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def status_callback(reference: str) -> str:
    """Where Twilio reports what became of a message. It names the ledger row, so that a report also finds
    one whose sid we never learnt."""
    return f"{settings.PUBLIC_URL}{STATUS_PATH}?{urlencode({'ref': reference})}"


def fault_of(code: int) -> Fault:
    """What one of Twilio's error codes about a message or its number means."""
    if code == _OPTED_OUT:
        return Fault.OPTED_OUT
    return Fault.BAD_ADDRESS if code in _BAD_NUMBERS else Fault.REFUSED


def _classified(error: TwilioRestException) -> GatewayError:
    status, code = int(error.status), int(error.code or 0)
    if status == _GATEWAY_TIMEOUT:
        fault = Fault.UNKNOWN
    elif status in _OURS_TO_FIX:
        fault = Fault.UNAVAILABLE
    elif status >= 500:  # noqa: PLR2004 - Twilio asks to retry these
        fault = Fault.TEMPORARY
    else:
        fault = fault_of(code)
    return GatewayError(fault, f"twilio_{code or status}")
