"""Everything the board of one site and day shows, in a constant number of queries.

The idea to know: what a person may not see is left out here, so that no page or reply can show it by mistake,
and two people with the same sight are shown the very same board.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Q

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common.intervals import Interval
from scheduling.domain import board
from scheduling.domain.board import Frame
from scheduling.domain.session_stages import Stage
from scheduling.domain.ticks import Span
from scheduling.models import Closure
from scheduling.selectors import board_cards, board_clinical, board_rows
from scheduling.selectors.availability import Calendar
from scheduling.selectors.board_cards import Card, Sight
from scheduling.selectors.board_changes import marks
from scheduling.selectors.board_rows import ResourceRow, TakenRow


@dataclass(frozen=True, slots=True)
class Column:
    """A chair; or, without an id, the place of visits that need none."""

    id: int | None
    name: str
    open_minutes: int = 0
    booked_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Time that cannot be booked: a closure of the site (no chair) or of a chair, or a hold on a chair."""

    chair_id: int | None
    start_at: datetime
    end_at: datetime
    reason: str = ""
    expires_at: datetime | None = None
    """Of a hold."""

    @property
    def during(self) -> Interval:
        """The time."""
        return Interval(self.start_at, self.end_at)


@dataclass(frozen=True, slots=True)
class Nurse:
    """Somebody on duty, and how many patients they watch just now."""

    name: str
    watching: int
    capacity: int


@dataclass(slots=True, kw_only=True)
class DayBoard:
    """The whole board. Without columns, cards and hours on a date that the place skipped."""

    site: Site
    day: date
    today: date
    now: datetime
    sight: Sight
    frame: Frame
    marks: str = ""
    columns: list[Column] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    off: list[Card] = field(default_factory=list)
    """Cancelled, or nobody came."""
    blocks: list[Block] = field(default_factory=list)
    open: list[tuple[int | None, Span]] = field(default_factory=list)
    """When each column is open: its id and rows."""
    gaps: list[tuple[int, Span]] = field(default_factory=list)
    """Where a visit may be booked, likewise."""
    nurses: list[Nurse] = field(default_factory=list)


def marks_of(*, site: Site, day: date, now: datetime) -> str:
    """Names what :func:`day_board` would show. One query. Raises DateOutOfRange."""
    whole = board.bounds(day, site.zone)
    return "" if whole is None else marks(site=site, during=whole, now=now)


def day_board(*, actor: Actor, site: Site, day: date, now: datetime) -> DayBoard:
    """The board of a site, on a date of its calendar. Raises Forbidden, DateOutOfRange."""
    actor.require("appointments.read", site.pk)
    whole = board.bounds(day, site.zone)
    shown = DayBoard(
        site=site,
        day=day,
        today=now.astimezone(site.zone).date(),
        now=now,
        sight=Sight.of(actor, site.pk),
        frame=board.frame(day=day, zone=site.zone, hours=(), visits=()),
    )
    if whole is not None:
        _fill(shown, whole)
    return shown


def _fill(shown: DayBoard, whole: Interval) -> None:
    site, now = shown.site, shown.now
    # Before anything is read: what changes meanwhile is then asked for once more.
    shown.marks = marks(site=site, during=whole, now=now)
    resources = board_rows.resources(site)
    taken = board_rows.taken(resources, whole, now=now)
    calendar = Calendar.load(site=site, resource_ids=list(resources), span=whole)
    cards = board_cards.of(
        board_rows.visits(site, whole), sight=shown.sight, upcoming=shown.day > shown.today, now=now
    )
    _seat(cards, taken, resources)
    shown.off = [card for card in cards if card.stage == Stage.OFF]
    shown.cards = [card for card in cards if card.stage != Stage.OFF]
    used = {card.chair_id for card in shown.cards}
    chairs = [row for row in resources.values() if row.kind == "chair" and (row.active or row.id in used)]
    chairs.sort(key=lambda row: board.by_number(row.name))
    site_hours = _within(calendar.open_for(None), whole)
    hours = {row.id: _within(calendar.open_for(row.id), whole) for row in chairs}
    shown.frame = board.frame(
        day=shown.day,
        zone=site.zone,
        hours=[*site_hours, *(part for each in hours.values() for part in each)],
        visits=[Interval(card.start_at, card.end_at) for card in shown.cards],
    )
    shown.blocks = [*_closures(site, whole, hours), *_holds(taken, hours)]
    if whole.contains(now):
        shown.nurses = _nurses(resources.values(), taken, calendar, now)
    _lay_out(shown, chairs, hours, site_hours, taken)
    board_clinical.complete(shown.cards, site=site, sight=shown.sight, now=now)


def _within(hours: Iterable[Interval], whole: Interval) -> list[Interval]:
    return [part for each in hours if (part := each.intersect(whole))]


def _seat(cards: list[Card], taken: list[TakenRow], resources: Mapping[int, ResourceRow]) -> None:
    """Which chair each visit has, and who is with the patient: the nurse, or the prescriber without one."""
    by_id = {card.id: card for card in cards}
    prescribers: dict[int, list[str]] = defaultdict(list)
    for row in taken:
        card = by_id.get(row.appointment_id or 0)
        if card is None:
            continue
        resource = resources[row.resource_id]
        if resource.kind == "chair":
            card.chair_id = resource.id
        else:
            names = card.staff if resource.kind == "nurse" else prescribers[card.id]
            if resource.name not in names:
                names.append(resource.name)
    for card_id, names in prescribers.items():
        by_id[card_id].staff = by_id[card_id].staff or names


def _closures(site: Site, whole: Interval, chairs: Mapping[int, object]) -> list[Block]:
    rows = Closure.objects.filter(
        Q(site=site) | Q(resource__in=list(chairs)), start_at__lt=whole.end, end_at__gt=whole.start
    ).values_list("resource_id", "start_at", "end_at", "reason")
    return [Block(*row) for row in rows]


def _holds(taken: list[TakenRow], chairs: Mapping[int, object]) -> list[Block]:
    return [
        Block(row.resource_id, row.start_at, row.end_at, expires_at=row.expires_at)
        for row in taken
        if row.hold_id is not None and row.resource_id in chairs
    ]


def _nurses(
    resources: Iterable[ResourceRow], taken: list[TakenRow], calendar: Calendar, now: datetime
) -> list[Nurse]:
    watching: dict[int, int] = defaultdict(int)
    for row in taken:
        watching[row.resource_id] += row.shared and row.start_at <= now < row.end_at
    return [
        Nurse(row.name, watching[row.id], row.capacity)
        for row in sorted(resources, key=lambda each: board.by_number(each.name))
        if row.kind == "nurse"
        and row.active
        and any(hours.contains(now) for hours in calendar.open_for(row.id))
    ]


def _lay_out(
    shown: DayBoard,
    chairs: list[ResourceRow],
    hours: Mapping[int, list[Interval]],
    site_hours: list[Interval],
    taken: list[TakenRow],
) -> None:
    """Columns, the place of every card, and what is free between them."""
    of_column: dict[int | None, list[Card]] = defaultdict(list)
    for card in shown.cards:
        of_column[card.chair_id].append(card)
    busy: dict[int, list[Interval]] = defaultdict(list)
    for row in taken:
        busy[row.resource_id].append(Interval(row.start_at, row.end_at))
    for chair in chairs:
        shown.columns.append(
            Column(
                chair.id,
                chair.name,
                open_minutes=round(sum(each.minutes for each in hours[chair.id])),
                booked_minutes=round(sum(each.minutes for each in busy[chair.id])),
            )
        )
        rows = (shown.frame.span(each) for each in hours[chair.id])
        shown.open += [(chair.id, span) for span in rows if span is not None]
        if chair.active and shown.sight.writes:
            free = board.gaps(shown.frame, hours=hours[chair.id], busy=busy[chair.id], now=shown.now)
            shown.gaps += [(chair.id, span) for span in free]
    if None in of_column:
        shown.columns.append(Column(None, "No chair"))
        shown.open += [(None, span) for each in site_hours if (span := shown.frame.span(each))]
    for cards in of_column.values():
        _place(cards, shown.frame)


def _place(cards: list[Card], frame: Frame) -> None:
    spans = {card.id: frame.span(Interval(card.start_at, card.end_at)) for card in cards}
    places = board.stack({key: span for key, span in spans.items() if span is not None})
    for card in cards:
        card.place = places[card.id]
        later = [other.start_at for other in cards if other.start_at >= card.end_at]
        if card.chair_id is not None and card.stage != Stage.DONE:
            card.into_next = board.minutes_into(card.ends_at, later)
