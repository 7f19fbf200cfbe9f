"""What patients may do on their pages: a clinic's own choice."""

from django.contrib import admin

from scheduling.admin.rules import RuleAdmin
from scheduling.models import PatientPagePolicy


@admin.register(PatientPagePolicy)
class PatientPagePolicyAdmin(RuleAdmin):
    """What is not left to patients becomes "please call", and a work item."""

    list_display = ("where", "confirm", "move", "cancel", "days_ahead", "source")
    list_select_related = ("site",)
    fields = (
        "site",
        ("confirm", "move", "cancel"),
        ("move_until_minutes", "cancel_until_minutes", "notice_minutes"),
        ("days_ahead", "days_shown", "times_shown"),
        ("source", "mark"),
    )
    empty_hint = "Add what patients may do on their pages."
