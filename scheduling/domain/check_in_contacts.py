"""From check-in rows to contacts with a person: what is asked together, on which day, and what lapses.

Merging only groups: every row keeps its own code, window and answer, because the record shows them all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, Protocol, TypeVar

MERGE_WITHIN_DAYS = 3
"""Default, DOMAIN section 3 [D]: rows due at most this many days apart become one contact."""

ONE_DAY = timedelta(days=1)


class Windowed(Protocol):
    """What is due, and the first and last day (both included) on which it may be done."""

    @property
    def due_on(self) -> date: ...
    @property
    def window_start_on(self) -> date: ...
    @property
    def window_end_on(self) -> date: ...
    @property
    def mandatory(self) -> bool: ...
    @property
    def staff_contact(self) -> bool: ...


class ContactRow(Windowed, Protocol):
    """A check-in row as merging reads it: a planned row or a stored one."""

    @property
    def key(self) -> str: ...
    @property
    def asks(self) -> Sequence[str]: ...


Row = TypeVar("Row", bound=ContactRow)


@dataclass(frozen=True, slots=True)
class Contact(Generic[Row]):
    """Rows asked in one go. ``lead`` is the strictest of them, into which the others merge.

    The window is the days that every row's window shares, and the contact is due on the lead's day or the
    nearest shared one; mandatory and staff contact if any row is; it asks what any row asks, lead first.
    """

    lead: Row
    rows: tuple[Row, ...]
    due_on: date
    window_start_on: date
    window_end_on: date
    mandatory: bool
    staff_contact: bool
    asks: tuple[str, ...]

    @property
    def merged(self) -> tuple[Row, ...]:
        """The rows that merge into the lead."""
        return tuple(row for row in self.rows if row is not self.lead)


@dataclass(frozen=True, slots=True)
class Lapse:
    """A row's window went by without an answer: it is missed, seen from ``on``, the day after."""

    on: date
    opens_work_item: bool


def merge_contacts(*, rows: Iterable[Row], within_days: int = MERGE_WITHIN_DAYS) -> list[Contact[Row]]:
    """One patient's open rows, of all prescriptions, grouped into contacts by due date.

    A contact begins with the earliest row and takes those due at most ``within_days`` later, so a chain of
    rows three days apart does not slide into one. Rows whose windows share no day are not merged: no single
    contact could keep both. Every row is in exactly one contact.
    """
    groups: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: (row.due_on, *_strictness(row))):
        group = groups[-1] if groups else []
        if group and (row.due_on - group[0].due_on).days <= within_days and _shared_day([*group, row]):
            group.append(row)
        else:
            groups.append([row])
    return [_contact(group) for group in groups]


def staff_contact_day(*, row: Windowed, is_open: Callable[[date], bool]) -> date | None:
    """The day staff should make contact: the open day nearest to the due date inside the window, the
    earlier of two equally near. A row without staff contact keeps its due date, open or not.

    None when no day of the window is open: nobody can keep it, so the caller must tell a person now.
    """
    if not row.staff_contact:
        return row.due_on
    span = (row.window_end_on - row.window_start_on).days
    window = [row.window_start_on + timedelta(days=offset) for offset in range(span + 1)]
    return min(filter(is_open, window), key=lambda day: (abs(day - row.due_on), day), default=None)


def reminder_on(*, row: Windowed) -> date | None:
    """The day of the one reminder: the day after the due date, or None when the window is over by then."""
    day_after = row.due_on + ONE_DAY
    return day_after if day_after <= row.window_end_on else None


def overdue(*, row: Windowed, today: date, answered: bool) -> Lapse | None:
    """Whether an open row has lapsed: None while it is answered or its window, last day included, lasts.

    A lapsed row becomes missed; if it is mandatory a work item opens as well (DOMAIN section 3). ``today``
    is the date in the patient's zone.
    """
    if answered or today <= row.window_end_on:
        return None
    return Lapse(on=row.window_end_on + ONE_DAY, opens_work_item=row.mandatory)


def _strictness(row: ContactRow) -> tuple[bool, bool, timedelta, date, str]:
    """Sorts the strictest first: mandatory, by staff, narrow window, early, then any fixed order."""
    width = row.window_end_on - row.window_start_on
    return (not row.mandatory, not row.staff_contact, width, row.due_on, row.key)


def _shared_day(rows: Sequence[ContactRow]) -> bool:
    return max(row.window_start_on for row in rows) <= min(row.window_end_on for row in rows)


def _contact(rows: Sequence[Row]) -> Contact[Row]:
    by_strictness = sorted(rows, key=_strictness)
    lead = by_strictness[0]
    first = max(row.window_start_on for row in rows)
    last = min(row.window_end_on for row in rows)
    return Contact(
        lead=lead,
        rows=tuple(rows),
        due_on=min(max(lead.due_on, first), last),
        window_start_on=first,
        window_end_on=last,
        mandatory=any(row.mandatory for row in rows),
        staff_contact=any(row.staff_contact for row in rows),
        asks=tuple(dict.fromkeys(code for row in by_strictness for code in row.asks)),
    )
