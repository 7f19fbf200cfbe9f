"""The sinks as the demo runs them: a process of its own, spoken to over SMTP and HTTP, whose mailbox
shows exactly what was delivered."""

import contextlib
import http.client
import json
import os
import re
import resource
import secrets
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from clinic.embedded.mailbox import Delivery, deliver, read
from clinic.embedded.ports import free_port, listens
from clinic.embedded.processes import wait_until
from clinic.embedded.sms_sink import segments

ROOT = Path(__file__).resolve().parents[3]
SID, TOKEN = "AC" + "0" * 31 + "1", "token"
NOON = datetime(2027, 1, 11, 12, 0, tzinfo=UTC)


def delivery(*, body: str, received_at: datetime = NOON) -> Delivery:
    """A delivery that differs only in what matters to a test."""
    return Delivery(
        channel="sms",
        to="+13035550101",
        sender="+13035550100",
        subject="",
        body=body,
        received_at=received_at,
        provider_id="SM1",
    )


def test_what_is_delivered_is_read_in_the_order_of_clinic_time_then_of_arrival(tmp_path: Path) -> None:
    second = [delivery(body=f"second {number}") for number in range(20)]
    first = delivery(body="first", received_at=NOON - timedelta(minutes=1))
    for each in (*second, first):
        deliver(tmp_path / "mailbox", [each])
    assert read(tmp_path / "mailbox") == [first, *second]


def test_an_empty_or_missing_mailbox_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    assert read(tmp_path / "mailbox") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ñ" * 160, 1),
        ("ę" * 70, 1),
        ("ę" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments_are_counted_as_networks_do(body: str, expected: int) -> None:
    assert segments(body) == expected


@dataclass
class Sinks:
    """The running sinks."""

    data: Path
    smtp_port: int
    sms_port: int
    process: subprocess.Popen[bytes]

    def mailbox(self) -> list[Delivery]:
        """What was delivered."""
        return read(self.data / "mailbox")

    def smtp(self) -> smtplib.SMTP:
        """A connection to the SMTP sink."""
        return smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10)

    def sms(
        self, *, account: str = SID, auth: tuple[str, str] | None = (SID, TOKEN), **form: str
    ) -> httpx.Response:
        """Ask for an SMS."""
        return httpx.post(
            f"http://127.0.0.1:{self.sms_port}/2010-04-01/Accounts/{account}/Messages.json",
            data=form,
            auth=auth,
            timeout=10,
        )


@contextlib.contextmanager
def running(data: Path, **env: str) -> Iterator[Sinks]:
    """Start the sinks and stop them again."""
    ports = {"SMTP_PORT": str(free_port()), "SMS_PORT": str(free_port())}
    account = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN}
    process = subprocess.Popen(
        [sys.executable, "-m", "clinic.embedded.sinks"],
        cwd=ROOT,
        env={**os.environ, **ports, **account, "ONSET_DATA": str(data), **env},
    )
    try:
        assert wait_until(lambda: all(listens(int(port)) for port in ports.values()), seconds=30.0)
        yield Sinks(data, int(ports["SMTP_PORT"]), int(ports["SMS_PORT"]), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5.0) == 0
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def shared_sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sinks]:
    """One process for all tests of this module that do not hurt it."""
    with running(tmp_path_factory.mktemp("sinks")) as started:
        yield started


@pytest.fixture
def sinks(shared_sinks: Sinks) -> Sinks:
    """The sinks with an empty mailbox and the clock unturned."""
    for path in (*(shared_sinks.data / "mailbox").glob("*"), shared_sinks.data / "clock"):
        path.unlink(missing_ok=True)
    return shared_sinks


def letter(**headers: str) -> EmailMessage:
    """An e-mail as the clinic sends it."""
    message = EmailMessage()
    message["From"] = "Infusion clinic <appointments@clinic.example>"
    message["To"] = "patient@example.org"
    message["Subject"] = "Erinnerung: Infusion am Montag um 9 Uhr"
    message["Message-ID"] = "<one@clinic.example>"
    for name, value in headers.items():
        message.replace_header(name, value)
    message.set_content("Grüße,\nIhre Klinik\n")
    message.add_alternative("<p>Grüße</p>", subtype="html")
    return message


def test_an_e_mail_is_delivered_decoded_and_once_per_recipient(sinks: Sinks) -> None:
    with sinks.smtp() as connection:
        connection.send_message(letter(), to_addrs=["patient@example.org", "émile@example.org"])
    now = datetime.now(UTC)
    found = sinks.mailbox()
    assert [one.to for one in found] == ["patient@example.org", "émile@example.org"]
    for one in found:
        assert one.channel == "email"
        assert one.sender == "appointments@clinic.example"
        assert one.subject == "Erinnerung: Infusion am Montag um 9 Uhr"
        assert one.body == "Grüße,\nIhre Klinik\n"
        assert one.provider_id == "<one@clinic.example>"
        assert abs(one.received_at - now) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no header at all",
        b"Subject: =?x-unknown?q?=FF?=\r\n\r\nhello",
        b'Content-Type: text/plain; charset="x-unknown"\r\n\r\n\xff\xfe hello',
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhello',
        b"From: \xff\xfe\r\nSubject: \xff\r\n\r\n\xff",
    ],
)
def test_a_broken_e_mail_is_still_delivered(sinks: Sinks, content: bytes) -> None:
    with sinks.smtp() as connection:
        connection.sendmail("someone@clinic.example", ["patient@example.org"], content)
    assert [one.to for one in sinks.mailbox()] == ["patient@example.org"]


def test_messages_are_received_in_clinic_time(sinks: Sinks) -> None:
    (sinks.data / "clock").write_text(json.dumps({"offset_seconds": 7 * 86400.0}))
    before = datetime.now(UTC)
    answer = sinks.sms(To="+13035550101", From="+13035550100", Body="Hello")
    with sinks.smtp() as connection:
        connection.send_message(letter())
    for one in sinks.mailbox():
        assert timedelta(0) <= one.received_at - before - timedelta(days=7) < timedelta(seconds=30)
    created = parsedate_to_datetime(answer.json()["date_created"])
    assert timedelta(days=7, seconds=-1) <= created - before < timedelta(days=7, seconds=30)


def test_an_sms_is_delivered_and_answered_as_by_twilio(sinks: Sinks) -> None:
    answer = sinks.sms(
        To="+13035550101", From="+13035550100", Body="Mañana, 9:00 ✓", StatusCallback="https://x"
    )
    assert answer.status_code == 201
    document = answer.json()
    assert re.fullmatch(r"SM[0-9a-f]{32}", document["sid"])
    expected = {
        "account_sid": SID,
        "body": "Mañana, 9:00 ✓",
        "direction": "outbound-api",
        "error_code": None,
        "from": "+13035550100",
        "num_segments": "1",
        "status": "queued",
        "to": "+13035550101",
        "uri": f"/2010-04-01/Accounts/{SID}/Messages/{document['sid']}.json",
    }
    assert expected.items() <= document.items()
    (one,) = sinks.mailbox()
    assert (one.channel, one.to, one.sender) == ("sms", "+13035550101", "+13035550100")
    assert (one.subject, one.body, one.provider_id) == ("", "Mañana, 9:00 ✓", document["sid"])


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": "+15005550001"}, 21211),
        ({"To": "303-555-0101"}, 21211),
        ({"To": "+15005550004"}, 21610),
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
    ],
)
def test_what_twilio_refuses_is_refused_the_same_way(sinks: Sinks, form: dict[str, str], code: int) -> None:
    complete = {"To": "+13035550101", "From": "+13035550100", "Body": "Hello"} | form
    answer = sinks.sms(To=complete["To"], From=complete["From"], Body=complete["Body"])
    assert answer.status_code == 400
    document = answer.json()
    assert set(document) == {"code", "message", "more_info", "status"}
    assert (document["code"], document["status"]) == (code, 400)
    assert document["more_info"].endswith(f"/{code}")
    assert sinks.mailbox() == []


@pytest.mark.parametrize(
    ("account", "auth"),
    [(SID, None), (SID, (SID, "wrong")), (SID, ("ACother", TOKEN)), ("AC" + "f" * 32, (SID, TOKEN))],
)
def test_without_the_accounts_token_nothing_is_sent(
    sinks: Sinks, account: str, auth: tuple[str, str] | None
) -> None:
    answer = sinks.sms(account=account, auth=auth, To="+13035550101", From="+13035550100", Body="Hello")
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert sinks.mailbox() == []


def test_another_address_is_not_found(sinks: Sinks) -> None:
    answer = httpx.post(f"http://127.0.0.1:{sinks.sms_port}/2010-04-01/Accounts.json", auth=(SID, TOKEN))
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


@pytest.mark.parametrize(
    ("length", "content"),
    [
        ("many", b""),
        ("-1", b""),
        (str(2**20), b""),
        ("20", b"To=%ff&From=x&Body=y"),
        ("290", b"&".join(b"%d=x" % number for number in range(1, 61))),
    ],
)
def test_a_malformed_request_is_refused_and_the_sink_stays_up(
    sinks: Sinks, length: str, content: bytes
) -> None:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", sinks.sms_port, timeout=10)
    ) as connection:
        connection.putrequest("POST", f"/2010-04-01/Accounts/{SID}/Messages.json")
        connection.putheader("Content-Length", length)
        connection.endheaders(content)
        assert connection.getresponse().status == 400
    assert sinks.sms(To="+13035550101", From="+13035550100", Body="Hello").status_code == 201


def test_connections_are_kept_open(sinks: Sinks) -> None:
    url = f"http://127.0.0.1:{sinks.sms_port}/2010-04-01/Accounts/{SID}/Messages.json"
    form = {"To": "+13035550101", "From": "+13035550100", "Body": "Hello"}
    with httpx.Client(auth=(SID, TOKEN)) as client:
        answers = [client.post(url, data=form) for _ in range(3)]
        refused = client.post(url, data={**form, "Body": ""})
        streams = {id(answer.extensions["network_stream"]) for answer in (*answers, refused)}
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert refused.status_code == 400
    assert len(streams) == 1


def test_too_many_messages_at_once_are_put_off(tmp_path: Path) -> None:
    with running(tmp_path, SMS_PER_SECOND="2") as sinks:
        answers = [sinks.sms(To="+13035550101", From="+13035550100", Body="Hello") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json()["code"] == 20429
        assert wait_until(
            lambda: sinks.sms(To="+13035550101", From="+13035550100", Body="Again").status_code == 201,
            seconds=5.0,
        )


def test_nothing_is_acknowledged_that_could_not_be_stored(tmp_path: Path) -> None:
    with running(tmp_path) as sinks:
        # A process that may not make files grow sees what a full disk shows: a write that fails.
        resource.prlimit(sinks.process.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        with sinks.smtp() as connection, pytest.raises(smtplib.SMTPDataError) as refused:
            connection.send_message(letter(), to_addrs=["a@example.org", "b@example.org"])
        assert refused.value.smtp_code == 452
        answer = sinks.sms(To="+13035550101", From="+13035550100", Body="Hello")
        assert answer.status_code == 503
        assert list((tmp_path / "mailbox").iterdir()) == []
        resource.prlimit(
            sinks.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
        with sinks.smtp() as connection:
            connection.send_message(letter())
        assert sinks.sms(To="+13035550101", From="+13035550100", Body="Hello").status_code == 201
        assert [one.channel for one in sinks.mailbox()] == ["email", "sms"]


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"ONSET_DATA": ""}, "ONSET_DATA is missing"),
        ({"SMTP_PORT": "smtp"}, "SMTP_PORT is 'smtp', but must be a port from 1 to 65535"),
        ({"SMS_PORT": "70000"}, "SMS_PORT is '70000', but must be a port from 1 to 65535"),
        ({"SMS_PER_SECOND": "few"}, "SMS_PER_SECOND is 'few', but must be a whole number"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, env: dict[str, str], sentence: str) -> None:
    complete = {
        "ONSET_DATA": str(tmp_path),
        "SMTP_PORT": str(free_port()),
        "SMS_PORT": str(free_port()),
        "TWILIO_ACCOUNT_SID": SID,
        "TWILIO_AUTH_TOKEN": secrets.token_hex(8),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "clinic.embedded.sinks"],
        cwd=ROOT,
        env={**os.environ, **complete, **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"onset: {sentence}")
    assert len(ended.stderr.splitlines()) == 1


def test_a_busy_port_is_named(sinks: Sinks, tmp_path: Path) -> None:
    env = {"ONSET_DATA": str(tmp_path), "SMTP_PORT": str(free_port()), "SMS_PORT": str(sinks.sms_port)}
    account = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN}
    ended = subprocess.run(
        [sys.executable, "-m", "clinic.embedded.sinks"],
        cwd=ROOT,
        env={**os.environ, **env, **account},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{sinks.sms_port}" in ended.stderr
