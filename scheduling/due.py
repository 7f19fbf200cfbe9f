"""What waits for a moment in scheduling: check-ins to ask, remind or miss, doses to
take effect, repairs to compute, freed times to offer, calls about unconfirmed visits, overdue follow-ups,
measures to count."""

from datetime import datetime

from clinic.common import clock
from scheduling.selectors import check_ins, follow_ups, measures, repairs, unconfirmed, waitlist
from scheduling.services import follow_ups_overdue, freed
from scheduling.services import measures as counting


class CheckIns:
    """Onset check-ins. Their rows say when there is next something to do."""

    name = "check_ins"
    task = "scheduling.tasks.advance_check_ins"
    stale_after_seconds = 900

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which a check-in or a dose waits for us."""
        return check_ins.next_action_at()


class Repairs:
    """Repairs that were asked for and are not computed yet."""

    name = "repairs"
    task = "scheduling.tasks.run_repairs"
    stale_after_seconds = 900

    def next_due_at(self) -> datetime | None:
        """When the oldest that waits was asked for, or the present while one is computed."""
        oldest = repairs.next_due_at()
        if repairs.running():
            present = clock.now()
            return min(oldest, present) if oldest else present
        return oldest


class Waitlist:
    """Freed times: to be offered, or with an offer that expires; and holds that free theirs by the clock."""

    name = "waitlist"
    task = freed.TASK
    stale_after_seconds = 300

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which a freed time waits for us."""
        return waitlist.next_action_at()


class Unconfirmed:
    """Visits that nobody confirmed, about which somebody is to call."""

    name = "unconfirmed"
    task = "scheduling.tasks.ask_unconfirmed"
    stale_after_seconds = 900

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which a visit asks for a call."""
        return unconfirmed.next_ask_at(now=clock.now())


class FollowUps:
    """What is owed to patients and becomes overdue, of which somebody is to be told."""

    name = "follow_ups"
    task = follow_ups_overdue.TASK
    stale_after_seconds = 900

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which a follow-up becomes overdue."""
        return follow_ups.next_overdue_at()


class Measures:
    """Sites whose days are to be counted anew for their managers."""

    name = "measures"
    task = counting.TASK
    stale_after_seconds = 3 * 3600

    def next_due_at(self) -> datetime | None:
        """Since when a site waits to be counted; nothing while that is only to come."""
        return measures.next_due_at(now=clock.now())
