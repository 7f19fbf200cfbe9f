"""The pages of one visit: what it is, confirming and cancelling it, a call, a calendar file, how to prepare.
Moving it is in moving.py."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from clinic.common.errors import DomainError, NotFound, StaleVersion
from patients.gateways import calendar
from patients.pages.handlers import TOLD, Page
from patients.pages.links import OpenLink
from scheduling.domain.patient_pages import Answer
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Appointment, VisitType
from scheduling.pages.moments import when_words, your_time
from scheduling.pages.words import WORDS
from scheduling.selectors import patient_pages as selector
from scheduling.services import patient_requests

_DONE = {"confirmed": Status.CONFIRMED, "moved": Status.BOOKED, "cancelled": Status.CANCELLED}
"""What the page may tell after a POST, and the status in which it is true."""
_MISSED_OR_CANCELLED = {Status.CANCELLED: "cancelled_text", Status.NO_SHOW: "missed_text"}
_FASTING = ("prepare_fatty", "prepare_light", "prepare_clear", "prepare_escort", "prepare_driving")
PREPARE = {
    VisitType.Kind.INFUSION: (*_FASTING, "prepare_medicines"),
    VisitType.Kind.ESKETAMINE: (*_FASTING, "prepare_medicines"),
    VisitType.Kind.CONSULTATION: ("prepare_medicines", "prepare_questions"),
    VisitType.Kind.FOLLOW_UP: ("prepare_medicines", "prepare_questions"),
}
"""Kind of visit -> what to do before. Source: DOMAIN section 2, gates (fasting 2, 6 and 8 h [S]; escort; no
driving until after a night's sleep)."""


class VisitPage(Page):
    """A page about the visit of the link."""

    title = "visit_title"
    words = WORDS

    def visit(self, link: OpenLink) -> Appointment:
        """The patient's own visit. Raises NotFound."""
        found = selector.visit_of(patient=link.patient, visit_id=link.row.subject_id)
        if found is None:
            raise NotFound("This link opens no visit.")
        return found

    def facts(self, link: OpenLink, visit: Appointment) -> dict[str, Any]:
        """What every page of a visit shows, with the site being the visit's."""
        zone, language = visit.site.zone, link.language
        return {
            "visit": visit,
            "name": link.patient.preferred_name or link.patient.first_name,
            "site": visit.site.discreet_name,
            "address": visit.site.address,
            "when": when_words(visit.start_at, zone=zone, language=language),
            "your_time": your_time(visit.start_at, zone=zone, home=link.patient.zone, language=language),
            **self.phone_of(visit.site),
        }


class Visit(VisitPage):
    """When and where, and what can be done about it."""

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """The visit as it stands; after a POST, what came of it."""
        visit = self.visit(link)
        told = request.GET.get(TOLD, "")
        true = told == "call" or _DONE.get(told) == visit.status
        return self.overview(request, link, visit, told=f"told_{told}" if true else "")

    def overview(
        self, request: HttpRequest, link: OpenLink, visit: Appointment, *, told: str = "", fault: str = ""
    ) -> HttpResponse:
        """The page; with a ``fault`` it answers a POST that could not be done."""
        status, over = Status(visit.status), visit.start_at <= link.now
        may = selector.permitted_for(visit, selector.policy_of(visit.site_id), now=link.now)
        awaited = may.move != Answer.NO
        return self.show(
            request,
            link,
            "pages/visit.html",
            status=409 if fault else 200,
            **self.facts(link, visit),
            told=self.say(link, told) if told else "",
            fault=self.say(link, fault) if fault else "",
            state=self.say(link, "state_over" if over and status in _OPEN else f"state_{status}"),
            good=awaited and status == Status.CONFIRMED,
            ended=not awaited,
            closing="" if awaited else self._closing(link, status),
            may=may,
            changes=[answer.value for answer in (may.move, may.cancel)],
            call=awaited or status in FREES_RESOURCES,
            steps={
                name: link.url(name) for name in ("confirm", "move", "cancel", "call", "calendar", "prepare")
            },
        )

    def _closing(self, link: OpenLink, status: Status) -> str:
        if status in {Status.ARRIVED, Status.IN_PROGRESS}:
            return ""
        return self.say(link, _MISSED_OR_CANCELLED.get(status, "over_text"))

    def refused(self, request: HttpRequest, link: OpenLink, error: DomainError) -> HttpResponse:
        """A POST that the visit's present state does not allow: the page as it stands now, and why."""
        if error.code == "not_found":
            raise error
        stale = isinstance(error, StaleVersion) or error.code == "moved_meanwhile"
        fault = "changed_meanwhile" if stale else "not_done"
        return self.overview(request, link, self.visit(link), fault=fault)


_OPEN = frozenset({Status.BOOKED, Status.CONFIRMED})


class Confirm(Visit):
    """Says that the patient will come. It reveals nothing and risks little, so no date of birth is asked."""

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Only a POST confirms."""
        return self.go(link)

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Confirm the visit as the page showed it."""
        try:
            patient_requests.confirm(visit=self.visit(link), version=version_in(request), now=link.now)
        except DomainError as error:
            return self.refused(request, link, error)
        return self.go(link, told="confirmed")


class Cancel(Visit):
    """Asks once more, then cancels."""

    title = "cancel_title"
    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Is the patient sure? Too late, or not for the page: the visit's page says to call."""
        visit = self.visit(link)
        may = selector.permitted_for(visit, selector.policy_of(visit.site_id), now=link.now)
        if may.cancel != Answer.YES:
            return self.go(link)
        return self.show(
            request,
            link,
            "pages/cancel.html",
            **self.facts(link, visit),
            move=link.url("move") if may.move == Answer.YES else "",
        )

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Cancel the visit as the page showed it."""
        try:
            patient_requests.cancel(visit=self.visit(link), version=version_in(request), now=link.now)
        except DomainError as error:
            return self.refused(request, link, error)
        return self.go(link, told="cancelled")


class AskForCall(VisitPage):
    """Opens a work item: somebody calls the patient."""

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Possible in every state of the visit: there may be something to talk about."""
        patient_requests.ask_for_call(visit=self.visit(link), now=link.now)
        return self.go(link, told="call")


class CalendarFile(VisitPage):
    """The visit for the patient's own calendar, the same entry as in our e-mails."""

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """An .ics file; of a visit that will not happen one that takes the entry out."""
        visit = self.visit(link)
        lost = Status(visit.status) in FREES_RESOURCES
        entry = calendar.entries(
            [
                calendar.Event(
                    appointment_id=visit.pk,
                    sequence=visit.plan_version + lost,  # RFC 5546: taking it out is later than putting it in
                    start_at=visit.start_at,
                    end_at=visit.end_at,
                )
            ],
            host=urlsplit(settings.PUBLIC_URL).hostname or "",
            site=visit.site.discreet_name,
            language=link.language,
            stamped_at=link.now,
            cancelled=lost,
        )
        disposition = f'attachment; filename="{entry.name}"'
        return HttpResponse(
            entry.content, content_type=entry.content_type, headers={"Content-Disposition": disposition}
        )


class Prepare(VisitPage):
    """What to do before the visit. It tells what kind of visit it is, so the date of birth comes first."""

    title = "prepare_title"
    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """The list for this kind of visit."""
        visit = self.visit(link)
        lines = [self.say(link, key) for key in PREPARE[VisitType.Kind(visit.visit_type.kind)]]
        return self.show(request, link, "pages/prepare.html", **self.facts(link, visit), lines=lines)


def version_in(request: HttpRequest) -> int:
    """The version of the visit that the form was made for; 0, which no visit has, when there is none."""
    sent = request.POST.get("version", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0  # noqa: PLR2004
