"""The ledger of messages in the admin: read, never written. It holds no address and no text."""

from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, PatientSiteFilter
from patients.models import Attempt, Message


class AttemptInline(TabularInline):
    """Each try to hand it to a gateway."""

    model = Attempt
    extra = 0
    can_delete = False
    fields = readonly_fields = ("number", "began", "handed_over", "ended", "outcome", "error")
    verbose_name_plural = "attempts"
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """With the patient, whose zone the times are in."""
        rows: QuerySet[Attempt] = super().get_queryset(request)
        return rows.select_related("message__patient")

    def has_view_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Whoever sees the message."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Nobody."""
        return False

    @display(description="began")  # type: ignore[untyped-decorator]
    def began(self, obj: Attempt) -> str:
        """On the patient's clocks."""
        return shown.local_time(obj.started_at, obj.message.patient.zone)

    @display(description="handed over")  # type: ignore[untyped-decorator]
    def handed_over(self, obj: Attempt) -> str:
        """On the patient's clocks."""
        return shown.local_time(obj.handed_over_at, obj.message.patient.zone)

    @display(description="ended")  # type: ignore[untyped-decorator]
    def ended(self, obj: Attempt) -> str:
        """On the patient's clocks."""
        return shown.local_time(obj.ended_at, obj.message.patient.zone)


@admin.register(Message)
class MessageAdmin(OnsetAdmin):
    """What patients were, are and will be told."""

    reads = "messages.read"
    list_display = ("what", "channel", "patient_link", "due", "status_shown", "why")
    list_display_links = ("what",)
    list_filter = (PatientSiteFilter, ("status", ChoicesDropdownFilter), ("channel", ChoicesDropdownFilter))
    list_select_related = ("patient",)
    date_hierarchy = "due_at"
    fields = (
        ("what", "channel"),
        "patient_link",
        ("planned", "due"),
        "until",
        ("status_shown", "why"),
        ("finished", "subject"),
    )
    readonly_fields = (
        "what",
        "patient_link",
        "planned",
        "due",
        "until",
        "status_shown",
        "why",
        "finished",
        "subject",
    )
    inlines = (AttemptInline,)
    empty_hint = "No message fits. Visits and check-ins plan their own."

    def site_of(self, obj: Message) -> int | None:
        """The patient's."""
        return obj.patient.site_id

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """With the patient."""
        rows: QuerySet[Message] = super().get_queryset(request)
        return rows.select_related("patient")

    @display(description="message", ordering="kind")  # type: ignore[untyped-decorator]
    def what(self, obj: Message) -> str:
        """The kind, in words."""
        return obj.kind.replace("_", " ").capitalize()

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: Message) -> str:
        """To the patient's page."""
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="due", ordering="due_at")  # type: ignore[untyped-decorator]
    def due(self, obj: Message) -> str:
        """On the patient's clocks."""
        return shown.local_time(obj.due_at, _zone(obj))

    @display(description="planned for")  # type: ignore[untyped-decorator]
    def planned(self, obj: Message) -> str:
        """Before quiet hours and retries."""
        return shown.local_time(obj.planned_at, _zone(obj))

    @display(description="not after")  # type: ignore[untyped-decorator]
    def until(self, obj: Message) -> str:
        """Later than this it helps nobody."""
        return shown.local_time(obj.not_after, _zone(obj))

    @display(description="finished")  # type: ignore[untyped-decorator]
    def finished(self, obj: Message) -> str:
        """When its story ended."""
        return shown.local_time(obj.finished_at, _zone(obj))

    @display(description="about")  # type: ignore[untyped-decorator]
    def subject(self, obj: Message) -> str:
        """``appointment 12``."""
        return f"{obj.subject_kind.replace('_', '-')} {obj.subject_id}"

    @display(description="why")  # type: ignore[untyped-decorator]
    def why(self, obj: Message) -> str:
        """Why it was not sent."""
        return obj.reason.replace("_", " ") or shown.NOTHING

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Message) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())


def _zone(message: Message) -> ZoneInfo:
    return message.patient.zone
