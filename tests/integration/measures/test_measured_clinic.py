"""Each measure of a small clinic, counted by hand. Real PostgreSQL; the steps are taken by the services."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Message
from scheduling.domain.measures import Code, Tally
from scheduling.domain.transitions import Verb
from scheduling.models import (
    Appointment,
    CheckIn,
    Closure,
    FreedSlot,
    MeasureDay,
    MeasurePolicy,
    Offer,
    Resource,
    WaitlistEntry,
    WorkingHours,
)
from scheduling.services import appointments, measures, visit_steps
from tests.conftest import NOW
from tests.factories import CREATED, PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.prescriptions import prescribed
from tests.integration.assessments.answering import phq9
from tests.integration.timeline.responding import ana, anas_course, denver, sessions_of

pytestmark = pytest.mark.django_db

MONDAY = date(2027, 1, 11)
EVENING = denver(1, 11, 20)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def counted(
    site: Site, code: Code, *, first: date = MONDAY, last: date | None = None, now: datetime = EVENING
) -> Any:
    """(numerator, denominator) of a measure by day, counted just now, over all visit types."""
    measures.count(site=site, first=first, last=last or first, now=now)
    found: dict[date, Tally] = {}
    for row in MeasureDay.objects.filter(site=site, measure=code):
        found[row.day] = found.get(row.day, Tally()) + Tally(row.numerator, row.denominator)
    days = {day: (tally.numerator, tally.denominator) for day, tally in found.items()}
    return days if last else days.get(first)


def visit(site: Site, start: datetime | None = None, **fields: Any) -> Appointment:
    """A consultation, at 09:00 unless told otherwise: it takes no chair and has no gates."""
    made = booked(site, start or denver(1, 11), on={}, **fields)
    made.visit_type = visit_type("consultation")
    made.save(update_fields=["visit_type"])
    return made


def infusion(site: Site, start: datetime | None = None) -> Appointment:
    """Booked by the service, on the resources of an open clinic."""
    return appointments.book(
        actor=SYSTEM,
        now=NOW,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=start or denver(1, 11),
    )


def take(visit: Appointment, verb: Verb, at: datetime) -> None:
    visit_steps.step(actor=SYSTEM, now=at, appointment_id=visit.pk, verb=verb)


def undo(visit: Appointment, at: datetime) -> None:
    visit_steps.undo(actor=SYSTEM, now=at, appointment_id=visit.pk)


class TestChairs:
    """Two chairs, open 08:00 to 18:00: 1,200 minutes a day."""

    @pytest.fixture
    def chairs(self, site: Site) -> list[Resource]:
        return [each for each in open_clinic(site, chairs=2) if each.kind == "chair"]

    def test_minutes_held_of_minutes_open(self, site: Site, chairs: list[Resource]) -> None:
        booked(site, denver(1, 11), on={chairs[0]: 0}, minutes=120)
        booked(site, denver(1, 11, 10), on={chairs[1]: 0}, minutes=345)
        assert counted(site, Code.CHAIR_UTILISATION) == (465, 1200)

    def test_a_day_without_visits_is_counted_too(self, site: Site, chairs: list[Resource]) -> None:
        assert counted(site, Code.CHAIR_UTILISATION) == (0, 1200)

    def test_closures_of_the_site_and_of_a_chair_are_not_open(
        self, site: Site, chairs: list[Resource]
    ) -> None:
        Closure.objects.create(site=site, start_at=denver(1, 11, 16), end_at=denver(1, 12, 12), reason="Snow")
        Closure.objects.create(
            resource=chairs[0], start_at=denver(1, 11, 6), end_at=denver(1, 11, 10), reason="Repair"
        )
        days = counted(site, Code.CHAIR_UTILISATION, last=MONDAY + timedelta(days=1))
        assert days == {MONDAY: (0, 480 + 360), date(2027, 1, 12): (0, 2 * 360)}

    def test_inactive_chairs_and_other_resources_do_not_count(
        self, site: Site, chairs: list[Resource]
    ) -> None:
        nurse = Resource.objects.get(site=site, kind="nurse")
        booked(site, denver(1, 11), on={chairs[0]: 0, nurse: 1}, minutes=60)
        chairs[0].active = False
        chairs[0].save()
        assert counted(site, Code.CHAIR_UTILISATION) == (0, 600)

    def test_hours_of_its_own_and_hours_that_ended(self, site: Site, chairs: list[Resource]) -> None:
        WorkingHours.objects.create(resource=chairs[0], weekday=0, start=time(9), end=time(11))
        WorkingHours.objects.filter(site=site).update(valid_until=MONDAY - timedelta(days=1))
        assert counted(site, Code.CHAIR_UTILISATION) == (0, 120)

    def test_what_was_cancelled_or_missed_or_moved_away_holds_nothing(
        self, site: Site, chairs: list[Resource]
    ) -> None:
        lost = [infusion(site, denver(1, 11, hour)) for hour in (8, 10, 12)]
        assert counted(site, Code.CHAIR_UTILISATION) == (360, 1200)
        take(lost[0], Verb.CANCEL, denver(1, 10))
        take(lost[1], Verb.NO_SHOW, denver(1, 11, 10, 20))
        appointments.reschedule(actor=SYSTEM, now=NOW, appointment_id=lost[2].pk, start=denver(1, 12, 9))
        days = counted(site, Code.CHAIR_UTILISATION, last=MONDAY + timedelta(days=1))
        assert days == {MONDAY: (0, 1200), date(2027, 1, 12): (120, 1200)}
        undo(lost[1], denver(1, 11, 10, 30))
        assert counted(site, Code.CHAIR_UTILISATION) == (120, 1200)

    @pytest.mark.parametrize(("day", "hours"), [(date(2027, 3, 14), 23), (date(2027, 11, 7), 25)])
    def test_days_on_which_the_clocks_change(self, site: Site, day: date, hours: int) -> None:
        chair = Resource.objects.create(site=site, kind="chair", name="Chair", capacity=1)
        WorkingHours.objects.bulk_create(
            WorkingHours(site=site, weekday=weekday, start=time(0), end=time(0)) for weekday in range(7)
        )
        midnight = denver(day.month, day.day, 0)
        booked(site, midnight - 2 * HOUR, on={chair: 0}, minutes=240)
        booked(site, midnight + (hours - 1) * HOUR, on={chair: 0}, minutes=120)
        days = counted(
            site,
            Code.CHAIR_UTILISATION,
            first=day - timedelta(days=1),
            last=day + timedelta(days=1),
            now=midnight + timedelta(days=3),
        )
        assert days == {
            day - timedelta(days=1): (120, 24 * 60),
            day: (180, hours * 60),
            day + timedelta(days=1): (60, 24 * 60),
        }


class TestMissedAndCancelled:
    """No-shows and late cancellations: which visits were due, and when a cancellation is late."""

    def test_no_shows_over_visits_that_were_due(self, site: Site) -> None:
        visits = [visit(site, denver(1, 11, hour)) for hour in (8, 9, 10, 11)]
        later = visit(site, denver(1, 11, 21))
        take(visits[0], Verb.NO_SHOW, denver(1, 11, 9))
        take(visits[1], Verb.CANCEL, denver(1, 11, 8, 59))
        take(visits[2], Verb.CANCEL, denver(1, 11, 10, 1))  # its time had come
        assert later.start_at > EVENING
        assert counted(site, Code.NO_SHOW) == (1, 3)

    def test_a_no_show_taken_back_is_none(self, site: Site) -> None:
        open_clinic(site)
        missed = infusion(site)
        take(missed, Verb.NO_SHOW, denver(1, 11, 9, 20))
        assert counted(site, Code.NO_SHOW) == (1, 1)
        undo(missed, denver(1, 11, 9, 30))
        assert counted(site, Code.NO_SHOW) == (0, 1)

    @pytest.mark.parametrize(
        ("before", "late"),
        [
            (24 * HOUR + MINUTE, (0, 0)),
            (24 * HOUR, (0, 0)),
            (24 * HOUR - MINUTE, (1, 1)),
            (-MINUTE, (1, 1)),
        ],
    )
    def test_late_is_less_than_24_hours_before(
        self, site: Site, before: timedelta, late: tuple[int, int]
    ) -> None:
        cancelled = visit(site)
        take(cancelled, Verb.CANCEL, cancelled.start_at - before)
        assert (counted(site, Code.LATE_CANCEL) or (0, 0)) == late

    def test_a_clinic_has_its_own_limit(self, site: Site) -> None:
        cancelled = visit(site)
        take(cancelled, Verb.CANCEL, cancelled.start_at - 47 * HOUR)
        assert counted(site, Code.LATE_CANCEL) is None
        own = MeasurePolicy.objects.get(site=None)
        own.pk, own.site, own.late_cancel_hours = None, site, 48
        own.save()
        assert counted(site, Code.LATE_CANCEL) == (1, 1)
        MeasurePolicy.objects.filter(site=site).update(site=SiteFactory.create())
        assert counted(site, Code.LATE_CANCEL) is None

    def test_a_cancellation_taken_back_is_none(self, site: Site) -> None:
        open_clinic(site)
        moved = infusion(site)
        take(moved, Verb.CANCEL, denver(1, 11, 8))
        assert counted(site, Code.LATE_CANCEL) == (1, 1)
        undo(moved, denver(1, 11, 8, 10))
        assert counted(site, Code.LATE_CANCEL) == (0, 1)

    def test_who_had_arrived_and_was_sent_home_did_not_cancel_late(self, site: Site) -> None:
        arrived = visit(site)
        take(arrived, Verb.CHECK_IN, denver(1, 11, 8, 50))
        take(arrived, Verb.CANCEL, denver(1, 11, 9, 5))
        assert counted(site, Code.LATE_CANCEL) == (0, 1)
        assert counted(site, Code.NO_SHOW) == (0, 1)

    def test_a_visit_moved_to_another_day_counts_there(self, site: Site) -> None:
        open_clinic(site)
        moved = infusion(site)
        appointments.reschedule(
            actor=SYSTEM, now=denver(1, 11, 8), appointment_id=moved.pk, start=denver(1, 12, 9)
        )
        take(moved, Verb.NO_SHOW, denver(1, 12, 10))
        tuesday = date(2027, 1, 12)
        days: dict[str, Any] = {"last": tuesday, "now": denver(1, 12, 20)}
        assert counted(site, Code.NO_SHOW, **days) == {tuesday: (1, 1)}
        assert counted(site, Code.LATE_CANCEL, **days) == {tuesday: (0, 1)}

    def test_the_day_is_the_sites(self, site: Site) -> None:
        visit(site, datetime(2027, 1, 12, 6, 30, tzinfo=UTC))  # 23:30 on Monday in Denver
        missed = visit(site, datetime(2027, 1, 12, 7, 30, tzinfo=UTC))  # half past midnight on Tuesday
        take(missed, Verb.NO_SHOW, denver(1, 12, 1))
        days = counted(site, Code.NO_SHOW, last=date(2027, 1, 12), now=denver(1, 12, 20))
        assert days == {MONDAY: (0, 1), date(2027, 1, 12): (1, 1)}


class TestWaiting:
    """In the waiting room, and on the list."""

    def test_from_arrival_to_start(self, site: Site) -> None:
        for hour, minutes in ((8, 10), (10, 25)):
            started = visit(site, denver(1, 11, hour))
            take(started, Verb.CHECK_IN, denver(1, 11, hour))
            take(started, Verb.START, denver(1, 11, hour, minutes))
        arrived = visit(site, denver(1, 11, 12))
        take(arrived, Verb.CHECK_IN, denver(1, 11, 12))
        assert counted(site, Code.WAITING_ROOM) == (35 * 60, 2)

    def test_a_start_taken_back_and_made_again(self, site: Site) -> None:
        started = visit(site)
        take(started, Verb.CHECK_IN, denver(1, 11, 9))
        take(started, Verb.START, denver(1, 11, 9, 5))
        undo(started, denver(1, 11, 9, 6))
        assert counted(site, Code.WAITING_ROOM) is None
        take(started, Verb.START, denver(1, 11, 9, 20))
        take(started, Verb.COMPLETE, denver(1, 11, 10))
        assert counted(site, Code.WAITING_ROOM) == (20 * 60, 1)

    def test_from_joining_the_list_to_the_accepted_time(self, site: Site) -> None:
        start = denver(1, 11)
        slot = FreedSlot.objects.create(
            site=site, cause="cancelled", start_at=start, end_at=start + HOUR, freed_at=NOW,
            status="taken", next_action_at=None,
        )  # fmt: skip
        for days, status in ((5, "accepted"), (9, "declined")):
            patient = PatientFactory.create(site=site)
            entry = WaitlistEntry.objects.create(
                patient=patient, site=site, visit_type=visit_type(), earliest_at=NOW,
                latest_at=NOW + timedelta(days=30), created_at=start - timedelta(days=days),
            )  # fmt: skip
            Offer.objects.create(
                slot=slot, entry=entry, patient=patient, start_at=start, end_at=start + HOUR, status=status,
                offered_at=NOW, expires_at=NOW + HOUR,
                appointment=visit(site, patient=patient) if status == "accepted" else None,
            )  # fmt: skip
        assert counted(site, Code.WAITING_LIST) == (5 * 86_400, 1)


def message(about: Appointment, status: str, *, kind: str = "day_before", **fields: Any) -> None:
    claimed = {"claim": "7b0f6f0e-3f57-4b42-8a0c-000000000001", "leased_until": EVENING}
    Message.objects.create(
        patient=about.patient,
        subject_kind="appointment",
        subject_id=about.pk,
        kind=kind,
        status=status,
        **{
            "channel": "sms",
            "planned_at": denver(1, 10),
            "due_at": denver(1, 10),
            "not_after": about.start_at,
            "created_at": CREATED,
            **(claimed if status == "sending" else {}),
            **fields,
        },
    )


def test_reminders_that_reached_the_patient(site: Site) -> None:
    for status in (
        "sent",
        "delivered",
        "failed",
        "uncertain",
        "queued",
        "sending",
        "withdrawn",
        "suppressed",
    ):
        message(visit(site), status)
    message(visit(site), "queued", due_at=EVENING + HOUR)
    message(visit(site), "delivered", kind="confirmation")
    message(visit(site, denver(1, 12)), "delivered")
    about = visit(site)
    message(about, "failed", channel="sms")
    message(about, "sent", channel="email")
    assert counted(site, Code.REMINDERS_DELIVERED) == (3, 8)


def test_a_report_that_comes_late_changes_the_count(site: Site) -> None:
    message(visit(site), "sent")
    assert counted(site, Code.REMINDERS_DELIVERED) == (1, 1)
    Message.objects.update(status="failed", reason="30003")
    assert counted(site, Code.REMINDERS_DELIVERED) == (0, 1)


def test_check_ins_whose_window_has_closed(site: Site) -> None:
    patient = PatientFactory.create(site=site)
    prescribed(patient)
    rows = list(CheckIn.objects.filter(patient=patient).order_by("due_on"))
    assert len(rows) >= 5
    CheckIn.objects.filter(patient=patient).update(
        due_on=MONDAY, window_start_on=MONDAY, window_end_on=MONDAY, contact_on=MONDAY
    )
    for row, status in zip(rows, ("answered", "missed", "superseded", "cancelled"), strict=False):
        answered_on = MONDAY if status == "answered" else None
        CheckIn.objects.filter(pk=row.pk).update(status=status, answered_on=answered_on, next_action_at=None)
    closed = len(rows) - 2
    assert counted(site, Code.CHECK_INS_ANSWERED) is None, "until midnight it may be answered"
    assert counted(site, Code.CHECK_INS_ANSWERED, now=denver(1, 12, 0, 1)) == (1, closed)
    CheckIn.objects.filter(pk=rows[1].pk).update(status="answered", answered_on=MONDAY)
    assert counted(site, Code.CHECK_INS_ANSWERED, now=denver(1, 20)) == (2, closed), "late answers count"


class TestOutcomes:
    """Journey A: 21 before the course, 9 on the day of its last session. That is response, not remission."""

    FIRST = date(2027, 1, 4)

    def test_anas_course(self, site: Site) -> None:
        open_clinic(site)
        patient = ana(site)
        anas_course(patient)
        after: dict[str, Any] = {"first": self.FIRST, "now": denver(1, 23)}
        assert counted(site, Code.RESPONSE, **after) == (1, 1)
        assert counted(site, Code.REMISSION, **after) == (0, 1)
        assert counted(site, Code.RESPONSE, first=date(2027, 1, 15), now=denver(1, 23)) is None

    def test_a_later_assessment_speaks_instead(self, site: Site) -> None:
        open_clinic(site)
        patient = ana(site)
        anas_course(patient)
        phq9(patient, 4, at=denver(1, 22))
        assert counted(site, Code.REMISSION, first=self.FIRST, now=denver(1, 21)) == (0, 1)
        assert counted(site, Code.REMISSION, first=self.FIRST, now=denver(1, 23)) == (1, 1)

    def test_a_course_that_goes_on_or_was_not_assessed_does_not_count(self, site: Site) -> None:
        open_clinic(site)
        visits = sessions_of(ana(site))
        Appointment.objects.filter(pk__in=[each.pk for each in visits[:5]]).update(status="completed")
        assert counted(site, Code.RESPONSE, first=self.FIRST, now=denver(1, 23)) is None
        Appointment.objects.filter(pk=visits[5].pk).update(status="completed")
        assert counted(site, Code.RESPONSE, first=self.FIRST, now=denver(1, 23)) is None
