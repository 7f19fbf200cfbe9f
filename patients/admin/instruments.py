"""The clinic's questionnaires and which of their numbers matter; who owns alarms; who helps at any hour.

Words and items are fixed by who published them, so they are read-only; numbers and owners are the clinic's.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access.admin.base import OnsetAdmin, SiteFilter
from clinic.access.policy import Actor
from patients.admin.catalogue import SharedAdmin, SharedForm
from patients.models import AlarmPolicy, CrisisContact, Instrument, Threshold


@admin.register(Instrument)
class InstrumentAdmin(SharedAdmin):
    """Read-only: a published wording is not edited."""

    may_add = may_change = False
    list_display = ("name", "code", "version", "licence", "mark", "active")
    fields = (("code", "version"), "name", "words", "licence", "source", ("mark", "loinc", "active"))
    readonly_fields = ("words",)

    @display(description="words")  # type: ignore[untyped-decorator]
    def words(self, obj: Instrument) -> SafeString:
        """Every question in both languages."""
        stems = " / ".join(words["stem"] for words in obj.texts.values())
        rows = ((item["code"], item["en"], item["es"]) for item in obj.items)
        return format_html(
            "<p>{}</p>{}", stems, format_html_join("", "<p><strong>{}</strong> {} / {}</p>", rows)
        )


@admin.register(Threshold)
class ThresholdAdmin(SharedAdmin):
    """Where bands begin, which changes matter, which answers are critical."""

    list_display = ("instrument", "kind", "shown_value", "item", "code", "opens", "mark", "active")
    list_display_links = ("kind",)
    list_filter = (("kind", ChoicesDropdownFilter), "active")
    list_select_related = ("instrument",)
    fields = (
        "instrument",
        ("kind", "value", "unit"),
        ("item", "code"),
        ("en", "es"),
        ("opens", "severity"),
        ("owner_role", "within_minutes"),
        ("source", "mark"),
        "active",
    )

    @display(description="value", ordering="value")  # type: ignore[untyped-decorator]
    def shown_value(self, obj: Threshold) -> str:
        """With its unit."""
        return f"{obj.value.normalize():f} {obj.unit}"


@admin.register(AlarmPolicy)
class AlarmPolicyAdmin(OnsetAdmin):
    """Who owns a safety alarm, and for how long before it goes on."""

    reads, writes = "setup.read", "setup.write"
    form = SharedForm
    list_display = ("position", "where", "owner_role", "minutes", "source", "mark")
    list_filter = (SiteFilter,)
    list_select_related = ("site",)
    fields = ("site", ("position", "owner_role", "minutes"), ("source", "mark"))
    empty_hint = "Without a row nobody owns alarms, and answers that open one are refused. Add the first one."

    def visible(self, rows: Any, actor: Actor) -> QuerySet[Any]:
        """Every site's, and those of one's own sites."""
        if actor.sees_every_site:
            everything: QuerySet[Any] = rows
            return everything
        own: QuerySet[Any] = rows.filter(Q(site=None) | Q(site_id__in=actor.sites(self.reads)))
        return own

    @display(description="where", ordering="site")  # type: ignore[untyped-decorator]
    def where(self, obj: AlarmPolicy) -> str:
        """The site, or every site."""
        return obj.site.name if obj.site else "Every site"


@admin.register(CrisisContact)
class CrisisContactAdmin(SharedAdmin):
    """Shown wherever a patient answers."""

    list_display = ("name", "language", "position", "address", "mark")
    list_filter = (("language", ChoicesDropdownFilter),)
    fields = ("name", ("language", "position"), "address", ("source", "mark"))

    def get_readonly_fields(self, request: HttpRequest, obj: CrisisContact | None = None) -> tuple[str, ...]:
        """Whose language it is in stays."""
        return ("language",) if obj else ()
