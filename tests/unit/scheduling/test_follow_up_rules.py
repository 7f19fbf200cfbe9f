"""When a follow-up falls, from when on it is overdue, what fulfils it, and which rule brings it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.common.steps import InvalidTransition
from scheduling.domain import follow_ups as domain
from scheduling.domain.follow_ups import Happened, Kind, Status, Verb

DENVER = ZoneInfo("America/Denver")


@pytest.mark.parametrize(
    ("day", "due_time", "overdue"),
    [
        (date(2027, 1, 5), time(12), datetime(2027, 1, 5, 19, tzinfo=UTC)),
        (date(2027, 1, 5), None, datetime(2027, 1, 6, 7, tzinfo=UTC)),
        (date(2027, 3, 14), time(12), datetime(2027, 3, 14, 18, tzinfo=UTC)),  # the clocks went forward at 2
        (date(2027, 3, 13), None, datetime(2027, 3, 14, 7, tzinfo=UTC)),
        (date(2027, 3, 14), None, datetime(2027, 3, 15, 6, tzinfo=UTC)),
        (date(2027, 11, 7), time(12), datetime(2027, 11, 7, 19, tzinfo=UTC)),  # and back
    ],
)
def test_overdue_by_the_clock_of_the_site(day: date, due_time: time | None, overdue: datetime) -> None:
    assert domain.overdue_from(day, due_time, zone=DENVER) == overdue


WHAT_FULFILS = {
    (Happened.SEEN, Kind.VISIT),
    (Happened.SPOKEN, Kind.CALL),
    (Happened.SPOKEN, Kind.CHECK_IN),
    (Happened.ANSWERED, Kind.CHECK_IN),
}


@pytest.mark.parametrize(("happened", "kind"), list(product(Happened, Kind)))
def test_what_fulfils_what(happened: Happened, kind: Kind) -> None:
    day = date(2027, 1, 22)
    found = domain.fulfils(happened, on=day, kind=kind, due_on=day, early_days=0)
    assert found is ((happened, kind) in WHAT_FULFILS)


@pytest.mark.parametrize(("early", "counts"), [(4, False), (3, True), (0, True), (-400, True)])
def test_late_counts_and_too_early_does_not(early: int, counts: bool) -> None:
    day = date(2027, 1, 22)
    on = day - timedelta(days=early)
    assert domain.fulfils(Happened.SEEN, on=on, kind=Kind.VISIT, due_on=day, early_days=3) is counts


def test_only_what_was_done_is_reopened() -> None:
    assert domain.after(Status.DONE, Verb.REOPEN) is Status.DUE
    for status in (Status.DUE, Status.CANCELLED):
        with pytest.raises(InvalidTransition):
            domain.after(status, Verb.REOPEN)


@dataclass(frozen=True)
class Rule:
    """What narrows a rule."""

    kind: str
    visit_type_id: int | None
    site_id: int | None
    active: bool


RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["call", "visit"]),
        st.sampled_from([None, 1, 2]),
        st.sampled_from([None, 1, 2]),
        st.booleans(),
    ),
    unique_by=lambda rule: (rule.kind, rule.visit_type_id, rule.site_id),
)


def obvious(rules: list[Rule], kind: str, visit_type_id: int, site_id: int) -> Rule | None:
    """From the narrowest to the widest, the first that is there; none where it is inactive."""
    for narrow in ((visit_type_id, site_id), (visit_type_id, None), (None, site_id), (None, None)):
        for rule in rules:
            if rule.kind == kind and (rule.visit_type_id, rule.site_id) == narrow:
                return rule if rule.active else None
    return None


@given(RULES, st.sampled_from([1, 2]), st.sampled_from([1, 2]))
def test_the_narrowest_rule_of_each_kind_counts(rules: list[Rule], visit_type: int, site: int) -> None:
    expected = {obvious(rules, kind, visit_type, site) for kind in ("call", "visit")} - {None}
    assert set(domain.in_force(rules, visit_type_id=visit_type, site_id=site)) == expected
