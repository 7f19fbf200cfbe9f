"""Messages over both changes of clocks, and to patients who live in another zone than the clinic."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import Patient
from scheduling.services import appointments
from tests.factories import PatientFactory, open_clinic, visit_type
from tests.integration.journeys.tables import at, letters, local, words

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

Moment = Callable[[datetime], None]


@pytest.fixture
def book(site: Site, clock: Moment) -> Callable[..., Patient]:
    """``book("2027-03-15T09:00", now="2027-03-01T10:00")``: a patient and a visit, by Denver's clocks."""
    open_clinic(site)

    def run(start: str, *, now: str, zone: str = "America/Denver", language: str = "en") -> Patient:
        patient = PatientFactory.create(site=site, timezone=zone, language=language)
        clock(at(now))
        appointments.book(
            actor=SYSTEM,
            now=at(now),
            patient_id=patient.pk,
            visit_type=visit_type("follow-up"),
            site=site,
            start=at(start),
        )
        return patient

    return run


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("2027-03-13T09:00", "2027-03-12T09:00-07:00"),  # before the change
        ("2027-03-14T09:00", "2027-03-13T09:00-07:00"),  # over it: 23 hours before
        ("2027-03-15T09:00", "2027-03-14T09:00-06:00"),  # on the short day
        ("2027-11-07T09:00", "2027-11-06T09:00-06:00"),  # over it: 25 hours before
        ("2027-11-08T09:00", "2027-11-07T09:00-07:00"),  # on the long day
        # What falls into the night goes out at 18:00 of the evening before, also of those days.
        ("2027-03-15T08:30", "2027-03-13T18:00-07:00"),
        ("2027-03-16T08:30", "2027-03-14T18:00-06:00"),
        ("2027-11-08T08:30", "2027-11-06T18:00-06:00"),
        ("2027-11-09T08:30", "2027-11-07T18:00-07:00"),
    ],
)
def test_the_reminder_of_the_day_before_keeps_its_hour(
    start: str, told: str, book: Callable[..., Patient], live_until: Moment, mailbox: Path
) -> None:
    patient = book(start, now=f"{start[:8]}01T10:00")
    live_until(at(start))
    reminders = [each for each in letters(patient, mailbox) if each.kind == "day_before"]
    assert [each.delivery.received_at for each in reminders] == [datetime.fromisoformat(told)] * 2


@pytest.mark.parametrize(
    ("booked", "told"),
    [
        ("2027-03-13T19:59", "2027-03-13T19:59-07:00"),
        ("2027-03-13T20:00", "2027-03-14T09:00-06:00"),  # twelve hours later: the night lost one
        ("2027-03-14T08:59", "2027-03-14T09:00-06:00"),
        ("2027-11-06T20:00", "2027-11-07T09:00-07:00"),  # fourteen hours later: the night gained one
        ("2027-11-07T08:59", "2027-11-07T09:00-07:00"),
        ("2027-11-07T20:00", "2027-11-08T09:00-07:00"),
    ],
)
def test_the_night_ends_at_nine_whatever_its_length(
    booked: str, told: str, book: Callable[..., Patient], live_until: Moment, mailbox: Path
) -> None:
    month = int(booked[5:7])
    patient = book(f"2027-{month + 1:02}-05T11:00", now=booked)
    live_until(at(booked))
    assert len(letters(patient, mailbox)) == (2 if told.startswith(booked) else 0), "not at night"
    live_until(datetime.fromisoformat(told))
    arrived = letters(patient, mailbox)
    assert {(each.kind, each.delivery.received_at) for each in arrived} == {
        ("confirmation", datetime.fromisoformat(told))
    }


NEW_YORK, HONOLULU, PHOENIX = "America/New_York", "Pacific/Honolulu", "America/Phoenix"


@pytest.mark.parametrize(
    ("zone", "start", "due"),
    [
        # 08:00 in Denver is 10:00 there: nobody sleeps, so nothing is pulled.
        (NEW_YORK, "2027-01-14T08:00", ("01-07 10:00", "01-11 10:00", "01-13 10:00")),
        # 09:00 in Denver is 06:00 there: the evening before, at 18:00 on the patient's clock.
        (HONOLULU, "2027-01-14T09:00", ("01-06 18:00", "01-10 18:00", "01-12 18:00")),
        (HONOLULU, "2027-01-14T13:00", ("01-07 10:00", "01-11 10:00", "01-13 10:00")),
    ],
)
def test_the_night_is_the_patients(
    zone: str,
    start: str,
    due: tuple[str, ...],
    book: Callable[..., Patient],
    live_until: Moment,
    mailbox: Path,
) -> None:
    patient = book(start, now="2027-01-04T12:00", zone=zone)
    live_until(at(start))
    emails = [each for each in letters(patient, mailbox) if each.delivery.channel == "email"]
    came = [f"{local(each.delivery.received_at, ZoneInfo(zone))} {each.kind}" for each in emails]
    home = local(at("2027-01-04T12:00"), ZoneInfo(zone))
    kinds = ("confirmation", "preparation", "confirm_request", "day_before")
    assert came == [f"{at_home} {kind}" for at_home, kind in zip((home, *due), kinds, strict=True)]


@pytest.mark.parametrize(
    ("zone", "language", "start", "day_in_text", "day", "hour"),
    [
        (NEW_YORK, "en", "2027-01-14T09:00", "Thu, Jan 14, ", "Thursday, January 14 at ", "9:00 AM (MST)"),
        (NEW_YORK, "es", "2027-07-14T13:00", "mié 14 jul, ", "miércoles 14 de julio a la ", "1:00 pm (MDT)"),
        (HONOLULU, "en", "2027-07-14T09:00", "Wed, Jul 14, ", "Wednesday, July 14 at ", "9:00 AM (MDT)"),
        # Phoenix shares Denver's clock in winter, not in summer.
        (PHOENIX, "en", "2027-01-14T09:00", "Thu, Jan 14, ", "Thursday, January 14 at ", "9:00 AM"),
        (PHOENIX, "en", "2027-07-14T09:00", "Wed, Jul 14, ", "Wednesday, July 14 at ", "9:00 AM (MDT)"),
    ],
)
def test_words_name_the_clinics_zone_where_it_is_not_the_patients(
    zone: str,
    language: str,
    start: str,
    day_in_text: str,
    day: str,
    hour: str,
    book: Callable[..., Patient],
    live_until: Moment,
    mailbox: Path,
) -> None:
    booked = f"{start[:8]}04T16:00"
    patient = book(start, now=booked, zone=zone, language=language)
    live_until(at(booked))
    arrived = letters(patient, mailbox)
    assert f"{day_in_text}{hour}. " in words(arrived, "confirmation", "sms")
    assert f"{day}{hour}.\n" in words(arrived, "confirmation", "email")
