"""What waits for a moment in scheduling: check-ins to ask, remind or miss, and doses to take effect."""

from datetime import datetime

from scheduling.selectors import check_ins


class CheckIns:
    """Onset check-ins. Their rows say when there is next something to do."""

    name = "check_ins"
    task = "scheduling.tasks.advance_check_ins"
    stale_after_seconds = 900

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which a check-in or a dose waits for us."""
        return check_ins.next_action_at()
