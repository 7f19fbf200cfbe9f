"""What a clinic says and when: message templates, contact policy, the catalogue of conditions."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.forms import STAMP, OnsetForm, require_stamp
from clinic.access.admin.inputs import Phrases
from clinic.access.policy import Actor
from clinic.common import clock
from patients.domain import wording
from patients.domain.rendering import CannotRender, Facts, Words, render
from patients.models import Condition, ConditionCode, ContactPolicy, MessageTemplate
from patients.services import links

_CANNOT = {
    "too_long": "It is longer than one text message.",
    "revealing": "It says what is treated here.",
    "no_moment": "It names a time that some messages of this kind do not have.",
    "no_link": "It holds a link that some messages of this kind do not have.",
    "bad_template": "A placeholder is unknown.",
}


class SharedForm(OnsetForm):
    """There is no service: the model's own constraints speak."""

    ruled_by_service = False


class SharedAdmin(OnsetAdmin):
    """Rows that every site reads."""

    reads, writes = "setup.read", "setup.write"
    form = SharedForm

    def visible(self, rows: Any, actor: Actor) -> QuerySet[Any]:
        """All of them, for whoever reads set-up."""
        shared: QuerySet[Any] = rows if actor.may(self.reads) else rows.none()
        return shared


class TemplateForm(SharedForm):
    """Words that pass the rules of domain.wording, and fit."""

    def clean(self) -> dict[str, Any]:
        """Every fault as a sentence at the body."""
        cleaned = super().clean()
        known = self.instance if self.instance.pk else None
        channel = known.channel if known else cleaned.get("channel", "")
        faults = wording.faults(
            kind=known.kind if known else cleaned.get("kind", ""),
            channel=channel,
            subject=cleaned.get("subject", ""),
            body=cleaned.get("body", ""),
        )
        for fault in faults:
            self.add_error("subject" if "subject" in fault.split(".")[0] else "body", fault)
        if not faults and channel == "sms":
            try:
                language = known.language if known else cleaned.get("language", "en")
                render(Words(subject="", body=cleaned["body"]), _example(), channel="sms", language=language)
            except CannotRender as cannot:
                self.add_error("body", _CANNOT.get(cannot.code, "It cannot be filled in."))
        return cleaned


@admin.register(MessageTemplate)
class MessageTemplateAdmin(SharedAdmin):
    """Changing the words makes a new version; what was sent keeps the version it was sent with."""

    form = TemplateForm
    list_display = ("kind", "channel", "language", "version", "active", "beginning")
    list_filter = (
        ("channel", ChoicesDropdownFilter),
        ("language", ChoicesDropdownFilter),
        "active",
    )
    fields = ("kind", ("channel", "language"), "subject", "body", ("version", "source"), "preview")
    empty_hint = "Without templates no message can be written. Add the first one."

    def get_readonly_fields(
        self, request: HttpRequest, obj: MessageTemplate | None = None
    ) -> tuple[str, ...]:
        """What a template is for stays; its words get a new version."""
        return ("version", "source", "preview", *(("kind", "channel", "language") if obj else ()))

    @display(description="words")  # type: ignore[untyped-decorator]
    def beginning(self, obj: MessageTemplate) -> str:
        """The first words."""
        words = " ".join(obj.body.split())
        return words if len(words) <= 60 else f"{words[:60]}…"  # noqa: PLR2004 - a table cell

    @display(description="preview")  # type: ignore[untyped-decorator]
    def preview(self, obj: MessageTemplate) -> str:
        """As an invented patient would read it."""
        if not obj.body:
            return "Save to see it filled in."
        try:
            words = render(
                Words(subject=obj.subject, body=obj.body),
                _example(),
                channel=obj.channel,
                language=obj.language,
            )
        except CannotRender as cannot:
            return _CANNOT.get(cannot.code, "It cannot be filled in.")
        return format_html(
            '<div class="onset-preview"><strong>{}</strong>{}</div>', words.subject, words.body
        )

    def save_model(self, request: HttpRequest, obj: MessageTemplate, form: Any, change: bool) -> None:  # noqa: FBT001
        """A new row; the one it follows is no longer active."""
        same = MessageTemplate.objects.filter(kind=obj.kind, channel=obj.channel, language=obj.language)
        if change:
            require_stamp(same.select_for_update().get(pk=obj.pk), form.cleaned_data[STAMP])
            if not form.changes():
                return
        latest = same.aggregate(latest=Max("version"))["latest"] or 0
        same.filter(active=True).update(active=False)
        obj.pk = same.create(
            kind=obj.kind,
            channel=obj.channel,
            language=obj.language,
            version=latest + 1,
            subject=obj.subject,
            body=obj.body,
            source=f"Your clinic ({request.user.get_username()})"[:120],
        ).pk


@admin.register(ContactPolicy)
class ContactPolicyAdmin(SharedAdmin):
    """Quiet hours, in the patient's own zone, and how many texts are too many."""

    list_display = (
        "where",
        "quiet_from",
        "quiet_until",
        "pull_to",
        "texts_per_day",
        "texts_per_week",
        "source",
    )
    list_filter = (SiteFilter,)
    list_select_related = ("site",)
    fields = (
        "site",
        ("quiet_from", "quiet_until"),
        "pull_to",
        ("texts_per_day", "texts_per_week"),
        ("source", "mark"),
    )
    empty_hint = "Add the quiet hours that count for every site."

    def visible(self, rows: Any, actor: Actor) -> QuerySet[ContactPolicy]:
        """The default, and those of one's own sites."""
        if actor.sees_every_site:
            every: QuerySet[ContactPolicy] = rows
            return every
        own: QuerySet[ContactPolicy] = rows.filter(Q(site=None) | Q(site_id__in=actor.sites(self.reads)))
        return own

    @display(description="where")  # type: ignore[untyped-decorator]
    def where(self, obj: ContactPolicy) -> str:
        """The site, or every site."""
        return obj.site.name if obj.site else "Every site"


class ConditionCodeInline(TabularInline):
    """Dated ICD-10-CM codes; an outdated one gets its last day rather than being removed."""

    model = ConditionCode
    extra = 0
    can_delete = False
    fields = ("icd10cm", "valid_from", "valid_until", "mark")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever reads set-up."""
        return actor_in(request).may("setup.read")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever writes set-up."""
        return actor_in(request).may("setup.write")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever writes set-up."""
        return actor_in(request).may("setup.write")


class ConditionForm(SharedForm):
    """Synonyms one to a line."""

    synonyms = Phrases(separator="\n", help_text="Descriptions that imports map to it, one to a line.")


@admin.register(Condition)
class ConditionAdmin(SharedAdmin):
    """What we treat."""

    form = ConditionForm
    list_display = ("name", "code", "icd10cm", "source", "mark")
    fields = ("code", "name", "synonyms", "source", "mark")
    inlines = (ConditionCodeInline,)
    empty_hint = "Add the conditions that your clinic treats."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Condition]:
        """With the codes."""
        rows: QuerySet[Condition] = super().get_queryset(request)
        return rows.prefetch_related("codes")

    @display(description="ICD-10-CM")  # type: ignore[untyped-decorator]
    def icd10cm(self, obj: Condition) -> str:
        """All codes."""
        return ", ".join(code.icd10cm for code in obj.codes.all())


def _example() -> Facts:
    """An invented patient with a visit on Wednesday of next week at 09:00."""
    zone = ZoneInfo("America/Denver")
    today = clock.now().astimezone(zone)
    start: datetime = (today + timedelta(days=9 - today.weekday())).replace(
        hour=9, minute=0, second=0, microsecond=0
    )
    return Facts(
        name="Alex",
        site="Cedar Street Office",
        phone="+13035550100",
        moment=start,
        zone=zone,
        home=zone,
        link=links.sample(),
        visits=tuple(start + timedelta(days=days) for days in (0, 2, 5)),
    )
