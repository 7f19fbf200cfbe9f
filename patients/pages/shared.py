"""The pages that every link has: the date of birth, and what the patient wants to receive from us."""

import re

from django.http import HttpRequest, HttpResponse

from clinic.common import clock
from patients.domain.identity import date_from
from patients.models import Consent, Patient
from patients.pages.handlers import TOLD, Page
from patients.pages.links import OpenLink, remember
from patients.services import consents, identity, preferences

_STEP = re.compile(r"[a-z-]{0,30}")
_YES_NO = {"yes": True, "no": False}
_CHANNELS = {"email": Consent.Channel.EMAIL, "texts": Consent.Channel.SMS}
"""What the form calls a channel."""


class BirthDate(Page):
    """Takes the date of birth that another page asked for, and leads back there."""

    title = "birth_title"

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Right: remembered for some minutes. Wrong or locked: asked again, and told."""
        step = request.POST.get("next", "")
        step = step if _STEP.fullmatch(step) else ""
        given = date_from(
            year=request.POST.get("year", ""),
            month=request.POST.get("month", ""),
            day=request.POST.get("day", ""),
        )
        if given is None:
            return ask_birth_date(self, request, link, step=step, fault="birth_unreadable", status=422)
        outcome = identity.check(link_id=link.row.pk, given=given, at=clock.wall(), now=link.now)
        if outcome.passed:
            response = self.go(link, step)
            remember(response, link)
            return response
        if outcome.locked_until is not None:
            return ask_birth_date(self, request, link, step=step, fault="birth_locked", status=429)
        return ask_birth_date(self, request, link, step=step, fault="birth_wrong", status=422)


def ask_birth_date(
    page: Page, request: HttpRequest, link: OpenLink, *, step: str, fault: str = "", status: int = 200
) -> HttpResponse:
    """The form, in place of a page that needs it. What was typed is not repeated back."""
    return page.show(
        request,
        link,
        "pages/birth_date.html",
        status=status,
        title=page.say(link, "birth_title"),
        action=link.url("birth-date"),
        next=step,
        months=list(enumerate(page.say(link, "months").split(), start=1)),
        fault=fault,
    )


class Preferences(Page):
    """Which channels we may use, and which language. Every choice is a button."""

    title = "preferences_title"

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """What is in force now."""
        channels = [
            self._channel(link, name, on=getattr(link.patient, consents.ACCEPTS[channel]))
            for name, channel in _CHANNELS.items()
            if getattr(link.patient, consents.ADDRESS[channel])
        ]
        languages = [
            {"code": code, "name": name, "on": code == link.language}
            for code, name in Patient.Language.choices
        ]
        saved = request.GET.get(TOLD) == "saved"
        return self.show(
            request, link, "pages/preferences.html", channels=channels, languages=languages, saved=saved
        )

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """One choice; anything else leaves all as it is."""
        channel = _CHANNELS.get(request.POST.get("channel", ""))
        answer = _YES_NO.get(request.POST.get("answer", ""))
        language = request.POST.get("language")
        if channel is not None and answer is not None:
            preferences.choose_channel(
                patient_id=link.patient.pk, channel=channel, granted=answer, now=link.now
            )
        elif language in Patient.Language.values:
            preferences.choose_language(patient_id=link.patient.pk, language=language, now=link.now)
        else:
            return self.go(link, "preferences")
        return self.go(link, "preferences", told="saved")

    def _channel(self, link: OpenLink, name: str, *, on: bool) -> dict[str, str]:
        return {
            "name": name,
            "label": self.say(link, f"channel_{name}"),
            "state": self.say(link, f"channel_{name}_{'on' if on else 'off'}"),
            "button": self.say(link, f"channel_{name}_{'stop' if on else 'start'}"),
            "value": "no" if on else "yes",
        }


PAGES: dict[str, type[Page]] = {"birth-date": BirthDate, "preferences": Preferences}
"""Step -> page, for every kind of link."""
