"""The Schedule III log: what is refused, who witnesses, and when somebody is asked about it."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, StaleVersion
from patients.models import WorkItem
from patients.services import work_items
from scheduling.models import DrugLogEntry, InfusionSession
from scheduling.services import drug_log
from tests.conftest import NOW
from tests.factories import SiteFactory
from tests.factories.racing import race
from tests.factories.treated import ordered, session_at

LATER = NOW + timedelta(minutes=60)
pytestmark = pytest.mark.django_db


@pytest.fixture
def session(site: Site) -> InfusionSession:
    return session_at(site)


@pytest.fixture
def nurse(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "nurse")


@pytest.fixture
def colleague(site: Site, actor_at: Callable[..., Actor]) -> Actor:
    return actor_at(site, "nurse")


def log(session: InfusionSession, actor: Actor, kind: str, mg: str, **given: Any) -> DrugLogEntry:
    now = given.pop("now", LATER)
    return drug_log.record(
        actor=actor, now=now, appointment_id=session.pk, kind=kind, mg=Decimal(mg), **given
    )


def settle(session: InfusionSession) -> None:
    """As a step of the visit does it."""
    fresh = InfusionSession.objects.select_related(
        "appointment__site", "appointment__visit_type", "appointment__patient"
    ).get(pk=session.pk)
    drug_log.settle(session=fresh, now=LATER)


def leave(session: InfusionSession, status: str = "completed") -> None:
    session.appointment.status = status
    session.appointment.save(update_fields=["status"])
    settle(session)


def statuses() -> list[str]:
    return list(
        WorkItem.objects.filter(kind="drug_discrepancy").order_by("pk").values_list("status", flat=True)
    )


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(DomainError) as refusal:
        work()
    return refusal.value.code


def test_drawn_is_given_and_wasted_before_a_witness(
    session: InfusionSession, nurse: Actor, colleague: Actor
) -> None:
    version = session.version
    drawn = log(session, nurse, "drawn", "50", lot="A1")
    assert (drawn.drug, drawn.site_id) == ("ketamine", session.appointment.site_id)
    assert log(session, nurse, "given", "35.00").lot == "A1", "the one that was drawn"
    wasted = log(session, nurse, "wasted", "15")
    seen = drug_log.witness(actor=colleague, now=LATER, appointment_id=session.pk, entry_id=wasted.pk)
    assert (seen.witness_id, seen.witnessed_at) == (colleague.user_id, LATER)
    leave(session)
    assert statuses() == []
    session.refresh_from_db()
    assert session.version == version + 4


def test_more_than_was_drawn_cannot_be(session: InfusionSession, nurse: Actor) -> None:
    assert code_of(partial(log, session, nurse, "given", "35")) == "more_than_drawn"
    log(session, nurse, "drawn", "50")
    log(session, nurse, "given", "35")
    with pytest.raises(Invalid) as refusal:
        log(session, nurse, "wasted", "15.01")
    assert [(each.pointer, each.code) for each in refusal.value.errors] == [("/mg", "more_than_drawn")]
    assert "15.00 mg are left" in refusal.value.detail
    assert DrugLogEntry.objects.count() == 2


def test_more_than_was_ordered_is_kept_and_asked_about_at_once(
    session: InfusionSession, nurse: Actor
) -> None:
    ordered(session, "35")
    log(session, nurse, "drawn", "50")
    log(session, nurse, "given", "35.1")
    assert statuses() == [], "within the rounding of the protocol"
    log(session, nurse, "given", "0.1")
    assert statuses() == ["open"]
    item = WorkItem.objects.get()
    assert (item.severity, item.owner_role, item.due_at) == (
        "urgent",
        "prescriber",
        LATER + timedelta(hours=1),
    )
    assert "ketamine" not in item.summary
    ordered(session, "40")
    settle(session)
    assert statuses() == ["resolved"], "a later order covers it"


def test_a_fixed_dose_has_no_rounding(site: Site, nurse: Actor) -> None:
    session = session_at(site, code="esketamine")
    ordered(session, "56")
    log(session, nurse, "drawn", "84")
    assert DrugLogEntry.objects.get().drug == "esketamine"
    log(session, nurse, "given", "84")
    assert statuses() == ["open"]


def test_asked_once_the_patient_has_gone_and_no_longer_when_it_adds_up(
    session: InfusionSession, nurse: Actor, colleague: Actor
) -> None:
    log(session, nurse, "drawn", "50")
    log(session, nurse, "given", "35")
    settle(session)
    assert statuses() == [], "the infusion still runs"
    leave(session)
    leave(session)
    assert statuses() == ["open"]
    wasted = log(session, nurse, "wasted", "15")
    assert statuses() == ["open"], "nobody has seen it wasted"
    drug_log.witness(actor=colleague, now=LATER, appointment_id=session.pk, entry_id=wasted.pk)
    assert statuses() == ["resolved"]


def test_undo_of_the_completion_takes_the_question_back(session: InfusionSession, nurse: Actor) -> None:
    log(session, nurse, "drawn", "50")
    leave(session)
    leave(session, "in_progress")
    assert statuses() == ["resolved"]
    leave(session)
    assert statuses() == ["resolved", "open"]


def test_an_explained_discrepancy_stays_explained_until_the_facts_change(
    session: InfusionSession, nurse: Actor
) -> None:
    log(session, nurse, "drawn", "50", lot="A1")
    log(session, nurse, "given", "35")
    leave(session)
    manager = Actor(user_id=nurse.user_id, sees_every_site=True)
    work_items.resolve(actor=manager, item_id=WorkItem.objects.get().pk, note="The vial broke.", now=LATER)
    leave(session)
    assert statuses() == ["resolved"]
    log(session, nurse, "drawn", "5")
    assert statuses() == ["resolved", "open"]


def test_what_was_drawn_for_somebody_who_never_came_is_wasted(site: Site, nurse: Actor) -> None:
    session = session_at(site, status="booked")
    assert code_of(partial(log, session, nurse, "given", "35")) == "wrong_stage"
    log(session, nurse, "drawn", "50")
    leave(session, "no_show")
    assert statuses() == ["open"]
    assert code_of(partial(log, session, nurse, "drawn", "50")) == "wrong_stage"
    log(session, nurse, "wasted", "50")
    assert statuses() == ["open"], "without a witness"


def test_the_witness_is_another_person_who_signs_once(
    session: InfusionSession, nurse: Actor, colleague: Actor, site: Site, actor_at: Callable[..., Actor]
) -> None:
    log(session, nurse, "drawn", "50")
    entry = log(session, nurse, "wasted", "15")
    sign = partial(drug_log.witness, now=LATER, appointment_id=session.pk, entry_id=entry.pk)
    assert code_of(partial(sign, actor=nurse)) == "own_entry"
    assert code_of(partial(sign, actor=SYSTEM)) == "own_entry", "the system has seen nothing"
    for role in ("front_desk", "manager", "auditor"):
        with pytest.raises((Forbidden, NotFound)):
            sign(actor=actor_at(site, role))
    with pytest.raises(NotFound):
        sign(actor=actor_at(SiteFactory.create(), "nurse"))
    with pytest.raises(StaleVersion):
        sign(actor=colleague, expected_version=1)
    sign(actor=colleague)
    assert code_of(partial(sign, actor=actor_at(site, "prescriber"))) == "already_witnessed"
    with pytest.raises(NotFound):
        drug_log.witness(actor=colleague, now=LATER, appointment_id=session_at(site).pk, entry_id=entry.pk)


def test_a_struck_entry_stays_and_no_longer_counts(
    session: InfusionSession, nurse: Actor, colleague: Actor
) -> None:
    wrong = log(session, nurse, "drawn", "500")
    strike: dict[str, Any] = {
        "actor": nurse,
        "now": LATER,
        "appointment_id": session.pk,
        "entry_id": wrong.pk,
    }
    assert code_of(partial(drug_log.strike, reason="", **strike)) == "reason_required"
    log(session, nurse, "given", "35")
    drug_log.strike(reason="50, not 500", **strike)
    assert statuses() == ["open"], "more went than was drawn, now"
    log(session, nurse, "drawn", "35")
    assert statuses() == ["resolved"]
    assert code_of(partial(drug_log.strike, reason="Again", **strike)) == "already_struck"
    strike.pop("actor")
    assert code_of(partial(drug_log.witness, actor=colleague, **strike)) == "already_struck"
    wrong.refresh_from_db()
    assert (wrong.mg, wrong.struck_reason) == (Decimal(500), "50, not 500")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"at": LATER + timedelta(seconds=1)}, ("/at", "in_the_future")),
        ({"at": NOW - timedelta(days=1, seconds=1)}, ("/at", "too_long_ago")),
    ],
)
def test_times_that_cannot_be(
    session: InfusionSession, nurse: Actor, given: dict[str, Any], fault: tuple[str, str]
) -> None:
    with pytest.raises(Invalid) as refusal:
        log(session, nurse, "drawn", "50", **given)
    assert [(each.pointer, each.code) for each in refusal.value.errors] == [fault]
    assert not DrugLogEntry.objects.exists()


def test_a_drug_is_one_drug_however_it_is_typed(session: InfusionSession, nurse: Actor) -> None:
    log(session, nurse, "drawn", "50", drug=" Ketamine ")
    log(session, nurse, "given", "50")
    leave(session)
    assert statuses() == []
    session.appointment.visit_type.doseprotocol_set.all().delete()
    assert code_of(partial(log, session, nurse, "drawn", "50")) == "drug_required"


def test_who_writes(
    site: Site, session: InfusionSession, actor_at: Callable[..., Actor], nurse: Actor
) -> None:
    for role in ("front_desk", "manager", "auditor"):
        with pytest.raises((Forbidden, NotFound)):
            log(session, actor_at(site, role), "drawn", "50")
    with pytest.raises(StaleVersion):
        log(session, nurse, "drawn", "50", expected_version=9)
    with pytest.raises(Conflict):
        log(session_at(site, status="cancelled"), nurse, "drawn", "50")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_witnesses_at_once_one_signs(
    site: Site, session: InfusionSession, nurse: Actor, actor_at: Callable[..., Actor]
) -> None:
    log(session, nurse, "drawn", "50")
    entry = log(session, nurse, "wasted", "50")
    both = [actor_at(site, "nurse"), actor_at(site, "prescriber")]
    sign = partial(drug_log.witness, now=LATER, appointment_id=session.pk, entry_id=entry.pk)
    assert sorted(race([partial(sign, actor=actor) for actor in both])) == ["already_witnessed", "ok"]
    entry.refresh_from_db()
    assert entry.witness_id in {actor.user_id for actor in both}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_who_give_the_same_rest_at_once_do_not_give_it_twice(
    session: InfusionSession, nurse: Actor, colleague: Actor
) -> None:
    log(session, nurse, "drawn", "50")
    came = race([partial(log, session, actor, "given", "40") for actor in (nurse, colleague)])
    assert sorted(came) == ["more_than_drawn", "ok"]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_entry_and_what_it_asks_stand_or_fall_together(
    session: InfusionSession, nurse: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_given: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(drug_log, "settle", fail)
    with pytest.raises(RuntimeError):
        log(session, nurse, "drawn", "50")
    assert not DrugLogEntry.objects.exists()
