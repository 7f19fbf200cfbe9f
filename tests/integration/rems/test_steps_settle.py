"""What the steps of a visit do to the drug log and the REMS record, through the services that people use."""

from datetime import timedelta
from decimal import Decimal

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from patients.models import WorkItem
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, RemsRecord
from scheduling.services import drug_log, visit_steps
from tests.factories import open_clinic
from tests.factories.infusions import NINE, arrived_infusion, booked_infusion
from tests.factories.sessions import pass_discharge, pass_start_gates

pytestmark = pytest.mark.django_db
START, END = NINE + timedelta(minutes=15), NINE + timedelta(minutes=150)


@pytest.fixture(autouse=True)
def _open(site: Site) -> None:
    open_clinic(site)


def step(visit: Appointment, verb: Verb, minutes: int) -> None:
    now = NINE + timedelta(minutes=minutes)
    visit_steps.step(actor=SYSTEM, now=now, appointment_id=visit.pk, verb=verb)


def undo(visit: Appointment, minutes: int) -> None:
    visit_steps.undo(actor=SYSTEM, now=NINE + timedelta(minutes=minutes), appointment_id=visit.pk)


def drawn(visit: Appointment, minutes: int) -> None:
    drug_log.record(
        actor=SYSTEM,
        now=NINE + timedelta(minutes=minutes),
        appointment_id=visit.pk,
        kind="drawn",
        mg=Decimal(56),
        drug="esketamine",
    )


def statuses(kind: str) -> list[str]:
    return list(WorkItem.objects.filter(kind=kind).order_by("pk").values_list("status", flat=True))


def test_from_start_to_completion_and_back(site: Site) -> None:
    visit = arrived_infusion(site, "esketamine")
    pass_start_gates(visit, now=START)
    assert not RemsRecord.objects.exists()
    step(visit, Verb.START, 15)
    record = RemsRecord.objects.get()
    assert record.due_on == (NINE + timedelta(days=7)).date()
    drawn(visit, 16)
    RemsRecord.objects.update(
        dosed_at=START, sedation_resolved_at=START, dissociation_resolved_at=START + timedelta(minutes=90)
    )
    pass_discharge(visit, now=END)
    assert (statuses("drug_discrepancy"), statuses("rems_form")) == (["open"], [])
    undo(visit, 151)
    assert statuses("drug_discrepancy") == ["resolved"], "the patient is here again"
    pass_discharge(visit, now=END + timedelta(minutes=2))
    step(visit, Verb.COMPLETE, 153)
    assert (statuses("drug_discrepancy"), statuses("rems_form")) == (["resolved", "open"], ["open"])
    undo(visit, 154)
    assert (statuses("drug_discrepancy")[-1], statuses("rems_form")) == ("open", ["resolved"])


@pytest.mark.parametrize("verb", [Verb.CANCEL, Verb.NO_SHOW])
def test_what_was_drawn_for_a_visit_that_does_not_happen(site: Site, verb: Verb) -> None:
    visit = booked_infusion(site, "esketamine")
    drawn(visit, -5)
    step(visit, verb, 5)
    assert statuses("drug_discrepancy") == ["open"]
    undo(visit, 6)
    assert statuses("drug_discrepancy") == ["resolved"]
