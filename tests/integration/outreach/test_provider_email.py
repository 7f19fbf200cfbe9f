"""E-mail through a provider's HTTP interface, against a local server: what arrives, what failures are."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from patients.gateways.base import Attachment, Fault, GatewayError, Outgoing
from patients.gateways.chosen import open_gateways
from patients.gateways.email import EmailGateway
from patients.gateways.provider_email import ProviderEmailGateway

OK: dict[str, Any] = {"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "To": "ana@example.org"}
INACTIVE = "Found inactive addresses: ana@example.org. Inactive recipients are ones that bounced."
LETTER = Outgoing(
    reference="m12.1",
    to="ana@example.org",
    sender_name="Cedar Street Office",
    subject="Mañana",
    body="Hola\n",
    attachments=(
        Attachment(name="appointment.ics", content=b"BEGIN:VCALENDAR", content_type="text/calendar"),
    ),
)


class Provider(ThreadingHTTPServer):
    """Answers like a provider and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.answer: Any = OK
        self.hang_up = False
        self.connections: set[Any] = set()
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a message."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((dict(self.headers), json.loads(content)))
        self.server.connections.add(self.client_address)
        if self.server.hang_up:
            self.close_connection = True
            return
        answer = (
            self.server.answer
            if isinstance(self.server.answer, bytes)
            else json.dumps(self.server.answer).encode()
        )
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on this machine."""
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def chosen(provider: Provider, settings: Any) -> Callable[[str], None]:
    """``chosen("postmark")``: what the environment would set."""

    def choose(name: str) -> None:
        settings.EMAIL_PROVIDER = name
        settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
        settings.DEFAULT_FROM_EMAIL = "appointments@onset.example"
        settings.ANYMAIL = {
            f"{name.upper()}_API_URL": provider.url,
            "POSTMARK_SERVER_TOKEN": "token",
            "RESEND_API_KEY": "key",
            "REQUESTS_TIMEOUT": 5,
        }

    return choose


@pytest.fixture
def gateway(chosen: Callable[[str], None]) -> Iterator[ProviderEmailGateway]:
    """Postmark's, as an example."""
    chosen("postmark")
    made = ProviderEmailGateway()
    yield made
    made.close()


def test_it_arrives_as_written_and_the_providers_id_is_kept(
    provider: Provider, gateway: ProviderEmailGateway
) -> None:
    assert gateway.send(LETTER) == "pm-1"
    (headers, asked) = provider.asked[0]
    assert headers["X-Postmark-Server-Token"] == "token"
    assert asked["From"] == "Cedar Street Office <appointments@onset.example>"
    assert (asked["To"], asked["Subject"], asked["TextBody"]) == ("ana@example.org", "Mañana", "Hola\n")
    assert asked["Attachments"][0]["Name"] == "appointment.ics"


def test_a_batch_uses_one_connection(provider: Provider, gateway: ProviderEmailGateway) -> None:
    for _ in range(4):
        gateway.send(LETTER)
    assert (len(provider.asked), len(provider.connections)) == (4, 1)


def test_the_key_of_the_try_goes_along_where_the_provider_knows_keys(
    provider: Provider, chosen: Callable[[str], None]
) -> None:
    chosen("resend")
    provider.answer = {"id": "re-1"}
    gateway = ProviderEmailGateway()
    assert gateway.send(LETTER) == "re-1"
    gateway.close()
    assert provider.asked[0][0]["Idempotency-Key"] == "m12.1"


@pytest.mark.parametrize(
    ("status", "answer", "fault", "code"),
    [
        (422, {**OK, "ErrorCode": 406, "Message": INACTIVE}, Fault.BAD_ADDRESS,
         "provider_recipient_refused"),
        (422, {**OK, "ErrorCode": 1, "Message": "no"}, Fault.REFUSED, "provider_422"),
        (401, {}, Fault.UNAVAILABLE, "provider_401"),
        (429, {}, Fault.UNAVAILABLE, "provider_429"),
        (500, {}, Fault.TEMPORARY, "provider_500"),
        (503, b"<html>", Fault.TEMPORARY, "provider_503"),
        (504, {}, Fault.UNKNOWN, "provider_504"),
        (200, b"not json", Fault.UNKNOWN, "provider_200"),
    ],
)  # fmt: skip
def test_what_a_refusal_means(
    status: int, answer: Any, fault: Fault, code: str, provider: Provider, gateway: ProviderEmailGateway
) -> None:
    provider.status, provider.answer = status, answer
    with pytest.raises(GatewayError) as raised:
        gateway.send(LETTER)
    assert (raised.value.fault, raised.value.code) == (fault, code)
    assert "ana" not in str(raised.value)
    provider.status, provider.answer = 200, OK
    assert gateway.send(LETTER) == "pm-1"


def test_hanging_up_without_an_answer_is_an_unknown_outcome(
    provider: Provider, gateway: ProviderEmailGateway
) -> None:
    provider.hang_up = True
    with pytest.raises(GatewayError) as raised:
        gateway.send(LETTER)
    assert raised.value.fault == Fault.UNKNOWN


def test_a_provider_that_is_away_was_never_asked(gateway: ProviderEmailGateway, settings: Any) -> None:
    settings.ANYMAIL = settings.ANYMAIL | {"POSTMARK_API_URL": "http://127.0.0.1:9/"}
    away = ProviderEmailGateway()
    with pytest.raises(GatewayError) as raised:
        away.send(LETTER)
    assert raised.value.fault == Fault.UNAVAILABLE


def test_what_cannot_be_written_is_refused(gateway: ProviderEmailGateway) -> None:
    with pytest.raises(GatewayError) as raised:
        gateway.send(Outgoing(reference="m1.1", to="ana@", sender_name="C", subject="s", body="b"))
    assert raised.value.fault == Fault.REFUSED


def test_the_settings_choose(chosen: Callable[[str], None], settings: Any) -> None:
    settings.SMS_GATEWAY = "off"
    with open_gateways() as gateways:
        assert isinstance(gateways["email"], EmailGateway)
    chosen("postmark")
    with open_gateways() as gateways:
        assert isinstance(gateways["email"], ProviderEmailGateway)
