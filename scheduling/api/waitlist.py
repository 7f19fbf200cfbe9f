"""/waitlist/ and /offers/: who waits for an earlier time, and what was offered to them."""

from datetime import datetime, timedelta
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import (
    DayField,
    FlagFilter,
    IdFilter,
    InstantField,
    VisibleField,
    WallTimeField,
    write_instant,
)
from clinic.api.related import VisibleByCodeField
from clinic.api.views import OnsetViewSet, ReadMixin
from patients.models import Patient
from scheduling.domain import offers as domain
from scheduling.domain.calendars import day_start, refuse_skipped
from scheduling.domain.offers import OfferStatus
from scheduling.domain.waitlist import EntryStatus
from scheduling.models import Course, Offer, VisitType, WaitlistEntry
from scheduling.services import offers, waitlist
from scheduling.services.waitlist import Wishes

_LENGTH_OF_A_DATE = len("2027-01-04")
_LONGEST_NOTICE = 14 * 24 * 60


@extend_schema_field({"type": "string", "examples": ["2027-02-08", "2027-02-08T09:00:00-07:00"]})
class DayOrInstantField(serializers.Field[Any, Any, Any, Any]):
    """A date on the calendar of the site, or an instant with its offset."""

    def to_internal_value(self, data: Any) -> Any:
        """A date or an aware datetime. Raises ValidationError as DayField and InstantField."""
        if isinstance(data, str) and len(data) == _LENGTH_OF_A_DATE:
            return DayField().to_internal_value(data)
        return InstantField().to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        """Shown by the entry's own serializer."""
        return value


class WaitlistEntrySerializer(serializers.Serializer[WaitlistEntry]):
    """A patient who waits."""

    id = serializers.IntegerField()
    patient = serializers.IntegerField()
    visit_type = serializers.IntegerField()
    course = serializers.IntegerField(allow_null=True)
    site = serializers.IntegerField()
    earliest = serializers.DateTimeField(help_text="The visit begins then or later.")
    latest = serializers.DateTimeField(help_text="The visit begins before then.")
    weekdays = serializers.ListField(child=serializers.IntegerField(), help_text="0 is Monday; empty: any.")
    earliest_time = serializers.CharField(allow_null=True)
    latest_time = serializers.CharField(allow_null=True)
    priority = serializers.IntegerField()
    notice_minutes = serializers.IntegerField(allow_null=True)
    has_escort = serializers.BooleanField()
    note = serializers.CharField()
    status = serializers.ChoiceField(choices=[each.value for each in EntryStatus])
    appointment = serializers.IntegerField(allow_null=True, help_text="The visit that ended the waiting.")
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()

    def to_representation(self, instance: WaitlistEntry) -> dict[str, Any]:
        """Instants as the site's clocks show them."""
        zone = instance.site.zone
        return {
            "id": instance.pk,
            "patient": instance.patient_id,
            "visit_type": instance.visit_type_id,
            "course": instance.course_id,
            "site": instance.site_id,
            "earliest": write_instant(instance.earliest_at, zone),
            "latest": write_instant(instance.latest_at, zone),
            "weekdays": instance.weekdays,
            "earliest_time": instance.earliest_time and f"{instance.earliest_time:%H:%M}",
            "latest_time": instance.latest_time and f"{instance.latest_time:%H:%M}",
            "priority": instance.priority,
            "notice_minutes": instance.notice_minutes,
            "has_escort": instance.has_escort,
            "note": instance.note,
            "status": instance.status,
            "appointment": instance.appointment_id,
            "created_at": write_instant(instance.created_at),
            "version": instance.version,
        }


class WishesSerializer(serializers.Serializer[Any]):
    """What a patient waits for."""

    earliest = DayOrInstantField(help_text="A date (from its first minute) or an instant.")
    latest = DayOrInstantField(help_text="A date (to its end) or an instant.")
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), max_length=7, required=False
    )
    earliest_time = WallTimeField(required=False, allow_null=True)
    latest_time = WallTimeField(required=False, allow_null=True)
    priority = serializers.IntegerField(min_value=0, max_value=9, required=False)
    notice_minutes = serializers.IntegerField(
        min_value=0,
        max_value=_LONGEST_NOTICE,
        required=False,
        allow_null=True,
        help_text="What the patient needs between hearing of it and the start; empty: the site's usual. "
        "A patient who keeps the fast on the days waited for may need 120 only.",
    )
    has_escort = serializers.BooleanField(
        required=False,
        help_text="An adult can take the patient home at short notice (true when absent). Visits to which "
        "one comes fasting are offered to nobody else.",
    )
    note = serializers.CharField(max_length=200, required=False, allow_blank=True)

    def validate_weekdays(self, value: list[int]) -> list[int]:
        """In order, each once."""
        return sorted(set(value))

    def wishes(self, site: Site) -> Wishes:
        """What was sent, dates read on the calendar of the site. Raises Invalid for skipped times."""
        given = dict(self.validated_data)
        for name in ("patient", "site", "visit_type", "course"):
            given.pop(name, None)
        if "earliest" in given:
            given["earliest_at"] = _instant(given.pop("earliest"), site, days=0)
        if "latest" in given:
            given["latest_at"] = _instant(given.pop("latest"), site, days=1)
        wishes: Wishes = given  # type: ignore[assignment]  # the fields are those of Wishes
        return wishes


class NewEntrySerializer(WishesSerializer):
    """Who waits, and for what."""

    patient = VisibleField(queryset=Patient.objects)
    site = VisibleField(queryset=Site.objects)
    visit_type = VisibleByCodeField(
        queryset=VisitType.objects, required=False, allow_null=True, help_text="Id or code. Or course."
    )
    course = VisibleField(queryset=Course.objects, required=False, allow_null=True)


def _instant(value: Any, site: Site, *, days: int) -> datetime:
    """The instant, or the first one of a date (``days`` later)."""
    if isinstance(value, datetime):
        return refuse_skipped(value, site.zone)
    return day_start(value + timedelta(days=days), site.zone)


class WaitlistFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    site = IdFilter(field_name="site_id")
    patient = IdFilter(field_name="patient_id")
    visit_type = IdFilter(field_name="visit_type_id")
    status = django_filters.ChoiceFilter(choices=[(each.value, each.value) for each in EntryStatus])
    waiting = FlagFilter(method="by_waiting", help_text="Active, and the time waited for is not over.")

    def by_waiting(self, rows: Any, _name: str, wanted: bool) -> Any:  # noqa: FBT001 - django_filters calls it
        """Who may still be offered something, or everybody else."""
        now = self.request.parser_context["view"].now
        waiting = WaitlistEntry.objects.filter(status=EntryStatus.ACTIVE, latest_at__gt=now)
        return rows.filter(pk__in=waiting) if wanted else rows.exclude(pk__in=waiting)


class WaitlistViewSet(ReadMixin, OnsetViewSet):
    """Waitlists of the sites at which the caller reads the schedule, in the order in which they are asked."""

    queryset = WaitlistEntry.objects.select_related("site")
    serializer_class = WaitlistEntrySerializer
    filterset_class = WaitlistFilters
    page_ordering = ("-priority", "created_at", "id")
    permissions = {
        "list": "appointments.read",
        "retrieve": "appointments.read",
        "create": "appointments.write",
        "partial_update": "appointments.write",
        "cancel": "appointments.write",
    }

    @extend_schema(request=NewEntrySerializer, responses={201: WaitlistEntrySerializer})
    def create(self, request: Request) -> Response:
        """Put a patient on the waitlist."""
        asked = NewEntrySerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        added = waitlist.add(
            actor=self.actor,
            now=self.now,
            patient_id=wanted["patient"].pk,
            site=wanted["site"],
            visit_type=wanted.get("visit_type"),
            course=wanted.get("course"),
            wishes=asked.wishes(wanted["site"]),
        )
        return self.show(added, status=201)

    @extend_schema(request=WishesSerializer, responses={200: WaitlistEntrySerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is waited for; needs If-Match."""
        expected = self.expected_version(required=True)
        known = self.get_object()
        asked = WishesSerializer(data=request.data, partial=True, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        changed = waitlist.change(
            actor=self.actor,
            now=self.now,
            entry_id=known.pk,
            expected_version=expected,
            wishes=asked.wishes(known.site),
        )
        return self.show(changed)

    @extend_schema(request=None, responses={200: WaitlistEntrySerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """The patient no longer waits."""
        cancelled = waitlist.cancel(
            actor=self.actor, now=self.now, entry_id=int(pk), expected_version=self.expected_version()
        )
        return self.show(cancelled)


class OfferSerializer(serializers.Serializer[Offer]):
    """A freed time as it was offered to one patient."""

    id = serializers.IntegerField()
    entry = serializers.IntegerField(help_text="Waitlist entry.")
    patient = serializers.IntegerField()
    slot = serializers.IntegerField(help_text="Offers of one freed time have the same slot.")
    site = serializers.IntegerField()
    visit_type = serializers.IntegerField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=[each.value for each in OfferStatus])
    offered_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    appointment = serializers.IntegerField(allow_null=True, help_text="The visit that it became.")
    version = serializers.IntegerField()

    def to_representation(self, instance: Offer) -> dict[str, Any]:
        """Whether it still stands is a matter of the present, so it is worked out here."""
        zone, now = instance.slot.site.zone, self.context["view"].now
        status = domain.status_at(OfferStatus(instance.status), expires_at=instance.expires_at, now=now)
        return {
            "id": instance.pk,
            "entry": instance.entry_id,
            "patient": instance.patient_id,
            "slot": instance.slot_id,
            "site": instance.slot.site_id,
            "visit_type": instance.entry.visit_type_id,
            "start": write_instant(instance.start_at, zone),
            "end": write_instant(instance.end_at, zone),
            "status": status,
            "offered_at": write_instant(instance.offered_at, zone),
            "expires_at": write_instant(instance.expires_at, zone),
            "answered_at": instance.answered_at and write_instant(instance.answered_at, zone),
            "appointment": instance.appointment_id,
            "version": instance.version,
        }


class OfferFilters(django_filters.FilterSet):
    """What a list can be narrowed by."""

    site = IdFilter(field_name="slot__site_id")
    patient = IdFilter(field_name="patient_id")
    entry = IdFilter(field_name="entry_id")
    slot = IdFilter(field_name="slot_id")
    status = django_filters.ChoiceFilter(
        choices=[(each.value, each.value) for each in OfferStatus], method="by_status"
    )

    def by_status(self, rows: Any, _name: str, wanted: str) -> Any:
        """By what is shown: an offer whose time is over counts as expired before anybody wrote it down."""
        now = self.request.parser_context["view"].now
        lapsed = {"status": OfferStatus.OFFERED, "expires_at__lte": now}
        if wanted == OfferStatus.EXPIRED:
            return rows.filter(status=wanted) | rows.filter(**lapsed)
        return rows.filter(status=wanted).exclude(**lapsed)


class OfferViewSet(ReadMixin, OnsetViewSet):
    """Offers at the caller's sites. Patients answer by calling, staff record what they say."""

    queryset = Offer.objects.select_related("slot__site", "entry")
    serializer_class = OfferSerializer
    filterset_class = OfferFilters
    page_ordering = ("-offered_at", "-id")
    permissions = {
        "list": "appointments.read",
        "retrieve": "appointments.read",
        "accept": "appointments.write",
        "decline": "appointments.write",
    }

    @extend_schema(request=None, responses={200: OfferSerializer})
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """The patient says yes: the visit is booked. 409 ``offer_gone`` when another one was first."""
        taken = offers.accept(
            actor=self.actor, now=self.now, offer_id=int(pk), expected_version=self.expected_version()
        )
        return self.show(taken)

    @extend_schema(request=None, responses={200: OfferSerializer})
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: str) -> Response:
        """The patient says no and goes on waiting."""
        declined = offers.decline(
            actor=self.actor, now=self.now, offer_id=int(pk), expected_version=self.expected_version()
        )
        return self.show(declined)
