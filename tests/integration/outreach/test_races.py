"""Several workers and several writers at once, each on its own connection, with real commits."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import transaction

from patients.domain.messages import WantedMessage
from patients.gateways.base import Outgoing
from patients.models import Message, Patient, WorkItem
from patients.services import outreach
from patients.services.dispatch import dispatch
from patients.services.work_items import open_item
from tests.factories import PatientFactory, SiteFactory
from tests.factories.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
Queued = Callable[..., Message]
WAIT = 30


class Counting:
    """A gateway shared by several workers."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def send(self, outgoing: Outgoing) -> str:
        """Take it."""
        with self._lock:
            self.taken[outgoing.reference.partition(".")[0]] += 1
        return "ok"

    def close(self) -> None:
        """Nothing to let go of."""


def test_two_workers_never_send_one_row_twice(queued: Queued, now: datetime) -> None:
    patient = PatientFactory.create()
    messages = [queued(patient=patient, subject_id=number) for number in range(60)]
    gateway = Counting()

    def work() -> None:
        while not dispatch(now=now, limit=7, gateways={"email": gateway}).idle:
            pass

    at_once([work, work, work, work])
    assert gateway.taken == Counter({f"m{message.pk}": 1 for message in messages})
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}


def test_withdrawing_while_sending_ends_in_one_true_story(queued: Queued, now: datetime) -> None:
    patient = PatientFactory.create()
    for number in range(40):
        queued(patient=patient, subject_id=number)
    gateway = Counting()

    def cancel_each() -> None:
        for number in reversed(range(40)):
            with transaction.atomic():
                locked = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
                outreach.reconcile(
                    patient=locked,
                    subject_kind="appointment",
                    subject_id=number,
                    plan_version=1,
                    wanted=[],
                    now=now,
                    reason="cancelled",
                )

    def work() -> None:
        while not dispatch(now=now, limit=5, gateways={"email": gateway}).idle:
            pass

    at_once([work, cancel_each, work])
    for message in Message.objects.all():
        sent = gateway.taken[f"m{message.pk}"]
        if message.status == "withdrawn":
            assert (sent, message.reason) == (0, "cancelled")
        else:
            assert (message.status, sent) == ("sent", 1)


def test_one_visit_reconciled_by_many_at_once_has_one_row_per_channel(now: datetime) -> None:
    patient = PatientFactory.create()
    wanted = WantedMessage(
        kind="day_before", due_at=now + timedelta(days=1), not_after=now + timedelta(days=2), context={}
    )

    def plan() -> None:
        with transaction.atomic():
            locked = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
            outreach.reconcile(
                patient=locked,
                subject_kind="appointment",
                subject_id=7,
                plan_version=1,
                wanted=[wanted],
                now=now,
                reason="moved",
            )

    at_once([plan] * 6)
    assert sorted(Message.objects.values_list("channel", "status")) == [
        ("email", "queued"),
        ("sms", "queued"),
    ]


def test_one_cause_opens_one_item_whoever_comes_first(now: datetime) -> None:
    site = SiteFactory.create()

    def open_it() -> int:
        with transaction.atomic():
            return open_item(
                kind="test",
                key="test:1",
                severity="routine",
                site_id=site.pk,
                patient=None,
                summary="Do it.",
                owner_role="nurse",
                due_at=now,
                now=now,
            ).pk

    ids = at_once([open_it] * 8)
    assert len(set(ids)) == 1
    assert WorkItem.objects.count() == 1
