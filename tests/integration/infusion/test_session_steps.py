"""From arrival to going home and back again: what each step asks, keeps and refuses; what undo takes back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Conflict, DomainError, Forbidden, StaleVersion
from patients.models import WorkItem
from scheduling.domain.session_stages import Stage
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, GateCheck, InfusionSession, VitalReading
from scheduling.services import gates, infusion_sessions, session_steps, visit_steps
from tests.conftest import NOW
from tests.factories import PatientFactory, open_clinic, visit_type
from tests.factories.bookings import booked
from tests.factories.sessions import BEFORE_LEAVING, measured, pass_discharge, pass_start_gates
from tests.integration.assessments.answering import phq9

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
START, END, HOME = NOW, NOW + 40 * MINUTE, NOW + 90 * MINUTE
ActorAt = Callable[..., Actor]


@pytest.fixture
def visit(site: Site) -> Appointment:
    """Booked; the patient is on the way."""
    open_clinic(site)
    return booked(site, NOW, on={})


def step(visit: Appointment, verb: Verb, *, now: datetime = START, actor: Actor = SYSTEM) -> Appointment:
    return visit_steps.step(actor=actor, now=now, appointment_id=visit.pk, verb=verb)


def undo(visit: Appointment, *, now: datetime, actor: Actor = SYSTEM) -> Appointment:
    return visit_steps.undo(actor=actor, now=now, appointment_id=visit.pk)


end = partial(session_steps.end, actor=SYSTEM, now=END)
discharge = partial(session_steps.discharge, actor=SYSTEM, now=HOME)


def here(visit: Appointment) -> Appointment:
    return step(visit, Verb.CHECK_IN)


def started(visit: Appointment) -> Appointment:
    here(visit)
    pass_start_gates(visit, now=START)
    return step(visit, Verb.START)


def in_recovery(visit: Appointment) -> Appointment:
    started(visit)
    end(appointment_id=visit.pk)
    return visit


def stage(visit: Appointment) -> Stage:
    session = InfusionSession.objects.select_related("appointment").get(pk=visit.pk)
    return infusion_sessions.stage_in(session)


def moments(visit: Appointment) -> list[object]:
    session = InfusionSession.objects.get(pk=visit.pk)
    return [session.started_at, session.infusion_ended_at, session.discharged_at]


def code_of(job: Callable[[], object]) -> str:
    with pytest.raises(DomainError) as refused:
        job()
    return refused.value.code


def test_the_whole_way_and_all_the_way_back(visit: Appointment) -> None:
    ended, home, late = START + MINUTE, START + 2 * MINUTE, START + 15 * MINUTE
    here(visit)
    assert (stage(visit), moments(visit)) == (Stage.WAITING, [None, None, None])
    pass_start_gates(visit, now=START)
    step(visit, Verb.START)
    assert (stage(visit), moments(visit)) == (Stage.INFUSING, [START, None, None])
    end(now=ended, appointment_id=visit.pk)
    assert (stage(visit), moments(visit)) == (Stage.RECOVERY, [START, ended, None])
    pass_discharge(visit, now=home)
    assert (stage(visit), moments(visit)) == (Stage.DISCHARGED, [START, ended, home])
    step(visit, Verb.COMPLETE, now=home)
    assert stage(visit) == Stage.DONE

    kept = GateCheck.objects.count(), VitalReading.objects.count()
    back = []
    for _step in range(5):
        undo(visit, now=late)
        back.append((stage(visit), moments(visit)))
    assert back == [
        (Stage.DISCHARGED, [START, ended, home]),
        (Stage.RECOVERY, [START, ended, None]),
        (Stage.INFUSING, [START, None, None]),
        (Stage.WAITING, [None, None, None]),
        (Stage.EXPECTED, [None, None, None]),
    ]
    assert code_of(lambda: undo(visit, now=late)) == "invalid_transition"
    assert (GateCheck.objects.count(), VitalReading.objects.count()) == kept
    verbs = list(visit.events.order_by("id").values_list("verb", flat=True))
    assert verbs == ["check_in", "start", "end", "discharge", "complete", *["undo"] * 5]


def test_each_step_is_recorded_with_who_and_why(visit: Appointment, site: Site, actor_at: ActorAt) -> None:
    nurse = actor_at(site, "nurse")
    started(visit)
    end(actor=nurse, appointment_id=visit.pk, reason="pump empty", note="Six minutes early.")
    event = visit.events.get(verb="end")
    assert (event.from_status, event.to_status, event.at, event.by_id, event.via) == (
        "in_progress", "in_progress", END, nurse.user_id, "staff",
    )  # fmt: skip
    assert (event.reason, event.note) == ("pump empty", "Six minutes early.")


@pytest.mark.parametrize("make", [lambda visit: visit, here, in_recovery])
def test_only_what_runs_can_end(visit: Appointment, make: Callable[[Appointment], object]) -> None:
    make(visit)
    before = Appointment.objects.get(pk=visit.pk).version
    assert code_of(lambda: end(appointment_id=visit.pk)) == "invalid_transition"
    assert Appointment.objects.get(pk=visit.pk).version == before


def test_only_who_recovers_is_discharged_and_only_once(visit: Appointment) -> None:
    started(visit)
    go = partial(discharge, appointment_id=visit.pk, given=BEFORE_LEAVING)
    assert code_of(go) == "invalid_transition"
    assert not GateCheck.objects.filter(stage="discharge").exists()
    end(appointment_id=visit.pk)
    measured(visit.pk, now=HOME)
    assert go().open == []
    assert code_of(go) == "invalid_transition"


def test_nothing_that_was_typed_is_lost_when_a_gate_blocks(visit: Appointment) -> None:
    in_recovery(visit)
    given = {**BEFORE_LEAVING, "gait": {"steady": False}}
    found = discharge(appointment_id=visit.pk, given=given)
    assert [(gate.code, gate.state) for gate in found.open] == [("blood_pressure", "open"), ("gait", "fail")]
    assert GateCheck.objects.filter(stage="discharge").count() == len(given)
    assert (stage(visit), visit.events.filter(verb="discharge").count()) == (Stage.RECOVERY, 0)

    measured(visit.pk, now=HOME)
    rest = discharge(appointment_id=visit.pk, given={"gait": {"steady": True}})
    assert (rest.open, stage(visit)) == ([], Stage.DISCHARGED)


def test_malformed_answers_discharge_nobody(visit: Appointment) -> None:
    in_recovery(visit)
    measured(visit.pk, now=HOME)
    given = {**BEFORE_LEAVING, "aldrete": {"activity": 9}}
    assert code_of(lambda: discharge(appointment_id=visit.pk, given=given)) == "invalid_answers"
    assert not GateCheck.objects.filter(stage="discharge").exists()
    assert stage(visit) == Stage.RECOVERY


def test_journey_a_goes_home(visit: Appointment) -> None:
    """172/104 half an hour in, 138/86 after an hour, Aldrete 10, escort: discharged."""
    started(visit)
    InfusionSession.objects.filter(pk=visit.pk).update(started_at=START + MINUTE)
    assert measured(visit.pk, "172/104", now=START + 30 * MINUTE).level == "review"
    end(appointment_id=visit.pk)
    measured(visit.pk, "138/86", now=START + 60 * MINUTE)
    at = START + 85 * MINUTE
    assert discharge(now=at, appointment_id=visit.pk, given=BEFORE_LEAVING).open == []


# --- completing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [started, in_recovery])
def test_nobody_is_done_before_the_discharge(
    visit: Appointment, make: Callable[[Appointment], object]
) -> None:
    make(visit)
    with pytest.raises(Conflict) as refused:
        step(visit, Verb.COMPLETE, now=HOME)
    assert refused.value.code == "gates_open"
    assert [each["gate"] for each in refused.value.data["open"]] == [
        "aldrete", "blood_pressure", "oriented", "gait", "escort_present", "driving_advice",
    ]  # fmt: skip


def test_passing_every_gate_is_not_yet_a_discharge(visit: Appointment) -> None:
    in_recovery(visit)
    measured(visit.pk, now=HOME)
    gates.answer(actor=SYSTEM, now=HOME, appointment_id=visit.pk, given=BEFORE_LEAVING)
    assert code_of(lambda: step(visit, Verb.COMPLETE, now=HOME)) == "not_discharged"
    discharge(appointment_id=visit.pk, given={})
    assert step(visit, Verb.COMPLETE, now=HOME).status == "completed"


def test_the_safety_hold_comes_first_and_lists_the_rest(visit: Appointment) -> None:
    here(visit)
    phq9(visit.patient, 17, item9=2, at=NOW)
    with pytest.raises(Conflict) as refused:
        step(visit, Verb.START)
    assert refused.value.code == "safety_hold"
    assert len(refused.value.data["alarms"]) == 1
    assert {"consent", "mood"} < {each["gate"] for each in refused.value.data["open"]}
    assert InfusionSession.objects.get(pk=visit.pk).started_at is None


def test_other_visits_have_no_gates_and_no_such_steps(site: Site) -> None:
    visit = booked(site, NOW, on={})
    Appointment.objects.update(visit_type=visit_type("consultation"))
    for verb in (Verb.CHECK_IN, Verb.START):
        step(visit, verb)
    assert code_of(lambda: end(appointment_id=visit.pk)) == "not_an_infusion"
    assert step(visit, Verb.COMPLETE).status == "completed"
    assert undo(visit, now=START).status == "in_progress"
    assert not InfusionSession.objects.exists()


def test_an_esketamine_session_begins_its_record_and_asks_for_its_form(visit: Appointment) -> None:
    Appointment.objects.update(visit_type=visit_type("esketamine"))
    started(visit)
    end(appointment_id=visit.pk)
    late = START + 125 * MINUTE
    measured(visit.pk, now=late)
    early = discharge(now=START + 119 * MINUTE, appointment_id=visit.pk, given=BEFORE_LEAVING)
    assert {"observation", "resolved"} <= {gate.code for gate in early.open}
    pass_discharge(visit, now=late)
    step(visit, Verb.COMPLETE, now=late)
    assert WorkItem.objects.get(kind="rems_form").status == "open"
    undo(visit, now=late)
    assert WorkItem.objects.get(kind="rems_form").status == "resolved"


# --- who, and which version -------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["front_desk", "manager"])
def test_who_does_not_treat_takes_no_clinical_step_and_none_back(
    visit: Appointment, site: Site, actor_at: ActorAt, role: str
) -> None:
    actor = actor_at(site, role)
    started(visit)
    for job in (
        lambda: end(actor=actor, appointment_id=visit.pk),
        lambda: undo(visit, now=START, actor=actor),
    ):
        with pytest.raises(Forbidden):
            job()
    assert stage(visit) == Stage.INFUSING


def test_a_session_read_before_somebody_wrote_is_stale(visit: Appointment) -> None:
    started(visit)
    seen = InfusionSession.objects.get(pk=visit.pk).version
    measured(visit.pk, now=START + MINUTE)
    with pytest.raises(StaleVersion):
        end(appointment_id=visit.pk, expected_version=seen)
    end(appointment_id=visit.pk, expected_version=seen + 1)


def test_nobody_undoes_a_step_they_have_not_seen(visit: Appointment) -> None:
    seen = started(visit).version
    end(appointment_id=visit.pk)
    with pytest.raises(StaleVersion):
        visit_steps.undo(actor=SYSTEM, now=END, appointment_id=visit.pk, expected_version=seen)
    assert stage(visit) == Stage.RECOVERY


def test_every_step_moves_the_version_of_the_session(visit: Appointment) -> None:
    """Boards look at it."""
    here(visit)
    pass_start_gates(visit, now=START)
    seen = [InfusionSession.objects.get(pk=visit.pk).version]

    def then(job: Callable[[], object]) -> None:
        job()
        seen.append(InfusionSession.objects.get(pk=visit.pk).version)

    then(lambda: step(visit, Verb.START))
    then(lambda: end(appointment_id=visit.pk))
    then(lambda: undo(visit, now=END))
    then(lambda: end(appointment_id=visit.pk))
    then(lambda: discharge(appointment_id=visit.pk, given=BEFORE_LEAVING))
    then(lambda: pass_discharge(visit, now=HOME))
    then(lambda: step(visit, Verb.COMPLETE, now=HOME))
    assert seen == sorted(set(seen))


def test_an_undo_is_refused_after_a_quarter_of_an_hour(visit: Appointment) -> None:
    in_recovery(visit)
    assert code_of(lambda: undo(visit, now=END + 15 * MINUTE + MINUTE / 60)) == "invalid_transition"
    assert stage(visit) == Stage.RECOVERY
    undo(visit, now=END + 15 * MINUTE)
    assert stage(visit) == Stage.INFUSING


def test_restarting_needs_the_gates_again(visit: Appointment) -> None:
    started(visit)
    undo(visit, now=START)
    later = START + 61 * MINUTE
    with pytest.raises(Conflict) as refused:
        step(visit, Verb.START, now=later)
    assert [each["gate"] for each in refused.value.data["open"]] == ["vitals"]
    measured(visit.pk, now=later)
    step(visit, Verb.START, now=later)
    assert moments(visit)[0] == later


def test_another_patients_session_is_not_touched(visit: Appointment, site: Site) -> None:
    other = booked(site, NOW, on={}, patient=PatientFactory.create(site=site))
    in_recovery(visit)
    here(other)
    assert stage(other) == Stage.WAITING
