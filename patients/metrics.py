"""What operators watch of outreach (clinic.common.gauges). The queue's numbers come from partial indexes;
what failed is counted over an hour only."""

from collections.abc import Iterator
from datetime import datetime

from clinic.common.gauges import Gauge
from patients.selectors import messages


def outreach(now: datetime) -> Iterator[Gauge]:
    """How much waits, is being sent, is in doubt, and failed lately."""
    oldest = messages.oldest_due()
    late = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield Gauge(
        name="onset_messages_oldest_due_seconds",
        help="For how long the first message of the queue has been due.",
        value=late,
    )
    counts = messages.counts(now=now)
    for state, text in (
        ("due", "Queued messages whose moment has come."),
        ("sending", "Messages in a worker's hands."),
        ("uncertain", "Messages of which nobody knows whether they arrived, of the last seven days."),
        ("failed_last_hour", "Messages given up within the last hour."),
    ):
        yield Gauge(name=f"onset_messages_{state}", help=text, value=counts[state])
