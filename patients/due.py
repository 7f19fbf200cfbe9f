"""The messages that wait, as one kind of due work (clinic.common.due)."""

from datetime import datetime

from clinic.common import clock
from patients.selectors import messages
from patients.services import wakeup


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
