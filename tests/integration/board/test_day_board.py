"""What the board of a day shows, and to whom: places, stages, badges, and never another site's."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Forbidden
from patients.models import Patient, SafetyAlarm
from scheduling.domain.session_stages import Stage
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment, Closure, InfusionSession, Resource, VitalReading
from scheduling.selectors.board_cards import Card
from scheduling.selectors.board_clinical import CLINICAL_CHECK
from scheduling.selectors.day_board import DayBoard, day_board, marks_of
from scheduling.services import holds, visit_steps
from tests.factories import CREATED, PatientFactory, SiteFactory, visit_type
from tests.factories.full_days import full_day
from tests.integration.admin.furnished import alarming

DAY = date(2027, 1, 4)
NOON = datetime(2027, 1, 4, 19, 30, tzinfo=UTC)
"""12:30 in Denver: the first visit of each chair is over, the second in recovery, the third is here."""
MINUTE = timedelta(minutes=1)


def seen(site: Site, actor: Actor = SYSTEM, *, day: date = DAY, now: datetime = NOON) -> DayBoard:
    """The board."""
    return day_board(actor=actor, site=site, day=day, now=now)


def card(board: DayBoard, pk: int) -> Card:
    """One visit on it."""
    return next(each for each in [*board.cards, *board.off] if each.id == pk)


def test_each_visit_stands_on_its_chair_in_its_rows(site: Site) -> None:
    ids = full_day(site, chairs=2)
    board = seen(site)
    assert [each.id for each in board.cards] == ids
    assert [column.name for column in board.columns] == ["Chair 1", "Chair 2"]
    assert (board.frame.start, board.frame.ticks) == (datetime(2027, 1, 4, 15, tzinfo=UTC), 120)
    second = card(board, ids[2])
    assert second.place is not None
    assert (second.place.first, second.place.end, second.place.lanes) == (24, 48, 1)
    assert (second.chair_id, second.staff) == (board.columns[0].id, ["Nurse 1"])
    assert [each.stage for each in board.cards[::2]] == [
        Stage.DONE,
        Stage.RECOVERY,
        Stage.WAITING,
        Stage.EXPECTED,
        Stage.EXPECTED,
    ]
    assert [(each.open_minutes, each.booked_minutes) for each in board.columns] == [(600, 600)] * 2
    assert [(nurse.name, nurse.watching, nurse.capacity) for nurse in board.nurses] == [("Nurse 1", 2, 3)]


def test_time_in_status_lateness_and_next_steps(site: Site) -> None:
    done, recovering, waiting, confirmed, booked = full_day(site, chairs=1)
    board = seen(site)
    assert card(board, recovering).since == NOON - timedelta(minutes=95)  # since the infusion ended
    assert card(board, waiting).since == NOON - timedelta(minutes=30)
    assert [card(board, each).next_step for each in (done, recovering, waiting, confirmed, booked)] == [
        None,
        "discharge",
        "start",
        "check_in",
        "check_in",
    ]
    # In recovery past its end, and waiting 15 minutes after its set-up should be over.
    assert (card(board, recovering).into_next, card(board, waiting).into_next) == (30, 15)
    assert card(board, confirmed).ends_at == card(board, confirmed).end_at
    tomorrow = seen(site, now=NOON - timedelta(days=1))
    assert (card(tomorrow, booked).next_step, card(tomorrow, confirmed).next_step) == ("confirm", None)


def test_gates_and_vitals_of_those_who_are_here(site: Site) -> None:
    _done, recovering, waiting, confirmed, _booked = full_day(site, chairs=1)
    board = seen(site)
    assert card(board, waiting).blockers[:2] == ["Consent to treatment in date", "Identity checked"]
    assert "Modified Aldrete score" in card(board, recovering).blockers
    assert card(board, confirmed).blockers == []
    overdue = card(board, recovering)
    assert overdue.vitals_overdue_at is not None
    assert overdue.vitals_overdue_at < NOON
    session = InfusionSession.objects.get(pk=recovering)
    VitalReading.objects.create(
        session=session, measured_at=NOON, recorded_at=NOON, systolic=185, diastolic=100, level="urgent"
    )
    assert card(seen(site), recovering).unanswered == "urgent"


def test_what_each_role_sees(site: Site, actor_at: Callable[..., Actor]) -> None:
    _done, recovering, waiting, _confirmed, _booked = full_day(site, chairs=1)
    session = InfusionSession.objects.get(pk=recovering)
    VitalReading.objects.create(
        session=session, measured_at=NOON, recorded_at=NOON, systolic=185, diastolic=100, level="urgent"
    )
    desk = seen(site, actor_at(site, "front_desk"))
    assert CLINICAL_CHECK in card(desk, waiting).blockers
    assert not {"Fasting", "Weight taken today"} & set(card(desk, waiting).blockers)
    assert "Escort home named" in card(desk, waiting).blockers  # the desk asks that itself
    assert card(desk, recovering).blockers == [CLINICAL_CHECK]
    assert {(each.vitals_due_at, each.vitals_overdue_at, each.unanswered) for each in desk.cards} == {
        (None, None, "")
    }
    assert card(desk, waiting).steps == ["cancel"]
    manager = seen(site, actor_at(site, "manager"))
    assert {(*each.blockers, *each.steps, each.can_move) for each in manager.cards} == {(False,)}
    assert manager.gaps == []
    nurse = seen(site, actor_at(site, "nurse"))
    assert "Weight taken today" in card(nurse, waiting).blockers
    assert card(nurse, recovering).unanswered == "urgent"
    with pytest.raises(Forbidden):
        seen(site, actor_at(site, "auditor"))


def test_another_site_is_never_on_it(site: Site, actor_at: Callable[..., Actor]) -> None:
    other = SiteFactory.create()
    full_day(other, chairs=2)
    full_day(site, chairs=1)
    Closure.objects.create(site=other, start_at=NOON, end_at=NOON + timedelta(hours=1), reason="Elsewhere")
    board = seen(site, actor_at(site, "nurse"))
    assert len(board.cards) == 5
    assert (len(board.columns), len(board.nurses), board.blocks) == (1, 1, [])
    with pytest.raises(Forbidden):
        seen(other, actor_at(site, "nurse"))


def test_closures_holds_and_what_is_free_between(site: Site, now: datetime) -> None:
    full_day(site, chairs=1, each=1)  # 08:00 to 10:00
    chair = Resource.objects.get(site=site, kind="chair")
    at = datetime(2027, 1, 4, 17, tzinfo=UTC)
    Closure.objects.create(
        resource=chair, start_at=at + timedelta(hours=5), end_at=at + timedelta(hours=6), reason="Repair"
    )
    held = holds.hold(
        actor=SYSTEM,
        now=now,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=at + timedelta(hours=1),
    )
    board = seen(site, now=now)
    assert {(block.reason, block.chair_id, block.expires_at) for block in board.blocks} == {
        ("Repair", chair.pk, None),
        ("", chair.pk, held.expires_at),
    }
    # Rows from 08:00: free 10 to 11, 13 to 15, and 16 to 18 again.
    assert board.gaps == [(chair.pk, (24, 36)), (chair.pk, (60, 84)), (chair.pk, (96, 120))]
    later = seen(site, now=at + timedelta(hours=3, minutes=20))
    assert later.gaps == [(chair.pk, (66, 84)), (chair.pk, (96, 120))]  # the hold is over, the morning too


def test_visits_without_a_chair_share_the_last_column(site: Site) -> None:
    full_day(site, chairs=1, each=1)
    at = datetime(2027, 1, 4, 16, tzinfo=UTC)
    for offset in (0, 15, 60):
        Appointment.objects.create(
            site=site,
            patient=PatientFactory.create(site=site),
            visit_type=visit_type("consultation"),
            start_at=at + offset * MINUTE,
            end_at=at + (offset + 45) * MINUTE,
            created_at=CREATED,
            scheduled_at=CREATED,
        )
    board = seen(site)
    assert [(column.id, column.name) for column in board.columns][-1] == (None, "No chair")
    places = [each.place for each in board.cards if each.chair_id is None]
    assert [(place.lane, place.lanes) for place in places if place] == [(0, 2), (1, 2), (0, 1)]
    assert len({each.id for each in board.cards}) == 4


def test_who_does_not_come_stands_beside_the_board_and_frees_the_chair(site: Site) -> None:
    *_others, booked = full_day(site, chairs=1)
    visit_steps.step(actor=SYSTEM, now=NOON, appointment_id=booked, verb=Verb.CANCEL)
    board = seen(site)
    assert [each.id for each in board.off] == [booked]
    assert booked not in [each.id for each in board.cards]
    assert board.off[0].can_undo
    assert not card(seen(site, now=NOON + timedelta(minutes=16)), booked).can_undo
    assert board.gaps == [(board.columns[0].id, (96, 120))]


def test_a_standing_alarm_holds_the_treatment_only_before_its_start(site: Site) -> None:
    _done, recovering, waiting, confirmed, _booked = full_day(site, chairs=1)
    for pk in (recovering, waiting, confirmed):
        alarming(Appointment.objects.get(pk=pk).patient)
    board = seen(site)
    assert [card(board, pk).held for pk in (recovering, waiting, confirmed)] == [False, True, True]


def test_unconfirmed_is_what_somebody_was_asked_to_call_about(site: Site) -> None:
    *_others, confirmed, booked = full_day(site, chairs=1)
    Appointment.objects.filter(pk__in=[confirmed, booked]).update(unconfirmed_version=1)
    board = seen(site)
    assert [card(board, pk).unconfirmed for pk in (confirmed, booked)] == [False, True]
    Appointment.objects.filter(pk=booked).update(plan_version=2)  # moved since
    assert not card(seen(site), booked).unconfirmed


def test_a_day_of_25_hours_and_a_date_the_place_skipped(site: Site) -> None:
    night = datetime(2027, 11, 7, 6, tzinfo=UTC)  # midnight in Denver, an hour before the clocks go back
    Appointment.objects.create(
        site=site,
        patient=PatientFactory.create(site=site),
        visit_type=visit_type("consultation"),
        start_at=night,
        end_at=night + timedelta(hours=3),
        created_at=CREATED,
        scheduled_at=CREATED,
    )
    board = seen(site, day=date(2027, 11, 7))
    place = board.cards[0].place
    assert place is not None
    assert (place.first, place.end, board.frame.ticks) == (0, 36, 36)
    apia = SiteFactory.create(timezone="Pacific/Apia")
    skipped = seen(apia, day=date(2011, 12, 30))
    assert (skipped.columns, skipped.cards, skipped.marks) == ([], [], "")


def test_the_same_queries_for_3_and_for_60_visits(site: Site) -> None:
    other = SiteFactory.create()
    full_day(site, chairs=1, each=3)
    full_day(other, chairs=12)
    counts = []
    for each in (site, other):
        with CaptureQueriesContext(connection) as asked:
            seen(each)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 22


def chair_of(site: Site) -> Resource:
    """Its only one."""
    return Resource.objects.get(site=site, kind="chair")


def closed(**owner: Any) -> Closure:
    """For an hour from noon."""
    return Closure.objects.create(**owner, start_at=NOON, end_at=NOON + timedelta(hours=1), reason="Storm")


Change = Callable[[Site, Any], Any]
CHANGES: dict[str, Change] = {
    "a step": lambda _site, visits: visit_steps.step(
        actor=SYSTEM, now=NOON, appointment_id=visits[3].pk, verb=Verb.CHECK_IN
    ),
    "a write of the session": lambda _site, visits: InfusionSession.objects.filter(pk=visits[2].pk).update(
        version=2
    ),
    "a move away": lambda _site, visits: Appointment.objects.filter(pk=visits[4].pk).update(
        start_at=NOON + timedelta(days=2), end_at=NOON + timedelta(days=2, hours=2), version=2
    ),
    "a closure": lambda site, _visits: closed(site=site),
    "a closure of a chair": lambda site, _visits: closed(resource=chair_of(site)),
    "an alarm": lambda _site, visits: alarming(visits[3].patient),
    "a call that is asked for": lambda _site, visits: Appointment.objects.filter(pk=visits[4].pk).update(
        unconfirmed_version=1
    ),
    "a patient's other name": lambda _site, visits: Patient.objects.filter(pk=visits[3].patient_id).update(
        preferred_name="Max", version=2
    ),
    "a chair out of service": lambda site, _visits: Resource.objects.filter(pk=chair_of(site).pk).update(
        active=False, version=2
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_day_is_noticed(site: Site, change: str) -> None:
    ids = full_day(site, chairs=1)
    before = marks_of(site=site, day=DAY, now=NOON)
    assert marks_of(site=site, day=DAY, now=NOON + timedelta(seconds=20)) == before
    CHANGES[change](site, list(Appointment.objects.filter(pk__in=ids).order_by("start_at")))
    assert marks_of(site=site, day=DAY, now=NOON) != before


def test_what_changes_by_the_clock_is_noticed_within_a_minute(site: Site) -> None:
    full_day(site, chairs=1)
    marks = [marks_of(site=site, day=DAY, now=NOON + n * timedelta(seconds=30)) for n in range(4)]
    assert marks[0] == marks[1] != marks[2] == marks[3]


def test_a_hold_is_noticed_when_made_and_when_it_expires(site: Site) -> None:
    full_day(site, chairs=1, each=1)
    before = marks_of(site=site, day=DAY, now=NOON)
    held = holds.hold(
        actor=SYSTEM,
        now=NOON,
        patient_id=PatientFactory.create(site=site).pk,
        visit_type=visit_type(),
        site=site,
        start=NOON + timedelta(hours=1, minutes=30),
    )
    assert marks_of(site=site, day=DAY, now=NOON) != before
    after = [held.expires_at - timedelta(seconds=1), held.expires_at]
    assert len({marks_of(site=site, day=DAY, now=each) for each in after}) == 2


def test_other_days_and_other_sites_change_nothing(site: Site) -> None:
    other = SiteFactory.create()
    full_day(site, chairs=1)
    before = marks_of(site=site, day=DAY, now=NOON)
    ids = full_day(other, chairs=1)
    Closure.objects.create(site=other, start_at=NOON, end_at=NOON + timedelta(hours=1), reason="Storm")
    Closure.objects.create(
        site=site, start_at=NOON + timedelta(days=1), end_at=NOON + timedelta(days=2), reason="Holiday"
    )
    alarming(Appointment.objects.get(pk=ids[0]).patient)
    assert SafetyAlarm.objects.count() == 1
    assert marks_of(site=site, day=DAY, now=NOON) == before
