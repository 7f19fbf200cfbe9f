"""Follow-ups by rule, with a time of day, what fulfilled them, and a work item when they are overdue."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinic.common import catalogue


def load(apps, schema_editor):
    Rule = apps.get_model("scheduling", "FollowUpRule")
    Rule.objects.bulk_create(Rule(**row) for row in catalogue.rows("scheduling", "follow_up_rules"))


def fill(apps, schema_editor):
    """Known follow-ups were due all day; what is over was closed at a moment nobody wrote down."""
    FollowUp = apps.get_model("scheduling", "FollowUp")
    for row in FollowUp.objects.select_related("patient__site").iterator():
        zone = ZoneInfo(row.patient.site.timezone)
        row.due_at = datetime.combine(row.due_on + timedelta(days=1), time.min, zone)
        row.closed_at = None if row.status == "due" else row.created_at
        row.save(update_fields=["due_at", "closed_at"])


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("scheduling", "0018_treatment_plans"),
    ]
    operations = [
        migrations.CreateModel(
            name="FollowUpRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "after",
                    models.CharField(
                        choices=[
                            ("treatment", "a treatment visit"),
                            ("course", "the last session of a course"),
                            ("check_in", "a check-in that was answered"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "check_in_code",
                    models.CharField(
                        blank=True,
                        help_text="Code of the check-in; only after check-ins.",
                        max_length=12,
                        verbose_name="check-in",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("visit", "Visit"), ("call", "Call"), ("check_in", "Check-in")], max_length=8
                    ),
                ),
                (
                    "days",
                    models.PositiveSmallIntegerField(
                        help_text="Days after it; a closed day moves to the next open one.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(730),
                        ],
                    ),
                ),
                (
                    "due_time",
                    models.TimeField(
                        blank=True,
                        help_text="By this time on the site's clock; empty means by the end of the day.",
                        null=True,
                    ),
                ),
                (
                    "early_days",
                    models.PositiveSmallIntegerField(
                        default=3, help_text="What happens up to so many days before the day fulfils it too."
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                ("source", models.CharField(max_length=160)),
                ("mark", models.CharField(max_length=1)),
            ],
            options={"verbose_name": "follow-up rule", "ordering": ("after", "days", "id")},
        ),
        migrations.AlterModelOptions(
            name="followup", options={"ordering": ("due_on", "id"), "verbose_name": "follow-up"}
        ),
        migrations.RemoveConstraint(
            model_name="followup",
            name="follow_up_once_per_origin",
        ),
        migrations.AddField(
            model_name="followup",
            name="check_in",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="follow_ups",
                to="scheduling.checkin",
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="closed_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="followup",
            name="closed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="due_at",
            field=models.DateTimeField(
                editable=False, null=True, help_text="From this moment it is overdue."
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="due_time",
            field=models.TimeField(blank=True, help_text="On the site's clock; empty: all day.", null=True),
        ),
        migrations.AddField(
            model_name="followup",
            name="early_days",
            field=models.PositiveSmallIntegerField(default=3, editable=False),
        ),
        migrations.AddField(
            model_name="followup",
            name="fulfilled_by",
            field=models.CharField(
                blank=True,
                help_text="staff, or the visit or check-in that did it, as visit:12.",
                max_length=40,
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="surfaced_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="When a work item said that it is overdue.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="followup",
            name="origin",
            field=models.CharField(
                help_text="What made it: staff, or after which kind of event.", max_length=60
            ),
        ),
        migrations.AddField(
            model_name="followuprule",
            name="site",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, to="access.site"
            ),
        ),
        migrations.AddField(
            model_name="followuprule",
            name="visit_type",
            field=models.ForeignKey(
                blank=True,
                help_text="Of the visit.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                to="scheduling.visittype",
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="rule",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="scheduling.followuprule",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="followup",
            name="due_at",
            field=models.DateTimeField(editable=False, help_text="From this moment it is overdue."),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(
                condition=models.Q(("status", "due"), ("surfaced_at__isnull", True)),
                fields=["due_at"],
                name="follow_up_next",
            ),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(fields=["patient", "due_on"], name="follow_up_of"),
        ),
        migrations.AddConstraint(
            model_name="followup",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("appointment__isnull", False),
                    ("rule__isnull", False),
                    models.Q(("status", "cancelled"), _negated=True),
                ),
                fields=("appointment", "rule"),
                name="follow_up_once_per_visit",
            ),
        ),
        migrations.AddConstraint(
            model_name="followup",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("check_in__isnull", False),
                    ("rule__isnull", False),
                    models.Q(("status", "cancelled"), _negated=True),
                ),
                fields=("check_in", "rule"),
                name="follow_up_once_per_check_in",
            ),
        ),
        migrations.AddConstraint(
            model_name="followup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("fulfilled_by", ""), ("status", "due")),
                    models.Q(("status__in", ["done", "cancelled"]), ("closed_at__isnull", False)),
                    _connector="OR",
                ),
                name="follow_up_closed_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="followuprule",
            constraint=models.UniqueConstraint(
                fields=("after", "check_in_code", "kind", "visit_type", "site"),
                name="follow_up_rule_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="followuprule",
            constraint=models.CheckConstraint(
                condition=models.Q(("days__gte", 1), ("days__lte", 730)), name="follow_up_rule_days"
            ),
        ),
        migrations.AddConstraint(
            model_name="followuprule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("after", "check_in"),
                        models.Q(("check_in_code", ""), _negated=True),
                        ("visit_type__isnull", True),
                    ),
                    models.Q(models.Q(("after", "check_in"), _negated=True), ("check_in_code", "")),
                    _connector="OR",
                ),
                name="follow_up_rule_event",
                violation_error_message="Name a check-in after check-ins, and only there; those have no visit type.",
            ),
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
    ]
