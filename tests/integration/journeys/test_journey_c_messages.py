"""Journey C of DOMAIN section 6, message by message: Fay's check-ins over the change of clocks on 03-14."""

from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import WorkItem
from scheduling.models import CheckIn, CheckInPolicy
from tests.factories import PatientFactory
from tests.integration.journeys.steps import open_on_weekdays, post
from tests.integration.journeys.tables import assert_discreet, at, ledger, letters, local, words

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

Moment = Callable[[datetime], None]


TABLE = [
    "03-22 18:00 check_in of 03-25: email sent, sms sent",
    "03-23 18:00 check_in_reminder of 03-25: email sent, sms sent",
    "04-05 18:00 check_in of 04-12: email sent, sms sent",
    "04-06 18:00 check_in_reminder of 04-12: email withdrawn (answered), sms withdrawn (answered)",
    "04-19 18:00 check_in of 04-26: email withdrawn (superseded), sms withdrawn (superseded)",
    "04-20 18:00 check_in_reminder of 04-26: email withdrawn (superseded), sms withdrawn (superseded)",
    "04-20 18:00 check_in of 04-23: email sent, sms sent",
    "04-21 18:00 check_in_reminder of 04-23: email withdrawn (answered), sms withdrawn (answered)",
    "05-03 18:00 check_in of 05-10: email withdrawn (superseded), sms withdrawn (superseded)",
    "05-04 18:00 check_in_reminder of 05-10: email withdrawn (superseded), sms withdrawn (superseded)",
    "05-04 18:00 check_in of 05-11: email sent, sms sent",
    "05-05 18:00 check_in_reminder of 05-11: email withdrawn (answered), sms withdrawn (answered)",
    "05-18 18:00 check_in of 05-25: email sent, sms sent",
    "05-19 18:00 check_in_reminder of 05-25: email withdrawn (answered), sms withdrawn (answered)",
    "05-31 18:00 check_in of 06-07: email withdrawn (superseded), sms withdrawn (superseded)",
    "06-01 18:00 check_in_reminder of 06-07: email withdrawn (superseded), sms withdrawn (superseded)",
    "06-01 18:00 check_in of 06-08: email sent, sms sent",
    "06-02 18:00 check_in_reminder of 06-08: email withdrawn (answered), sms withdrawn (answered)",
    "06-29 18:00 check_in of 07-06: email queued, sms queued",
    "06-30 18:00 check_in_reminder of 07-06: email queued, sms queued",
    "09-04 18:00 check_in of 10-04: email withdrawn (superseded), sms withdrawn (superseded)",
    "09-05 18:00 check_in_reminder of 10-04: email withdrawn (superseded), sms withdrawn (superseded)",
    "10-03 18:00 check_in of 11-02: email queued, sms queued",
    "10-04 18:00 check_in_reminder of 11-02: email queued, sms queued",
]
"""Planned on 03-01, before the clocks change, at 18:00 after it. The safety contacts of 03-08, 03-15 and
04-13 are calls, so no message asks for them; what a change of dose superseded sends nothing."""

WORDS = {
    "en": {
        "check_in": "Cedar Street Office: how are you doing? Please answer by Thu, Mar 25: <link>"
        " STOP to opt out.",
        "check_in_reminder": "Cedar Street Office: a reminder to answer by Thu, Mar 25: <link>"
        " STOP to opt out.",
    },
    "es": {
        "check_in": "Cedar Street Office: ¿como esta? Responda hasta el jue 25 mar: <link> STOP: no mas.",
        "check_in_reminder": "Cedar Street Office: recuerde responder hasta el jue 25 mar: <link>"
        " STOP: no mas.",
    },
}


@pytest.fixture
def clinic(site: Site) -> Site:
    """Open on weekdays; patients are asked at 18:00."""
    open_on_weekdays(site, now=at("2027-03-01T09:00"))
    CheckInPolicy.objects.create(
        site=site, ask_at=time(18), merge_within_days=3, source="the clinic's choice", mark="D"
    )
    return site


@pytest.mark.parametrize("language", ["en", "es"])
def test_fay(
    language: str,
    clinic: Site,
    client_as: Callable[..., APIClient],
    clock: Moment,
    live_until: Moment,
    mailbox: Path,
) -> None:
    prescriber, nurse = client_as("prescriber", clinic), client_as("nurse", clinic)
    fay = PatientFactory.create(
        site=clinic, first_name="Fay", date_of_birth=date(2002, 6, 15), language=language
    )

    def record(code: str, due_on: str) -> None:
        row = CheckIn.objects.exclude(status="superseded").get(patient=fay, code=code, due_on=due_on)
        post(nurse, f"check-ins/{row.pk}/record/", {"note": "by phone"})

    clock(at("2027-03-01T09:00"))
    prescription = post(
        prescriber,
        "prescriptions/",
        {
            "patient": fay.pk,
            "medication": "venlafaxine",
            "drug_class": "snri",
            "dose_mg": 37.5,
            "first_dose_on": "2027-03-01",
            "planned_steps": [{"dose_mg": 75, "effective_on": "2027-03-08"}],
            "indication": "Nerve injury and depression",
        },
        status=201,
    )["id"]
    for day, code in (("03-08", "SAFE7"), ("03-15", "SAFE7")):
        live_until(at(f"2027-{day}T09:00"))
        record(code, f"2027-{day}")
    live_until(at("2027-03-23T20:00"))  # asked on 03-22, reminded on 03-23
    record("REV14", "2027-03-22")
    live_until(at("2027-04-05T19:00"))
    record("REV28", "2027-04-05")
    post(
        prescriber,
        f"prescriptions/{prescription}/change-dose/",
        {"dose_mg": 112.5, "ordered_on": "2027-04-05", "effective_on": "2027-04-06"},
    )
    live_until(at("2027-04-15T12:00"))
    [item] = WorkItem.objects.filter(patient=fay, kind="check_in_missed")
    assert (item.status, local(item.opened_at)) == ("open", "04-15 00:00")
    for day, code in (("04-20", "REV14"), ("05-04", "REV28"), ("05-18", "REV42"), ("06-01", "MAX56")):
        live_until(at(f"2027-{day}T19:00"))
        record(code, f"2027-{day}")
    live_until(at("2027-06-15T12:00"))
    assert ledger(fay) == TABLE
    items = WorkItem.objects.filter(patient=fay, kind__startswith="check_in").order_by("opened_at")
    assert [(each.kind, local(each.opened_at), each.status) for each in items] == [
        ("check_in_contact", "03-08 00:00", "resolved"),
        ("check_in_contact", "03-15 00:00", "resolved"),
        ("check_in_contact", "04-13 00:00", "resolved"),
        ("check_in_missed", "04-15 00:00", "open"),
    ]
    arrived = letters(fay, mailbox)
    assert len(arrived) == 14
    assert_discreet(arrived)
    for kind in ("check_in", "check_in_reminder"):
        assert words(arrived, kind, "sms") == WORDS[language][kind]
        email = words(arrived, kind, "email")
        assert "911" in email
        assert "988" in email
