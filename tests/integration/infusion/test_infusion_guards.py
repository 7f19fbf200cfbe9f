"""The database keeps what was answered, ordered, measured and logged, whoever writes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Model

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from scheduling.domain.transitions import Verb
from scheduling.models import DoseOrder, DrugLogEntry, GateCheck, VitalReading
from scheduling.services import appointments, drug_log, visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, open_clinic, visit_type
from tests.factories.sessions import pass_start_gates

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (GateCheck, {"reason": "another"}),
        (DoseOrder, {"mg": Decimal(999)}),
        (VitalReading, {"systolic": 90}),
        (DrugLogEntry, {"mg": Decimal(1)}),
    ],
)
def test_what_is_recorded_stays(site: Site, model: type[Model], changes: dict[str, object]) -> None:
    open_clinic(site)
    visit = appointments.book(
        actor=SYSTEM,
        now=NOW,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=NOW + timedelta(hours=1),
    )
    visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.CHECK_IN)
    pass_start_gates(visit, now=NOW)
    drug_log.record(actor=SYSTEM, now=NOW, appointment_id=visit.pk, kind="drawn", mg=Decimal(50))
    rows = model._default_manager.all()
    assert rows.exists()
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        rows.update(**changes)
