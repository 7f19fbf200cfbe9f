"""The gates of real visits: what they are judged on, who may answer and override, what reading them costs."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Conflict, DomainError, Forbidden, Invalid
from patients.models import Patient, ScreeningFlag
from patients.services import flags as screening
from scheduling.domain.gate_facts import State
from scheduling.domain.gates import Gate
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, GateCheck, GateRule, InfusionSession, Resource
from scheduling.selectors import gates as selector
from scheduling.services import appointments, gates, session_steps, visit_steps, vitals
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.sessions import BEFORE_LEAVING, BEFORE_START, measured, pass_start_gates
from tests.integration.assessments.answering import phq9

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ActorAt = Callable[..., Actor]


@pytest.fixture
def resources(site: Site) -> list[Resource]:
    return open_clinic(site)


def here(
    site: Site, start: datetime = NOW, *, code: str = "ketamine-mood", patient: Patient | None = None
) -> Appointment:
    """A visit whose patient is here."""
    visit = booked(site, start, on={}, patient=patient, status="arrived")
    visit.visit_type = visit_type(code)
    visit.save(update_fields=["visit_type"])
    return visit


def stood(visit: Appointment, *, now: datetime = NOW, stage: str | None = None) -> dict[str, Gate]:
    visit = Appointment.objects.select_related("visit_type", "site").get(pk=visit.pk)
    return {gate.code: gate for gate in selector.of([visit], now=now, stage=stage)[visit.pk]}


def answer(visit: Appointment, code: str, *, actor: Actor = SYSTEM, now: datetime = NOW) -> None:
    given = BEFORE_START.get(code) or BEFORE_LEAVING[code]
    gates.answer(actor=actor, now=now, appointment_id=visit.pk, given={code: given})


def start(visit: Appointment, *, now: datetime = NOW) -> Appointment:
    return visit_steps.step(actor=SYSTEM, now=now, appointment_id=visit.pk, verb=Verb.START)


def refusal(job: Callable[[], object]) -> DomainError:
    with pytest.raises(DomainError) as refused:
        job()
    return refused.value


# --- which there are, and what passes them ---------------------------------------------------------


def test_a_visit_has_the_gates_of_its_kind_in_the_order_of_the_rows(site: Site) -> None:
    mood, esketamine = stood(here(site)), stood(here(site, NOW + DAY, code="esketamine"))
    assert list(mood) == [
        "consent", "identity", "escort", "driving", "fasting", "weight", "vitals", "rescreen", "flags",
        "mood", "aldrete", "blood_pressure", "oriented", "gait", "escort_present", "driving_advice",
    ]  # fmt: skip
    assert set(esketamine) - set(mood) == {"observation", "resolved"}
    assert mood["mood"].name.startswith("PHQ-9 answered")
    assert stood(here(site, NOW + 2 * DAY, code="ketamine-pain"))["mood"].name.startswith("Item 9")
    assert stood(here(site, NOW + 3 * DAY, code="consultation")) == {}


def test_a_clinics_own_row_counts_and_an_inactive_one_asks_nothing(site: Site) -> None:
    visit = here(site)
    common = {"stage": "start", "site": site, "source": "this clinic", "mark": "D"}
    GateRule.objects.create(**common, code="weight", name="Weighed this week", limits={"valid_hours": 168})
    GateRule.objects.create(**common, code="escort", name="Escort", active=False)
    InfusionSession.objects.create(appointment=visit, weight_kg=70, weighed_at=NOW - 5 * DAY)
    found = stood(visit)
    assert (found["weight"].state, found["weight"].name) == (State.PASS, "Weighed this week")
    assert "escort" not in found


def test_what_the_factory_does_opens_every_gate_and_nothing_less_would(site: Site, resources: object) -> None:
    visit = here(site)
    assert {gate.state for gate in stood(visit, stage="start").values()} == {State.OPEN, State.PASS}
    pass_start_gates(visit, now=NOW)
    found = stood(visit, stage="start")
    assert {gate.state for gate in found.values()} == {State.PASS}
    assert (found["identity"].at, found["identity"].answers) == (NOW, {"checked": True})
    for gate in ("escort", "vitals", "flags"):
        assert "Rosa" not in found[gate].detail


def test_consent_is_carried_over_to_visits_of_the_same_kind(site: Site) -> None:
    first = here(site)
    answer(first, "consent")
    again = here(site, NOW + 7 * DAY, patient=first.patient)
    other_kind = here(site, NOW + 8 * DAY, patient=first.patient, code="esketamine")
    somebody_else = here(site, NOW + 9 * DAY)
    assert stood(again)["consent"].state == State.PASS
    assert stood(other_kind)["consent"].state == stood(somebody_else)["consent"].state == State.OPEN
    assert stood(again, now=NOW + 400 * DAY)["consent"].state == State.FAIL
    gates.answer(actor=SYSTEM, now=NOW + DAY, appointment_id=again.pk, given={"consent": {"signed_on": None}})
    assert stood(first, now=NOW + 2 * DAY)["consent"].state == State.FAIL, "the latest answer counts"


def test_a_visit_moved_to_another_day_is_asked_anew(site: Site, resources: object) -> None:
    """Check-in undone, then moved: what was said for the first day says nothing about the second."""
    visit = appointments.book(
        actor=SYSTEM,
        now=NOW - DAY,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=NOW + 2 * DAY,
    )
    visit_steps.step(actor=SYSTEM, now=NOW, appointment_id=visit.pk, verb=Verb.CHECK_IN)
    for code in ("identity", "rescreen", "consent"):
        answer(visit, code)
    visit_steps.undo(actor=SYSTEM, now=NOW, appointment_id=visit.pk)
    assert stood(visit)["rescreen"].state == State.PASS
    appointments.reschedule(
        actor=SYSTEM, now=NOW + MINUTE, appointment_id=visit.pk, start=NOW + 3 * DAY, resource_ids=frozenset()
    )
    found = stood(visit)
    assert (found["identity"].state, found["rescreen"].state) == (State.OPEN, State.OPEN)
    assert found["consent"].state == State.PASS


def test_once_started_the_gates_stand_as_they_were_then(site: Site, resources: object) -> None:
    visit = here(site)
    screening.add(actor=SYSTEM, now=NOW, patient_id=visit.patient_id, kind="other", value="Dizzy")
    assert stood(visit)["flags"].state == State.FAIL
    pass_start_gates(visit, now=NOW)
    ScreeningFlag.objects.update(acknowledged_until=NOW.date())
    start(visit)
    screening.add(actor=SYSTEM, now=NOW + MINUTE, patient_id=visit.patient_id, kind="other", value="Faints")
    phq9(visit.patient, 20, item9=3, at=NOW + MINUTE)
    later = stood(visit, now=NOW + 5 * DAY, stage="start")
    assert {gate.state for gate in later.values()} == {State.PASS}


# --- answering --------------------------------------------------------------------------------------


def test_the_front_desk_answers_what_is_not_clinical(site: Site, actor_at: ActorAt) -> None:
    desk, visit = actor_at(site, "front_desk"), here(site)
    for code in ("consent", "identity", "escort", "driving"):
        answer(visit, code, actor=desk)
    for code in ("fasting", "rescreen"):
        with pytest.raises(Forbidden):
            answer(visit, code, actor=desk)
    both = {code: BEFORE_START[code] for code in ("identity", "fasting")}
    with pytest.raises(Forbidden):
        gates.answer(actor=desk, now=NOW, appointment_id=visit.pk, given=both)
    assert GateCheck.objects.count() == 4, "all or none"
    assert set(GateCheck.objects.values_list("by", flat=True)) == {desk.user_id}


@pytest.mark.parametrize("role", ["manager", "auditor"])
def test_others_do_not(site: Site, actor_at: ActorAt, role: str) -> None:
    with pytest.raises(DomainError):
        answer(here(site), "identity", actor=actor_at(site, role))
    with pytest.raises(DomainError):
        answer(here(site, NOW + DAY), "identity", actor=actor_at(SiteFactory.create(), "nurse"))
    assert not GateCheck.objects.exists()


@pytest.mark.parametrize(
    ("given", "code", "pointer"),
    [
        ({"weight": {"kg": 70}}, "not_answered", "/answers/weight"),
        ({"horoscope": {}}, "unknown_gate", "/answers"),
        ({"gait": {"steady": True}}, "unknown_gate", "/answers"),
        ({"identity": {"checked": "yes"}}, "invalid_answers", "/answers/identity/checked"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(
    site: Site, given: dict[str, object], code: str, pointer: str
) -> None:
    visit = here(site)
    error = refusal(lambda: gates.answer(actor=SYSTEM, now=NOW, appointment_id=visit.pk, given=given))
    assert isinstance(error, Invalid)
    assert (error.code, error.errors[0].pointer) == (code, pointer)


def test_faults_of_several_gates_are_told_at_once_and_nothing_is_kept(site: Site) -> None:
    visit = here(site)
    given = {"identity": {}, "driving": {"acknowledged": True}, "escort": {"name": ""}}
    error = refusal(lambda: gates.answer(actor=SYSTEM, now=NOW, appointment_id=visit.pk, given=given))
    assert {each.pointer for each in error.errors} == {"/answers/identity/checked", "/answers/escort/name"}
    assert not GateCheck.objects.exists()


def test_before_arrival_only_what_can_be_known_then(site: Site) -> None:
    visit = booked(site, NOW + DAY, on={})
    for code in ("consent", "escort", "driving"):
        answer(visit, code)
    error = refusal(lambda: answer(visit, "identity"))
    assert (error.code, error.data["stage"]) == ("wrong_stage", "expected")


def test_when_treatment_has_begun_nothing_is_answered_any_more(site: Site, resources: object) -> None:
    visit = here(site)
    pass_start_gates(visit, now=NOW)
    start(visit)
    assert refusal(lambda: answer(visit, "identity")).code == "wrong_stage"


def test_the_latest_answer_counts_and_the_first_stays(site: Site) -> None:
    visit = here(site)
    answer(visit, "rescreen")
    yes = {"rescreen": {**BEFORE_START["rescreen"], "new_medicines": "yes"}}
    gates.answer(actor=SYSTEM, now=NOW + MINUTE, appointment_id=visit.pk, given=yes)
    assert stood(visit, now=NOW + MINUTE)["rescreen"].state == State.FAIL
    assert GateCheck.objects.filter(gate="rescreen").count() == 2


# --- overriding -------------------------------------------------------------------------------------


def override(
    visit: Appointment, gate: str, actor: Actor, *, reason: str = "Discussed.", about: str = ""
) -> InfusionSession:
    return gates.override(
        actor=actor, now=NOW, appointment_id=visit.pk, gate=gate, reason=reason, about=about
    )


def test_a_role_that_may_goes_on_with_a_reason(site: Site, actor_at: ActorAt) -> None:
    visit, nurse, prescriber = here(site), actor_at(site, "nurse"), actor_at(site, "prescriber")
    with pytest.raises(Forbidden, match="a prescriber decides"):
        override(visit, "weight", nurse)
    override(visit, "escort", nurse)
    override(visit, "weight", prescriber, reason="  Scale broken;\n weight of Friday. ")
    found = stood(visit)
    assert (found["escort"].state, found["escort"].by_id) == (State.OVERRIDDEN, nurse.user_id)
    assert (found["weight"].state, found["weight"].reason, found["weight"].by_id, found["weight"].at) == (
        State.OVERRIDDEN,
        "Scale broken; weight of Friday.",
        prescriber.user_id,
        NOW,
    )
    assert {"escort", "weight"}.isdisjoint(gate.code for gate in selector.blocking(found.values()))


def test_nobody_goes_on_without_identity_or_with_an_open_alarm(site: Site, actor_at: ActorAt) -> None:
    visit, prescriber = here(site), actor_at(site, "prescriber")
    phq9(visit.patient, 17, item9=2, at=NOW)
    for gate in ("identity", "mood"):
        for actor in (prescriber, SYSTEM):
            error = refusal(lambda gate=gate, actor=actor: override(visit, gate, actor))  # type: ignore[misc]
            assert (type(error), error.code) == (Forbidden, "not_overridable")
    assert stood(visit)["mood"].overridable_by == ()


def test_the_front_desk_overrides_nothing_clinical(site: Site, actor_at: ActorAt) -> None:
    GateRule.objects.filter(code="fasting").update(overridable_by=["front_desk"])
    with pytest.raises(Forbidden):
        override(here(site), "fasting", actor_at(site, "front_desk"))


def test_reasons_and_states_that_cannot_be_overridden(site: Site) -> None:
    visit = here(site)
    for reason in ("", "  ", "x" * 301):
        error = refusal(lambda reason=reason: override(visit, "weight", SYSTEM, reason=reason))  # type: ignore[misc]
        assert (error.code, error.errors[0].pointer) == ("reason_required", "/reason")
    assert refusal(lambda: override(visit, "flags", SYSTEM)).code == "nothing_to_override"
    assert refusal(lambda: override(visit, "gait", SYSTEM)).code == "unknown_gate"
    assert refusal(lambda: override(visit, "weight", SYSTEM, about="other")).code == "facts_changed"
    override(visit, "weight", SYSTEM, about=stood(visit)["weight"].about)
    assert refusal(lambda: override(visit, "weight", SYSTEM)).code == "nothing_to_override"
    booked_only = booked(site, NOW + DAY, on={})
    assert refusal(lambda: override(booked_only, "weight", SYSTEM)).code == "wrong_stage"


def test_a_worse_reading_ends_an_override(site: Site, actor_at: ActorAt) -> None:
    visit, prescriber = here(site), actor_at(site, "prescriber")
    measured(visit.pk, "164/96", now=NOW)
    assert stood(visit)["vitals"].state == State.FAIL
    override(visit, "vitals", prescriber)
    assert stood(visit)["vitals"].state == State.OVERRIDDEN
    worse = measured(visit.pk, "182/112", now=NOW + MINUTE)
    assert (worse.level, stood(visit, now=NOW + MINUTE)["vitals"].state) == ("urgent", State.FAIL)
    vitals.strike(
        actor=prescriber, now=NOW + MINUTE, appointment_id=visit.pk, reading_id=worse.pk, reason="Wrong cuff."
    )
    assert stood(visit, now=NOW + MINUTE)["vitals"].state == State.OVERRIDDEN, "the facts are the same again"
    assert stood(visit, now=NOW + 61 * MINUTE)["vitals"].state == State.OPEN, (
        "nobody decided on an old reading"
    )


@pytest.mark.parametrize(("role", "state"), [("nurse", State.FAIL), ("prescriber", State.PASS)])
def test_a_review_is_acknowledged_by_a_prescriber_of_the_site(
    site: Site, actor_at: ActorAt, role: str, state: State
) -> None:
    visit, actor = here(site), actor_at(site, role)
    row = measured(visit.pk, "164/96", now=NOW)
    row.acknowledged_at, row.acknowledged_by_id = NOW, actor.user_id
    row.save(update_fields=["acknowledged_at", "acknowledged_by"])
    assert stood(visit)["vitals"].state == state


# --- going home -------------------------------------------------------------------------------------


def test_answers_before_the_end_do_not_count_after_an_undone_end(site: Site, resources: object) -> None:
    visit = here(site)
    pass_start_gates(visit, now=NOW)
    start(visit)
    session_steps.end(actor=SYSTEM, now=NOW + 40 * MINUTE, appointment_id=visit.pk)
    answer(visit, "gait", now=NOW + 41 * MINUTE)
    assert stood(visit, now=NOW + 42 * MINUTE)["gait"].state == State.PASS
    visit_steps.undo(actor=SYSTEM, now=NOW + 43 * MINUTE, appointment_id=visit.pk)
    session_steps.end(actor=SYSTEM, now=NOW + 50 * MINUTE, appointment_id=visit.pk)
    assert stood(visit, now=NOW + 51 * MINUTE)["gait"].state == State.OPEN
    assert GateCheck.objects.filter(gate="gait").exists(), "what was said stays on record"


# --- cost -------------------------------------------------------------------------------------------


def test_many_visits_cost_the_queries_of_one(site: Site, resources: object) -> None:
    def cost(visits: list[Appointment]) -> int:
        found = Appointment.objects.select_related("visit_type", "site").filter(pk__in=[v.pk for v in visits])
        listed = list(found)
        with CaptureQueriesContext(connection) as queries:
            judged = selector.of(listed, now=NOW + MINUTE)
        assert len(judged) == len(visits)
        return len(queries)

    few = [here(site)]
    pass_start_gates(few[0], now=NOW)
    one = cost(few)
    many = [here(site) for _number in range(12)]
    for visit in many[:4]:
        pass_start_gates(visit, now=NOW)
        phq9(visit.patient, 17, item9=2, at=NOW + MINUTE)
        screening.add(actor=SYSTEM, now=NOW, patient_id=visit.patient_id, kind="other", value="Faints")
    assert cost([*few, *many]) == one <= 9
    with CaptureQueriesContext(connection) as queries:
        assert selector.of([], now=NOW) == {}
    assert len(queries) == 0


def test_a_start_that_has_to_wait_lists_what_for(site: Site) -> None:
    visit = here(site)
    answer(visit, "identity")
    error = refusal(lambda: start(visit))
    assert isinstance(error, Conflict)
    assert error.code == "gates_open"
    assert [each["gate"] for each in error.data["open"]] == [
        "consent", "escort", "driving", "fasting", "weight", "vitals", "rescreen", "mood",
    ]  # fmt: skip
    assert error.data["open"][0] == {
        "gate": "consent",
        "name": "Consent to treatment in date",
        "state": "open",
        "detail": "No consent is recorded for this kind of treatment.",
        "advice": "Have the patient sign consent, then record the date.",
        "overridable_by": ["prescriber"],
    }
