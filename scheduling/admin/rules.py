"""The rules that a clinic may change: which messages a visit brings, when check-ins are asked, how long a
time is held, and how freed times are offered.

Rows for one site belong to its managers; rows without a site are every site's default.
"""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.urls import URLPattern
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access.admin.base import OnsetAdmin, SiteFilter
from clinic.access.admin.forms import OnsetForm
from clinic.access.admin.inputs import Phrases
from clinic.access.policy import Actor
from scheduling.admin import message_previews
from scheduling.models import (
    CheckInPolicy,
    CheckInRule,
    ConfirmationRule,
    EfficacyRule,
    HoldPolicy,
    ReminderRule,
    WaitlistPolicy,
)


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
    hint = (
        "Of several rules for one kind the narrowest counts: for visit type and site, for the visit type, "
        "for the site. A narrow rule with neither e-mail nor SMS switches the kind off there; an inactive "
        "rule is as if it were not there."
    )
    change_form_before_template = list_before_template = "admin/scheduling/rule_links.html"
    empty_hint = "Without rules visits bring no messages. Add the first one."

    def get_urls(self) -> list[URLPattern]:
        """The previews."""
        return [
            self.route("preview/", partial(message_previews.imagined, self), "preview"),
            self.route("preview/<int:pk>/", partial(message_previews.of_visit, self), "preview_visit"),
            *super().get_urls(),
        ]

    @display(description="when")  # type: ignore[untyped-decorator]
    def when(self, obj: ReminderRule) -> str:
        """``3 days before the start``."""
        if not obj.email and not obj.sms:
            return "switched off"
        if obj.anchor == ReminderRule.Anchor.BOOKING:
            return "when booked"
        return f"{_spoken(obj.minutes_before)} before the start"


@admin.register(ConfirmationRule)
class ConfirmationRuleAdmin(RuleAdmin):
    """When a visit that nobody confirmed asks for a call."""

    list_display = ("where", "visit_type", "before", "answer", "active", "source")
    list_filter = (SiteFilter, "active")
    list_select_related = ("site", "visit_type")
    fields = (("site", "visit_type"), ("minutes_before", "answer_minutes"), "active", ("source", "mark"))
    hint = (
        "Of several rules the narrowest counts: for visit type and site, for the visit type, for the site. "
        "Where that one is inactive, nobody is asked to call."
    )
    empty_hint = "Without a rule nobody is asked to call about visits that are not confirmed."

    @display(description="asks", ordering="minutes_before")  # type: ignore[untyped-decorator]
    def before(self, obj: ConfirmationRule) -> str:
        """``1 day before the start``."""
        return f"{_spoken(obj.minutes_before)} before the start"

    @display(description="to be done within", ordering="answer_minutes")  # type: ignore[untyped-decorator]
    def answer(self, obj: ConfirmationRule) -> str:
        """``4 hours``."""
        return _spoken(obj.answer_minutes)


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


@admin.register(EfficacyRule)
class EfficacyRuleAdmin(RuleAdmin):
    """How much better is enough."""

    list_display = ("check_in", "instrument", "better_by_percent", "baseline_at_least", "active")
    list_filter = ("active",)
    fields = (
        ("check_in", "instrument"),
        ("better_by_percent", "baseline_at_least"),
        ("owner_role", "within_minutes"),
        "active",
        ("source", "mark"),
    )
    empty_hint = "Without these rows no check-in calls a prescriber for too little effect. Add the first one."


@admin.register(CheckInPolicy)
class CheckInPolicyAdmin(RuleAdmin):
    """At what time patients are asked."""

    list_display = ("where", "ask_at", "merge_within_days", "source")
    list_select_related = ("site",)
    fields = ("site", "ask_at", "merge_within_days", ("source", "mark"))
    empty_hint = "Add when patients are asked."


@admin.register(HoldPolicy)
class HoldPolicyAdmin(RuleAdmin):
    """How long a hold keeps its time."""

    list_display = ("where", "minutes", "source")
    list_select_related = ("site",)
    fields = ("site", "minutes", ("source", "mark"))
    empty_hint = "Add for how many minutes a hold keeps its time; without a row it is 10."


@admin.register(WaitlistPolicy)
class WaitlistPolicyAdmin(RuleAdmin):
    """How freed times are offered to those who wait. Minutes throughout."""

    list_display = ("where", "mode", "answer", "notice", "fasting", "source")
    list_select_related = ("site",)
    fields = (
        "site",
        ("mode", "most_at_once"),
        "answer_minutes",
        "notice_minutes",
        ("fasting_minutes", "fasting_floor_minutes"),
        ("source", "mark"),
    )
    empty_hint = "Add how freed times are offered."

    @display(description="an offer stands")  # type: ignore[untyped-decorator]
    def answer(self, obj: WaitlistPolicy) -> str:
        """``30 minutes``."""
        return _spoken(obj.answer_minutes)

    @display(description="notice")  # type: ignore[untyped-decorator]
    def notice(self, obj: WaitlistPolicy) -> str:
        """``2 hours``."""
        return _spoken(obj.notice_minutes)

    @display(description="notice when fasting")  # type: ignore[untyped-decorator]
    def fasting(self, obj: WaitlistPolicy) -> str:
        """``8 hours``."""
        return _spoken(obj.fasting_minutes)


def _spoken(minutes: int) -> str:
    for unit, size in (("day", 24 * 60), ("hour", 60)):
        if minutes and minutes % size == 0:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{minutes} minutes"
