"""Random months of bookings, moves, cancellations, opt-outs, clock steps, dying workers and failing gateways:
no wanted message lost, none after it was taken back, none at night, none twice."""

import os
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from clinic.access.models import Site
from patients.models import Message, Patient, WorkItem
from scheduling.domain.calendars import wall_to_instant
from scheduling.models import Appointment
from tests.factories import SiteFactory
from tests.simulation.outreach_world import (
    AWAITED,
    EDGES,
    Killed,
    World,
    at,
    dies_at_statement,
    is_night,
    leases_run_out,
)

pytestmark = pytest.mark.django_db
STEPS = int(os.environ.get("ONSET_SIMULATION_STEPS", "250"))
SEEDS = range(int(os.environ.get("ONSET_SIMULATION_SEEDS", "4")))
SENT = {"sent", "delivered"}
NOBODY_NEEDED = {"past", "patient_deceased"}


@pytest.fixture(params=SEEDS)
def world(site: Site, request: pytest.FixtureRequest) -> World:
    """A clinic that has lived through many random steps, and then came to rest."""
    lived = World(site, seed=request.param, start=EDGES[request.param % 2])
    lived.live(STEPS)
    lived.settle()
    return lived


def test_a_random_life(world: World) -> None:
    """Every promise, judged by what left and by what was true when it left."""
    rows = {row.pk: row for row in Message.objects.select_related("patient")}
    assert world.happened["book"] > STEPS / 50
    assert world.post.letters
    _every_story_ends(rows)
    _what_left_is_in_the_ledger(world, rows)
    _none_twice(world, rows)
    _none_after_it_was_taken_back(world, rows)
    _none_against_consent_or_to_an_old_address(world, rows)
    _none_at_night(world, rows)
    _none_beyond_the_caps(world, rows)
    _every_wanted_message_has_its_rows(world)
    _what_did_not_go_out_is_a_persons(rows)


def _every_story_ends(rows: dict[int, Message]) -> None:
    assert not [row for row in rows.values() if row.status in {"queued", "sending"}]


def _what_left_is_in_the_ledger(world: World, rows: dict[int, Message]) -> None:
    """A row says sent exactly when one message left; when it says uncertain, one may have."""
    left = Counter(letter.message_id for letter in world.post.letters)
    for row in rows.values():
        allowed = {1} if row.status in SENT else {0, 1} if row.status == "uncertain" else {0}
        assert left[row.pk] in allowed, (row.kind, row.channel, row.status, row.reason, left[row.pk])


def _none_twice(world: World, rows: dict[int, Message]) -> None:
    subjects = Counter(
        (row.subject_kind, row.subject_id, row.kind, row.channel, row.plan_version)
        for row in (rows[letter.message_id] for letter in world.post.letters)
    )
    assert not [subject for subject, times in subjects.items() if times > 1]


def _none_after_it_was_taken_back(world: World, rows: dict[int, Message]) -> None:
    for letter in world.post.letters:
        row = rows[letter.message_id]
        assert row.subject_kind == "appointment"
        then = at(world.visits[row.subject_id], letter.at)
        if row.kind == "cancellation":
            assert any(status == "cancelled" for status, _version, _start in then)
            continue
        fitting = [
            status for status, version, start in then if version == row.plan_version and letter.at <= start
        ]
        allowed = {"booked"} if row.kind == "confirm_request" else AWAITED
        assert allowed.intersection(fitting), (row.kind, row.channel, then)


def _none_against_consent_or_to_an_old_address(world: World, rows: dict[int, Message]) -> None:
    for letter in world.post.letters:
        known = at(world.people[rows[letter.message_id].patient_id], letter.at)
        index = 0 if letter.channel == "email" else 1
        assert any(facts[index] and facts[index + 2] == letter.to for facts in known), letter


def _none_at_night(world: World, rows: dict[int, Message]) -> None:
    zones = dict(Patient.objects.values_list("pk", "timezone"))
    assert not [
        letter
        for letter in world.post.letters
        if is_night(letter.at, zones[rows[letter.message_id].patient_id])
    ]


def _none_beyond_the_caps(world: World, rows: dict[int, Message]) -> None:
    """One text a day of the patient's, three in any seven days: nobody here agreed to more."""
    zones = dict(Patient.objects.values_list("pk", "timezone"))
    texts = defaultdict(list)
    for letter in world.post.letters:
        if letter.channel == "sms":
            texts[rows[letter.message_id].patient_id].append(letter.at)
    for patient_id, moments in texts.items():
        days = Counter(moment.astimezone(ZoneInfo(zones[patient_id])).date() for moment in moments)
        assert max(days.values()) == 1
        for end in moments:
            assert sum(end - timedelta(days=7) < moment <= end for moment in moments) <= 3


def _every_wanted_message_has_its_rows(world: World) -> None:
    """The slow, obvious plan: what every version of every visit wanted when it was made."""
    have = set(
        Message.objects.filter(subject_kind="appointment").values_list(
            "subject_id", "plan_version", "kind", "channel"
        )
    )
    zones = dict(Appointment.objects.values_list("pk", "patient__timezone"))
    for visit_id, history in world.visits.items():
        made: dict[int, tuple[datetime, datetime]] = {}
        for truth in history:
            made.setdefault(truth.facts[1], (truth.since, truth.facts[2]))
        for version, (since, start) in made.items():
            wanted = {"confirmation"}
            for kind, days in (("confirm_request", 3), ("day_before", 1)):
                wall = start.astimezone(ZoneInfo(zones[visit_id])).replace(tzinfo=None)
                due = wall_to_instant(wall - timedelta(days=days), ZoneInfo(zones[visit_id]), later=False)
                if due >= since:
                    wanted.add(kind)
            for kind in wanted:
                for channel in ("email", "sms"):
                    assert (visit_id, version, kind, channel) in have


def _what_did_not_go_out_is_a_persons(rows: dict[int, Message]) -> None:
    """Where no channel carried a wanted message, somebody at the clinic has been asked to call."""
    by_message = defaultdict(list)
    for row in rows.values():
        by_message[row.subject_kind, row.subject_id, row.kind, row.plan_version].append(row)
    keys = set(WorkItem.objects.values_list("key", flat=True))
    for (subject, subject_id, kind, version), same in by_message.items():
        statuses = {row.status for row in same}
        if statuses & SENT or "withdrawn" in statuses:
            continue
        if "uncertain" in statuses:
            assert any(f"uncertain:{row.pk}" in keys for row in same)
            continue
        if {row.reason for row in same} & NOBODY_NEEDED:
            continue
        asked = f"{subject}:{subject_id}:{kind}:{version}"
        assert {f"unreachable:{asked}", f"undelivered:{asked}"} & keys, [
            (row.channel, row.status, row.reason) for row in same
        ]


class TestDeath:
    """One due message, and a worker that dies at its first statement, at its second, and so on."""

    def test_at_every_statement(self) -> None:
        """Until the round is over before the worker dies."""
        for number in range(1, 200):
            world, row = _with_one_due(seed=number)
            try:
                with dies_at_statement(number):
                    world.round()
            except Killed:
                _settled_truly(world, row, f"killed at statement {number}")
            else:
                assert number > 10
                assert len(world.post.letters) == 1
                return
        pytest.fail("the round never ends")

    @pytest.mark.parametrize(("mood", "left"), [("dies before", 0), ("dies after", 1)])
    def test_at_the_gateway(self, mood: str, left: int) -> None:
        """Whether it left cannot be known: it is never sent again, and a person is asked."""
        world, row = _with_one_due(seed=1)
        world.post.mood, world.post.moody = mood, 1
        with pytest.raises(Killed):
            world.round()
        _settled_truly(world, row, mood)
        assert row.status == "uncertain"
        assert len(world.post.letters) == left


def _with_one_due(*, seed: int) -> tuple[World, Message]:
    Message.objects.all().delete()
    world = World(SiteFactory.create(), seed=seed, start=EDGES[0], patients=1)
    row = Message.objects.create(
        patient=world.patients[0],
        subject_kind="appointment",
        subject_id=seed,
        kind="day_before",
        channel="email",
        context={"start_at": (world.now + timedelta(days=1)).isoformat()},
        planned_at=world.now,
        due_at=world.now,
        not_after=world.now + timedelta(hours=8),
        created_at=world.now,
    )
    return world, row


def _settled_truly(world: World, row: Message, when: str) -> None:
    leases_run_out()
    world.settle()
    row.refresh_from_db()
    assert row.status in {"sent", "uncertain"}, when
    assert len(world.post.letters) <= 1, f"doubled when {when}"
    if row.status == "sent":
        assert len(world.post.letters) == 1, when
    else:
        assert WorkItem.objects.filter(key=f"uncertain:{row.pk}").exists(), when
