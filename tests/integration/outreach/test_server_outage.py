"""The mail server dies in the middle of a batch, twice, and returns: every e-mail arrives once or is
uncertain with a work item, and texts are not held up."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from aiosmtpd.smtp import SMTP, Envelope

from clinic.embedded.mailbox import deliver
from clinic.embedded.smtp_sink import deliveries
from patients.models import Message, WorkItem
from patients.services.dispatch import dispatch
from tests.integration.outreach.servers import RECEIVED_AT, SmsSink, SmtpSink

pytestmark = pytest.mark.django_db

Queued = Callable[..., Message]


def statuses(messages: list[Message]) -> list[str]:
    """Of each row, as it is now."""
    found = Message.objects.in_bulk([message.pk for message in messages])
    return [found[message.pk].status for message in messages]


def waiting(messages: list[Message]) -> list[str]:
    """The addresses of what is queued, in order of due."""
    rows = Message.objects.filter(pk__in=[message.pk for message in messages], status="queued")
    return list(rows.order_by("due_at", "pk").values_list("patient__email", flat=True))


def arrived(sink: SmtpSink) -> list[str]:
    """The addresses of what came by e-mail, in order."""
    return [each.to for each in sink.received() if each.channel == "email"]


def test_it_dies_twice_in_mid_batch_and_returns(
    queued: Queued, smtp: SmtpSink, sms: SmsSink, now: datetime
) -> None:
    emails = [queued(subject_id=n, due_at=now - timedelta(minutes=20 - n)) for n in range(12)]
    texts = [
        queued(subject_id=100 + n, channel="sms", due_at=now - timedelta(minutes=19 - n)) for n in range(12)
    ]
    taken = []

    def dies(sink: SmtpSink, _server: SMTP, envelope: Envelope) -> str | None:
        taken.append(envelope)
        if len(taken) == 3:
            sink.die()  # it has the words, and loses them
            return "421 never read"
        if len(taken) == 7:
            deliver(sink.mailbox, deliveries(envelope, received_at=RECEIVED_AT))
            sink.die()  # it has kept them, and its answer is lost
            return "250 never read"
        return None

    smtp.on_data = dies
    report = dispatch(now=now)
    assert (report.sent, report.failed, report.retried) == (2 + 12, 1, 9)
    assert statuses(texts) == ["sent"] * 12, "the other channel is not held up"
    assert statuses(emails) == ["sent"] * 2 + ["uncertain"] + ["queued"] * 9

    # While it is away: nothing is lost, texts go on.
    late = queued(subject_id=200, channel="sms")
    away = dispatch(now=now + timedelta(minutes=2))
    assert (away.sent, away.failed, away.retried) == (1, 0, 9)
    assert statuses([late]) == ["sent"]

    # It returns, and dies again.
    smtp.start()
    before, expected = arrived(smtp), waiting(emails)
    report = dispatch(now=now + timedelta(minutes=10))
    assert (report.sent, report.failed, report.retried) == (3, 1, 5)
    assert arrived(smtp)[len(before) :] == expected[:4], "oldest due first"

    # It returns for good.
    smtp.start()
    before, expected = arrived(smtp), waiting(emails)
    assert len(expected) == 5
    assert dispatch(now=now + timedelta(hours=1)).sent == 5
    assert arrived(smtp)[len(before) :] == expected

    doubtful = [each for each in emails if statuses([each]) == ["uncertain"]]
    assert len(doubtful) == 2
    assert len(arrived(smtp)) == len(set(arrived(smtp))) == 11, "nothing twice"
    lost = {each.patient.email for each in emails} - set(arrived(smtp))
    assert lost == {emails[2].patient.email}, "and only what is uncertain may be missing"
    keys = set(WorkItem.objects.filter(status="open").values_list("kind", "key"))
    assert keys == {("uncertain_message", f"uncertain:{each.pk}") for each in doubtful}
    assert dispatch(now=now + timedelta(hours=2)).claimed == 0, "what is uncertain is not sent again"
    assert len([each for each in sms.received() if each.channel == "sms"]) == 13
