"""What patients may do on the pages that our messages link to."""

import django.db.models.deletion
from django.db import migrations, models

from clinic.common import catalogue


def load(apps, schema_editor):
    Policy = apps.get_model("scheduling", "PatientPagePolicy")
    Policy.objects.bulk_create(Policy(**row) for row in catalogue.rows("scheduling", "patient_page_policies"))


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial"), ("scheduling", "0016_unconfirmed")]
    operations = [
        migrations.CreateModel(
            name="PatientPagePolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("confirm", models.BooleanField(default=True, help_text="Patients confirm their visits.")),
                ("move", models.BooleanField(default=True, help_text="Patients choose another time themselves.")),
                ("cancel", models.BooleanField(default=True, help_text="Patients cancel visits themselves.")),
                (
                    "move_until_minutes",
                    models.PositiveIntegerField(
                        default=1440, help_text="Until so long before the start; later they are asked to call."
                    ),
                ),
                (
                    "cancel_until_minutes",
                    models.PositiveIntegerField(
                        default=1440, help_text="Until so long before the start; later they are asked to call."
                    ),
                ),
                (
                    "notice_minutes",
                    models.PositiveIntegerField(
                        default=1440,
                        help_text="A new time is at least so far away: fasting and a way home need it.",
                    ),
                ),
                (
                    "days_ahead",
                    models.PositiveSmallIntegerField(default=28, help_text="How far ahead new times go."),
                ),
                ("days_shown", models.PositiveSmallIntegerField(default=5, help_text="Days on one page.")),
                ("times_shown", models.PositiveSmallIntegerField(default=8, help_text="Times on one day.")),
                ("source", models.CharField(max_length=200)),
                ("mark", models.CharField(max_length=1)),
                (
                    "site",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="access.site",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "patient page policies",
                "constraints": [
                    models.UniqueConstraint(
                        models.Value(1),
                        condition=models.Q(("site__isnull", True)),
                        name="page_policy_one_default",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("days_ahead__gte", 1), ("days_ahead__lte", 120)),
                        name="page_policy_days_ahead",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("days_shown__gte", 1), ("days_shown__lte", 14)),
                        name="page_policy_days_shown",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("times_shown__gte", 2), ("times_shown__lte", 40)),
                        name="page_policy_times_shown",
                    ),
                ],
            },
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
    ]
