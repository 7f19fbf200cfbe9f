"""The day board: the page a clinic works from, and the sheet of a day on paper.

The idea to know: an open board asks every second whether anything changed, and one cheap statement says no.
Only what changed is rendered, once for all who may see the same.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import date, timedelta

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path

from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.api.fields import FIRST_YEAR, LAST_YEAR
from clinic.common import clock
from scheduling.admin import board_actions, board_words
from scheduling.admin.board_html import BoardHtml
from scheduling.domain.session_stages import Stage
from scheduling.models import Appointment
from scheduling.selectors.board_cards import Sight
from scheduling.selectors.day_board import DayBoard, day_board, marks_of

_PAGE, _BODY = "admin/scheduling/day_board.html", "admin/scheduling/day_board_body.html"
_SHEET = "admin/scheduling/day_sheet.html"
_ONE_DAY = timedelta(days=1)
_KEPT = 16
_bodies: OrderedDict[str, str] = OrderedDict()
"""The latest bodies this process rendered, by their marks: fifty open boards cost one rendering."""


def urls(admin: OnsetAdmin) -> list[URLPattern]:
    """The board, its steps and moves, and the sheet, below the visits' own addresses."""

    def route(address: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        def bound(request: HttpRequest) -> HttpResponse:
            return view(admin, request)

        made: URLPattern = path(address, admin.admin_site.admin_view(bound), name=name)
        return made

    return [
        route("board/", page, "scheduling_day_board"),
        route("board/step/", board_actions.step, "scheduling_day_board_step"),
        route("board/move/", board_actions.move, "scheduling_day_board_move"),
        route("sheet/", sheet, "scheduling_day_sheet"),
    ]


def page(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """The board of a site and a date; to one who asks with X-Board-Poll only its body, when it changed."""
    actor, now = actor_in(request), clock.now()
    sites = sites_of(actor)
    site = _site(request, sites)
    today = now.astimezone(site.zone).date()
    day = _day(request.GET.get("date"), today)
    poll = "X-Board-Poll" in request.headers
    sight = Sight.of(actor, site.pk)
    tag = f'"{marks_of(site=site, day=day, now=now)}-{sight.key}"'
    if poll and tag in request.headers.get("If-None-Match", ""):
        return HttpResponseNotModified()
    body = _bodies.get(tag)
    if body is None:
        board = day_board(actor=actor, site=site, day=day, now=now)
        tag = f'"{board.marks}-{sight.key}"'
        body = _remember(tag, _rendered(board))
    if poll:
        return HttpResponse(body, headers={"ETag": tag})
    return admin.page(
        request,
        _PAGE,
        title=f"Day board {day:%Y-%m-%d}",
        body=body,
        tag=tag,
        site=site,
        sites=sites,
        day=day,
        today=today,
        previous=day - _ONE_DAY,
        next=day + _ONE_DAY,
        writes=sight.writes,
        steps=board_words.STEPS,
        is_fullwidth=True,
    )


def sheet(admin: OnsetAdmin, request: HttpRequest) -> HttpResponse:
    """The day on paper, by time, with room to write; clinical things only for who treats."""
    actor, now = actor_in(request), clock.now()
    site = _site(request, sites_of(actor))
    day = _day(request.GET.get("date"), now.astimezone(site.zone).date())
    board = day_board(actor=actor, site=site, day=day, now=now)
    names = {column.id: column.name for column in board.columns}
    rows = [
        {
            "card": card,
            "chair": names.get(card.chair_id, "") if card.chair_id else "",
            "start": board_words.short_time(card.start_at, site.zone),
            "end": board_words.short_time(card.end_at, site.zone),
            "status": Appointment.Status(card.status).label,
            "notes": board_words.on_paper(card, sight=board.sight),
        }
        for card in board.cards
    ]
    context = {"board": board, "site": site, "day": day, "rows": rows, "now": now}
    return render(request, _SHEET, context)


def sites_of(actor: Actor) -> list[Site]:
    """The sites whose boards the actor may open. Raises PermissionDenied when there is none."""
    rows = Site.objects.order_by("name", "id")
    found = list(rows if actor.sees_every_site else rows.filter(pk__in=actor.sites("appointments.read")))
    if not found:
        raise PermissionDenied
    return found


def _site(request: HttpRequest, sites: list[Site]) -> Site:
    asked = request.GET.get("site")
    if not asked:
        return sites[0]
    found = next((each for each in sites if str(each.pk) == asked), None)
    if found is None:
        raise Http404("There is no such site among yours.")
    return found


def _day(asked: str | None, today: date) -> date:
    if not asked:
        return today
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        raise Http404("Write the date as 2027-01-04.") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise Http404(f"Choose a year from {FIRST_YEAR} to {LAST_YEAR}.")
    return day


def _remember(tag: str, body: str) -> str:
    _bodies[tag] = body
    _bodies.move_to_end(tag)
    while len(_bodies) > _KEPT:
        _bodies.popitem(last=False)
    return body


def forget() -> None:
    """Render anew from here on: for measurements, and tests whose ids come again."""
    _bodies.clear()


def _rendered(board: DayBoard) -> str:
    html = BoardHtml(board)
    stages = Counter(card.stage for card in board.cards)
    counts = [(stage.value, words, stages[stage]) for stage, words in _COUNTED if stages[stage]]
    return render_to_string(
        _BODY,
        {
            "board": board,
            "table": html.table() if board.columns and board.frame.ticks else "",
            "off": html.off(),
            "counts": counts,
            "wanting": sum(
                bool(board_words.badges(card, sight=board.sight, now=board.now, zone=board.site.zone))
                for card in board.cards
            ),
        },
    )


_COUNTED = (
    (Stage.EXPECTED, "expected"),
    (Stage.WAITING, "waiting"),
    (Stage.INFUSING, "infusing"),
    (Stage.RECOVERY, "in recovery"),
    (Stage.DISCHARGED, "discharged"),
    (Stage.DONE, "completed"),
)
