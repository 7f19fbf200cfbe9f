"""Many courses at once on real PostgreSQL, each with a connection of its own: whole, or nothing."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models import Count, F

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Message
from scheduling.domain.transitions import Verb
from scheduling.models import Allocation, Appointment, Course, CourseTemplate
from scheduling.services import appointments, course_changes, courses, visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.racing import race

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

DAYS = [date(2027, 1, day) for day in (11, 13, 15, 18, 20, 22)]


def at(day: date, hour: int = 16, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def template() -> CourseTemplate:
    return CourseTemplate.objects.select_related("visit_type").get(code="ketamine-mood-3-per-week")


def booking(site: Site, starts: list[datetime], patient_id: int | None = None) -> Callable[[], Course]:
    patient_id = patient_id or PatientFactory.create(site=site).pk
    chosen = template()
    return lambda: courses.book(
        actor=SYSTEM, now=NOW, patient_id=patient_id, template=chosen, site=site, starts=starts
    )


def assert_whole(site: Site) -> None:
    """Every course has all its sessions, every session all its allocations, and nothing else is booked."""
    partial = Course.objects.annotate(written=Count("sessions")).exclude(written=F("sessions_planned"))
    assert not partial.exists()
    sessions = Appointment.objects.filter(site=site).annotate(held=Count("allocations"))
    assert set(sessions.values_list("held", flat=True)) <= {4}
    assert Allocation.objects.count() == 4 * sessions.count()
    of_visits = Message.objects.filter(subject_kind="appointment").values_list("subject_id", flat=True)
    assert set(of_visits) <= set(sessions.values_list("pk", flat=True))


@pytest.fixture
def clinic() -> Site:
    site = SiteFactory.create()
    open_clinic(site, chairs=3, nurses=2)
    return site


def test_forty_contended_courses_are_whole_or_nothing(clinic: Site) -> None:
    """All want mornings of the same fortnight, in different orders of hours: locks cross everywhere."""
    jobs = [
        booking(
            clinic,
            [at(day, 15 + (n + index) % 3, 15 * ((n * 7 + index) % 4)) for index, day in enumerate(DAYS)],
        )
        for n in range(40)
    ]
    outcomes = Counter(race(list(jobs)))
    assert set(outcomes) == {"ok", "slot_taken"}
    assert outcomes["ok"] == Course.objects.count() >= 3
    assert Appointment.objects.count() == 6 * outcomes["ok"]
    assert_whole(clinic)


def test_one_chair_and_one_hour_go_to_exactly_one_course() -> None:
    site = SiteFactory.create()
    open_clinic(site, chairs=1, nurses=1)
    outcomes = Counter(race([booking(site, [at(day) for day in DAYS]) for _ in range(16)]))
    assert outcomes == {"ok": 1, "slot_taken": 15}
    assert_whole(site)


def test_courses_and_single_visits_share_the_clinic(clinic: Site) -> None:
    jobs: list[Callable[[], object]] = [booking(clinic, [at(day) for day in DAYS]) for _ in range(8)]
    for n in range(16):
        visitor = PatientFactory.create(site=clinic).pk
        jobs.append(
            lambda n=n, visitor=visitor: appointments.book(  # type: ignore[misc]
                actor=SYSTEM,
                now=NOW,
                patient_id=visitor,
                visit_type=visit_type(),
                site=clinic,
                start=at(DAYS[n % 6], 16, 15 * (n % 3)),
            )
        )
    outcomes = Counter(race(jobs))
    assert set(outcomes) == {"ok", "slot_taken"}
    assert_whole(clinic)


def test_one_patient_asked_for_two_courses_at_once_gets_one(clinic: Site) -> None:
    patient = PatientFactory.create(site=clinic).pk
    outcomes = Counter(
        race([booking(clinic, [at(day, 16, 30 * (n % 2)) for day in DAYS], patient) for n in range(6)])
    )
    assert outcomes["ok"] == 1
    assert set(outcomes) <= {"ok", "patient_busy", "slot_taken"}
    assert_whole(clinic)


def test_changes_of_one_course_and_of_its_sessions_leave_it_consistent(clinic: Site) -> None:
    course = booking(clinic, [at(day) for day in DAYS])()
    sessions = list(course.sessions.order_by("start_at"))
    later = [at(day + timedelta(days=1)) for day in DAYS]
    jobs: list[Callable[[], object]] = [
        lambda: course_changes.replan(actor=SYSTEM, now=NOW, course_id=course.pk, starts=later),
        lambda: course_changes.replan(
            actor=SYSTEM, now=NOW, course_id=course.pk, starts=[at(day, 18) for day in DAYS]
        ),
        lambda: course_changes.extend(
            actor=SYSTEM, now=NOW, course_id=course.pk, starts=[at(DAYS[-1] + timedelta(days=7))]
        ),
        lambda: visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=sessions[2].pk, verb=Verb.CANCEL),
        lambda: appointments.reschedule(
            actor=SYSTEM, now=NOW, appointment_id=sessions[4].pk, start=at(DAYS[4], 19)
        ),
        lambda: course_changes.stop(actor=SYSTEM, now=NOW, course_id=course.pk, reason="asked to stop"),
    ]
    outcomes = Counter(race(jobs))
    assert set(outcomes) <= {
        "ok",
        "moved_meanwhile",
        "invalid_transition",
        "slot_taken",
        "gap_out_of_range",
        "sessions_out_of_order",
    }
    assert outcomes["ok"] >= 1
    live = list(course.sessions.exclude(status__in=Appointment.FREES_RESOURCES).order_by("start_at"))
    assert [each.session_number for each in live] == list(range(1, len(live) + 1))
    for visit in course.sessions.all():
        held = visit.allocations.filter(released_at=None)
        assert held.count() == (0 if visit.status in Appointment.FREES_RESOURCES else 4)
        assert not held.exclude(start_at__gte=visit.start_at, end_at__lte=visit.end_at).exists()
    course.refresh_from_db()
    assert course.status == "active" or not live
