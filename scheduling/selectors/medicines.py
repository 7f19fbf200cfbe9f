"""What is prescribed here, as screening flags and washouts read it."""

from collections.abc import Iterator
from datetime import date

from patients.domain.medicines import Medicine
from patients.models import Patient
from scheduling.domain.check_in_history import DoseKind
from scheduling.domain.dose_orders import standing
from scheduling.models import Prescription
from scheduling.selectors.prescriptions import history

_CLASSES = {Prescription.DrugClass.OTHER.value: "other-antidepressant"}
"""Where a class of prescriptions has another code in the catalogue of medicine classes."""


def prescribed_medicines(patient: Patient) -> list[Medicine]:
    """Each stretch of taking each medicine, over ones too: some must be out of the body for weeks."""
    rows = Prescription.objects.filter(patient=patient).prefetch_related("dose_events").order_by("pk")
    return [medicine for row in rows for medicine in _stretches(row)]


def _stretches(prescription: Prescription) -> Iterator[Medicine]:
    """From a start or restart until the stop after it."""
    begun: date | None = None
    for event in standing(events=history(prescription)):
        if event.kind is DoseKind.STOP:
            yield _medicine(prescription, begun, event.effective_on)
            begun = None
        elif begun is None:
            begun = event.effective_on
    if begun is not None:
        yield _medicine(prescription, begun, None)


def _medicine(prescription: Prescription, begun: date | None, stopped: date | None) -> Medicine:
    return Medicine(
        key=f"prescription:{prescription.pk}",
        name=prescription.medication,
        medicine_class=_CLASSES.get(prescription.drug_class, prescription.drug_class),
        from_on=begun,
        stopped_on=stopped,
    )
