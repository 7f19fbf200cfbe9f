"""A real worker process, killed with -9 while a real SMTP server has the message in hand."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from django.db import connection
from django.db.models.functions import Now

from patients.models import Message, WorkItem
from patients.services.dispatch import dispatch
from tests.integration.outreach.servers import SmtpSink

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
ROOT = Path(__file__).parents[3]
WAIT = 60
WORKER = """
import django; django.setup()
from datetime import datetime
from patients.services.dispatch import dispatch
dispatch(now=datetime.fromisoformat("{now}"))
"""


def test_in_mid_send(queued: Callable[..., Message], smtp: SmtpSink, now: datetime, tmp_path: Path) -> None:
    messages = [queued(subject_id=number) for number in range(4)]
    reached = threading.Event()
    worker: list[subprocess.Popen[bytes]] = []

    def kill_on_the_second(sink: SmtpSink, _server: SMTP, _envelope: Envelope) -> None:
        if len(sink.received()) == 1 and not reached.is_set():
            worker[0].kill()  # before the server's reply, after it has the whole message
            reached.set()

    smtp.on_data = kill_on_the_second
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "clinic.settings.test",
        "DATABASE_URL": _url_of_the_test_database(),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(smtp.port),
        "ONSET_DATA": str(tmp_path),
    }
    worker.append(
        subprocess.Popen(
            [sys.executable, "-c", WORKER.format(now=now.isoformat())], cwd=ROOT, env=environment
        )
    )
    assert reached.wait(WAIT)
    assert worker[0].wait(WAIT) == -signal.SIGKILL

    def statuses() -> list[str]:
        return list(Message.objects.order_by("pk").values_list("status", flat=True))

    assert statuses() == ["sent", "sending", "sending", "sending"]
    Message.objects.filter(status="sending").update(leased_until=Now() - timedelta(seconds=1))
    dispatch(now=now)
    assert statuses() == ["sent", "uncertain", "sent", "sent"]
    assert WorkItem.objects.get().key == f"uncertain:{messages[1].pk}"
    # The killed one did arrive: sending it again would have been the second copy.
    assert [each.to for each in smtp.received()] == [message.patient.email for message in messages]


def _url_of_the_test_database() -> str:
    url, name = os.environ["DATABASE_URL"], str(connection.settings_dict["NAME"])
    return f"{url.rpartition('/')[0]}/{name}"
