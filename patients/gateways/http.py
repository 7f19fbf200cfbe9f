"""What a failed HTTP request to a provider says about the message in it."""

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

from patients.gateways.base import Fault

_NEVER_CONNECTED = (NewConnectionError, ConnectTimeoutError, NameResolutionError)


def before_or_after(error: requests.RequestException) -> Fault:
    """UNAVAILABLE when the provider cannot have read the request, UNKNOWN when it may have."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    never = isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError)
    return Fault.UNAVAILABLE if never or isinstance(reason, _NEVER_CONNECTED) else Fault.UNKNOWN
