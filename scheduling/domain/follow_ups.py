"""The life of a follow-up as one table of allowed steps; on which day and by when it falls; what fulfils it.

The idea to know: what fulfils a follow-up is a table (:data:`FULFILS`), not a guess.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from clinic.common import steps

SEARCHED_DAYS = 60
"""How far ahead an open day is looked for; a site closed for longer keeps the day itself."""
FARTHEST_DAYS = 730
"""A follow-up is owed within two years [D]; later than that it is a new episode of care."""
EARLY_DAYS = 3
"""What staff owe is fulfilled by what happens at most so many days before its day [D]."""


class Status(StrEnum):
    """Where a follow-up is."""

    DUE = "due"
    DONE = "done"
    CANCELLED = "cancelled"


class Verb(StrEnum):
    """What is done to it. Only undoing what fulfilled it reopens one."""

    MOVE = "move"
    COMPLETE = "complete"
    CANCEL = "cancel"
    REOPEN = "reopen"


TRANSITIONS = MappingProxyType(
    {
        Status.DUE: MappingProxyType(
            {Verb.MOVE: Status.DUE, Verb.COMPLETE: Status.DONE, Verb.CANCEL: Status.CANCELLED}
        ),
        Status.DONE: MappingProxyType({Verb.REOPEN: Status.DUE}),
        Status.CANCELLED: MappingProxyType({}),
    }
)


class After(StrEnum):
    """What brings follow-ups by rule."""

    TREATMENT = "treatment"
    COURSE = "course"
    CHECK_IN = "check_in"

    @property
    def origin(self) -> str:
        """What its follow-ups say they come from."""
        return "after_visit" if self is After.TREATMENT else f"after_{self.value}"


class Kind(StrEnum):
    """What is owed."""

    VISIT = "visit"
    CALL = "call"
    CHECK_IN = "check_in"


class Happened(StrEnum):
    """What may fulfil a follow-up."""

    SEEN = "seen"
    """A consultation or follow-up visit was completed. A treatment visit is not one: nobody looks back."""
    SPOKEN = "spoken"
    """Staff recorded a check-in, which they did with the patient on the phone or face to face."""
    ANSWERED = "answered"
    """The patient answered a check-in alone, on a page."""


FULFILS = MappingProxyType(
    {
        Happened.SEEN: frozenset({Kind.VISIT}),
        Happened.SPOKEN: frozenset({Kind.CALL, Kind.CHECK_IN}),
        Happened.ANSWERED: frozenset({Kind.CHECK_IN}),
    }
)
"""Event -> the kinds of follow-up it fulfils. A call is also fulfilled by completing it by hand."""

SEEN_AT = frozenset({"consultation", "follow_up"})
"""The kinds of visit at which a patient is seen, rather than treated."""
TREATED_AT = frozenset({"infusion", "esketamine"})


class Rule(Protocol):
    """What narrows a rule."""

    @property
    def kind(self) -> str:
        """What it brings."""

    @property
    def visit_type_id(self) -> int | None:
        """Only after visits of this type."""

    @property
    def site_id(self) -> int | None:
        """Only at this site."""

    @property
    def active(self) -> bool:
        """Whether it brings anything."""


_AnyRule = TypeVar("_AnyRule", bound=Rule)


def after(status: Status, verb: Verb) -> Status:
    """The status that ``verb`` leads to. Raises InvalidTransition."""
    return steps.after(
        TRANSITIONS,
        status,
        verb,
        called="follow-up",
        over="Make a new one if more is owed.",
        unsaid={Verb.REOPEN},
    )


def next_open_day(day: date, *, is_open: Callable[[date], bool]) -> date:
    """``day`` itself or the first open one after it; ``day`` when none is near (DOMAIN section 6, A)."""
    days = (day + timedelta(days=ahead) for ahead in range(SEARCHED_DAYS))
    return next(filter(is_open, days), day)


def overdue_from(day: date, due_time: time | None, *, zone: ZoneInfo) -> datetime:
    """The instant from which it is overdue: the time on that day's clock, or the midnight that ends it."""
    local = (
        datetime.combine(day, due_time, zone)
        if due_time is not None
        else datetime.combine(day + timedelta(days=1), time.min, zone)
    )
    return local.astimezone(UTC)


def fulfils(happened: Happened, *, on: date, kind: Kind, due_on: date, early_days: int) -> bool:
    """Whether what happened on a day is what was owed by ``due_on``. Late counts, too early does not."""
    return kind in FULFILS[happened] and on >= due_on - timedelta(days=early_days)


def in_force(rules: Collection[_AnyRule], *, visit_type_id: int | None, site_id: int) -> Sequence[_AnyRule]:
    """For each kind of follow-up the narrowest rule of one event; none where that one is inactive.

    A visit type counts before a site, both before either.
    """
    narrowest: dict[str, _AnyRule] = {}
    for rule in sorted(rules, key=lambda each: (each.visit_type_id is None, each.site_id is None)):
        if rule.visit_type_id in {None, visit_type_id} and rule.site_id in {None, site_id}:
            narrowest.setdefault(rule.kind, rule)
    return [rule for rule in narrowest.values() if rule.active]
