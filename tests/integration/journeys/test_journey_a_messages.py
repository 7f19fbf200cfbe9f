"""Journey A of DOMAIN section 6, message by message: Ana's six sessions in two weeks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Patient
from scheduling.models import FollowUp
from tests.factories import PatientFactory
from tests.integration.journeys.steps import agree_to_more_texts, attend, open_on_weekdays, post
from tests.integration.journeys.tables import assert_discreet, at, ledger, letters, words

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

DAYS = ["2027-01-04", "2027-01-06", "2027-01-08", "2027-01-11", "2027-01-13", "2027-01-15"]
BOOKED_AT = at("2026-12-22T10:00")
Moment = Callable[[datetime], None]


@pytest.fixture
def clinic(site: Site) -> Site:
    """Closed on 01-18, which is a holiday."""
    open_on_weekdays(site, now=BOOKED_AT)
    return site


@pytest.fixture
def treat(
    clinic: Site, client_as: Callable[..., APIClient], clock: Moment, live_until: Moment
) -> Callable[..., Patient]:
    """``treat(sessions=3)``: Ana, whose six sessions at 09:00 are booked and who came to the first three.
    ``agreed`` to more texts."""

    def run(*, sessions: int = 6, agreed: bool = False, language: str = "en") -> Patient:
        clock(BOOKED_AT)
        ana = PatientFactory.create(site=clinic, first_name="Ana", language=language)
        if agreed:
            agree_to_more_texts(ana, now=BOOKED_AT)
        asked = {"patient": ana.pk, "site": clinic.pk, "template": "ketamine-mood-3-per-week"}
        starts = [{"start": at(f"{day}T09:00").isoformat()} for day in DAYS]
        course = post(client_as("front_desk", clinic), "courses/", asked | {"sessions": starts}, status=201)
        nurse = client_as("nurse", clinic)
        for session, day in list(zip(course["sessions"], DAYS, strict=True))[:sessions]:
            live_until(at(f"{day}T09:00"))
            attend(nurse, session["appointment"])
        return ana

    return run


TABLE = [
    "12-22 10:00 course_confirmation of 01-04: email sent, sms sent",
    "12-28 09:00 preparation of 01-04: email sent, sms sent",
    "01-01 09:00 confirm_request of 01-04: email sent, sms suppressed (capped)",
    "01-03 09:00 day_before of 01-04: email sent, sms sent",
    "01-03 09:00 confirm_request of 01-06: email sent, sms suppressed (capped)",
    "01-05 09:00 day_before of 01-06: email sent, sms sent",
    "01-05 09:00 confirm_request of 01-08: email sent, sms suppressed (capped)",
    "01-07 09:00 day_before of 01-08: email sent, sms sent",
    "01-08 09:00 confirm_request of 01-11: email sent, sms suppressed (capped)",
    "01-10 09:00 day_before of 01-11: email sent, sms sent",
    "01-10 09:00 confirm_request of 01-13: email sent, sms suppressed (capped)",
    "01-12 09:00 day_before of 01-13: email sent, sms sent",
    "01-12 09:00 confirm_request of 01-15: email sent, sms suppressed (capped)",
    "01-14 09:00 day_before of 01-15: email sent, sms sent",
]
"""Three texts in seven days, one a day: the reminders of the day before take them all, so the requests to
confirm come by e-mail alone. None of the sessions has a confirmation of its own."""

WORDS = {
    "en": {
        ("course_confirmation", "sms"): "Cedar Street Office: booked from Mon, Jan 4, 9:00 AM, visits: 6."
        " <link> STOP to opt out.",
        ("preparation", "sms"): "Cedar Street Office: Mon, Jan 4, 9:00 AM. How to prepare: <link>"
        " STOP to opt out.",
        ("confirm_request", "email"): "Please confirm Monday, January 4\nHello Ana,\n\nWe expect you at Cedar"
        " Street Office on Monday, January 4 at 9:00 AM.\n\nPlease confirm, or move it, here: <link>\n\n"
        "Or call (303) 555-0100.\n\nCedar Street Office\n",
        ("day_before", "sms"): "Cedar Street Office: Mon, Jan 4, 9:00 AM. Before you come: <link>"
        " STOP to opt out.",
    },
    "es": {
        ("course_confirmation", "sms"): "Cedar Street Office: desde lun 4 ene, 9:00 am, citas: 6. <link>"
        " STOP: no mas.",
        ("preparation", "sms"): "Cedar Street Office: lun 4 ene, 9:00 am. Como prepararse: <link>"
        " STOP: no mas.",
        (
            "confirm_request",
            "email",
        ): "Confirme su cita del lunes 4 de enero\nHola Ana:\n\nLe esperamos en Cedar"
        " Street Office el lunes 4 de enero a las 9:00 am.\n\nConfirme o cambie la cita aquí: <link>\n\n"
        "O llame al (303) 555-0100.\n\nCedar Street Office\n",
        ("day_before", "sms"): "Cedar Street Office: lun 4 ene, 9:00 am. Antes de venir: <link>"
        " STOP: no mas.",
    },
}


@pytest.mark.parametrize("language", ["en", "es"])
def test_ana(language: str, treat: Callable[..., Patient], live_until: Moment, mailbox: Path) -> None:
    ana = treat(language=language)
    live_until(at("2027-02-01T12:00"))
    assert ledger(ana) == TABLE
    arrived = letters(ana, mailbox)
    assert len(arrived) == 22
    assert_discreet(arrived)
    assert {(kind, by): words(arrived, kind, by) for kind, by in WORDS[language]} == WORDS[language]
    for text in (letter.delivery for letter in arrived if letter.delivery.channel == "sms"):
        week = [
            letter
            for letter in arrived
            if letter.delivery.channel == "sms"
            and text.received_at - timedelta(days=7) < letter.delivery.received_at <= text.received_at
        ]
        assert len(week) <= 3
    # The calls of the next day: the last on Tuesday, because the weekend and 01-18 are closed.
    calls = FollowUp.objects.filter(patient=ana, kind="call").order_by("due_on")
    assert [each.due_on.isoformat()[5:] for each in calls] == [
        "01-05", "01-07", "01-11", "01-12", "01-14", "01-19"
    ]  # fmt: skip


def test_who_agreed_to_more_texts_gets_them_all(
    treat: Callable[..., Patient], live_until: Moment, mailbox: Path
) -> None:
    ana = treat(agreed=True)
    live_until(at("2027-02-01T12:00"))
    assert ledger(ana) == [line.replace("suppressed (capped)", "sent") for line in TABLE]
    arrived = letters(ana, mailbox)
    assert len(arrived) == 28
    assert_discreet(arrived)
    assert words(arrived, "confirm_request", "sms") == (
        "Cedar Street Office: Mon, Jan 4, 9:00 AM. Reply C to confirm, R to move, STOP to opt out. <link>"
    )


def test_stopped_after_the_first_week_one_message_tells_of_the_rest(
    clinic: Site,
    treat: Callable[..., Patient],
    client_as: Callable[..., APIClient],
    live_until: Moment,
    mailbox: Path,
) -> None:
    ana = treat(sessions=3)
    post(client_as("front_desk", clinic), f"courses/{ana.courses.get().pk}/stop/", {"reason": "side effects"})
    live_until(at("2027-02-01T12:00"))
    assert ledger(ana) == [
        *TABLE[:8],
        "01-08 09:00 confirm_request of 01-11: email sent, sms withdrawn (cancelled)",
        "01-08 09:15 course_cancellation of 01-11: email sent, sms suppressed (capped)",
        *(
            line.partition(": ")[0] + ": email withdrawn (cancelled), sms withdrawn (cancelled)"
            for line in TABLE[9:]
        ),
    ]
    arrived = letters(ana, mailbox)
    assert_discreet(arrived)
    assert words(arrived, "course_cancellation", "email").startswith(
        "Your appointments from Monday, January 11 are cancelled\n"
    )
