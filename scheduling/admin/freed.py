"""Freed times in the admin: what became free, to whom it was offered, who got it, and answers by phone."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import RecordAdmin, SiteFilter, actor_in
from clinic.access.admin.refusals import attempt
from clinic.access.policy import Actor
from clinic.common import clock
from scheduling.admin.booking import admin_version
from scheduling.admin.waitlist_shown import offer_label, offer_status
from scheduling.domain.offers import OfferStatus
from scheduling.models import FreedSlot, Offer, Resource
from scheduling.services import offers

Answer = Callable[..., Offer]


@admin.register(FreedSlot)
class FreedSlotAdmin(RecordAdmin):
    """Made by whatever frees a time; only answers to its offers are recorded here."""

    reads, writes = "appointments.read", "appointments.write"
    may_add = False
    list_display = ("time", "site", "cause_shown", "freed", "asked", "winner", "status_shown")
    list_display_links = ("time",)
    list_filter = (SiteFilter, ("status", ChoicesDropdownFilter))
    empty_hint = "Nothing became free yet. Cancelled and moved visits leave their times here."

    def visible(self, rows: Any, actor: Actor) -> QuerySet[FreedSlot]:
        """At the sites whose schedule this person reads."""
        found: QuerySet[FreedSlot] = rows
        return found if actor.sees_every_site else found.filter(site_id__in=actor.sites(self.reads))

    def get_queryset(self, request: HttpRequest) -> QuerySet[FreedSlot]:
        """With how many were asked, and who got it."""
        rows: QuerySet[FreedSlot] = super().get_queryset(request)
        accepted = Offer.objects.filter(status=OfferStatus.ACCEPTED).select_related("patient")
        return (
            rows.select_related("site")
            .annotate(offer_count=Count("offers"))
            .prefetch_related(Prefetch("offers", queryset=accepted, to_attr="accepted"))
        )

    @display(description="free", ordering="start_at")  # type: ignore[untyped-decorator]
    def time(self, obj: FreedSlot) -> str:
        """From when until when, on the clocks of the site."""
        zone = obj.site.zone
        return f"{shown.local_time(obj.start_at, zone)} to {shown.clock_time(obj.end_at, zone)}"

    @display(description="because", ordering="cause")  # type: ignore[untyped-decorator]
    def cause_shown(self, obj: FreedSlot) -> str:
        """In words."""
        return obj.cause.replace("_", " ")

    @display(description="since", ordering="freed_at")  # type: ignore[untyped-decorator]
    def freed(self, obj: FreedSlot) -> str:
        """When it became free."""
        return shown.local_time(obj.freed_at, obj.site.zone)

    @display(description="asked", ordering="offer_count")  # type: ignore[untyped-decorator]
    def asked(self, obj: Any) -> str:
        """How many patients."""
        return str(obj.offer_count)

    @display(description="got by")  # type: ignore[untyped-decorator]
    def winner(self, obj: Any) -> str:
        """Who said yes first."""
        won = next(iter(obj.accepted), None)
        return shown.to("patients_patient_record", won.patient_id, text=won.patient) if won else shown.NOTHING

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: FreedSlot) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    def get_urls(self) -> list[URLPattern]:
        """Answers of patients who call."""
        return [
            self.route("offers/<int:pk>/accept/", self.accept, "accept", post=True),
            self.route("offers/<int:pk>/decline/", self.decline, "decline", post=True),
            *super().get_urls(),
        ]

    def show(self, request: HttpRequest, slot: FreedSlot) -> HttpResponse:
        """The page of a freed time."""
        now = clock.now()
        rows = slot.offers.select_related("patient", "entry__visit_type", "answered_by").order_by("pk")
        names = Resource.objects.filter(pk__in=slot.resource_ids).order_by("name")
        return self.page(
            request,
            "admin/scheduling/freed.html",
            title="Freed time",
            slot=slot,
            zone=slot.site.zone,
            when=self.time(slot),
            cause=self.cause_shown(slot),
            resources=", ".join(names.values_list("name", flat=True)) or "the whole site",
            offers=[_shown(offer, offer_status(offer, now)) for offer in rows],
            may_answer=self.may(request, self.writes, slot),
        )

    def accept(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The patient said yes."""
        return self._answer(request, pk, offers.accept, "Booked. The others are told that it is gone.")

    def decline(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The patient said no."""
        return self._answer(
            request, pk, offers.decline, "Written down. They stay on the list; the next one is asked."
        )

    def _answer(self, request: HttpRequest, pk: int, service: Answer, said: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_in(request)
        offer = Offer.objects.visible_to(actor).filter(pk=pk).first()
        if offer is None:
            raise Http404("There is no such offer at your sites.")
        done = attempt(
            request,
            lambda: service(
                actor=actor, now=clock.now(), offer_id=offer.pk, expected_version=admin_version(request)
            ),
        )
        if done is not None:
            messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:scheduling_freedslot_change", args=[offer.slot_id]))


def _shown(offer: Offer, status: OfferStatus) -> dict[str, Any]:
    return {"offer": offer, "label": offer_label(status), "open": status is OfferStatus.OFFERED}
