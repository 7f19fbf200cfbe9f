"""The page of the Schedule III log: one site's day, what stands out on it, who opens it."""

from collections.abc import Callable
from decimal import Decimal

from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import WorkItem
from patients.services import work_items
from scheduling.models import InfusionSession
from scheduling.services import drug_log
from tests.conftest import NOW
from tests.factories import SiteFactory
from tests.factories.treated import session_at
from tests.integration.admin.pages import words

LOG = "admin:scheduling_druglogentry_changelist"


def log(session: InfusionSession, kind: str, mg: str, note: str = "") -> int:
    entry = drug_log.record(
        actor=SYSTEM, now=NOW, appointment_id=session.pk, kind=kind, mg=Decimal(mg), lot="A1", note=note
    )
    return entry.pk


def test_today_with_totals_and_what_stands_out(site: Site, staff: Callable[..., Client]) -> None:
    session = session_at(site)
    struck = log(session, "drawn", "500", note="typed wrong")
    drug_log.strike(actor=SYSTEM, now=NOW, appointment_id=session.pk, entry_id=struck, reason="It was 50")
    log(session, "drawn", "50")
    log(session, "given", "35")
    page = words(staff("auditor", site).get(reverse(LOG)))
    assert "Mon, Jan 4, 2027" in page
    assert "does not balance" in page
    assert "Struck by Onset: It was 50" in page
    log(session, "wasted", "15")
    page = words(staff("nurse", site).get(reverse(LOG)))
    assert "1 wasted amount without a witness" in page
    assert "1 not witnessed" in page
    assert session.appointment.patient.mrn in page


def test_another_day_and_another_of_ones_sites(site: Site, staff: Callable[..., Client]) -> None:
    other = SiteFactory.create(name="Zenith Street")
    log(session_at(other), "drawn", "7.77")
    client = staff("manager", site, other)
    assert "7.77" not in words(client.get(reverse(LOG)))
    assert "7.77" in words(client.get(reverse(LOG), {"site": str(other.pk)}))
    assert "7.77" not in words(client.get(reverse(LOG), {"site": str(other.pk), "day": "2027-01-05"}))
    strange = client.get(reverse(LOG), {"site": str(other.pk), "day": "0001-01-01"})
    assert "Choose a year" in words(strange)


def test_a_site_that_is_not_ones_own_is_no_choice(site: Site, staff: Callable[..., Client]) -> None:
    other = SiteFactory.create()
    log(session_at(other), "drawn", "7.77")
    page = staff("nurse", site).get(reverse(LOG), {"site": str(other.pk)})
    assert page.status_code == 200
    assert "7.77" not in words(page)


def test_the_links_lead_to_the_days_around_and_to_the_table(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    links = {link.text: link.url for link in client.get(reverse(LOG)).context["links"]}
    assert links["Day before"].endswith(f"?site={site.pk}&day=2027-01-03")
    assert links["Day after"].endswith(f"?site={site.pk}&day=2027-01-05")
    assert client.get(links["CSV"])["Content-Type"].startswith("text/csv")


def test_the_front_desk_does_not_open_it(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", site)
    assert client.get(reverse(LOG)).status_code == 403
    assert "Schedule III log" not in words(client.get(reverse("admin:index")))


def test_a_work_item_leads_to_its_session(site: Site, staff: Callable[..., Client]) -> None:
    session = session_at(site)
    log(session, "drawn", "50")
    session.appointment.status = "cancelled"
    session.appointment.save(update_fields=["status"])
    drug_log.settle(session=session, now=NOW)
    item = WorkItem.objects.get()
    page = reverse("admin:patients_workitem_change", args=[item.pk])
    client = staff("prescriber", site)
    (link,) = client.get(page).context["links"]
    assert client.get(link.url).status_code == 200
    assert staff("manager", site).get(page).context["links"] == [], "a manager has no part in the day"
    other = work_items.open_item(
        kind="call_back",
        key="other:1",
        severity="routine",
        site_id=site.pk,
        patient=None,
        summary="Call back.",
        owner_role="nurse",
        due_at=NOW,
        now=NOW,
    )
    plain = client.get(reverse("admin:patients_workitem_change", args=[other.pk]))
    assert plain.context["links"] == []
