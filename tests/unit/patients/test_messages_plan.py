"""The difference between the ledger and the plan, applied to a ledger in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from patients.domain.messages import (
    TRY_THE_OTHER,
    Contact,
    Existing,
    Reach,
    RowStatus,
    Suppression,
    WantedMessage,
    difference,
    still_wanted,
)
from patients.domain.quiet_hours import QuietHours, is_quiet

NOW = datetime(2027, 1, 4, 17, tzinfo=UTC)
OK = Contact(given=True, allowed=True, failed=False)
NO = Contact(given=True, allowed=False, failed=False)
REACHABLE = Reach(
    status="active",
    email=OK,
    sms=OK,
    sms_on=True,
    quiet=QuietHours(start=time(20), end=time(9), pull_to=time(18)),
    zone=ZoneInfo("America/Denver"),
)
WAITING = {RowStatus.QUEUED, RowStatus.SUPPRESSED}


class Ledger:
    """Rows as the database holds them; nothing is ever deleted."""

    def __init__(self) -> None:
        self.rows: dict[int, Existing] = {}

    def reconcile(
        self,
        wanted: Sequence[WantedMessage],
        *,
        version: int = 1,
        reach: Reach = REACHABLE,
        now: datetime = NOW,
    ) -> list[WantedMessage]:
        """Brings the rows in line; returns what needs a call."""
        changes = difference(
            existing=self.rows.values(),
            wanted=wanted,
            plan_version=version,
            reach=reach,
            now=now,
            reason="moved",
        )
        for row in changes.create:
            number = len(self.rows) + 1
            self.rows[number] = Existing(
                id=number, plan_version=version, **{name: getattr(row, name) for name in _FIELDS}
            )
        for number, row in changes.update:
            values = {name: getattr(row, name) for name in _FIELDS}
            self.rows[number] = replace(self.rows[number], **values)
        for number in changes.withdraw:
            self.rows[number] = replace(self.rows[number], status=RowStatus.WITHDRAWN, reason="moved")
        for number, mark in changes.mark:
            self.rows[number] = replace(self.rows[number], reason=mark)
        return changes.unreachable


_FIELDS = ("kind", "channel", "status", "reason", "planned_at", "due_at", "not_after", "context")
contacts = st.builds(Contact, given=st.booleans(), allowed=st.booleans(), failed=st.booleans())
reaches = st.builds(
    replace,
    st.just(REACHABLE),
    status=st.sampled_from(["active", "active", "active", "inactive", "deceased"]),
    email=contacts,
    sms=contacts,
    sms_on=st.booleans(),
)
wishes = st.builds(
    lambda kind, due, useful, email, sms: WantedMessage(
        kind=kind,
        due_at=NOW + timedelta(minutes=due),
        not_after=NOW + timedelta(minutes=due + useful),
        context={},
        email=email,
        sms=sms,
    ),
    st.sampled_from("abc"),
    st.integers(-3000, 6000),
    st.integers(1, 3000),
    st.booleans(),
    st.booleans(),
)
plans = st.lists(wishes, max_size=3, unique_by=lambda wish: wish.kind)
fates = st.sampled_from([None, RowStatus.SENT, RowStatus.FAILED, RowStatus.UNCERTAIN, RowStatus.SENDING])
steps = st.lists(
    st.tuples(plans, st.integers(1, 3), reaches, st.integers(0, 2000), st.lists(fates, max_size=4)),
    max_size=6,
)


@given(steps)
def test_any_sequence_of_plans_leaves_the_ledger_as_wanted(steps: list[Any]) -> None:
    ledger, now = Ledger(), NOW
    for plan, version, reach, minutes, what_happens in steps:
        now += timedelta(minutes=minutes)
        before = dict(ledger.rows)
        ledger.reconcile(plan, version=version, reach=reach, now=now)
        _is_as_wanted(ledger, plan, version, reach, now)
        for number, row in before.items():
            if row.status not in {*WAITING, RowStatus.WITHDRAWN, RowStatus.SENDING}:
                assert ledger.rows[number] == row  # what happened is never rewritten
        settled = dict(ledger.rows)
        ledger.reconcile(plan, version=version, reach=reach, now=now)
        assert ledger.rows == settled  # twice is once
        for number, fate in zip(list(ledger.rows), what_happens, strict=False):
            if fate is not None and ledger.rows[number].status == RowStatus.QUEUED:
                ledger.rows[number] = replace(ledger.rows[number], status=fate)


def _is_as_wanted(
    ledger: Ledger, plan: Sequence[WantedMessage], version: int, reach: Reach, now: datetime
) -> None:
    keys = [(row.kind, row.channel, row.plan_version) for row in ledger.rows.values()]
    assert len(keys) == len(set(keys))
    asked = {(wish.kind, channel, version) for wish in plan for channel in wish.channels()}
    assert asked <= set(keys)
    by_key = {(row.kind, row.channel, row.plan_version): row for row in ledger.rows.values()}
    for row in ledger.rows.values():
        key = (row.kind, row.channel, row.plan_version)
        wanted_here = key in asked or _takes_over(row, asked, by_key)
        if not wanted_here:
            assert row.status not in WAITING
            assert row.status != RowStatus.SENDING or row.reason == "moved"
        if row.status == RowStatus.QUEUED:
            assert wanted_here
            assert reach.refusal(row.channel) is None
            assert not is_quiet(row.due_at, reach.quiet, reach.zone)
            assert row.due_at <= row.not_after
        if row.status == RowStatus.SUPPRESSED:
            assert row.reason in set(Suppression)


def _takes_over(
    row: Existing, asked: set[tuple[str, str, int]], by_key: dict[tuple[str, str, int], Existing]
) -> bool:
    """Whether it stands in for the one channel that was asked for and cannot carry the message."""
    other = (row.kind, "sms" if row.channel == "email" else "email", row.plan_version)
    if other not in asked:
        return False
    return by_key[other].status == RowStatus.FAILED or by_key[other].reason in TRY_THE_OTHER


def wish(**changes: Any) -> WantedMessage:
    """A reminder due tomorrow at ten, on both channels."""
    fields: dict[str, Any] = {
        "kind": "day_before",
        "due_at": NOW + timedelta(days=1),
        "not_after": NOW + timedelta(days=2),
        "context": {},
    }
    return WantedMessage(**fields | changes)


def test_a_message_no_channel_may_carry_needs_a_call() -> None:
    nobody = replace(REACHABLE, email=NO, sms=NO)
    assert Ledger().reconcile([wish()], reach=nobody) == [wish()]
    assert Ledger().reconcile([wish(sms=False)], reach=nobody) == [wish(sms=False)]
    assert Ledger().reconcile([wish()], reach=replace(REACHABLE, email=NO)) == []
    assert Ledger().reconcile([wish(email=False, sms=False)], reach=nobody) == []


def test_past_or_deceased_needs_no_call() -> None:
    nobody = replace(REACHABLE, email=NO, sms=NO)
    past = wish(due_at=NOW - timedelta(days=2), not_after=NOW - timedelta(days=1))
    assert Ledger().reconcile([past], reach=nobody) == []
    assert Ledger().reconcile([wish()], reach=replace(nobody, status="deceased")) == []


def test_the_first_reason_that_holds_is_given() -> None:
    worst = Contact(given=False, allowed=False, failed=True)
    reach = replace(REACHABLE, status="deceased", sms=worst, sms_on=False)
    assert reach.refusal("sms") == Suppression.DECEASED
    assert replace(reach, status="inactive").refusal("sms") == Suppression.INACTIVE
    assert replace(reach, status="active").refusal("sms") == Suppression.SMS_OFF
    assert replace(reach, status="active", sms_on=True).refusal("sms") == Suppression.NO_ADDRESS
    assert replace(reach, status="active").refusal("email") is None


def test_late_but_still_useful_goes_out_now() -> None:
    ledger = Ledger()
    ledger.reconcile([wish(due_at=NOW - timedelta(hours=3))])
    assert {(row.status, row.due_at) for row in ledger.rows.values()} == {(RowStatus.QUEUED, NOW)}


def test_the_plan_is_remembered_by_what_still_waits() -> None:
    ledger = Ledger()
    ledger.reconcile([wish(), wish(kind="confirmation")])
    for number, row in ledger.rows.items():
        if row.kind == "confirmation" or row.channel == "email":
            ledger.rows[number] = replace(row, status=RowStatus.SENT)
    assert still_wanted(ledger.rows.values()) == [wish()]


class TestTheOtherChannelTakesOver:
    """A message asked for on one channel alone."""

    def story(self, ledger: Ledger) -> list[tuple[str, str, str]]:
        """Channel, status and reason, by channel."""
        return sorted((row.channel, row.status.value, row.reason) for row in ledger.rows.values())

    def test_it_goes_by_the_one_that_may_be_used(self) -> None:
        ledger = Ledger()
        assert ledger.reconcile([wish(email=False)], reach=replace(REACHABLE, sms=NO)) == []
        assert self.story(ledger) == [("email", "queued", ""), ("sms", "suppressed", "opted_out")]

    def test_and_back_when_the_first_may_be_used_again(self) -> None:
        ledger = Ledger()
        ledger.reconcile([wish(email=False)], reach=replace(REACHABLE, sms=NO))
        ledger.reconcile([wish(email=False)])
        assert self.story(ledger) == [("email", "withdrawn", "moved"), ("sms", "queued", "")]

    def test_what_was_made_after_a_failure_is_not_taken_away(self) -> None:
        ledger = Ledger()
        ledger.reconcile([wish()])
        ledger.rows[2] = replace(ledger.rows[2], status=RowStatus.FAILED, reason="twilio_30003")
        before = self.story(ledger)
        ledger.reconcile([wish(email=False)])
        assert self.story(ledger) == before

    def test_a_text_that_found_no_room_is_not_asked_for_again(self) -> None:
        ledger = Ledger()
        ledger.reconcile([wish(email=False)])
        ledger.rows[1] = replace(ledger.rows[1], status=RowStatus.SUPPRESSED, reason="capped")
        assert ledger.reconcile([wish(email=False)]) == []
        assert self.story(ledger) == [("email", "queued", ""), ("sms", "suppressed", "capped")]
        later = wish(email=False, due_at=NOW + timedelta(days=3), not_after=NOW + timedelta(days=4))
        ledger.reconcile([later])
        assert ("sms", "queued", "") in self.story(ledger)

    def test_why_it_never_came_is_not_written_over_once_it_is_over(self) -> None:
        ledger = Ledger()
        ledger.reconcile([wish(email=False)])
        ledger.rows[1] = replace(ledger.rows[1], status=RowStatus.SUPPRESSED, reason="capped")
        over = ledger.rows[1].not_after
        ledger.reconcile([], now=over)
        assert (ledger.rows[1].status, ledger.rows[1].reason) == ("suppressed", "capped")
        ledger.reconcile([], now=over - timedelta(seconds=1))
        assert (ledger.rows[1].status, ledger.rows[1].reason) == ("withdrawn", "moved")
