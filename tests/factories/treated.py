"""Sessions at any point of their day, written straight into the tables: for tests that are not about gates
and steps, and need no resources."""

from datetime import datetime, timedelta
from typing import Any

from clinic.access.models import Site
from scheduling.models import AppointmentEvent, DoseOrder, DoseProtocol, InfusionSession
from tests.conftest import NOW
from tests.factories import CREATED, PatientFactory, visit_type
from tests.factories.bookings import booked


def session_at(
    site: Site,
    *,
    status: str = "in_progress",
    code: str = "ketamine-mood",
    start: datetime = NOW,
    infusion_at: datetime | None = None,
    **moments: Any,
) -> InfusionSession:
    """Arrived at ``start``, begun 15 minutes later (in progress or completed) unless told otherwise."""
    visit = booked(site, start, on={}, minutes=120, patient=PatientFactory.create(site=site), status=status)
    visit.visit_type = visit_type(code)
    visit.save(update_fields=["visit_type"])
    AppointmentEvent.objects.create(
        appointment=visit, verb="check_in", from_status="booked", to_status="arrived", at=start
    )
    if status in {"in_progress", "completed"}:
        moments = {"started_at": infusion_at or start + timedelta(minutes=15), **moments}
    return InfusionSession.objects.create(appointment=visit, **moments)


def ordered(session: InfusionSession, mg: str) -> DoseOrder:
    """A dose order as the dosing service leaves it."""
    protocol = DoseProtocol.objects.get(visit_type=session.appointment.visit_type)
    return DoseOrder.objects.create(
        session=session,
        sequence=DoseOrder.objects.filter(session=session).count() + 1,
        protocol=protocol,
        protocol_read={
            "drug": protocol.drug,
            "basis": protocol.basis,
            "minutes": protocol.minutes,
            "round_mg": str(protocol.round_mg),
        },
        calculated_mg=mg,
        mg=mg,
        minutes=protocol.minutes,
        ordered_at=CREATED,
    )
