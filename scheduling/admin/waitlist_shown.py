"""How entries and offers of the waiting list read: windows as days, statuses as the clock has them."""

from datetime import datetime, timedelta
from typing import Any

from clinic.access import shown
from clinic.access.admin.sections import Section
from scheduling.admin.fields import spoken_weekdays
from scheduling.domain import offers as domain
from scheduling.domain.offers import OfferStatus
from scheduling.domain.waitlist import EntryStatus
from scheduling.models import Offer, WaitlistEntry

_STATUS = {"active": "waiting", "booked": "booked", "cancelled": "taken off"}
_OFFER = {
    OfferStatus.OFFERED: "waiting for an answer",
    OfferStatus.SUPERSEDED: "gone to somebody else",
}


def waited_for(entry: WaitlistEntry) -> str:
    """A visit, or a session of a course."""
    if entry.course is not None:
        return f"{entry.visit_type.name}, a session of {entry.course.template.name}"
    return entry.visit_type.name


def window(entry: WaitlistEntry) -> str:
    """``Jan 4 to Jan 18, Mon, Wed, 9:00 to 14:00``."""
    zone = entry.site.zone
    first = entry.earliest_at.astimezone(zone).date()
    last = (entry.latest_at.astimezone(zone) - timedelta(microseconds=1)).date()
    parts = [f"{shown.local_day(first)} to {shown.local_day(last)}"]
    if entry.weekdays:
        parts.append(spoken_weekdays(entry.weekdays))
    if entry.earliest_time:
        parts.append(f"from {entry.earliest_time:%H:%M}")
    if entry.latest_time:
        parts.append(f"until {entry.latest_time:%H:%M}")
    return "; ".join(parts)


def status_label(entry: WaitlistEntry, now: datetime) -> str:
    """That the time waited for has passed is read off the clock."""
    if entry.status == EntryStatus.ACTIVE and entry.latest_at <= now:
        return shown.label("over", "time is over")
    return shown.label(entry.status, _STATUS.get(entry.status, entry.status))


def offer_status(offer: Offer, now: datetime) -> OfferStatus:
    """What the stored status means now."""
    return domain.status_at(OfferStatus(offer.status), expires_at=offer.expires_at, now=now)


def offer_label(status: OfferStatus) -> str:
    """As coloured text."""
    return shown.label(status.value, _OFFER.get(status, status.value))


def facts(entry: WaitlistEntry) -> list[tuple[str, Any]]:
    """What stands at the top of the page of an entry."""
    zone, notice = entry.site.zone, entry.notice_minutes
    usual = "what is usual at the site"
    return [
        ("When", window(entry)),
        ("Site", entry.site.name),
        ("Priority", f"{entry.priority} of 9"),
        ("Notice they need", usual if notice is None else _hours(notice)),
        ("Escort home", "yes" if entry.has_escort else "no"),
        ("On the list since", shown.local_time(entry.created_at, zone)),
        ("Added by", str(entry.created_by or "Onset")),
        ("Note", entry.note or shown.NOTHING),
    ]


def offers_of(entry: WaitlistEntry, now: datetime) -> Section:
    """What was offered to them; answers are recorded on the freed time's page."""
    zone = entry.site.zone
    rows = entry.offers.select_related("slot").order_by("-offered_at", "-id")
    return Section(
        title="Offers",
        headers=("Time offered", "Offered", "Answer by", "Status", ""),
        rows=[
            (
                shown.local_time(row.start_at, zone),
                shown.local_time(row.offered_at, zone),
                shown.local_time(row.expires_at, zone),
                offer_label(offer_status(row, now)),
                shown.to("scheduling_freedslot_change", row.slot_id, text=f"Freed time {row.slot_id}"),
            )
            for row in rows
        ],
        empty="Nothing was offered yet. A time that becomes free and fits is offered by itself.",
    )


def _hours(minutes: int) -> str:
    return f"{minutes / 60:g} hour{'' if minutes == 60 else 's'}"  # noqa: PLR2004 - minutes of an hour
