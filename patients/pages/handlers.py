"""What a page for patients is. Each subject of a link has a table of them: ``settings.PATIENT_PAGES`` names,
per subject kind, a mapping ``step -> Page class``; step ``""`` is what the link itself opens, every other
step lies at ``/p/<token>/<step>/``.

A new kind of page is one class::

    class Questions(Page):
        title = "questions_title"      # a key of ``words``
        needs_birth_date = True        # asked before get and post are called
        words = WORDS                  # {"questions_title": {"en": "…", "es": "…"}, …}

        def get(self, request, link): return self.show(request, link, "pages/questions.html")
        def post(self, request, link): …; return self.go(link)

    PAGES = {"": Questions}

``link`` is an OpenLink: ``link.row.subject_id``, ``link.patient``, ``link.now``, ``link.language``. The page
looks its subject up by id *and* patient, and raises NotFound when it is not there. ``get`` changes nothing,
ever: mail scanners open links. ``post`` has passed CSRF, and says the same when it is sent twice.
"""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from clinic.access.models import Site
from patients.domain.rendering import readable_phone
from patients.pages.links import OpenLink
from patients.pages.words import COMMON, Words, say

TOLD = "told"
"""The query parameter that names what has just happened; the page shows it only if it is so."""


class Page:
    """One page of a link. Subclasses say what it shows and what a POST does."""

    title: ClassVar[str] = ""
    needs_birth_date: ClassVar[bool] = False
    words: ClassVar[Words] = {}

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Show the page. A step that only acts leads back to the first page."""
        return self.go(link)

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Do what was asked, then lead to a page that shows it."""
        return self.go(link)

    def show(
        self, request: HttpRequest, link: OpenLink, template: str, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """The template in the patient's language, inside the frame that all pages share."""
        return render(request, template, self.frame(link) | context, status=status)

    def go(self, link: OpenLink, step: str = "", *, told: str = "") -> HttpResponse:
        """303 to a page of this link: reloading it repeats nothing."""
        target = link.url(step) + (f"?{TOLD}={told}" if told else "")
        return HttpResponse(status=303, headers={"Location": target})

    def say(self, link: OpenLink, key: str, **values: str) -> str:
        """A sentence of this page in the patient's language."""
        return say(self.all_words(), key, link.language, **values)

    def all_words(self) -> Words:
        """The page's words and those that all pages share."""
        return {**COMMON, **self.words}

    def frame(self, link: OpenLink) -> dict[str, Any]:
        """What the shared template needs."""
        site = link.patient.site
        return {
            "link": link,
            "language": link.language,
            "words": self.all_words(),
            "title": self.say(link, self.title) if self.title else "",
            "site": site.discreet_name,
            "home": link.url(),
            "preferences": link.url("preferences"),
            **self.phone_of(site),
        }

    @staticmethod
    def phone_of(site: Site) -> dict[str, str]:
        """The number to call, as a telephone dials it and as people read it. Empty when a site has none."""
        return {"phone": site.phone, "phone_words": readable_phone(site.phone) if site.phone else ""}
