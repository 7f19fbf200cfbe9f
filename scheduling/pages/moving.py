"""Moving a visit on its page: free times as links, one question, one POST. Real times of the booking engine,
for a session of a course only those that keep its gaps."""

from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from clinic.common.errors import DomainError
from patients.domain.rendering import day_words
from patients.pages.links import OpenLink
from scheduling.domain.patient_pages import Answer
from scheduling.models import Appointment, PatientPagePolicy
from scheduling.pages.moments import time_words, when_words, your_time
from scheduling.pages.visits import Visit, version_in
from scheduling.selectors import patient_pages as selector
from scheduling.services import patient_requests

_NEAREST = 3
_PARTS = {"any": None, "morning": True, "afternoon": False}
_TAKEN = frozenset({"slot_taken", "patient_busy", "not_offered", "too_soon", "same_start", "outside_hours"})
"""Refusals after which another time may do."""


class Move(Visit):
    """Choose among free times, then say yes to one."""

    title = "move_title"
    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """The free times, or with ``?to=`` the question whether to take this one."""
        visit = self.visit(link)
        policy = selector.policy_of(visit.site_id)
        if selector.permitted_for(visit, policy, now=link.now).move != Answer.YES:
            return self.go(link)
        starts = selector.free_starts(visit, policy, now=link.now)
        if (wanted := instant_in(request.GET.get("to", ""))) is not None:
            if wanted in starts:
                return self._ask(request, link, visit, wanted)
            return self._taken(request, link, visit, starts, wanted)
        return self._choose(request, link, visit, policy, starts)

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Move it. When somebody was quicker: the nearest other times."""
        visit = self.visit(link)
        start = instant_in(request.POST.get("start", ""))
        if start is None:
            return self.go(link, "move")
        try:
            patient_requests.move(visit=visit, version=version_in(request), start=start, now=link.now)
        except DomainError as error:
            if error.code not in _TAKEN:
                return self.refused(request, link, error)
            policy = selector.policy_of(visit.site_id)
            starts = selector.free_starts(self.visit(link), policy, now=link.now)
            return self._taken(request, link, visit, starts, start)
        return self.go(link, told="moved")

    def _choose(
        self,
        request: HttpRequest,
        link: OpenLink,
        visit: Appointment,
        policy: PatientPagePolicy,
        starts: list[datetime],
    ) -> HttpResponse:
        part = request.GET.get("part", "any")
        part = part if part in _PARTS else "any"
        since = _date_in(request.GET.get("since", ""))
        days = selector.by_day(
            starts, site=visit.site, morning=_PARTS[part], since=since, most=policy.times_shown
        )
        shown, later = days[: policy.days_shown], days[policy.days_shown :]
        move = link.url("move")
        return self.show(
            request,
            link,
            "pages/move.html",
            **self.facts(link, visit),
            **self._zone(link, visit, starts),
            days=[
                {
                    "label": day_words(day.on, language=link.language, short=False),
                    "times": [self._slot(link, visit, start) for start in day.starts],
                }
                for day in shown
            ],
            nothing=not starts,
            parts=[
                {
                    "label": self.say(link, f"part_{name}"),
                    "here": name == part,
                    "href": f"{move}?{urlencode({'part': name} | ({'since': since} if since else {}))}",
                }
                for name in _PARTS
            ],
            later=f"{move}?{urlencode({'part': part, 'since': later[0].on})}" if later else "",
            earlier=f"{move}?{urlencode({'part': part})}" if since else "",
            call=link.url("call"),
        )

    def _ask(
        self, request: HttpRequest, link: OpenLink, visit: Appointment, wanted: datetime
    ) -> HttpResponse:
        zone, language = visit.site.zone, link.language
        return self.show(
            request,
            link,
            "pages/move_sure.html",
            **self.facts(link, visit),
            new_when=when_words(wanted, zone=zone, language=language),
            new_your_time=your_time(wanted, zone=zone, home=link.patient.zone, language=language),
            start=wanted.isoformat(),
            move=link.url("move"),
        )

    def _taken(
        self,
        request: HttpRequest,
        link: OpenLink,
        visit: Appointment,
        starts: list[datetime],
        wanted: datetime,
    ) -> HttpResponse:
        nearest = sorted(starts, key=lambda start: (abs(start - wanted), start))[:_NEAREST]
        return self.show(
            request,
            link,
            "pages/move_taken.html",
            status=409,
            **self.facts(link, visit),
            nearest=[
                self._slot(link, visit, start)
                | {"label": when_words(start, zone=visit.site.zone, language=link.language)}
                for start in sorted(nearest)
            ],
            move=link.url("move"),
            call=link.url("call"),
        )

    def _slot(self, link: OpenLink, visit: Appointment, start: datetime) -> dict[str, str]:
        local = start.astimezone(visit.site.zone)
        return {
            "label": time_words(local, language=link.language),
            "href": f"{link.url('move')}?{urlencode({'to': start.isoformat()})}",
        }

    def _zone(self, link: OpenLink, visit: Appointment, starts: list[datetime]) -> dict[str, Any]:
        """The name of the office's zone, when the patient lives by another clock."""
        for start in (visit.start_at, *starts[:1], *starts[-1:]):
            local = start.astimezone(visit.site.zone)
            if local.utcoffset() != start.astimezone(link.patient.zone).utcoffset():
                return {"zone": local.tzname()}
        return {"zone": ""}


def instant_in(text: str) -> datetime | None:
    """The instant that a link or form of ours names, or None."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _date_in(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
