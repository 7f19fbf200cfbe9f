"""The page of a course: all its visits in order. A whole series says more than one visit, so the date of
birth comes first."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from clinic.common.errors import NotFound
from patients.pages.handlers import Page
from patients.pages.links import OpenLink
from scheduling.domain.transitions import Status
from scheduling.pages.moments import when_words, your_time
from scheduling.pages.words import WORDS
from scheduling.selectors import patient_pages as selector

_OPEN = frozenset({Status.BOOKED, Status.CONFIRMED})
_OVER = frozenset({Status.COMPLETED, Status.CANCELLED, Status.NO_SHOW})


class CoursePage(Page):
    """The visits of the course, past and to come."""

    title = "course_title"
    words = WORDS
    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Every visit with its state."""
        course = selector.course_of(patient=link.patient, course_id=link.row.subject_id)
        if course is None:
            raise NotFound("This link opens no course.")
        zone, language = course.site.zone, link.language
        visits = []
        for visit in course.sessions.order_by("start_at", "pk"):
            status = Status(visit.status)
            over = status in _OVER or (status in _OPEN and visit.start_at <= link.now)
            visits.append(
                {
                    "when": when_words(visit.start_at, zone=zone, language=language),
                    "your_time": your_time(
                        visit.start_at, zone=zone, home=link.patient.zone, language=language
                    ),
                    "state": self.say(link, "state_over" if over and status in _OPEN else f"state_{status}"),
                    "good": status == Status.CONFIRMED and not over,
                }
            )
        facts: dict[str, Any] = {"site": course.site.discreet_name, "address": course.site.address}
        return self.show(
            request, link, "pages/course.html", visits=visits, **facts | self.phone_of(course.site)
        )
