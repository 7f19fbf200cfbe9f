"""Free times to choose from: asked of the same search as the API, grouped by day, with reasons where none.

The page that shows them posts the chosen start back with its offset, so that it can mean only one moment.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from clinic.access.models import Site
from clinic.access.shown import clock_time
from clinic.common.errors import DomainError
from clinic.common.intervals import Interval
from scheduling.domain import refusals
from scheduling.models import VisitType
from scheduling.selectors.availability import Question, search

DAYS = 7
"""How many days one page offers."""


@dataclass(frozen=True)
class Slot:
    """One start: as it is posted back, and as it reads."""

    value: str
    text: str
    """Without the zone, which stands beside the day."""
    full: str

    @classmethod
    def at(cls, start: datetime, site: Site) -> "Slot":
        """The slot that begins then, on the clocks of the site."""
        there = start.astimezone(site.zone)
        full = clock_time(there, site.zone)
        return cls(there.isoformat(), full.rpartition(" ")[0], full)


@dataclass(frozen=True)
class Day:
    """The slots of a day, or why it has none."""

    day: date
    slots: Sequence[Slot]
    reason: str = ""

    @property
    def zone(self) -> str:
        """The abbreviation of the zone in force; both, on a day on which the clocks change."""
        return "/".join(dict.fromkeys(slot.full.rpartition(" ")[2] for slot in self.slots))


@dataclass(frozen=True)
class Offer:
    """A week of days, and where the next and the previous week begin."""

    days: Sequence[Day]
    earlier_on: date | None
    later_on: date

    @property
    def empty(self) -> bool:
        """Whether nothing at all is free."""
        return not any(day.slots for day in self.days)


def offer(
    *,
    visit_type: VisitType,
    site: Site,
    first: date,
    now: datetime,
    patient_id: int,
    moving_id: int | None = None,
) -> Offer:
    """What is free at the site in the week from ``first`` on, never before today."""
    zone = site.zone
    today = now.astimezone(zone).date()
    first = max(first, today)
    window = Interval(
        datetime.combine(first, time(), zone), datetime.combine(first + timedelta(days=DAYS), time(), zone)
    )
    found = search(
        Question(
            visit_type=visit_type,
            site=site,
            window=window,
            now=now,
            patient_id=patient_id,
            moving_ids=frozenset() if moving_id is None else frozenset({moving_id}),
        )
    )
    by_day: dict[date, list[Slot]] = defaultdict(list)
    for start in found.starts():
        by_day[start.astimezone(zone).date()].append(Slot.at(start, site))
    reasons = {reason.day: refusals.sentence(reason) for reason in found.reasons()}
    days = [first + timedelta(days=offset) for offset in range(DAYS)]
    return Offer(
        days=[Day(day, by_day[day], "" if by_day[day] else reasons.get(day, "")) for day in days],
        earlier_on=max(first - timedelta(days=DAYS), today) if first > today else None,
        later_on=first + timedelta(days=DAYS),
    )


def alternatives(refusal: DomainError, site: Site) -> list[dict[str, Any]]:
    """The nearest free times that a refused booking named, as slots with their day."""
    starts = [datetime.fromisoformat(each["start"]) for each in refusal.data.get("alternatives", ())]
    return [{"day": start.astimezone(site.zone).date(), "slot": Slot.at(start, site)} for start in starts]
