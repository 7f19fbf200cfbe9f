"""Weighing and ordering: what is proposed, what needs a prescriber's reason, and what stays on record."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, StaleVersion
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, DoseOrder, DoseProtocol, GateCheck, InfusionSession, VisitType
from scheduling.selectors import dosing as selectors
from scheduling.services import dosing, visit_steps
from scheduling.services.dosing import Effect
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.factories.infusions import NINE, arrived_infusion, booked_infusion
from tests.factories.sessions import pass_start_gates

pytestmark = pytest.mark.django_db

BEFORE = NINE - timedelta(minutes=5)


@pytest.fixture
def visit(site: Site) -> Appointment:
    open_clinic(site, chairs=2, nurses=1)
    return arrived_infusion(site)


@pytest.fixture
def nurse(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "nurse")


@pytest.fixture
def prescriber(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "prescriber")


def weigh(actor: Actor, visit: Appointment, kg: str, **given: Any) -> dosing.Weighed:
    return dosing.weigh(
        **{"actor": actor, "now": BEFORE, "appointment_id": visit.pk, "weight_kg": Decimal(kg), **given}
    )


def order(actor: Actor, visit: Appointment, **given: Any) -> DoseOrder:
    return dosing.order(**{"actor": actor, "now": BEFORE, "appointment_id": visit.pk, **given})


def start(visit: Appointment) -> None:
    pass_start_gates(visit, now=BEFORE)
    visit_steps.step(actor=SYSTEM, now=NINE, appointment_id=visit.pk, verb=Verb.START)


def refused(error: type[DomainError], work: Callable[[], object]) -> DomainError:
    with pytest.raises(error) as caught:
        work()
    return caught.value


class TestWeighing:
    def test_proposes_the_dose_of_the_protocol(self, visit: Appointment, nurse: Actor) -> None:
        weighed = weigh(nurse, visit, "70")
        assert weighed.effect == Effect.PROPOSED
        session = InfusionSession.objects.get(pk=visit.pk)
        assert (session.weight_kg, session.weighed_at) == (Decimal("70.0"), BEFORE)
        dose = DoseOrder.objects.get(session=session)
        assert (dose.mg, dose.mg_per_h, dose.minutes, dose.weight_kg) == (
            Decimal(35),
            Decimal("52.5"),
            40,
            Decimal(70),
        )
        assert (dose.sequence, dose.by_id, dose.override_reason) == (1, nurse.user_id, "")
        assert dose.protocol_read["amount"] == "0.500"
        assert selectors.current([visit.pk, 0])[visit.pk] == dose

    def test_is_on_record_with_who(self, visit: Appointment, nurse: Actor) -> None:
        weigh(nurse, visit, "70")
        weigh(nurse, visit, "71.5")
        checks = GateCheck.objects.filter(session=visit.pk, gate="weight").order_by("id")
        assert [(check.answers, check.by_id) for check in checks] == [
            ({"weight_kg": "70.0"}, nurse.user_id),
            ({"weight_kg": "71.5"}, nurse.user_id),
        ]

    def test_again_before_the_start_calculates_anew(self, visit: Appointment, nurse: Actor) -> None:
        weigh(nurse, visit, "70")
        assert weigh(nurse, visit, "70.0").effect == Effect.UNCHANGED
        weighed = weigh(nurse, visit, "72")
        assert weighed.effect == Effect.RECALCULATED
        assert weighed.order is not None
        assert (weighed.order.sequence, weighed.order.mg) == (2, Decimal(36))

    def test_keeps_what_a_prescriber_decided(
        self, visit: Appointment, nurse: Actor, prescriber: Actor
    ) -> None:
        weigh(nurse, visit, "70")
        order(prescriber, visit, mg=Decimal(20), reason="Sedated last time.")
        weighed = weigh(nurse, visit, "75")
        assert weighed.effect == Effect.KEPT
        assert weighed.order is not None
        assert weighed.order.mg == 20

    def test_during_the_infusion_changes_no_dose(self, visit: Appointment, nurse: Actor) -> None:
        weigh(nurse, visit, "70")
        start(visit)
        weighed = weigh(nurse, visit, "75", now=NINE + timedelta(minutes=5))
        assert weighed.effect == Effect.KEPT
        assert DoseOrder.objects.filter(session=visit.pk).count() == 1

    @pytest.mark.parametrize("kg", ["19.9", "400.1"])
    def test_out_of_bounds_is_refused_and_changes_nothing(
        self, visit: Appointment, nurse: Actor, kg: str
    ) -> None:
        assert refused(Invalid, lambda: weigh(nurse, visit, kg)).code == "out_of_range"
        assert not DoseOrder.objects.exists()
        assert not GateCheck.objects.exists()

    def test_leaves_the_dose_to_people_where_the_visit_has_another_length(
        self, visit: Appointment, nurse: Actor
    ) -> None:
        DoseProtocol.objects.filter(visit_type=visit.visit_type).update(minutes=60)
        assert weigh(nurse, visit, "70").effect == Effect.NONE
        assert InfusionSession.objects.get(pk=visit.pk).weight_kg == 70

    def test_without_a_protocol_is_kept_all_the_same(self, visit: Appointment, nurse: Actor) -> None:
        DoseProtocol.objects.filter(visit_type=visit.visit_type).update(active=False)
        assert weigh(nurse, visit, "70").effect == Effect.NONE
        assert refused(Invalid, lambda: order(nurse, visit, mg=Decimal(35))).code == "no_protocol"

    def test_is_for_patients_who_are_here(self, site: Site, nurse: Actor) -> None:
        open_clinic(site)
        expected = booked_infusion(site)
        error = refused(Conflict, lambda: weigh(nurse, expected, "70"))
        assert error.code == "wrong_stage"

    def test_is_for_infusions(self, site: Site, nurse: Actor) -> None:
        open_clinic(site)
        talk = booked_infusion(site, "consultation")
        assert refused(Invalid, lambda: weigh(nurse, talk, "70")).code == "not_an_infusion"

    def test_by_whom(self, visit: Appointment, site: Site, actor_at: Callable[..., Actor]) -> None:
        refused(Forbidden, lambda: weigh(actor_at(site, "front_desk"), visit, "70"))
        refused(NotFound, lambda: weigh(actor_at(SiteFactory.create(), "nurse"), visit, "70"))
        refused(Forbidden, lambda: order(actor_at(site, "manager"), visit, mg=Decimal(35)))

    def test_of_the_version_that_was_read(self, visit: Appointment, nurse: Actor) -> None:
        first = weigh(nurse, visit, "70").session.version
        weigh(nurse, visit, "71", expected_version=first)
        refused(StaleVersion, lambda: weigh(nurse, visit, "72", expected_version=first))
        refused(StaleVersion, lambda: order(nurse, visit, expected_version=first))


class TestOrdering:
    def test_ben_is_capped_and_only_a_prescriber_goes_further(
        self, site: Site, nurse: Actor, prescriber: Actor
    ) -> None:
        open_clinic(site)
        ben = arrived_infusion(site, "ketamine-pain")
        proposed = weigh(nurse, ben, "90").order
        assert proposed is not None
        assert (proposed.calculated_mg, proposed.mg, proposed.mg_per_h, proposed.capped_by) == (
            Decimal(126),
            Decimal(100),
            Decimal(25),
            "max_mg_per_h",
        )

        more = {"mg_per_h": Decimal("31.5")}
        error = refused(Forbidden, lambda: order(nurse, ben, **more, reason="He has had it before."))
        assert error.code == "prescriber_needed"
        assert error.data["why"] == ["above_max_mg", "above_max_mg_per_h", "not_as_calculated"]
        assert refused(Invalid, lambda: order(prescriber, ben, **more)).code == "reason_required"

        exceeded = order(prescriber, ben, **more, reason="Tolerated 31.5 mg/h at the hospital.")
        assert (exceeded.sequence, exceeded.mg, exceeded.mg_per_h) == (2, Decimal(126), Decimal("31.5"))
        assert exceeded.override_reason == "Tolerated 31.5 mg/h at the hospital."
        assert [each.sequence for each in selectors.of(ben).orders] == [1, 2]

    def test_a_dose_follows_from_the_weight(self, visit: Appointment, prescriber: Actor) -> None:
        assert refused(Invalid, lambda: order(prescriber, visit)).code == "not_weighed"

    def test_less_than_calculated_is_a_prescribers_too(
        self, visit: Appointment, nurse: Actor, prescriber: Actor
    ) -> None:
        weigh(nurse, visit, "70")
        assert order(nurse, visit, mg=Decimal("35.1")).mg == Decimal("35.1")
        error = refused(Forbidden, lambda: order(nurse, visit, mg=Decimal(30), reason="Frail."))
        assert error.data["why"] == ["not_as_calculated"]
        lowered = order(prescriber, visit, mg=Decimal(30), reason="Frail.")
        assert (lowered.mg, lowered.mg_per_h) == (Decimal(30), Decimal(45))

    def test_while_it_runs_and_not_after_its_end(
        self, visit: Appointment, nurse: Actor, prescriber: Actor
    ) -> None:
        weigh(nurse, visit, "70")
        start(visit)
        later = NINE + timedelta(minutes=20)
        lowered = order(prescriber, visit, mg=Decimal(25), reason="Blood pressure.", now=later)
        assert lowered.ordered_at == later
        error = refused(Invalid, lambda: order(prescriber, visit, minutes=19, reason="Stop.", now=later))
        assert error.code == "already_ran"
        InfusionSession.objects.filter(pk=visit.pk).update(infusion_ended_at=later)
        assert refused(Conflict, lambda: order(prescriber, visit, now=later)).code == "wrong_stage"

    def test_fixed_doses_are_chosen_by_a_prescriber_or_repeated(
        self, site: Site, nurse: Actor, prescriber: Actor
    ) -> None:
        open_clinic(site)
        fay = PatientFactory.create(site=site)
        first = arrived_infusion(site, "esketamine", patient=fay)
        assert order(nurse, first).mg == 56
        error = refused(Forbidden, lambda: order(nurse, first, mg=Decimal(84)))
        assert error.data["why"] == ["another_choice"]
        assert order(prescriber, first, mg=Decimal(84)).mg == 84
        assert refused(Invalid, lambda: order(prescriber, first, mg=Decimal(28))).code == "dose_not_offered"
        InfusionSession.objects.filter(pk=first.pk).update(started_at=NINE)
        visit_steps.step(actor=SYSTEM, now=NINE, appointment_id=first.pk, verb=Verb.CANCEL)

        second = arrived_infusion(site, "esketamine", start=NINE + timedelta(days=3), patient=fay)
        assert selectors.of(second).last_mg == 84
        assert order(nurse, second, mg=Decimal(84), now=NINE + timedelta(days=3)).mg == 84

    def test_an_order_keeps_the_protocol_it_was_made_by(
        self, visit: Appointment, nurse: Actor, prescriber: Actor
    ) -> None:
        weigh(nurse, visit, "70")
        DoseProtocol.objects.filter(visit_type=visit.visit_type).update(amount=Decimal("0.4"))
        kept, new = order(prescriber, visit, reason=""), DoseOrder.objects.get(session=visit.pk, sequence=1)
        assert new.protocol_read["amount"] == "0.500"
        assert (kept.protocol_read["amount"], kept.mg) == ("0.400", Decimal(28))

    def test_a_protocol_of_the_site_counts_before_the_shipped_one(
        self, visit: Appointment, nurse: Actor
    ) -> None:
        DoseProtocol.objects.create(
            visit_type=VisitType.objects.get(code="ketamine-mood"),
            site=visit.site,
            name="Ours",
            drug="ketamine",
            basis="mg_per_kg",
            amount=Decimal("0.4"),
            minutes=40,
            source="Our own",
            mark="D",
        )
        weighed = weigh(nurse, visit, "70")
        assert weighed.order is not None
        assert weighed.order.mg == 28
