"""E-mail through a provider's HTTP interface, by django-anymail (an extra). One idea: a provider's refusal
says which fault it was; an answer that never came, or cannot be read, is an unknown outcome."""

from http import HTTPStatus
from typing import Any

import requests
from anymail.exceptions import AnymailError, AnymailRecipientsRefused, AnymailRequestsAPIError
from django.conf import settings
from django.core.mail import get_connection

from patients.gateways.base import Fault, GatewayError, Outgoing
from patients.gateways.email import build
from patients.gateways.http import before_or_after

IDEMPOTENCY_HEADERS = {"resend": "Idempotency-Key"}
"""Providers that make one message of two requests with one key. Ours is the ledger row and its try."""

_OURS_TO_FIX = frozenset({401, 402, 403, 404, 429})
"""Credentials, account, rate: says nothing about the message or the address."""


class ProviderEmailGateway:
    """The provider that EMAIL_PROVIDER names, set up by ANYMAIL_*."""

    def __init__(self) -> None:
        self._backend: Any = get_connection(settings.EMAIL_BACKEND)
        self._opened = False
        self._key_header = IDEMPOTENCY_HEADERS.get(settings.EMAIL_PROVIDER)

    def send(self, outgoing: Outgoing) -> str:
        """Hand over to the provider and return its id of the message. Raises GatewayError."""
        message: Any = build(outgoing)
        if not self._opened:
            self._backend.open()  # one HTTP session for the whole batch
            self._opened = True
        if self._key_header:
            self._backend.session.headers[self._key_header] = outgoing.reference
        try:
            self._backend.send_messages([message])
        except AnymailRecipientsRefused:
            raise GatewayError(Fault.BAD_ADDRESS, "provider_recipient_refused") from None
        except AnymailRequestsAPIError as error:
            raise _classified(error) from None
        except (
            AnymailError,
            ValueError,
        ) as error:  # it was never asked: the message cannot be put in its terms
            raise GatewayError(Fault.REFUSED, f"provider_{type(error).__name__}") from None
        return str(message.anymail_status.message_id or message.extra_headers["Message-ID"])

    def close(self) -> None:
        """Let go of the connections."""
        self._backend.close()
        self._opened = False


def _classified(error: AnymailRequestsAPIError) -> GatewayError:
    """The provider's text may quote the address, so only codes are kept."""
    cause = error.__cause__
    if error.response is None:
        fault = before_or_after(cause) if isinstance(cause, requests.RequestException) else Fault.UNKNOWN
        return GatewayError(fault, f"provider_{type(cause).__name__}")
    status = int(error.response.status_code)
    if status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.GATEWAY_TIMEOUT:
        fault = Fault.UNKNOWN
    elif status in _OURS_TO_FIX:
        fault = Fault.UNAVAILABLE
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        fault = Fault.TEMPORARY
    else:
        fault = Fault.REFUSED
    return GatewayError(fault, f"provider_{status}")
