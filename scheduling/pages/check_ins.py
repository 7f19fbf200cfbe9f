"""The page on which a patient answers a check-in: one question a screen or all on one, a look through the
answers, and one press that sends them.

The idea to know: every screen is kept on the server, and nothing about answers is in an address or a
cookie. Help in a crisis is on every screen; after a critical answer it comes first.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from clinic.common.errors import Invalid, StaleVersion
from patients.pages.handlers import TOLD, Page
from patients.pages.links import OpenLink
from patients.selectors.assessments import crisis_contacts, watch
from scheduling.models import CheckIn
from scheduling.pages.check_in_questions import Question, questions_of, read_form
from scheduling.pages.moments import when_words
from scheduling.pages.words import WORDS
from scheduling.selectors import check_in_answers as reading
from scheduling.services import check_in_drafts as drafts
from scheduling.services.check_in_drafts import CheckInClosed, Contact

NUMBER = "n"
"""The query parameter that says which question; the answers are never in an address."""


class CheckInPage(Page):
    """How to answer. It says nothing of what is asked, so no date of birth is needed."""

    title = "check_in_title"
    words = WORDS

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """The two ways to answer, and the number to call."""
        contact = self.contact(link)
        if not contact.is_open:
            return self.over(request, link, contact)
        return self.page(request, link, contact, "pages/check_in.html")

    def contact(self, link: OpenLink) -> Contact:
        """What is asked. Raises NotFound for somebody else's."""
        return drafts.contact_of(patient=link.patient, check_in_id=link.row.subject_id, now=link.now)

    def page(
        self,
        request: HttpRequest,
        link: OpenLink,
        contact: Contact,
        template: str,
        *,
        status: int = 200,
        **context: Any,
    ) -> HttpResponse:
        """A page of the check-in, with who helps in a crisis."""
        return self.show(
            request,
            link,
            template,
            status=status,
            crisis=crisis_contacts(link.language),
            watch_words=self.watch_words(link, contact),
            one=link.url("question"),
            all=link.url("all"),
            review=link.url("review"),
            **context,
        )

    def watch_words(self, link: OpenLink, contact: Contact) -> str:
        """After a critical answer: whether somebody is watching now. Empty without one, and for whoever has
        not said the date of birth."""
        if not link.identified or not reading.alarms_of(
            reading.contact_rows(contact.row), patient=link.patient
        ):
            return ""
        site = link.patient.site
        seen = watch(site_id=site.pk, now=link.now)
        if seen.watched:
            return self.say(link, "help_watched")
        if seen.next_open is None:
            return self.say(link, "help_unwatched")
        when = when_words(seen.next_open, zone=site.zone, language=link.language)
        return self.say(link, "help_unwatched_until", when=when)

    def over(
        self, request: HttpRequest, link: OpenLink, contact: Contact, *, status: int = 200
    ) -> HttpResponse:
        """Answered, here or by phone: thank you. Replaced or past: what was begun can still be sent."""
        done = contact.row.status == CheckIn.Status.ANSWERED or request.GET.get(TOLD) == "kept"
        today = link.now.astimezone(link.patient.zone).date()
        early = contact.row.status in CheckIn.OPEN and today < contact.row.window_start_on
        key = "check_in_done" if done else "check_in_over_early" if early else "check_in_over"
        return self.page(
            request,
            link,
            contact,
            "pages/check_in_over.html",
            status=status,
            title=self.say(link, f"{key}_title"),
            text=self.say(link, key),
            done=done,
            begun=contact.draft is not None and not done,
        )


class AskedPage(CheckInPage):
    """A page that shows questions or answers: only to the patient, and only while it can be answered."""

    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """The screen, or what became of the check-in."""
        contact = self.contact(link)
        if not contact.is_open:
            return self.over(request, link, contact)
        return self.screen(request, link, contact)

    def screen(self, request: HttpRequest, link: OpenLink, contact: Contact) -> HttpResponse:
        """What there is to see."""
        raise NotImplementedError

    def keep(
        self, request: HttpRequest, link: OpenLink, given: Mapping[str, Mapping[str, int | None]]
    ) -> HttpResponse | None:
        """Keep what the screen said. None to go on; else what comes first: help, when an answer calls for
        it, or that the check-in is over."""
        try:
            critical = drafts.save(
                now=link.now, patient_id=link.patient.pk, check_in_id=link.row.subject_id, given=given
            )
        except CheckInClosed:
            return self.over(request, link, self.contact(link), status=409)
        return self.go(link, "help") if critical else None


class OneQuestion(AskedPage):
    """One question, with the way back and on."""

    def screen(self, request: HttpRequest, link: OpenLink, contact: Contact) -> HttpResponse:
        """The question of that number; without one, the first that is open, or else the review."""
        questions = questions_of(contact, language=link.language)
        number = _whole(request.GET.get(NUMBER, ""))
        if number is None or not 1 <= number <= len(questions):
            number = next((each.number for each in questions if not each.chosen), None)
        if number is None:
            return self.go(link, "review")
        return self.ask(request, link, contact, questions, number)

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Keep the answer and show the next question, or the review after the last or when it came from
        there."""
        contact = self.contact(link)
        if not contact.is_open:
            return self.over(request, link, contact, status=409)
        questions = questions_of(contact, language=link.language)
        asked = next((each for each in questions if each.name == request.POST.get("question")), None)
        if asked is None:
            return self.go(link, "question")
        given = read_form(request.POST, [asked])
        skips = "skip" in request.POST
        if not given and not skips:
            return self.ask(request, link, contact, questions, asked.number, missing=True)
        if skips:
            given = {asked.instrument: {asked.item: None}}
        first = self.keep(request, link, given)
        if first is not None:
            return first
        if request.POST.get("back"):
            return self.go(link, "review")
        # By number: a question that this answer calls for comes right there.
        return see_other(f"{link.url('question')}?{NUMBER}={asked.number + 1}")

    def ask(
        self,
        request: HttpRequest,
        link: OpenLink,
        contact: Contact,
        questions: list[Question],
        number: int,
        *,
        missing: bool = False,
    ) -> HttpResponse:
        """The form of one question."""
        asked = questions[number - 1]
        where = self.say(link, "check_in_where", number=str(number), count=str(len(questions)))
        back = request.GET.get("back") or request.POST.get("back")
        return self.page(
            request,
            link,
            contact,
            "pages/check_in_question.html",
            status=422 if missing else 200,
            title=where,
            question=asked,
            missing=[asked] if missing else [],
            fault=self.say(link, "check_in_choose") if missing else "",
            before=f"{link.url('question')}?{NUMBER}={number - 1}" if number > 1 else "",
            back=bool(back),
        )


class AllQuestions(AskedPage):
    """Every question on one page."""

    title = "check_in_title"

    def screen(self, request: HttpRequest, link: OpenLink, contact: Contact) -> HttpResponse:
        """The form of them all."""
        return self.ask(request, link, contact)

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Keep it all. What is left open is pointed out once, with a button to leave it out."""
        contact = self.contact(link)
        if not contact.is_open:
            return self.over(request, link, contact, status=409)
        shown = [
            each
            for each in questions_of(contact, language=link.language)
            if f"has/{each.name}" in request.POST
        ]
        first = self.keep(request, link, read_form(request.POST, shown))
        if first is not None:
            return first
        contact = self.contact(link)
        open_ones = [each for each in questions_of(contact, language=link.language) if not each.chosen]
        if open_ones and "skip" not in request.POST:
            return self.ask(request, link, contact, missing=open_ones)
        return self.go(link, "review")

    def ask(
        self, request: HttpRequest, link: OpenLink, contact: Contact, *, missing: list[Question] | None = None
    ) -> HttpResponse:
        """The form, with what is still open."""
        return self.page(
            request,
            link,
            contact,
            "pages/check_in_all.html",
            status=422 if missing else 200,
            questions=questions_of(contact, language=link.language),
            missing=missing or [],
            missing_names=[each.name for each in missing or []],
            fault=self.say(link, "check_in_open_ones") if missing else "",
        )


class Review(AskedPage):
    """The answers, each with a way to change it, and the button that sends them."""

    title = "check_in_review_title"

    def screen(
        self, request: HttpRequest, link: OpenLink, contact: Contact, *, fault: str = "", status: int = 200
    ) -> HttpResponse:
        """What will be sent."""
        questions = questions_of(contact, language=link.language)
        return self.page(
            request,
            link,
            contact,
            "pages/check_in_review.html",
            status=status,
            questions=questions,
            version=contact.draft.version if contact.draft else 0,
            change=f"{link.url('question')}?back=1&{NUMBER}=",
            fault=self.say(link, fault) if fault else "",
        )

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Send them. Sent twice, or after a call: they are answered once, and the page says thank you."""
        try:
            sent = drafts.send(
                now=link.now,
                patient_id=link.patient.pk,
                check_in_id=link.row.subject_id,
                draft_version=_whole(request.POST.get("version", "")),
                language=link.language,
            )
        except StaleVersion:
            return self.screen(request, link, self.contact(link), fault="check_in_changed", status=409)
        except Invalid:
            return self.screen(request, link, self.contact(link), fault="check_in_nothing", status=422)
        except CheckInClosed:
            return self.over(request, link, self.contact(link), status=409)
        return self.go(link, "done", told="kept" if sent == drafts.Sent.KEPT else "")


class Help(CheckInPage):
    """After a critical answer: who helps now, before anything else."""

    title = "help_title"
    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """988 and 911, whether somebody is watching, and then the way on."""
        contact = self.contact(link)
        if not reading.alarms_of(reading.contact_rows(contact.row), patient=link.patient):
            return self.go(link)
        return self.page(request, link, contact, "pages/check_in_help.html", goes_on=contact.is_open)


class Done(CheckInPage):
    """Thank you, once it is so."""

    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Thank you; the first page while there is something to answer."""
        contact = self.contact(link)
        return self.go(link) if contact.is_open else self.over(request, link, contact)


def see_other(location: str) -> HttpResponse:
    """303: reloading the page it leads to repeats nothing."""
    return HttpResponse(status=303, headers={"Location": location})


def _whole(said: str) -> int | None:
    """A whole number as our own forms and addresses write it."""
    return int(said) if re.fullmatch(r"[0-9]{1,8}", said) else None


PAGES: Mapping[str, type[Page]] = {
    "": CheckInPage,
    "question": OneQuestion,
    "all": AllQuestions,
    "review": Review,
    "help": Help,
    "done": Done,
}
