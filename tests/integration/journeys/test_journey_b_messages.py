"""Journey B of DOMAIN section 6, message by message: Ben's ten weekdays, one missed, and its new date."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from tests.factories import PatientFactory
from tests.integration.journeys.steps import agree_to_more_texts, attend, open_on_weekdays, post
from tests.integration.journeys.tables import assert_discreet, at, ledger, letters, words

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

DAYS = [f"2027-02-{day:02}T08:30" for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12)]
BOOKED_AT = at("2027-01-20T10:00")
Moment = Callable[[datetime], None]


TABLE = [
    "01-20 10:00 course_confirmation of 02-01: email sent, sms sent",
    "01-24 18:00 preparation of 02-01: email sent, sms sent",
    "01-28 18:00 confirm_request of 02-01: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "01-29 18:00 confirm_request of 02-02: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "01-30 18:00 day_before of 02-01: email sent, sms sent",
    "01-30 18:00 confirm_request of 02-03: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "01-31 18:00 day_before of 02-02: email sent, sms sent",
    "01-31 18:00 confirm_request of 02-04: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "02-01 18:00 day_before of 02-03: email sent, sms sent",
    "02-01 18:00 confirm_request of 02-05: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "02-02 18:00 day_before of 02-04: email sent, sms suppressed (capped)",
    "02-03 18:00 day_before of 02-05: email sent, sms suppressed (capped)",
    "02-04 18:00 confirm_request of 02-08: email sent, sms suppressed (capped)",
    "02-05 18:00 confirm_request of 02-09: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "02-06 18:00 day_before of 02-08: email sent, sms sent",
    "02-06 18:00 confirm_request of 02-10: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "02-07 18:00 day_before of 02-09: email sent, sms sent",
    "02-07 18:00 confirm_request of 02-11: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "02-08 09:30 confirmation of 02-16: email sent, sms suppressed (capped)",
    "02-08 18:00 day_before of 02-10: email sent, sms sent",
    "02-08 18:00 confirm_request of 02-12: email withdrawn (confirmed), sms withdrawn (confirmed)",
    "02-09 18:00 day_before of 02-11: email sent, sms suppressed (capped)",
    "02-10 18:00 day_before of 02-12: email sent, sms suppressed (capped)",
    "02-12 18:00 confirm_request of 02-16: email sent",
    "02-13 18:00 confirm_request of 02-16: sms sent",
    "02-14 18:00 day_before of 02-16: email sent, sms sent",
]
"""At 08:30 people sleep, so whatever is due then goes out at 18:00 of the evening before. Of five texts a
week three go out, and the request to confirm 02-16 waits a day, until there is room for it."""

OFTEN = [
    *(line.replace("suppressed (capped)", "sent") for line in TABLE[:23]),
    "02-12 18:00 confirm_request of 02-16: email sent, sms sent",
    TABLE[25],
]


@pytest.fixture
def clinic(site: Site) -> Site:
    """Closed on 02-15, which is a holiday."""
    open_on_weekdays(site, now=BOOKED_AT)
    return site


@pytest.mark.parametrize("often", [False, True], ids=["three a week", "agreed to more"])
def test_ben(
    often: bool,
    clinic: Site,
    client_as: Callable[..., APIClient],
    clock: Moment,
    live_until: Moment,
    mailbox: Path,
) -> None:
    clock(BOOKED_AT)
    desk, nurse = client_as("front_desk", clinic), client_as("nurse", clinic)
    ben = PatientFactory.create(site=clinic, first_name="Ben")
    if often:
        agree_to_more_texts(ben, now=BOOKED_AT)
    course = post(
        desk,
        "courses/",
        {
            "patient": ben.pk,
            "site": clinic.pk,
            "template": "ketamine-pain-10-weekdays",
            "sessions": [{"start": at(day).isoformat()} for day in DAYS],
        },
        status=201,
    )
    visits = [each["appointment"] for each in course["sessions"]]
    lost = visits[5]
    clock(at("2027-01-26T10:00"))  # on the telephone, all but 02-08
    for visit in visits:
        if visit != lost:
            post(desk, f"appointments/{visit}/confirm/")
    for visit, day in zip(visits[:5], DAYS, strict=False):
        live_until(at(day))
        attend(nurse, visit)
    live_until(at("2027-02-08T09:00"))
    post(desk, f"appointments/{lost}/no-show/")
    clock(at("2027-02-08T09:30"))
    proposed = post(desk, f"courses/{course['id']}/replan/", {"limit": 1})["plans"][0]["sessions"]
    starts = [{"start": each["start"]} for each in proposed]
    replanned = post(desk, f"courses/{course['id']}/replan/", {"sessions": starts, "reason": "missed"})
    rest = [each["appointment"] for each in replanned["sessions"][-5:]]
    for visit in rest:
        visit_at = next(each["start"] for each in replanned["sessions"] if each["appointment"] == visit)
        live_until(datetime.fromisoformat(visit_at))
        attend(nurse, visit)
    live_until(at("2027-03-01T12:00"))
    assert ledger(ben) == (OFTEN if often else TABLE)
    arrived = letters(ben, mailbox)
    assert len(arrived) == (32 if often else 26)
    assert_discreet(arrived)
    assert words(arrived, "day_before", "sms") == (
        "Cedar Street Office: Mon, Feb 1, 8:30 AM. Before you come: <link> STOP to opt out."
    )
    assert words(arrived, "confirmation", "email").startswith(
        "Your appointment on Tuesday, February 16\nHello Ben,\n\nYour appointment at Cedar Street Office"
        " is booked for Tuesday, February 16 at 8:30 AM.\n"
    )
    about_the_lost = [each.delivery.received_at for each in arrived if "February 8" in each.delivery.subject]
    assert max(about_the_lost) == at("2027-02-06T18:00")
