"""The place somebody pointed at on the day board: a start and a chair, kept while the rest is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.http import urlencode

from clinic.access.policy import Actor
from clinic.access.shown import local_time
from clinic.api.fields import Unreadable, read_instant
from clinic.common.intervals import Interval
from scheduling.admin.who import LONGEST_ID
from scheduling.models import Resource, VisitType
from scheduling.selectors.availability import Question, search


@dataclass(frozen=True)
class Wish:
    """A start on one chair."""

    start: datetime
    chair: Resource

    @property
    def day(self) -> date:
        """On the calendar of the chair's site."""
        return self.start.astimezone(self.chair.site.zone).date()

    @property
    def text(self) -> str:
        """``Mon, Jan 4, 2027, 9:15 AM MST, Chair 3``."""
        return f"{local_time(self.start, self.chair.site.zone)}, {self.chair.name}"

    @property
    def value(self) -> str:
        """The start as it is posted."""
        return self.start.isoformat()

    @property
    def query(self) -> str:
        """For an address: ids and times only."""
        parts = (("site", self.chair.site_id), ("resource", self.chair.pk), ("start", self.value))
        return urlencode(parts)

    def fits(self, visit_type: VisitType, *, patient_id: int, now: datetime) -> bool:
        """Whether a visit of this type can be booked there."""
        question = Question(
            visit_type=visit_type,
            site=self.chair.site,
            window=Interval(self.start, self.start + timedelta(minutes=1)),
            now=now,
            patient_id=patient_id,
            resource_ids=frozenset({self.chair.pk}),
        )
        return search(question).allows(self.start)


def read(given: Mapping[str, str], actor: Actor) -> Wish | None:
    """What an address or a form brings along; None when there is nothing usable in it."""
    chair, start = given.get("resource", ""), given.get("start", "")
    if not (chair.isdecimal() and len(chair) <= LONGEST_ID and start):
        return None
    try:
        at = read_instant(start)
    except Unreadable:
        return None
    rows = Resource.objects.visible_to(actor).select_related("site").filter(active=True, kind="chair")
    found = rows.filter(pk=int(chair)).first()
    return None if found is None else Wish(at, found)
