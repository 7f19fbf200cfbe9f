"""Text messages through Twilio's official SDK. One idea: Twilio makes a message for every request it
reads, so a reply that never came is an unknown outcome, never a reason to send again."""

import logging
from typing import Any

import requests
from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

from patients.gateways.base import Fault, GatewayError, Outgoing

_TIMEOUT_SECONDS = 10.0
_API = "https://api.twilio.com"
_OPTED_OUT = 21610
_BAD_NUMBERS = frozenset({21211, 21214, 21217, 21401, 21407, 21421, 21614})
_GATEWAY_TIMEOUT = 504
_OURS_TO_FIX = frozenset({401, 403, 404, 429})
"""Credentials, account, rate: says nothing about the message or the number."""
_NEVER_CONNECTED = (NewConnectionError, ConnectTimeoutError, NameResolutionError)

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
                to=outgoing.to, from_=settings.TWILIO_FROM, body=outgoing.body
            )
        except TwilioRestException as error:
            raise _classified(error) from None
        except requests.ConnectionError as error:  # ConnectTimeout is one
            raise GatewayError(_before_or_after(error), "sms_connection") from None
        except requests.Timeout:
            raise GatewayError(Fault.UNKNOWN, "sms_read_timeout") from None
        except (TwilioException, requests.RequestException, ValueError) as error:
            # An answer that cannot be read, after the request was.
            raise GatewayError(Fault.UNKNOWN, f"sms_{type(error).__name__}") from None
        return str(message.sid)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def _classified(error: TwilioRestException) -> GatewayError:
    status, code = int(error.status), int(error.code or 0)
    if status == _GATEWAY_TIMEOUT:
        fault = Fault.UNKNOWN
    elif status in _OURS_TO_FIX:
        fault = Fault.UNAVAILABLE
    elif status >= 500:  # noqa: PLR2004 - Twilio asks to retry these
        fault = Fault.TEMPORARY
    elif code == _OPTED_OUT:
        fault = Fault.OPTED_OUT
    elif code in _BAD_NUMBERS:
        fault = Fault.BAD_ADDRESS
    else:
        fault = Fault.REFUSED
    return GatewayError(fault, f"twilio_{code or status}")


def _before_or_after(error: requests.ConnectionError) -> Fault:
    """Whether the connection failed before Twilio could have read the request."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    never = isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError)
    return Fault.UNAVAILABLE if never or isinstance(reason, _NEVER_CONNECTED) else Fault.UNKNOWN
