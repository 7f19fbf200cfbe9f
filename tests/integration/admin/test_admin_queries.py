"""However much there is to show, a list and a page ask the database the same number of questions."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.access.models import Site
from clinic.common import clock
from scheduling.models import CheckIn, WorkingHours
from tests.conftest import NOW
from tests.factories import ResourceFactory, SiteFactory, UserFactory
from tests.integration.admin.furnished import Clinic, furnish

LISTS = (
    "scheduling_appointment",
    "scheduling_course",
    "scheduling_repair",
    "scheduling_hold",
    "scheduling_calendarfeed",
    "scheduling_waitlistentry",
    "scheduling_freedslot",
    "scheduling_coursetemplate",
    "scheduling_siteholidaycalendar",
    "scheduling_holdpolicy",
    "scheduling_confirmationrule",
    "scheduling_waitlistpolicy",
    "scheduling_druglogentry",
    "scheduling_measurepolicy",
    "scheduling_doseprotocol",
    "scheduling_gaterule",
    "scheduling_vitalschedule",
    "scheduling_vitalthreshold",
    "scheduling_infusiondaypolicy",
    "patients_patient",
    "scheduling_prescription",
    "scheduling_checkin",
    "patients_assessment",
    "patients_safetyalarm",
    "scheduling_followup",
    "patients_message",
    "patients_workitem",
    "access_site",
    "access_user",
    "access_servicetoken",
    "scheduling_resource",
    "scheduling_workinghours",
    "scheduling_closure",
    "scheduling_visittype",
    "scheduling_reminderrule",
    "patients_messagetemplate",
    "patients_condition",
)
MOST = 17
"""Queries of any one page: session, person, sign-in, roles, menu, counts, rows and what they refer to."""


def queries(client: Client, url: str) -> int:
    """How many queries a page takes."""
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(url).status_code == 200
    return len(asked)


@pytest.fixture
def looking(site: Site, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Somebody with every role at the site. No time passes, so that their last use is not noted meanwhile."""
    moment = clock.wall()
    monkeypatch.setattr("clinic.common.clock.wall", lambda: moment)
    client = Client()
    client.force_login(UserFactory.create(roles={site: ["prescriber", "manager", "front_desk"]}))
    return client


def more_of_everything(clinic: Clinic) -> None:
    """Four more rows of everything at the same site."""
    for _ in range(4):
        elsewhere = furnish(SiteFactory.create())
        _move_here(elsewhere, clinic.site)


def _move_here(elsewhere: Clinic, site: Site) -> None:
    there = elsewhere.site
    for patient in there.patients.all():
        patient.site = site
        patient.save(update_fields=["site"])
    there.appointments.update(site=site)
    there.memberships.update(site=site)
    WorkingHours.objects.filter(site=there).update(site=site)
    for model in (ResourceFactory._meta.model,):
        for number, row in enumerate(model.objects.filter(site=there)):
            row.site, row.name = site, f"{row.name} of {there.pk}.{number}"
            row.save(update_fields=["site", "name"])
    there.workitem_set.update(site=site)
    there.closure_set.update(site=site)
    there.courses.update(site=site)
    there.repairs.update(site=site)
    there.waitlist_entries.update(site=site)
    there.hold_set.update(site=site)
    there.freedslot_set.update(site=site)
    for entry in there.druglogentry_set.all():  # what is logged is never changed: another one is
        entry.pk, entry.site = None, site
        entry.save(force_insert=True)


def test_lists_take_a_constant_number_of_queries(site: Site, looking: Client) -> None:
    clinic = furnish(site)
    urls = {model: reverse(f"admin:{model}_changelist") for model in LISTS}
    few = {model: queries(looking, url) for model, url in urls.items()}
    more_of_everything(clinic)
    assert CheckIn.objects.filter(patient__site=site).count() > 20
    many = {model: queries(looking, url) for model, url in urls.items()}
    assert many == few
    assert max(few.values()) <= MOST


@pytest.mark.parametrize(
    ("page", "most"),
    # Today asks each kind of due work whether it stands still; the record shows a dozen sections.
    [("index", MOST + 10), ("record", MOST + 8), ("visit", MOST + 4), ("book", MOST + 4), ("measures", MOST)],
)
def test_pages_take_a_constant_number_of_queries(
    page: str, most: int, site: Site, looking: Client, clock: Callable[..., None]
) -> None:
    clinic = furnish(site)
    clock(NOW + timedelta(days=1))
    patient, visit = clinic.rows["patients_patient"], clinic.rows["scheduling_appointment"]
    url = {
        "index": reverse("admin:index"),
        "measures": reverse("admin:scheduling_measurepolicy_measures"),
        "record": reverse("admin:patients_patient_record", args=[patient]),
        "visit": reverse("admin:scheduling_appointment_change", args=[visit]),
        "book": reverse("admin:scheduling_appointment_book")
        + f"?patient={patient}&visit_type=1&site={site.pk}",
    }[page]
    few = queries(looking, url)
    more_of_everything(clinic)
    assert queries(looking, url) == few
    assert few <= most
