"""Makes a patient's contacts out of open check-ins: when, by whom, reminded when, missed when.

The idea to know: ``refresh`` brings everything about one patient's check-ins in line with the present and
says, on each open row, when it must be called again. It does the same work after a change of dose, after an
answer and on the tick, so that doing it once too often changes nothing. The caller locks the patient row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeAlias

from django.db.models import Q

from clinic.access.policy import Role
from patients.domain.messages import WantedMessage
from patients.models import Patient, WorkItem
from patients.services import outreach
from patients.services.work_items import NewItem, close_items, open_items
from scheduling.domain.calendars import day_start, wall_to_instant
from scheduling.domain.check_in_contacts import (
    ONE_DAY,
    Contact,
    merge_contacts,
    overdue,
    reminder_on,
    staff_contact_day,
)
from scheduling.domain.check_ins import CheckInStatus
from scheduling.models import CheckIn
from scheduling.selectors.check_ins import policy_of
from scheduling.selectors.open_days import open_days

SUBJECT = "check_in"
ASK, REMIND = "check_in", "check_in_reminder"
_Contact: TypeAlias = Contact[Any]
"""Of CheckIn rows; mypy judges the bound before Django's plugin has typed their fields."""
_PLAN_VERSION = 1
_OPEN = frozenset(CheckIn.OPEN)
_SHOWN = ("status", "contact_on", "merged_into_id")
_KEPT = ("ask_at", "asked_at", "reminded_at", "next_action_at")
_NOTES = {
    CheckInStatus.ANSWERED: "Closed by Onset: the check-in was recorded.",
    CheckInStatus.MISSED: "Closed by Onset: the check-in was missed; a new item says what to do.",
    CheckInStatus.SUPERSEDED: "Closed by Onset: a change of dose replaced the check-in.",
    CheckInStatus.CANCELLED: "Closed by Onset: the check-in was cancelled.",
}


def contact_key(row: CheckIn) -> str:
    """Names the work item that asks staff to make this contact."""
    return f"check_in_contact:{row.pk}"


def missed_key(row: CheckIn) -> str:
    """Names the work item of a mandatory check-in that was missed."""
    return f"check_in_missed:{row.pk}"


def refresh(*, patient: Patient, now: datetime) -> None:
    """Group what is open into contacts, make those whose moment has come, and mark what was missed."""
    rows = list(
        CheckIn.objects.select_for_update()
        .filter(Q(status__in=CheckIn.OPEN) | Q(ask_at__isnull=False), patient=patient)
        .order_by("id")
    )
    before = {row.pk: _values(row) for row in rows}
    leading = [row for row in rows if row.ask_at is not None]
    desk = _Desk(patient=patient, now=now, rows=rows)
    for row in rows:
        desk.close_when_over(row)
    contacts = desk.contacts()
    for contact in contacts:
        desk.make(contact)
    _store(rows, before)
    _settle_items(desk, leading)
    for row in leading:
        if row.ask_at is None:
            _tell(row, (), patient=patient, now=now, reason="merged" if row.status in _OPEN else row.status)
    for contact in contacts:
        _tell(contact.lead, desk.messages(contact), patient=patient, now=now, reason="replanned")


@dataclass
class _Desk:
    """One patient's check-ins at one moment."""

    patient: Patient
    now: datetime
    rows: list[CheckIn]

    def __post_init__(self) -> None:
        self.zone = self.patient.zone
        self.today = self.now.astimezone(self.zone).date()
        self.policy = policy_of(self.patient.site_id)
        self.items: list[NewItem] = []

    @cached_property
    def is_open(self) -> Callable[[date], bool]:
        """Which days the site is open, over every window that is still to come."""
        waiting = [row for row in self.rows if row.status in _OPEN]
        return open_days(
            site=self.patient.site,
            first=min(row.window_start_on for row in waiting),
            last=max(row.window_end_on for row in waiting),
        )

    def close_when_over(self, row: CheckIn) -> None:
        """Cancel for a patient who has died; mark what nobody answered in time as missed."""
        if row.status in _OPEN:
            if self.patient.status == Patient.Status.DECEASED:
                row.status = CheckIn.Status.CANCELLED
            else:
                lapse = overdue(row=row, today=self.today, answered=False)
                if lapse is not None:
                    row.status = CheckIn.Status.MISSED
                    if lapse.opens_work_item:
                        self.items.append(self._missed(row))
        if row.status not in _OPEN:
            row.ask_at = row.next_action_at = None

    def contacts(self) -> list[_Contact]:
        """The open rows of all prescriptions, grouped."""
        return merge_contacts(
            rows=[row for row in self.rows if row.status in _OPEN],
            within_days=self.policy.merge_within_days,
        )

    def make(self, contact: _Contact) -> None:
        """Set the contact's moment, do what has come due, and say when to look again."""
        lead = contact.lead
        lead.ask_at = self._moment(contact)
        for row in contact.rows:
            row.merged_into = None if row is lead else lead
            if row is not lead:
                row.ask_at = None
            if lead.ask_at is not None:
                row.contact_on = self._date(lead.ask_at)
            row.next_action_at = self._start(row.window_end_on + ONE_DAY)
        if lead.ask_at is None or lead.ask_at <= self.now:
            self._ask(contact)
        self._remind_staff(contact)
        if lead.ask_at is not None and lead.ask_at > self.now:
            lead.next_action_at = min(lead.ask_at, self._start(lead.window_end_on + ONE_DAY))

    def messages(self, contact: _Contact) -> Sequence[WantedMessage]:
        """What the patient is to be sent. Nothing where staff make the contact: nobody is told to call."""
        asked_at = contact.lead.ask_at
        if contact.staff_contact or asked_at is None:
            return ()
        site = self.patient.site
        over_at = self._start(contact.window_end_on + ONE_DAY)
        context = {
            "on": contact.window_end_on.isoformat(),
            "timezone": self.patient.timezone,
            "site": site.discreet_name,
            "phone": site.phone,
        }
        wanted = [WantedMessage(kind=ASK, due_at=asked_at, not_after=over_at, context=context)]
        reminded_on = self._reminded_on(contact)
        if reminded_on is not None:
            due_at = self._asking_time(reminded_on)
            wanted.append(WantedMessage(kind=REMIND, due_at=due_at, not_after=over_at, context=context))
        return wanted

    def _moment(self, contact: _Contact) -> datetime | None:
        """When the contact is made. None when its lead was asked by message as part of another contact."""
        lead: CheckIn = contact.lead
        now = self.now
        if contact.staff_contact:
            day = staff_contact_day(row=contact, is_open=self.is_open)
            if day is None:
                return lead.ask_at or now  # nobody can keep it, so a person hears of it now
            at = self._start(day)
        elif lead.asked_at is not None:
            return lead.ask_at
        else:
            at = self._asking_time(contact.due_on)
        if at > now:
            return at
        if lead.ask_at is not None and lead.ask_at >= at and self._date(lead.ask_at) <= contact.window_end_on:
            return lead.ask_at
        return now if contact.staff_contact else self._next_asking_time(contact.window_end_on)

    def _ask(self, contact: _Contact) -> None:
        fresh = [row for row in contact.rows if row.status == CheckIn.Status.PLANNED]
        for row in contact.rows:
            row.status = CheckIn.Status.SENT
            if not contact.staff_contact:
                row.asked_at = row.asked_at or self.now
        if contact.staff_contact and fresh:
            self.items.append(self._contact(contact, WorkItem.Severity.ROUTINE))

    def _remind_staff(self, contact: _Contact) -> None:
        """On the day after, an item that was resolved although nothing was recorded opens again."""
        lead = contact.lead
        reminded_on = self._reminded_on(contact)
        if not contact.staff_contact or reminded_on is None or lead.reminded_at is not None:
            return
        at = self._start(reminded_on)
        if at > self.now:
            assert lead.next_action_at is not None  # noqa: S101 - set by make
            lead.next_action_at = min(at, lead.next_action_at)
        else:
            lead.reminded_at = self.now
            self.items.append(self._contact(contact, WorkItem.Severity.URGENT))

    def _reminded_on(self, contact: _Contact) -> date | None:
        """The day of the one reminder: never that of the asking, never after the window."""
        planned, asked_at = reminder_on(row=contact), contact.lead.ask_at
        if planned is None or asked_at is None:
            return None
        day = max(planned, self._date(asked_at) + ONE_DAY)
        return day if day <= contact.window_end_on else None

    def _contact(self, contact: _Contact, severity: str) -> NewItem:
        lead: CheckIn = contact.lead
        return self._item(
            kind="check_in_contact",
            key=contact_key(lead),
            severity=severity,
            summary=f"Call the patient for check-in {lead.pk}, at the latest on {contact.window_end_on}.",
            owner_role=Role.NURSE,
        )

    def _missed(self, row: CheckIn) -> NewItem:
        return self._item(
            kind="check_in_missed",
            key=missed_key(row),
            severity=WorkItem.Severity.URGENT,
            summary=f"Check-in {row.pk}, due on {row.due_on}, has no answer. Reach the patient today.",
            owner_role=Role.PRESCRIBER,
        )

    def _item(self, *, kind: str, key: str, severity: str, summary: str, owner_role: str) -> NewItem:
        return NewItem(
            kind=kind,
            key=key,
            severity=severity,
            site_id=self.patient.site_id,
            patient_id=self.patient.pk,
            summary=summary,
            owner_role=owner_role,
            due_at=self._start(self.today + ONE_DAY),
        )

    def _start(self, day: date) -> datetime:
        return day_start(day, self.zone)

    def _date(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def _asking_time(self, day: date) -> datetime:
        return wall_to_instant(datetime.combine(day, self.policy.ask_at), self.zone, later=False)

    def _next_asking_time(self, last: date) -> datetime:
        """For what is late already: the next usual hour, or now when the window does not last so long."""
        times = (self._asking_time(day) for day in (self.today, self.today + ONE_DAY) if day <= last)
        return next((at for at in times if at > self.now), self.now)


def _settle_items(desk: _Desk, leading: Sequence[CheckIn]) -> None:
    """Close the items of contacts that are over, then open the new ones."""
    by_note: dict[str, list[str]] = {}
    for row in leading:
        if row.ask_at is None:
            note = _NOTES.get(
                CheckInStatus(row.status), "Closed by Onset: it became part of another contact."
            )
            by_note.setdefault(note, []).append(contact_key(row))
    for note, keys in by_note.items():
        close_items(keys, note=note, now=desk.now)
    if desk.items:
        open_items(desk.items, now=desk.now)


def _tell(
    row: CheckIn, wanted: Sequence[WantedMessage], *, patient: Patient, now: datetime, reason: str
) -> None:
    outreach.reconcile(
        patient=patient,
        subject_kind=SUBJECT,
        subject_id=row.pk,
        plan_version=_PLAN_VERSION,
        wanted=wanted,
        now=now,
        reason=reason,
    )


def _values(row: CheckIn) -> tuple[tuple[object, ...], tuple[object, ...]]:
    return tuple(getattr(row, name) for name in _SHOWN), tuple(getattr(row, name) for name in _KEPT)


def _store(rows: Sequence[CheckIn], before: dict[int, tuple[tuple[object, ...], tuple[object, ...]]]) -> None:
    """Write what changed. What readers see counts as a new version; our own marks do not."""
    changed = []
    for row in rows:
        was, now = before[row.pk], _values(row)
        if was != now:
            row.version += was[0] != now[0]
            changed.append(row)
    if changed:
        fields = ("status", "contact_on", "merged_into", *_KEPT, "version")
        CheckIn.objects.bulk_update(changed, fields)
