"""The rules of an infusion day in the admin: what the database would refuse is said in words, and a number
changes from a day on."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from scheduling.models import DoseProtocol, GateRule, VitalThreshold
from tests.factories import visit_type
from tests.integration.admin.pages import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(site: Site, staff: Callable[..., Client]) -> Client:
    return staff("manager", site)


def protocol(site: Site, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Ours",
        "visit_type": visit_type().pk,
        "site": site.pk,
        "drug": "ketamine",
        "basis": "mg_per_kg",
        "amount": "0.4",
        "minutes": "40",
        "choices_mg": "",
        "round_mg": "0.1",
        "active": "on",
        "source": "Our medical director",
        "mark": "D",
        **changes,
    }


def test_a_site_has_its_own_protocol(manager: Client, site: Site) -> None:
    url = reverse("admin:scheduling_doseprotocol_add")
    assert manager.post(url, protocol(site)).status_code == 302
    assert DoseProtocol.objects.get(site=site).amount == Decimal("0.4")
    page = words(manager.get(reverse("admin:scheduling_doseprotocol_changelist")))
    assert "0.4 mg/kg over 40 min" in page
    assert "25 mg/h, 100 mg in all" in page
    assert "56 or 84 mg" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount": ""}, "A dose by weight has an amount above 0"),
        ({"basis": "fixed_mg"}, "A fixed dose has the doses that may be given, and no amount."),
        ({"basis": "fixed_mg", "amount": "", "choices_mg": "28, many"}, "Enter a number."),
        ({"minutes": "60"}, "Visits of this type keep 40 minutes for it."),
    ],
)
def test_a_protocol_that_cannot_work(manager: Client, site: Site, changes: dict[str, Any], said: str) -> None:
    page = manager.post(reverse("admin:scheduling_doseprotocol_add"), protocol(site, **changes))
    assert page.status_code == 200
    assert said in words(page)
    assert not DoseProtocol.objects.filter(site=site).exists()


def test_fixed_doses_are_shown_and_kept(manager: Client, site: Site) -> None:
    given = protocol(site, visit_type=visit_type("esketamine").pk, basis="fixed_mg", amount="", minutes="15")
    given |= {"choices_mg": "28, 56", "round_mg": "28"}
    assert manager.post(reverse("admin:scheduling_doseprotocol_add"), given).status_code == 302
    row = DoseProtocol.objects.get(site=site)
    assert row.choices_mg == [Decimal(28), Decimal(56)]
    page = manager.get(reverse("admin:scheduling_doseprotocol_change", args=[row.pk]))
    assert "28, 56" in page.content.decode()


def test_a_number_changes_from_a_day_on(manager: Client, site: Site) -> None:
    row = DoseProtocol.objects.create(
        visit_type=visit_type(), site=site, name="Ours", drug="ketamine", basis="mg_per_kg",
        amount=Decimal("0.4"), minutes=40, source="Ours", mark="D",
    )  # fmt: skip
    url = reverse("admin:scheduling_doseprotocol_change", args=[row.pk])
    assert "Save as new" in manager.get(url).content.decode()
    new = protocol(site, amount="0.45", valid_from="2027-02-01", _saveasnew="1")
    assert manager.post(url, new).status_code == 302
    rows = DoseProtocol.objects.filter(site=site).order_by("pk")
    assert [(each.amount, each.valid_from) for each in rows] == [
        (Decimal("0.400"), None),
        (Decimal("0.450"), date(2027, 2, 1)),
    ]
    again = manager.post(url, new)
    assert again.status_code == 200  # the same row of the same day


def test_a_gates_numbers_are_its_own(manager: Client, site: Site) -> None:
    url = reverse("admin:scheduling_gaterule_add")
    given = {
        "code": "aldrete",
        "stage": "discharge",
        "position": "10",
        "name": "Aldrete, strict",
        "site": site.pk,
        "overridable_by": ["prescriber"],
        "limits": '{"most": 10}',
        "active": "on",
        "source": "Ours",
        "mark": "D",
    }
    assert "may only have least" in words(manager.post(url, given))
    assert manager.post(url, {**given, "limits": '{"least": 10}'}).status_code == 302
    rule = GateRule.objects.get(site=site)
    assert (rule.limits, rule.overridable_by) == ({"least": 10}, ["prescriber"])


def test_thresholds_read_as_sentences(manager: Client) -> None:
    page = words(manager.get(reverse("admin:scheduling_vitalthreshold_changelist")))
    assert VitalThreshold.objects.exists()
    assert "at least 180" in page
    assert "below 92" in page
