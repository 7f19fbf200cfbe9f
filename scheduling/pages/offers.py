"""The pages of an offer of the waiting list: the first to say yes gets it, everybody else stays on the list.

Taking it books a visit, so the date of birth is asked first; declining it takes nothing from anybody."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from clinic.access.policy import PATIENT_ON_PAGE
from clinic.common.errors import DomainError, NotFound
from patients.pages.handlers import Page
from patients.pages.links import OpenLink
from scheduling.domain.offers import OfferStatus, status_at
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Offer
from scheduling.pages.moments import when_words, your_time
from scheduling.pages.words import WORDS
from scheduling.selectors import patient_pages as selector
from scheduling.services import offers

_OVER = {
    OfferStatus.DECLINED: ("offer_declined_title", ""),
    OfferStatus.EXPIRED: ("offer_expired_title", "offer_expired"),
    OfferStatus.SUPERSEDED: ("offer_gone_title", "offer_gone"),
}
_OVER_CODES = frozenset({"offer_gone", "offer_expired", "invalid_transition"})


class OfferPage(Page):
    """The offer as it stands."""

    title = "offer_title"
    words = WORDS

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Open: yes or no. Over: what became of it."""
        return self.overview(request, link)

    def overview(self, request: HttpRequest, link: OpenLink, *, fault: str = "") -> HttpResponse:
        """The page; with a ``fault`` it answers a POST that could not be done."""
        offer = self.offer(link)
        status = status_at(OfferStatus(offer.status), expires_at=offer.expires_at, now=link.now)
        http = 409 if fault else 200
        if status == OfferStatus.OFFERED:
            text = self.say(link, fault) if fault else ""
            return self.show(
                request, link, "pages/offer.html", status=http, **self.facts(link, offer), fault=text
            )
        if status == OfferStatus.ACCEPTED:
            return self._accepted(request, link, offer)
        title, text_key = _OVER[status]
        return self.show(
            request,
            link,
            "pages/offer_over.html",
            status=http,
            **self.facts(link, offer) | {"title": self.say(link, title)},
            text=self.say(link, text_key) if text_key else "",
        )

    def offer(self, link: OpenLink) -> Offer:
        """The patient's own offer. Raises NotFound."""
        found = selector.offer_of(patient=link.patient, offer_id=link.row.subject_id)
        if found is None:
            raise NotFound("This link opens no offer.")
        return found

    def facts(self, link: OpenLink, offer: Offer) -> dict[str, Any]:
        """What every page of an offer shows, with the site being the offer's."""
        site, language = offer.slot.site, link.language
        when = partial(when_words, zone=site.zone, language=language)
        return {
            "site": site.discreet_name,
            "address": site.address,
            "when": when(offer.start_at),
            "your_time": your_time(offer.start_at, zone=site.zone, home=link.patient.zone, language=language),
            "until": when(offer.expires_at),
            "accept": link.url("accept"),
            "decline": link.url("decline"),
            **self.phone_of(site),
        }

    def _accepted(self, request: HttpRequest, link: OpenLink, offer: Offer) -> HttpResponse:
        """Theirs, unless the visit was moved or lost since."""
        visit = offer.appointment
        stands = (
            visit is not None
            and visit.start_at == offer.start_at
            and Status(visit.status) not in FREES_RESOURCES
        )
        return self.show(
            request,
            link,
            "pages/offer_accepted.html",
            **self.facts(link, offer) | {"title": self.say(link, "offer_accepted_title")},
            stands=stands,
        )


class Accept(OfferPage):
    """Asks for the date of birth, then for one more yes."""

    title = "accept_title"
    needs_birth_date = True

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """The same offer with the button that takes it; over, the first page says so."""
        offer = self.offer(link)
        if (
            status_at(OfferStatus(offer.status), expires_at=offer.expires_at, now=link.now)
            != OfferStatus.OFFERED
        ):
            return self.go(link)
        return self.show(request, link, "pages/offer_accept.html", **self.facts(link, offer))

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Exactly one patient gets it; who was second reads so, kindly."""
        offer = self.offer(link)
        if offer.status != OfferStatus.ACCEPTED:
            try:
                offers.accept(actor=PATIENT_ON_PAGE, now=link.now, offer_id=offer.pk)
            except DomainError as error:
                return self.refused(request, link, error)
        return self.go(link)

    def refused(self, request: HttpRequest, link: OpenLink, error: DomainError) -> HttpResponse:
        """The offer as it stands now, and why it could not be taken."""
        if error.code == "not_found":
            raise error
        if error.code == "offer_gone":
            return self._gone(request, link)
        return self.overview(
            request, link, fault="offer_busy" if error.code == "patient_busy" else "not_done"
        )

    def _gone(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Lost to another; the worker writes it down a moment later, but the patient reads it now."""
        return self.show(
            request,
            link,
            "pages/offer_over.html",
            status=409,
            **self.facts(link, self.offer(link)) | {"title": self.say(link, "offer_gone_title")},
            text=self.say(link, "offer_gone"),
        )


class Decline(OfferPage):
    """Says no, and stays on the list."""

    def get(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Only a POST declines."""
        return self.go(link)

    def post(self, request: HttpRequest, link: OpenLink) -> HttpResponse:
        """Saying no to what is over already changes nothing."""
        offer = self.offer(link)
        try:
            offers.decline(actor=PATIENT_ON_PAGE, now=link.now, offer_id=offer.pk)
        except DomainError as error:
            if error.code not in _OVER_CODES:
                raise
        return self.go(link)
