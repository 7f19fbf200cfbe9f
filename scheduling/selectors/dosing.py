"""What is known about doses: the protocol of a visit, the orders of a session, the one that counts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from scheduling.domain import dosing as domain
from scheduling.models import Appointment, DoseOrder, DoseProtocol, InfusionSession
from scheduling.selectors.infusion_rules import in_force


@dataclass(frozen=True, slots=True, kw_only=True)
class Doses:
    """Weight and doses of a visit. ``session`` is None as long as nobody has done anything about it."""

    visit: Appointment
    session: InfusionSession | None
    protocol: DoseProtocol | None
    calculated: domain.Dose | None
    """The protocol's dose for the latest weight, over the minutes ordered last (or the protocol's)."""
    last_mg: Decimal | None
    """Of a fixed dose: what the patient had last time."""
    orders: list[DoseOrder]

    @property
    def current(self) -> DoseOrder | None:
        """The order that counts."""
        return self.orders[-1] if self.orders else None


def of(visit: Appointment) -> Doses:
    """Weight and doses of one visit, with its type and site read. Four queries at most."""
    session = InfusionSession.objects.filter(pk=visit.pk).first()
    protocol = protocol_of(visit, on=visit.start_at.astimezone(visit.site.zone).date())
    orders = list(DoseOrder.objects.filter(session=visit.pk).select_related("by"))
    fixed = protocol is not None and protocol.basis == DoseProtocol.Basis.FIXED_MG
    return Doses(
        visit=visit,
        session=session,
        protocol=protocol,
        calculated=_calculated(protocol, session, orders),
        last_mg=last_mg(visit, protocol) if protocol and fixed else None,
        orders=orders,
    )


def _calculated(
    protocol: DoseProtocol | None, session: InfusionSession | None, orders: list[DoseOrder]
) -> domain.Dose | None:
    if protocol is None:
        return None
    weight_kg = session.weight_kg if session else None
    if weight_kg is None and protocol.basis != DoseProtocol.Basis.FIXED_MG:
        return None
    minutes = orders[-1].minutes if orders else protocol.minutes
    return domain.calculate(numbers(protocol), weight_kg=weight_kg, minutes=minutes)


def current(session_ids: Collection[int]) -> dict[int, DoseOrder]:
    """The order that counts, the latest one, of each session that has any. One query."""
    rows = DoseOrder.objects.filter(session__in=session_ids).order_by("session", "-sequence")
    return {order.session_id: order for order in rows.distinct("session").select_related("protocol", "by")}


def changed_minutes(appointment_ids: Collection[int]) -> dict[int, int]:
    """How long the infusions last that are longer or shorter than their visit type's. One query."""
    rows = InfusionSession.objects.filter(pk__in=appointment_ids, infusion_minutes__isnull=False)
    return {pk: minutes for pk, minutes in rows.values_list("pk", "infusion_minutes") if minutes is not None}


def protocol_of(visit: Appointment, *, on: date) -> DoseProtocol | None:
    """The protocol that counts for this visit on that day."""
    rules = DoseProtocol.objects.filter(visit_type=visit.visit_type_id)
    return next(iter(in_force(rules, visit=visit, on=on)), None)


def last_mg(visit: Appointment, protocol: DoseProtocol) -> Decimal | None:
    """The last dose in mg that the patient was given of the protocol's drug before this visit."""
    before = DoseOrder.objects.filter(
        session__appointment__patient=visit.patient_id,
        session__appointment__start_at__lt=visit.start_at,
        session__started_at__isnull=False,
        protocol__drug=protocol.drug,
    )
    return before.order_by("-session__started_at", "-sequence").values_list("mg", flat=True).first()


def numbers(protocol: DoseProtocol) -> domain.Protocol:
    """The numbers of a row."""
    return domain.Protocol(
        basis=domain.Basis(protocol.basis),
        minutes=protocol.minutes,
        amount=protocol.amount,
        choices_mg=tuple(protocol.choices_mg),
        max_mg=protocol.max_mg,
        max_mg_per_h=protocol.max_mg_per_h,
        round_mg=protocol.round_mg,
    )
