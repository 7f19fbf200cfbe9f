"""The rules of an infusion day that a clinic may change: doses, gates, vital signs, times to answer.

A number is changed from a day on: "Save as new" with another ``valid from`` leaves the old row to the days
before it. What an old session was judged by stays with the session either way.
"""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access.admin.base import SiteFilter
from clinic.access.admin.inputs import Phrases
from clinic.access.policy import Role
from scheduling.admin.rules import RuleAdmin, RuleForm
from scheduling.models import (
    DoseProtocol,
    GateRule,
    InfusionDayPolicy,
    VitalSchedule,
    VitalThreshold,
)
from scheduling.selectors.availability import Visit

_DATED = (
    "The narrowest row in force counts: for the visit type, then for the site, then the latest. To change "
    "a number from a day on, set “valid from” and choose “Save as new”; the days before keep the old row."
)


class DatedRuleAdmin(RuleAdmin):
    """Dated rows: a change is best a new row."""

    save_as = True
    hint: ClassVar[str] = _DATED
    list_filter: Any = (SiteFilter, "active")
    ends: ClassVar[tuple[Any, ...]] = (("valid_from", "active"), ("source", "mark"))
    """The fields that all rules have, last."""


class Amounts(Phrases):
    """Amounts in mg, with commas between them."""

    def to_python(self, value: Any) -> list[Any]:
        """Exact numbers."""
        number = forms.DecimalField(max_digits=7, decimal_places=2, min_value=0)
        return [number.clean(each) for each in super().to_python(value)]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """What is no number is a change too."""
        try:
            return super().has_changed(initial, data)
        except forms.ValidationError:
            return True

    def prepare_value(self, value: Any) -> Any:
        """``56, 84``; what was typed stays as it was typed."""
        return ", ".join(_plain(each) for each in value) if isinstance(value, list) else value


class DoseProtocolForm(RuleForm):
    """What the database would refuse is said in words first."""

    choices_mg = Amounts(
        label="Fixed doses, mg",
        help_text="Of fixed doses: those that may be given, such as 56, 84. The first is proposed.",
    )

    def clean(self) -> dict[str, Any]:
        """The amount goes with the basis, and the minutes with the time that the visit type holds."""
        cleaned = super().clean()
        fixed = cleaned.get("basis") == DoseProtocol.Basis.FIXED_MG
        if fixed and (cleaned.get("amount") is not None or not cleaned.get("choices_mg")):
            self.add_error("choices_mg", "A fixed dose has the doses that may be given, and no amount.")
        if not fixed and (not cleaned.get("amount") or cleaned.get("choices_mg")):
            self.add_error("amount", "A dose by weight has an amount above 0, and no fixed doses.")
        visit_type, minutes = cleaned.get("visit_type"), cleaned.get("minutes")
        held = Visit.of(visit_type).infusion_minutes if visit_type else None
        if held is not None and minutes is not None and held != minutes:
            self.add_error(
                "minutes",
                f"Visits of this type keep {held} minutes for it. Change the visit type's phases first, "
                "or every dose would have to be ordered by hand.",
            )
        return cleaned


@admin.register(DoseProtocol)
class DoseProtocolAdmin(DatedRuleAdmin):
    """How a dose follows from the weight."""

    form = DoseProtocolForm
    list_display = ("name", "where", "visit_type", "dose", "caps", "valid_from", "active")
    list_select_related = ("site", "visit_type")
    fields = (
        "name",
        ("visit_type", "site"),
        ("drug", "basis"),
        ("amount", "minutes"),
        "choices_mg",
        ("max_mg", "max_mg_per_h", "round_mg"),
        *DatedRuleAdmin.ends,
    )
    empty_hint = "Without a protocol no dose can be ordered. Add the first one."

    @display(description="dose")  # type: ignore[untyped-decorator]
    def dose(self, obj: DoseProtocol) -> str:
        """``0.5 mg/kg over 40 min``."""
        if obj.basis == DoseProtocol.Basis.FIXED_MG:
            return " or ".join(_plain(choice) for choice in obj.choices_mg) + " mg"
        unit = "mg/kg" if obj.basis == DoseProtocol.Basis.MG_PER_KG else "mg/kg/h"
        return f"{_plain(obj.amount)} {unit} over {obj.minutes} min"

    @display(description="caps")  # type: ignore[untyped-decorator]
    def caps(self, obj: DoseProtocol) -> str:
        """``25 mg/h, 100 mg in all``."""
        caps = []
        if obj.max_mg_per_h is not None:
            caps.append(f"{_plain(obj.max_mg_per_h)} mg/h")
        if obj.max_mg is not None:
            caps.append(f"{_plain(obj.max_mg)} mg in all")
        return ", ".join(caps) or "none"


class GateRuleForm(RuleForm):
    """Roles to tick; the numbers of a check are its own (the model's ``clean`` reads them)."""

    overridable_by = forms.MultipleChoiceField(
        choices=[(role.value, role.label) for role in (Role.FRONT_DESK, Role.NURSE, Role.PRESCRIBER)],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Who may go on without it, with a reason. Nobody ticked: nobody may.",
    )


@admin.register(GateRule)
class GateRuleAdmin(DatedRuleAdmin):
    """What must be true before the start and before going home."""

    form = GateRuleForm
    list_display = ("name", "stage", "where", "whose", "overriding", "clinical", "valid_from", "active")
    list_filter = (SiteFilter, ("stage", ChoicesDropdownFilter), "active")
    list_select_related = ("site", "visit_type")
    list_per_page = 100
    fields = (
        ("code", "stage", "position"),
        "name",
        "advice",
        ("site", "visit_kind", "visit_type"),
        "overridable_by",
        "clinical",
        "limits",
        *DatedRuleAdmin.ends,
    )
    empty_hint = "Without gates anybody may start and leave. Add the first one."

    @display(description="visits")  # type: ignore[untyped-decorator]
    def whose(self, obj: GateRule) -> str:
        """The visit type, or the kind of visit."""
        if obj.visit_type is not None:
            return obj.visit_type.name
        return obj.get_visit_kind_display() if obj.visit_kind else "All infusions"

    @display(description="may go on without it")  # type: ignore[untyped-decorator]
    def overriding(self, obj: GateRule) -> str:
        """The roles."""
        return ", ".join(Role(role).label for role in obj.overridable_by) or "nobody"


@admin.register(VitalSchedule)
class VitalScheduleAdmin(DatedRuleAdmin):
    """When vital signs are due."""

    list_display = ("visit_type", "where", "when", "minutes", "grace_minutes", "valid_from", "active")
    list_filter = (SiteFilter, ("when", ChoicesDropdownFilter), "active")
    list_select_related = ("site", "visit_type")
    fields = (
        ("visit_type", "site"),
        "when",
        ("minutes", "grace_minutes"),
        ("least_minutes", "most_minutes"),
        *DatedRuleAdmin.ends,
    )
    empty_hint = "Without a schedule no reading is ever overdue. Add the first one."


@admin.register(VitalThreshold)
class VitalThresholdAdmin(DatedRuleAdmin):
    """From which value on a reading is flagged."""

    list_display = ("measure", "bound", "level", "when", "where", "whose", "valid_from", "active")
    list_filter = (SiteFilter, ("level", ChoicesDropdownFilter), "active")
    list_select_related = ("site", "visit_type")
    fields = (
        ("measure", "when", "level"),
        ("at_least", "below"),
        ("site", "visit_type"),
        *DatedRuleAdmin.ends,
    )
    empty_hint = "Without thresholds no reading is flagged. Add the first one."

    @display(description="from")  # type: ignore[untyped-decorator]
    def bound(self, obj: VitalThreshold) -> str:
        """``at least 160``, ``below 92``."""
        if obj.at_least is not None:
            return f"at least {_plain(obj.at_least)}"
        return f"below {_plain(obj.below)}" if obj.below is not None else "any"

    @display(description="visits")  # type: ignore[untyped-decorator]
    def whose(self, obj: VitalThreshold) -> str:
        """The visit type, or all."""
        return obj.visit_type.name if obj.visit_type is not None else "All infusions"


@admin.register(InfusionDayPolicy)
class InfusionDayPolicyAdmin(DatedRuleAdmin):
    """Within how many minutes people answer."""

    list_display = (
        "where",
        "review_minutes",
        "urgent_minutes",
        "drug_log_minutes",
        "rems_form_days",
        "active",
    )
    list_select_related = ("site",)
    fields = (
        "site",
        ("review_minutes", "urgent_minutes"),
        ("drug_log_minutes", "rems_form_days"),
        *DatedRuleAdmin.ends,
    )
    empty_hint = "Add within which times people answer; without a row the shipped ones count."


def _plain(number: Decimal | None) -> str:
    """Without the zeros that only fill the column."""
    return "" if number is None else f"{number.normalize():f}"
