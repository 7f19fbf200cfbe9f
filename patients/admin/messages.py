"""The ledger of messages in the admin: read, never written. It holds no address and no text."""

from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, PatientSiteFilter
from patients.models import Attempt, InboundMessage, Message


class AttemptInline(TabularInline):
    """Each try to hand it to a gateway."""

    model = Attempt
    extra = 0
    can_delete = False
    fields = readonly_fields = ("number", "began", "handed_over", "ended", "outcome", "words", "error")
    verbose_name_plural = "attempts"
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """With the patient, whose zone the times are in."""
        rows: QuerySet[Attempt] = super().get_queryset(request)
        return rows.select_related("message__patient", "template")

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

    @display(description="words")  # type: ignore[untyped-decorator]
    def words(self, obj: Attempt) -> str:
        """Which version of them went out."""
        if obj.template is None:
            return shown.NOTHING
        text = f"{obj.template.get_language_display()}, version {obj.template.version}"
        return shown.to("patients_messagetemplate_change", obj.template.pk, text=text)


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
        """Why it was not sent, or not yet."""
        return why(obj.reason)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Message) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())


@admin.register(InboundMessage)
class InboundMessageAdmin(OnsetAdmin):
    """What patients texted to us, and what came of it. Texts of nobody we know are for those who see all
    sites."""

    reads = "messages.read"
    list_display = ("received", "patient_link", "intent_shown", "beginning", "result")
    list_display_links = ("received",)
    list_filter = (PatientSiteFilter, ("intent", ChoicesDropdownFilter))
    list_select_related = ("patient__site",)
    date_hierarchy = "received_at"
    fields = readonly_fields = ("received", "patient_link", "intent_shown", "body", "result", "answers")
    empty_hint = "No text fits. Patients' texts to our number appear here."

    def site_of(self, obj: InboundMessage) -> int | None:
        """The patient's, when it is known whose it is."""
        return obj.patient.site_id if obj.patient else None

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundMessage]:
        """With the patient."""
        rows: QuerySet[InboundMessage] = super().get_queryset(request)
        return rows.select_related("patient__site")

    @display(description="received", ordering="received_at")  # type: ignore[untyped-decorator]
    def received(self, obj: InboundMessage) -> str:
        """On the patient's clocks."""
        return shown.local_time(obj.received_at, obj.patient.zone if obj.patient else ZoneInfo("UTC"))

    @display(description="patient")  # type: ignore[untyped-decorator]
    def patient_link(self, obj: InboundMessage) -> str:
        """To the patient's page, or the number it came from."""
        if obj.patient is None:
            return obj.sender
        return shown.to("patients_patient_record", obj.patient_id, text=obj.patient)

    @display(description="meaning", ordering="intent")  # type: ignore[untyped-decorator]
    def intent_shown(self, obj: InboundMessage) -> str:
        """What we took it for."""
        return shown.label(obj.intent, obj.get_intent_display())

    @display(description="text")  # type: ignore[untyped-decorator]
    def beginning(self, obj: InboundMessage) -> str:
        """The first words."""
        return obj.body if len(obj.body) <= 60 else f"{obj.body[:60]}…"  # noqa: PLR2004 - a table cell

    @display(description="led to")  # type: ignore[untyped-decorator]
    def result(self, obj: InboundMessage) -> str:
        """What came of it."""
        return obj.outcome.replace("_", " ") or shown.NOTHING

    @display(description="our answers")  # type: ignore[untyped-decorator]
    def answers(self, obj: InboundMessage) -> SafeString:
        """Links to them in the ledger."""
        rows = obj.answers.order_by("id")
        links = (
            (shown.to("patients_message_change", row.pk, text=row.kind.replace("_", " ")), row.status)
            for row in rows
        )
        return format_html_join(", ", "{} ({})", links) or SafeString(shown.NOTHING)


_WHY = {
    "sms_off": "text messages are switched off",
    "no_address": "no address or number is known",
    "opted_out": "the patient opted out",
    "contact_failed": "the address or number does not work",
    "past": "it would have come too late to help",
    "capped": "the patient had as many texts as they may get; there was no room in time",
    "too_late": "it could not go out in time",
    "worker_lost": "the sending process died",
    "sent_before_withdrawal": "it had gone out before it was taken back",
}


def why(reason: str) -> str:
    """A row's reason in words."""
    return _WHY.get(reason, reason.replace("_", " ")) or shown.NOTHING


def _zone(message: Message) -> ZoneInfo:
    return message.patient.zone
