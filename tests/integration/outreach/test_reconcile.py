"""The outbox follows the plan: queued, updated, withdrawn, suppressed, revived, never deleted."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from patients.domain.messages import WantedMessage
from patients.models import Message, Patient, WorkItem
from patients.services import outreach
from tests.factories import PatientFactory

pytestmark = pytest.mark.django_db
Reconcile = Callable[..., list[Message]]


def wanted(kind: str, due_at: datetime, **changes: Any) -> WantedMessage:
    """A message useful for a day."""
    fields: dict[str, Any] = {
        "kind": kind,
        "due_at": due_at,
        "not_after": due_at + timedelta(days=1),
        "context": {"start_at": "2027-01-11T16:00:00+00:00"},
    }
    return WantedMessage(**fields | changes)


@pytest.fixture
def patient() -> Patient:
    """Reachable on both channels."""
    return PatientFactory.create()


@pytest.fixture
def reconcile(patient: Patient, now: datetime) -> Reconcile:
    """Reconcile appointment 7 and return its rows, oldest first."""

    def run(
        *plan: WantedMessage, version: int = 1, at: datetime = now, reason: str = "moved"
    ) -> list[Message]:
        with transaction.atomic():
            locked = Patient.objects.select_for_update().get(pk=patient.pk)
            outreach.reconcile(
                patient=locked,
                subject_kind="appointment",
                subject_id=7,
                plan_version=version,
                wanted=plan,
                now=at,
                reason=reason,
            )
        return list(Message.objects.order_by("plan_version", "kind", "channel"))

    return run


def story(rows: list[Message]) -> list[tuple[str, str, int, str, str]]:
    """What each row says."""
    return [(row.kind, row.channel, row.plan_version, row.status, row.reason) for row in rows]


def test_one_queued_row_per_kind_and_channel(reconcile: Reconcile, now: datetime) -> None:
    rows = reconcile(wanted("confirmation", now), wanted("day_before", now + timedelta(days=3), sms=False))
    assert story(rows) == [
        ("confirmation", "email", 1, "queued", ""),
        ("confirmation", "sms", 1, "queued", ""),
        ("day_before", "email", 1, "queued", ""),
    ]
    assert not WorkItem.objects.exists()


def test_planning_again_changes_nothing(
    reconcile: Reconcile, now: datetime, django_assert_num_queries: Any
) -> None:
    plan = [wanted("confirmation", now), wanted("day_before", now + timedelta(days=3))]
    before = reconcile(*plan)
    # savepoint, patient, rows, policy, release, and the read above
    with django_assert_num_queries(6):
        after = reconcile(*plan, at=now + timedelta(hours=2))
    assert [vars(row) | {"_state": None} for row in after] == [vars(row) | {"_state": None} for row in before]


def test_the_number_of_queries_does_not_grow_with_the_plan(
    reconcile: Reconcile, now: datetime, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(7):
        reconcile(*(wanted(f"kind{n}", now + timedelta(days=n)) for n in range(12)))


def test_a_move_withdraws_the_old_version_and_queues_the_new(reconcile: Reconcile, now: datetime) -> None:
    reconcile(wanted("day_before", now + timedelta(days=3)))
    rows = reconcile(wanted("day_before", now + timedelta(days=5)), version=2)
    assert story(rows) == [
        ("day_before", "email", 1, "withdrawn", "moved"),
        ("day_before", "sms", 1, "withdrawn", "moved"),
        ("day_before", "email", 2, "queued", ""),
        ("day_before", "sms", 2, "queued", ""),
    ]
    assert all(row.finished_at == now for row in rows if row.status == "withdrawn")


def test_what_was_sent_stays_sent(reconcile: Reconcile, now: datetime) -> None:
    reconcile(wanted("confirmation", now))
    Message.objects.filter(channel="email").update(status="sent")
    assert story(reconcile(reason="cancelled")) == [
        ("confirmation", "email", 1, "sent", ""),
        ("confirmation", "sms", 1, "withdrawn", "cancelled"),
    ]


def test_wanted_again_after_an_undo_is_revived(reconcile: Reconcile, now: datetime) -> None:
    plan = wanted("day_before", now + timedelta(days=3))
    reconcile(plan)
    reconcile(reason="cancelled")
    rows = reconcile(plan)
    assert story(rows) == [("day_before", "email", 1, "queued", ""), ("day_before", "sms", 1, "queued", "")]
    assert all(row.finished_at is None for row in rows)


def test_a_retry_keeps_its_moment_when_the_plan_is_read_again(reconcile: Reconcile, now: datetime) -> None:
    plan = wanted("confirmation", now)
    reconcile(plan)
    later = now + timedelta(minutes=4)
    Message.objects.update(due_at=later, attempts_made=3)
    assert {row.due_at for row in reconcile(plan, at=now + timedelta(minutes=1))} == {later}


def test_a_changed_plan_of_the_same_version_updates_the_row(reconcile: Reconcile, now: datetime) -> None:
    reconcile(wanted("day_before", now + timedelta(days=3)))
    new = now + timedelta(days=2)
    rows = reconcile(wanted("day_before", new, context={"site": "Elm"}))
    assert [(row.planned_at, row.due_at, row.context) for row in rows] == [(new, new, {"site": "Elm"})] * 2


def test_quiet_hours_pull_to_the_evening_before(reconcile: Reconcile) -> None:
    due = datetime.fromisoformat("2027-01-08T05:00-07:00")
    (row, _) = reconcile(wanted("day_before", due))
    assert row.due_at == datetime.fromisoformat("2027-01-07T18:00-07:00")
    assert row.planned_at == due


def test_a_booking_at_night_is_confirmed_in_the_morning(reconcile: Reconcile) -> None:
    night = datetime.fromisoformat("2027-01-04T22:00-07:00")
    (row, _) = reconcile(wanted("confirmation", night), at=night)
    assert row.due_at == datetime.fromisoformat("2027-01-05T09:00-07:00")


def test_what_comes_too_late_to_help_is_skipped_and_nobody_calls(reconcile: Reconcile, now: datetime) -> None:
    rows = reconcile(wanted("preparation", now - timedelta(days=2)))
    assert {(row.status, row.reason) for row in rows} == {("suppressed", "past")}
    assert not WorkItem.objects.exists()


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"email": ""}, ["no_address", ""]),
        ({"accepts_email": False}, ["opted_out", ""]),
        ({"accepts_sms": False}, ["", "opted_out"]),
        ({"phone": ""}, ["", "no_address"]),
        ({"phone_failed_at": datetime.fromisoformat("2026-12-01T00:00Z")}, ["", "contact_failed"]),
        ({"email_failed_at": datetime.fromisoformat("2026-12-01T00:00Z")}, ["contact_failed", ""]),
    ],
)
def test_a_channel_that_may_not_carry_it_says_why(
    reconcile: Reconcile, now: datetime, changes: dict[str, Any], reasons: list[str]
) -> None:
    Patient.objects.update(**changes)
    rows = reconcile(wanted("confirmation", now))
    assert [row.reason for row in rows] == reasons
    assert [row.status for row in rows] == ["suppressed" if reason else "queued" for reason in reasons]
    assert not WorkItem.objects.exists()


def test_nobody_is_texted_while_sms_is_off(reconcile: Reconcile, now: datetime, settings: Any) -> None:
    settings.SMS_GATEWAY = "off"
    assert [row.reason for row in reconcile(wanted("confirmation", now))] == ["", "sms_off"]


def test_no_channel_at_all_asks_the_front_desk_once(
    reconcile: Reconcile, patient: Patient, now: datetime
) -> None:
    Patient.objects.update(email="", accepts_sms=False)
    plan = [wanted("confirmation", now), wanted("day_before", now + timedelta(days=3))]
    reconcile(*plan)
    reconcile(*plan)
    items = WorkItem.objects.order_by("due_at")
    assert [(item.key, item.owner_role, item.severity, item.due_at) for item in items] == [
        ("unreachable:appointment:7:confirmation:1", "front_desk", "routine", now),
        ("unreachable:appointment:7:day_before:1", "front_desk", "routine", now + timedelta(days=3)),
    ]
    assert items[0].summary == "Call the patient: no allowed contact (confirmation)."
    assert items[0].site_id == patient.site_id


def test_the_call_is_no_longer_asked_for_once_the_visit_is_cancelled(
    reconcile: Reconcile, now: datetime
) -> None:
    Patient.objects.update(email="", phone="")
    reconcile(wanted("day_before", now + timedelta(days=3)))
    rows = reconcile(reason="cancelled")
    assert {(row.status, row.reason) for row in rows} == {("withdrawn", "cancelled")}
    assert WorkItem.objects.get().status == "resolved"


def test_nobody_is_asked_to_call_the_dead(reconcile: Reconcile, now: datetime) -> None:
    Patient.objects.update(status="deceased")
    rows = reconcile(wanted("confirmation", now))
    assert {row.reason for row in rows} == {"patient_deceased"}
    assert not WorkItem.objects.exists()


def test_a_row_in_a_workers_hands_is_marked_and_unmarked(reconcile: Reconcile, now: datetime) -> None:
    plan = wanted("confirmation", now, sms=False)
    reconcile(plan)
    Message.objects.update(status="sending", claim="7d444840-9dc0-11d1-b245-5ffdce74fad2", leased_until=now)
    assert story(reconcile(reason="cancelled")) == [("confirmation", "email", 1, "sending", "cancelled")]
    assert story(reconcile(plan)) == [("confirmation", "email", 1, "sending", "")]


class TestContactChanged:
    """Consent, address and status count for what waits already."""

    @pytest.fixture
    def changed(self, patient: Patient) -> Callable[..., list[Message]]:
        """Change the patient, look again, return the rows."""

        def run(at: datetime, **fields: Any) -> list[Message]:
            with transaction.atomic():
                locked = Patient.objects.select_for_update().get(pk=patient.pk)
                for name, value in fields.items():
                    setattr(locked, name, value)
                locked.save()
                outreach.contact_changed(patient=locked, now=at)
            return list(Message.objects.order_by("plan_version", "kind", "channel"))

        return run

    def test_opting_out_and_in_again(
        self, reconcile: Reconcile, changed: Callable[..., list[Message]], now: datetime
    ) -> None:
        reconcile(wanted("day_before", now + timedelta(days=3)))
        assert [row.reason for row in changed(now, accepts_sms=False)] == ["", "opted_out"]
        assert not WorkItem.objects.exists()
        assert [row.reason for row in changed(now, accepts_email=False)] == ["opted_out", "opted_out"]
        assert WorkItem.objects.get().status == "open"
        rows = changed(now, accepts_sms=True)
        assert [(row.status, row.reason) for row in rows] == [("suppressed", "opted_out"), ("queued", "")]
        assert WorkItem.objects.get().status == "resolved"

    def test_what_is_past_or_withdrawn_stays(
        self, reconcile: Reconcile, changed: Callable[..., list[Message]], now: datetime
    ) -> None:
        Patient.objects.update(accepts_sms=False)
        reconcile(wanted("day_before", now + timedelta(days=3)))
        reconcile(wanted("preparation", now + timedelta(days=3)), version=2)
        Message.objects.filter(plan_version=2).update(
            not_after=now - timedelta(minutes=1), due_at=now - timedelta(hours=1)
        )
        Message.objects.filter(plan_version=2, channel="email").update(status="sent")
        before = story(list(Message.objects.order_by("plan_version", "kind", "channel")))
        assert story(changed(now, accepts_sms=True)) == before

    def test_a_sibling_already_sent_needs_no_call(
        self, reconcile: Reconcile, changed: Callable[..., list[Message]], now: datetime
    ) -> None:
        reconcile(wanted("confirmation", now))
        Message.objects.filter(channel="email").update(status="sent")
        rows = changed(now, accepts_sms=False, accepts_email=False)
        assert story(rows) == [
            ("confirmation", "email", 1, "sent", ""),
            ("confirmation", "sms", 1, "suppressed", "opted_out"),
        ]
        assert not WorkItem.objects.exists()

    def test_a_taken_back_row_in_a_workers_hands_stays_taken_back(
        self, reconcile: Reconcile, changed: Callable[..., list[Message]], now: datetime
    ) -> None:
        reconcile(wanted("confirmation", now, sms=False))
        Message.objects.update(
            status="sending",
            reason="cancelled",
            claim="7d444840-9dc0-11d1-b245-5ffdce74fad2",
            leased_until=now,
        )
        assert [row.reason for row in changed(now, accepts_sms=False)] == ["cancelled"]

    def test_another_zone_moves_what_would_be_quiet_there(
        self, reconcile: Reconcile, changed: Callable[..., list[Message]]
    ) -> None:
        due = datetime.fromisoformat("2027-01-08T18:30-07:00")
        reconcile(wanted("day_before", due, sms=False), at=due - timedelta(days=2))
        (row,) = changed(due - timedelta(days=2), timezone="America/New_York")
        assert row.due_at == datetime.fromisoformat("2027-01-08T18:00-05:00")
