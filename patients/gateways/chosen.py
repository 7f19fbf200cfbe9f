"""Which gateway carries which channel, as the settings say."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.utils.module_loading import import_string

from patients.gateways.base import Gateway
from patients.gateways.email import EmailGateway
from patients.gateways.sms import SmsGateway


@contextmanager
def open_gateways() -> Iterator[Mapping[str, Gateway]]:
    """The gateways by channel, for one batch; no ``sms`` while SMS_GATEWAY is off."""
    gateways: dict[str, Gateway] = {"email": _email()}
    if settings.SMS_GATEWAY == "twilio":
        gateways["sms"] = SmsGateway()
    try:
        yield gateways
    finally:
        for gateway in gateways.values():
            gateway.close()


def _email() -> Gateway:
    if settings.EMAIL_PROVIDER == "smtp":
        return EmailGateway()
    provided: type[Gateway] = import_string("patients.gateways.provider_email.ProviderEmailGateway")
    return provided()  # loaded by name: its package is an extra
