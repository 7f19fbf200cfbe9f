"""What the day board says, in words: statuses, times, badges. Colour and pattern never say more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from scheduling.domain.session_stages import SessionVerb, Stage
from scheduling.domain.transitions import Status, Verb
from scheduling.selectors.board_cards import Card, Sight
from scheduling.selectors.board_clinical import CLINICAL_CHECK

STEPS = {
    Verb.CONFIRM: "Confirm",
    Verb.CHECK_IN: "Patient is here",
    Verb.START: "Start",
    SessionVerb.END: "End infusion",
    SessionVerb.DISCHARGE: "Discharge",
    Verb.COMPLETE: "Complete",
    Verb.NO_SHOW: "Did not come",
    Verb.CANCEL: "Cancel visit",
}
"""What each step is called on its button."""
_STAGES = {
    Stage.WAITING: "Waiting",
    Stage.INFUSING: "Infusing",
    Stage.RECOVERY: "Recovery",
    Stage.DISCHARGED: "Discharged",
    Stage.DONE: "Completed",
}
_LEVELS = {
    "acknowledge": "Reading to acknowledge",
    "review": "Reading for a prescriber",
    "urgent": "Urgent reading",
}
_MOST_BLOCKERS = 2
_SOON = timedelta(minutes=15)
LATE_FROM = timedelta(minutes=5)
"""A patient is not called late before."""


@dataclass(frozen=True, slots=True)
class Badge:
    """Something about a visit that wants attention. ``kind`` picks its colour: danger, warning or plain."""

    text: str
    kind: str = "warning"


def look(card: Card) -> str:
    """The name of the colours and the pattern: one for each word that :func:`state` begins with."""
    if card.stage == Stage.EXPECTED:
        return card.status.value
    return card.stage.value


def state(card: Card, *, now: datetime) -> str:
    """``Waiting 12 min``: where the patient is, and for how long."""
    if card.stage == Stage.OFF:
        return "No-show" if card.status == Status.NO_SHOW else "Cancelled"
    if card.stage == Stage.EXPECTED:
        word = "Confirmed" if card.status == Status.CONFIRMED else "Booked"
        late = now - card.start_at
        return f"{word}, {lasting(late)} late" if late >= LATE_FROM and now < card.end_at else word
    word = _STAGES[card.stage] if card.infused or card.stage != Stage.INFUSING else "In progress"
    if card.stage == Stage.DONE or card.since is None:
        return word
    return f"{word} {lasting(now - card.since)}"


def lasting(length: timedelta) -> str:
    """``12 min`` or ``1 h 5 min``."""
    hours, minutes = divmod(max(0, length // timedelta(minutes=1)), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def short_time(instant: datetime, zone: ZoneInfo) -> str:
    """``9:05 AM``; the zone stands at the head of the board."""
    return f"{instant.astimezone(zone):%I:%M %p}".lstrip("0")


def span(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """``9:05 to 11:05 AM``."""
    first, last = short_time(start, zone), short_time(end, zone)
    return f"{first[:-3] if first[-2:] == last[-2:] else first} to {last}"


def badges(card: Card, *, sight: Sight, now: datetime, zone: ZoneInfo) -> list[Badge]:
    """What wants attention, the gravest first."""
    found = []
    if card.unanswered:
        found.append(Badge(_LEVELS[card.unanswered], "danger" if card.unanswered == "urgent" else "warning"))
    if card.vitals_overdue_at is not None and card.vitals_due_at is not None:
        due = short_time(card.vitals_due_at, zone)
        if now >= card.vitals_overdue_at:
            found.append(Badge(f"Vitals overdue since {due}", "danger"))
        elif card.vitals_due_at - now <= _SOON:
            found.append(Badge(f"Vitals due {due}", "plain"))
    if card.held and sight.gates:
        found.append(Badge("Safety hold" if sight.clinical else CLINICAL_CHECK, "danger"))
    if card.blockers:
        found.append(Badge(_waits_for(card.blockers)))
    if card.unconfirmed:
        found.append(Badge("Not confirmed: call"))
    if card.into_next:
        found.append(Badge(f"Runs {lasting(timedelta(minutes=card.into_next))} into the next"))
    return found


def on_paper(card: Card, *, sight: Sight) -> list[str]:
    """What still holds when the sheet is read later."""
    held = ("Safety hold" if sight.clinical else CLINICAL_CHECK) if card.held and sight.gates else ""
    return [text for text in (held, "Not confirmed: call" if card.unconfirmed else "") if text]


def _waits_for(names: list[str]) -> str:
    more = len(names) - _MOST_BLOCKERS
    return f"Blocked: {'; '.join(names[:_MOST_BLOCKERS])}" + (f" and {more} more" if more > 0 else "")
