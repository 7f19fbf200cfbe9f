"""The log of a site's day: totals per drug and lot, the running balance, struck entries, its cost."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from scheduling.selectors.drug_log import day
from scheduling.services import drug_log
from tests.conftest import NOW
from tests.factories import SiteFactory
from tests.factories.treated import session_at

pytestmark = pytest.mark.django_db
TODAY = date(2027, 1, 4)


def entered(site: Site, at: datetime, *amounts: tuple[str, str, str]) -> list[int]:
    session = session_at(site, start=at - timedelta(hours=1))
    return [
        drug_log.record(
            actor=SYSTEM,
            now=at + timedelta(minutes=number),
            appointment_id=session.pk,
            kind=kind,
            mg=Decimal(mg),
            lot=lot,
        ).pk
        for number, (kind, mg, lot) in enumerate(amounts)
    ]


def test_totals_lots_and_the_running_balance(site: Site) -> None:
    entered(site, NOW, ("drawn", "50", "A1"), ("given", "35", "A1"), ("wasted", "15", "A1"))
    entered(site, NOW + timedelta(hours=2), ("drawn", "100", "B2"), ("given", "99.5", "B2"))
    entered(SiteFactory.create(), NOW, ("drawn", "7", ""))
    found = day(site, TODAY)
    assert [line.running_mg for line in found.lines] == [50, 15, 0, 100, Decimal("0.5")]
    balance = found.balances["ketamine"]
    assert [balance.drawn_mg, balance.given_mg, balance.wasted_mg] == [150, Decimal("134.5"), 15]
    assert (balance.left_mg, found.unwitnessed) == (Decimal("0.5"), 1)
    assert [(each.lot, str(each.drawn_mg)) for each in found.lots] == [("A1", "50.00"), ("B2", "100.00")]


def test_struck_entries_are_shown_and_do_not_count(site: Site) -> None:
    (wrong,) = entered(site, NOW, ("drawn", "500", "A1"))
    visit = day(site, TODAY).lines[0].entry.session_id
    drug_log.strike(actor=SYSTEM, now=NOW, appointment_id=visit, entry_id=wrong, reason="50")
    found = day(site, TODAY)
    assert [(line.entry.pk, str(line.running_mg)) for line in found.lines] == [(wrong, "0")]
    assert found.lots == []


def test_the_day_is_the_sites_own(site: Site) -> None:
    denver_midnight = datetime(2027, 1, 5, 7, tzinfo=UTC)
    entered(site, denver_midnight - timedelta(minutes=1), ("drawn", "1", ""), ("given", "1", ""))
    assert [len(day(site, TODAY + timedelta(days=n)).lines) for n in (-1, 0, 1)] == [0, 1, 1]


def test_one_query_whatever_the_length(site: Site) -> None:
    for number in range(4):
        entered(site, NOW + timedelta(minutes=5 * number), ("drawn", "50", "A1"), ("given", "50", "A1"))
    with CaptureQueriesContext(connection) as queries:
        found = day(site, TODAY)
        assert {str(line.entry.session.appointment.patient.mrn) for line in found.lines}
    assert len(queries) == 1
    assert len(found.lines) == 8
