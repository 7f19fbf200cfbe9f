"""What waits for a moment in patients, as kinds of due work (clinic.common.due): messages, alarms."""

from datetime import datetime

from clinic.common import clock
from patients.selectors import assessments, messages
from patients.services import alarms, wakeup


class Alarms:
    """Safety alarms that nobody has acknowledged: each is due when it goes on to the next role."""

    name = "alarms"
    task = alarms.TASK
    stale_after_seconds = 120

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which an alarm is handed on."""
        return assessments.next_escalation_at()


class Outreach:
    """Queued messages are due at their moment; one that is being sent is being worked on now."""

    name = "outreach"
    task = wakeup.DISPATCH
    stale_after_seconds = 300

    def next_due_at(self) -> datetime | None:
        """The earliest due moment of the queue, or the present while a message is being sent.

        Reads two partial indexes only, however long the ledger is.
        """
        oldest = messages.oldest_due()
        if messages.sending():
            present = clock.now()
            return min(oldest, present) if oldest else present
        return oldest
