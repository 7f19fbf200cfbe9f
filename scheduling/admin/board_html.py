"""The body of the day board as HTML.

The idea to know: it is written as strings, because for 300 cards the template engine would take longer than
everything else together. Whatever people typed goes through escape().
"""

from collections import defaultdict
from html import escape

from django.urls import reverse
from django.utils.safestring import SafeString

from scheduling.admin import board_words as words
from scheduling.domain.ticks import Span
from scheduling.selectors.board_cards import Card
from scheduling.selectors.board_clinical import HERE
from scheduling.selectors.day_board import Block, DayBoard

_SHORT_TICKS = 6
_ANY = 0
"""Stands in the address of a page where each card puts its id."""


class BoardHtml:
    """Renders one board: ``table`` is who comes, ``off`` who does not."""

    def __init__(self, board: DayBoard) -> None:
        self._board = board
        self._zone = board.site.zone
        self._columns = {column.id: at for at, column in enumerate(board.columns, start=1)}
        self._names = {column.id: escape(column.name) for column in board.columns}
        self._visit, self._session = (
            reverse(f"admin:scheduling_appointment_{name}", args=[_ANY]) for name in ("change", "session")
        )
        book = reverse("admin:scheduling_appointment_book")
        self._book = f"{book}?site={board.site.pk}&amp;resource="

    def table(self) -> SafeString:
        """Starts as rows, chairs as columns: a table to who listens, a picture of the day to who looks."""
        board = self._board
        return SafeString(
            f'<div class="b-grid" role="table" aria-label="Visits by start and chair" '
            f'aria-colcount="{len(board.columns) + 1}" '
            f'style="--cols:{len(board.columns)};--ticks:{board.frame.ticks}">'
            f"{self._head()}{self._background()}{''.join(self._rows())}</div>"
        )

    def off(self) -> list[SafeString]:
        """One list item for each visit that will not happen."""
        return [
            SafeString(f'<li id="v{card.id}" class="b-card b-off"{_data(card)}>{self._inside(card)}</li>')
            for card in self._board.off
        ]

    def _head(self) -> str:
        cells = []
        for column in self._board.columns:
            use = ""
            if column.id is not None:
                full = round(100 * column.booked_minutes / column.open_minutes) if column.open_minutes else 0
                use = f"<small>{full} % booked</small>" if column.open_minutes else "<small>closed</small>"
            place = f"--c:{self._columns[column.id]}"
            chair = f' data-chair="{column.id}"' if column.id else ""
            cells.append(
                f'<div role="columnheader" style="{place}"{chair}>{self._names[column.id]}{use}</div>'
            )
        corner = '<div role="columnheader" class="b-corner">Time</div>'
        return f'<div role="row" class="b-head">{corner}{"".join(cells)}</div>'

    def _background(self) -> str:
        """What is seen only: hour lines, open hours, the line of the present. The words are in the rows."""
        board = self._board
        parts = ['<i class="b-lines"></i>']
        parts += [f'<i class="b-open" style="{self._at(chair, span)}"></i>' for chair, span in board.open]
        for tick, at in board.frame.hours(self._zone):
            parts.append(f'<i class="b-hour" style="--a:{tick}">{at:%I %p}</i>'.replace(">0", ">"))
        now = board.frame.at(board.now) if board.day == board.today else None
        if now is not None:
            time = words.short_time(board.now, self._zone)
            parts.append(f'<i class="b-now" style="--a:{int(now)}" data-rows="{now:.1f}"><b>{time}</b></i>')
        return f'<div class="b-back" aria-hidden="true">{"".join(parts)}</div>'

    def _rows(self) -> list[str]:
        cells: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for card in self._board.cards:
            if card.place is not None:
                cells[card.place.first].append((self._columns[card.chair_id], self._card(card)))
        for chair, span in self._board.gaps:
            cells[span[0]].append((self._columns[chair], self._gap(chair, span)))
        for block in self._board.blocks:
            rows = self._board.frame.span(block.during)
            if rows is not None:
                cells[rows[0]].append((self._columns.get(block.chair_id, 0), self._block(block, rows)))
        return [self._row(tick, sorted(found)) for tick, found in sorted(cells.items())]

    def _row(self, tick: int, cells: list[tuple[int, str]]) -> str:
        time = words.short_time(self._board.frame.instant(tick), self._zone)
        inside = "".join(cell for _column, cell in cells)
        return f'<div role="row" class="b-row" id="r{tick}"><div role="rowheader">{time}</div>{inside}</div>'

    def _at(self, chair: int | None, span: Span) -> str:
        return f"--c:{self._columns.get(chair, 0)};--a:{span[0]};--e:{span[1]}"

    def _card(self, card: Card) -> str:
        place = card.place
        if place is None:
            raise ValueError("only placed cards stand on the board")
        style = self._at(card.chair_id, (place.first, place.end))
        if place.lanes > 1:
            style += f";--i:{place.lane};--n:{place.lanes}"
        column = self._columns[card.chair_id] + 1
        looks = f"b-card b-{words.look(card)}"
        short = " b-short" if place.end - place.first <= _SHORT_TICKS else ""
        return (
            f'<div role="cell" aria-colindex="{column}" id="v{card.id}" class="{looks}{short}" '
            f'style="{style}"{_data(card)}>{self._inside(card)}</div>'
        )

    def _inside(self, card: Card) -> str:
        board, name = self._board, escape(card.patient)
        badges = "".join(
            f'<li class="b-{badge.kind}">{escape(badge.text)}</li>'
            for badge in words.badges(card, sight=board.sight, now=board.now, zone=self._zone)
        )
        where = ", ".join(filter(None, (self._names.get(card.chair_id, ""), *map(escape, card.staff))))
        page = self._session if card.infused and card.stage in HERE and board.sight.gates else self._visit
        url = page.replace(f"/{_ANY}/", f"/{card.id}/")
        return (
            f'<h3 id="n{card.id}"><a href="{url}" draggable="false">{name}</a></h3>'
            f'<p class="b-state">{words.state(card, now=board.now)}</p>'
            + (f"<ul>{badges}</ul>" if badges else "")
            + f"<p>{words.span(card.start_at, card.end_at, self._zone)}, {escape(card.visit_type)}"
            f"<span>{where}</span></p>{_buttons(card)}"
        )

    def _gap(self, chair: int, span: Span) -> str:
        start = self._board.frame.instant(span[0])
        length = words.lasting(self._board.frame.instant(span[1]) - start)
        url = f"{self._book}{chair}&amp;start={start:%Y-%m-%dT%H:%M}Z"
        return (
            f'<div role="cell" aria-colindex="{self._columns[chair] + 1}" class="b-gap" '
            f'id="g{chair}-{span[0]}" style="{self._at(chair, span)}"><a href="{url}">Book '
            f"<b>{words.short_time(start, self._zone)}</b> {self._names[chair]} <i>{length} free</i></a>"
            "</div>"
        )

    def _block(self, block: Block, span: Span) -> str:
        if block.expires_at is not None:
            kind, text = "held", f"Held until {words.short_time(block.expires_at, self._zone)}"
        else:
            until = words.short_time(block.end_at, self._zone)
            kind, text = "closed", f"Closed until {until}: {escape(block.reason)}"
        everywhere = " b-all" if block.chair_id is None else ""
        column = self._columns.get(block.chair_id, 1) + 1
        return (
            f'<div role="cell" aria-colindex="{column}" class="b-block b-{kind}{everywhere}" '
            f'style="{self._at(block.chair_id, span)}">{text}</div>'
        )


def _data(card: Card) -> str:
    """What board.js needs for steps and moves."""
    said = f' data-v="{card.version}"'
    if card.session_version is not None:
        said += f' data-s="{card.session_version}"'
    more = [step for step in card.steps if step != card.next_step] + ["undo"] * card.can_undo
    if more:
        said += f' data-more="{",".join(more)}"'
    can = "t" * card.can_move + "c" * (card.can_change_chair and card.chair_id is not None)
    return said + (f' data-can="{can}"' if can else "")


def _buttons(card: Card) -> str:
    next_step = ""
    if card.next_step:
        text = words.STEPS[card.next_step]  # type: ignore[index]  # steps are their words
        next_step = f'<button data-step="{card.next_step}" aria-describedby="n{card.id}">{text}</button>'
    menu = f'<button class="b-more" aria-label="More" aria-describedby="n{card.id}"></button>'
    return f'<p class="b-do">{next_step}{menu}</p>'
