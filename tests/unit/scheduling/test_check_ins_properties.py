"""Random prescription histories against a slow, obvious oracle, and lives of a record under change.

The oracle asks of every event and every rule, one at a time and day by day, what the engine works out
once for the whole history.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scheduling.domain.check_in_contacts import merge_contacts, overdue, staff_contact_day
from scheduling.domain.check_in_history import NEW_DOSES, REDUCTIONS, DoseEvent, DoseKind, InvalidHistory
from scheduling.domain.check_in_rules import CheckInRule, Follows, PatientFacts
from scheduling.domain.check_ins import OPEN, CheckInStatus, ExistingCheckIn, PlannedCheckIn
from tests.fakes.onset_record import RULES, Record, planned_rows

FIRST_DAY = date(2027, 1, 1)
ONE_DAY = timedelta(days=1)

dates = st.dates(FIRST_DAY, FIRST_DAY + timedelta(days=400))
facts_of_someone = st.builds(
    PatientFacts,
    date_of_birth=st.dates(date(1999, 1, 1), date(2004, 12, 31)),
    risk_flag=st.booleans(),
    indications=st.sets(st.sampled_from(["depression", "neuropathic_pain"])).map(frozenset),
)
later_kinds = st.sampled_from([kind for kind in DoseKind if kind is not DoseKind.START])
# Round numbers make dates coincide.
some_days = st.sampled_from([0, 1, 7, 14, 28]) | st.integers(0, 60)
changes_of_dose = st.tuples(later_kinds, some_days, st.booleans(), st.sampled_from(["25", "50.5", "75"]))


def extended(
    history: Sequence[DoseEvent], change: tuple[DoseKind, int, bool, str], *, today: date
) -> tuple[DoseEvent, ...]:
    """The history with one more change, or as it was when the change would not be a possible one."""
    kind, days, planned, dose = change
    longer = (
        *history,
        DoseEvent(
            sequence=len(history) + 1,
            kind=kind,
            dose_mg=Decimal(dose),
            ordered_on=today,
            effective_on=today + timedelta(days=days),
            planned=planned,
        ),
    )
    try:
        planned_rows(*longer)
    except InvalidHistory:
        return tuple(history)
    return longer


@st.composite
def histories(draw: st.DrawFn) -> tuple[DoseEvent, ...]:
    """A start and up to eight changes, ordered at rising dates, effective some days later, or planned."""
    today = draw(dates)
    history: tuple[DoseEvent, ...] = (DoseEvent(1, DoseKind.START, Decimal("37.5"), today, today),)
    for change in draw(st.lists(changes_of_dose, max_size=8)):
        history = extended(history, change, today=today)
        today += timedelta(days=draw(some_days))
    return history


class Oracle:
    """The rules of DOMAIN section 3 in the plainest words, for the shipped table."""

    def __init__(self, history: Sequence[DoseEvent], facts: PatientFacts) -> None:
        self.history = history
        self.facts = facts
        self.standing = [event for event in history if self.stands(event)]

    def stands(self, event: DoseEvent) -> bool:
        """Nobody later ordered something else from an earlier day on (for a planned step: or that day)."""
        for other in self.history:
            if other.sequence > event.sequence and not other.planned:
                if other.effective_on < event.effective_on:
                    return False
                if other.effective_on == event.effective_on and event.planned:
                    return False
        return True

    def head_of(self, event: DoseEvent) -> DoseEvent:
        while event.planned:
            event = self.history[event.sequence - 2]
        return event

    def is_target(self, event: DoseEvent) -> bool:
        """The last new dose still standing in its order."""
        return event.kind in NEW_DOSES and not any(
            other.sequence > event.sequence
            and other.kind in NEW_DOSES
            and self.head_of(other) == self.head_of(event)
            for other in self.standing
        )

    def loads(self, event: DoseEvent, rule: CheckInRule) -> bool:
        if rule.follows is Follows.EACH_DOSE:
            return event.kind in NEW_DOSES
        if rule.follows is Follows.REDUCTION:
            return event.kind in REDUCTIONS
        return self.is_target(event)

    def concerns(self, event: DoseEvent, rule: CheckInRule) -> bool:
        safe = self.facts.risk_flag or birthdays(self.facts.date_of_birth, event.effective_on) <= 25
        if rule.code in {"SAFE7", "ONSET7"}:
            return safe is (rule.code == "SAFE7")
        return rule.code != "REM180" or "depression" in self.facts.indications

    def taken_away(self, event: DoseEvent, rule: CheckInRule) -> bool:
        due = event.effective_on + timedelta(days=rule.day)
        window = [due + timedelta(days=n) for n in range(-rule.window_before, rule.window_after + 1)]
        for later in self.standing:
            if later.sequence <= event.sequence:
                continue
            day = later.effective_on
            if later.planned and later.kind is DoseKind.STOP:
                ends = rule.follows is not Follows.REDUCTION
            elif later.planned:
                # A planned new dose moves the efficacy rows, whatever its order began with.
                ends = rule.follows is Follows.TARGET_DOSE and later.kind in NEW_DOSES
                day = self.head_of(later).effective_on
            else:
                ends = later.kind is not DoseKind.DECREASE or rule.follows is Follows.REDUCTION
            if ends and any(d >= day for d in window) and not (rule.mandatory and due <= day):
                return True
        return rule.follows is Follows.TARGET_DOSE and self.only_while_withdrawn(event, window)

    def only_while_withdrawn(self, event: DoseEvent, window: Sequence[date]) -> bool:
        """The window closed while a later target stood that has been withdrawn since."""
        for head in self.standing:
            if head.planned:
                continue
            order = [other for other in self.history if self.head_of(other) == head]
            last_standing = max(other.sequence for other in order if other in self.standing)
            before = [other for other in order if other in self.standing and other.kind in NEW_DOSES]
            gone = [other for other in order if other not in self.standing and other.kind in NEW_DOSES]
            if not gone or event.sequence > last_standing:
                continue
            withdrawn_on = self.withdrawn_on(gone, after=before[-1] if before else None)
            if window[-1] >= head.effective_on and window[-1] < withdrawn_on:
                return True
        return False

    def withdrawn_on(self, gone: Sequence[DoseEvent], *, after: DoseEvent | None) -> date:
        """When the first of these lost steps was overtaken: the earliest change that took it away."""
        first = min(gone, key=lambda event: event.sequence)
        assert after is None or first.sequence > after.sequence
        return min(
            other.effective_on
            for other in self.history
            if other.sequence > first.sequence
            and not other.planned
            and other.effective_on <= first.effective_on
        )

    def rows(self) -> list[tuple[int, str, date]]:
        return sorted(
            (event.sequence, rule.code, event.effective_on + timedelta(days=rule.day))
            for event in self.standing
            for rule in RULES
            if self.loads(event, rule) and self.concerns(event, rule) and not self.taken_away(event, rule)
        )


def birthdays(born: date, day: date) -> int:
    """Birthdays lived by ``day``, counted one by one; 29 February falls on 1 March in common years."""
    count = 0
    while True:
        year = born.year + count + 1
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        birthday = (
            date(year, 3, 1) if (born.month, born.day) == (2, 29) and not leap else born.replace(year=year)
        )
        if birthday > day:
            return count
        count += 1


@settings(max_examples=400, deadline=None)
@given(history=histories(), facts=facts_of_someone)
def test_the_plan_is_what_the_rules_say_row_by_row(
    history: tuple[DoseEvent, ...], facts: PatientFacts
) -> None:
    rows = planned_rows(*history, facts=facts)
    assert (
        sorted((row.anchor_sequence, row.code, row.due_on) for row in rows) == Oracle(history, facts).rows()
    )


@settings(max_examples=200, deadline=None)
@given(history=histories(), facts=facts_of_someone)
def test_one_schedule_at_a_time(history: tuple[DoseEvent, ...], facts: PatientFacts) -> None:
    rows = planned_rows(*history, facts=facts)
    assert len({row.key for row in rows}) == len(rows)
    # From the day of the last order on, efficacy is asked about one dose and no other.
    last = max(event.effective_on for event in Oracle(history, facts).standing if not event.planned)
    efficacy = {rule.code for rule in RULES if rule.follows is Follows.TARGET_DOSE}
    ahead = [row for row in rows if row.window_end_on >= last and row.code in efficacy]
    assert len({row.anchor_sequence for row in ahead}) <= 1
    for row in rows:
        assert row.window_start_on <= row.due_on <= row.window_end_on
        assert row.due_on - row.anchor_on == timedelta(days=row.day)


@given(born=st.dates(date(1930, 1, 1), date(2020, 12, 31)), days=st.integers(0, 40_000))
def test_age_counts_birthdays(born: date, days: int) -> None:
    day = born + timedelta(days=days)
    assert PatientFacts(date_of_birth=born).age_on(day) == birthdays(born, day)


class LifeOfARecord(RuleBasedStateMachine):
    """Doses change, facts change, patients answer or do not, in any order; the record stays sound."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record()
        self.today = FIRST_DAY
        self.history: tuple[DoseEvent, ...] = ()
        self.facts = PatientFacts(date_of_birth=FIRST_DAY)
        self.plan: list[PlannedCheckIn] = []
        self.ever_planned: set[str] = set()
        self.before: list[ExistingCheckIn] = []

    def bring_in_line(self) -> None:
        self.plan = planned_rows(*self.history, facts=self.facts)
        self.ever_planned |= {row.key for row in self.plan}
        self.record.reconcile(self.plan)

    @initialize(facts=facts_of_someone)
    def prescribe(self, facts: PatientFacts) -> None:
        self.facts = facts
        self.history = (DoseEvent(1, DoseKind.START, Decimal("37.5"), self.today, self.today),)
        self.bring_in_line()

    @rule(change=changes_of_dose)
    def change_the_dose(self, change: tuple[DoseKind, int, bool, str]) -> None:
        self.history = extended(self.history, change, today=self.today)
        self.bring_in_line()

    @precondition(lambda self: len(self.history) > 1)
    @rule()
    def take_the_last_change_back(self) -> None:
        self.history = self.history[:-1]
        self.bring_in_line()

    @rule(days=st.integers(1, 5))
    def correct_the_first_dose(self, days: int) -> None:
        later = replace(self.history[0], effective_on=self.history[0].effective_on + timedelta(days=days))
        try:
            planned_rows(later, *self.history[1:])
        except InvalidHistory:
            return
        self.history = (later, *self.history[1:])
        self.bring_in_line()

    @rule(facts=facts_of_someone)
    def learn_about_the_patient(self, facts: PatientFacts) -> None:
        self.facts = facts
        self.bring_in_line()

    @rule(days=st.integers(1, 30))
    def days_pass(self, days: int) -> None:
        self.today += timedelta(days=days)
        self.record.sweep(self.today)

    @precondition(lambda self: self.record.open)
    @rule(
        data=st.data(),
        status=st.sampled_from([s for s in CheckInStatus if s is not CheckInStatus.SUPERSEDED]),
    )
    def something_happens_to_a_row(self, data: st.DataObject, status: CheckInStatus) -> None:
        chosen = data.draw(st.sampled_from([row.id for row in self.record.open]))
        self.record.set_status(status, lambda row: row.id == chosen)

    @invariant()
    def nothing_is_lost_and_closed_rows_stay(self) -> None:
        now = self.record.rows
        assert [row.check_in for row in now[: len(self.before)]] == [row.check_in for row in self.before]
        for then, today in zip(self.before, now, strict=False):
            assert then.status in OPEN or today.status is then.status
        self.before = list(now)
        # Every schedule there ever was can be read from the record.
        assert self.ever_planned <= {row.check_in.key for row in now}

    @invariant()
    def nothing_is_double(self) -> None:
        keys = [row.check_in.key for row in self.record.rows if row.status is not CheckInStatus.SUPERSEDED]
        assert len(set(keys)) == len(keys)

    @invariant()
    def one_active_schedule_the_planned_one(self) -> None:
        settled = {
            row.check_in.key
            for row in self.record.rows
            if row.status not in {*OPEN, CheckInStatus.SUPERSEDED}
        }
        expected = [row for row in self.plan if row.key not in settled]
        assert sorted((row.check_in for row in self.record.open), key=lambda row: row.key) == sorted(
            expected, key=lambda row: row.key
        )

    @invariant()
    def reconciling_again_changes_nothing(self) -> None:
        before = list(self.record.rows)
        changes = self.record.reconcile(self.plan)
        assert (changes.create, changes.supersede) == ((), ())
        assert list(changes.keep) == before == self.record.rows


TestLifeOfARecord = LifeOfARecord.TestCase
TestLifeOfARecord.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)


@settings(max_examples=150, deadline=None)
@given(
    several=st.lists(st.tuples(histories(), facts_of_someone), min_size=1, max_size=3), shuffle=st.randoms()
)
def test_contacts_hold_every_row_once_and_keep_the_stricter(
    several: list[tuple[tuple[DoseEvent, ...], PatientFacts]], shuffle: Random
) -> None:
    rows = [
        replace(row, key=f"{number}/{row.key}")
        for number, (history, facts) in enumerate(several)
        for row in planned_rows(*history, facts=facts)
    ]
    contacts = merge_contacts(rows=rows)
    assert sorted(row.key for contact in contacts for row in contact.rows) == sorted(row.key for row in rows)
    for contact in contacts:
        dues = [row.due_on for row in contact.rows]
        assert (max(dues) - min(dues)).days <= 3
        assert contact.window_start_on <= contact.due_on <= contact.window_end_on
        for row in contact.rows:
            assert row.window_start_on <= contact.due_on <= row.window_end_on
        assert contact.mandatory is any(row.mandatory for row in contact.rows)
        assert contact.staff_contact is any(row.staff_contact for row in contact.rows)
        assert set(contact.asks) == {code for row in contact.rows for code in row.asks}
        assert contact.lead.mandatory is contact.mandatory
        assert {row.key for row in contact.merged} == {row.key for row in contact.rows} - {contact.lead.key}
    for contact, following in pairwise(contacts):
        newcomer = following.rows[0]
        too_late = (newcomer.due_on - contact.rows[0].due_on).days > 3
        no_day = newcomer.window_start_on > contact.window_end_on or (
            newcomer.window_end_on < contact.window_start_on
        )
        assert too_late or no_day
    mixed = list(rows)
    shuffle.shuffle(mixed)
    assert merge_contacts(rows=mixed) == contacts


@given(
    due_on=dates, before=st.integers(0, 40), after=st.integers(0, 40), closed=st.sets(st.integers(-45, 45))
)
def test_staff_contact_is_on_the_nearest_open_day(
    due_on: date, before: int, after: int, closed: set[int]
) -> None:
    row = replace(
        planned_rows(DoseEvent(1, DoseKind.START, Decimal(50), due_on, due_on))[0],
        due_on=due_on,
        window_start_on=due_on - timedelta(days=before),
        window_end_on=due_on + timedelta(days=after),
        staff_contact=True,
    )
    chosen = staff_contact_day(row=row, is_open=lambda day: (day - due_on).days not in closed)
    best = None
    for distance in range(46):
        for offset in (distance, -distance):
            if (
                -before <= offset <= after
                and offset not in closed
                and (best is None or distance <= abs(best))
            ):
                best = offset
    assert chosen == (None if best is None else due_on + timedelta(days=best))


@given(history=histories(), facts=facts_of_someone, days=st.integers(0, 300))
def test_a_mandatory_row_is_open_or_a_work_item(
    history: tuple[DoseEvent, ...], facts: PatientFacts, days: int
) -> None:
    today = history[0].effective_on + timedelta(days=days)
    for row in planned_rows(*history, facts=facts):
        lapse = overdue(row=row, today=today, answered=False)
        if lapse is None:
            assert today <= row.window_end_on
        else:
            assert lapse.on == row.window_end_on + ONE_DAY <= today
            assert lapse.opens_work_item is row.mandatory
