"""The rules that a clinic may change: which messages a visit brings, and when check-ins are asked.

Rows for one site belong to its managers; rows without a site are every site's default.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access.admin.base import OnsetAdmin, SiteFilter
from clinic.access.admin.forms import OnsetForm
from clinic.access.admin.inputs import Phrases
from clinic.access.policy import Actor
from scheduling.models import CheckInPolicy, CheckInRule, ReminderRule


class RuleForm(OnsetForm):
    """There is no service: the model's own constraints speak."""

    ruled_by_service = False


class RuleAdmin(OnsetAdmin):
    """Dated defaults with their source; making a row inactive takes it out of force."""

    reads, writes = "setup.read", "setup.write"
    form = RuleForm

    def visible(self, rows: Any, actor: Actor) -> QuerySet[Any]:
        """Every site's defaults, and the rows of one's own sites."""
        if actor.sees_every_site or not hasattr(rows.model, "site"):
            found: QuerySet[Any] = rows
            return found
        own: QuerySet[Any] = rows.filter(Q(site=None) | Q(site_id__in=actor.sites(self.reads)))
        return own

    @display(description="where", ordering="site")  # type: ignore[untyped-decorator]
    def where(self, obj: Any) -> str:
        """The site, or every site."""
        return obj.site.name if obj.site_id else "Every site"


@admin.register(ReminderRule)
class ReminderRuleAdmin(RuleAdmin):
    """Which messages a visit brings."""

    list_display = ("kind", "where", "visit_type", "when", "email", "sms", "active")
    list_filter = (SiteFilter, ("anchor", ChoicesDropdownFilter), "active")
    list_select_related = ("site", "visit_type")
    fields = (
        "kind",
        ("site", "visit_type"),
        ("anchor", "minutes_before", "late_minutes"),
        ("email", "sms"),
        ("first_visit_only", "active"),
        ("source", "mark"),
    )
    empty_hint = "Without rules visits bring no messages. Add the first one."

    @display(description="when")  # type: ignore[untyped-decorator]
    def when(self, obj: ReminderRule) -> str:
        """``3 days before the start``."""
        if obj.anchor == ReminderRule.Anchor.BOOKING:
            return "when booked"
        return f"{_spoken(obj.minutes_before)} before the start"


class CheckInRuleForm(RuleForm):
    """Lists as words with commas between them."""

    asks = Phrases(help_text="Codes of instruments, such as PHQ-9, NRS.")
    drug_classes = Phrases(help_text="Such as ssri, tca. Empty means every class.")
    indications = Phrases(help_text="Codes of conditions. Empty means every indication.")


@admin.register(CheckInRule)
class CheckInRuleAdmin(RuleAdmin):
    """The check-in schedule after a dose."""

    form = CheckInRuleForm

    list_display = ("code", "day", "window", "purpose", "follows", "mandatory", "active")
    list_filter = (("follows", ChoicesDropdownFilter), "mandatory", "active")
    fields = (
        "code",
        "day",
        ("window_before", "window_after"),
        "purpose",
        "follows",
        "asks",
        "mandatory",
        "staff_contact",
        "max_age",
        "risk_flag",
        "drug_classes",
        "indications",
        "replaces",
        "applies",
        "active",
        ("source", "mark"),
    )
    empty_hint = "Without rules prescriptions bring no check-ins. Add the first one."

    @display(description="window (days)")  # type: ignore[untyped-decorator]
    def window(self, obj: CheckInRule) -> str:
        """``-1 to +3``."""
        return f"-{obj.window_before} to +{obj.window_after}"


@admin.register(CheckInPolicy)
class CheckInPolicyAdmin(RuleAdmin):
    """At what time patients are asked."""

    list_display = ("where", "ask_at", "merge_within_days", "source")
    list_select_related = ("site",)
    fields = ("site", "ask_at", "merge_within_days", ("source", "mark"))
    empty_hint = "Add when patients are asked."


def _spoken(minutes: int) -> str:
    for unit, size in (("day", 24 * 60), ("hour", 60)):
        if minutes and minutes % size == 0:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{minutes} minutes"
