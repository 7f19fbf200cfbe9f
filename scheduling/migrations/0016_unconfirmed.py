"""Calls about visits that nobody confirmed; what is left of a freed time, and what holds free."""

import django.db.models.deletion
from django.db import migrations, models

from clinic.common import catalogue


def load(apps, schema_editor):
    ConfirmationRule = apps.get_model("scheduling", "ConfirmationRule")
    ConfirmationRule.objects.bulk_create(
        ConfirmationRule(**row) for row in catalogue.rows("scheduling", "confirmation_rules")
    )


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("scheduling", "0015_reminder_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConfirmationRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "minutes_before",
                    models.PositiveIntegerField(help_text="Minutes before the start, by the clock."),
                ),
                (
                    "answer_minutes",
                    models.PositiveIntegerField(help_text="How long the front desk has to call."),
                ),
                ("active", models.BooleanField(default=True)),
                ("source", models.CharField(max_length=120)),
                ("mark", models.CharField(max_length=1)),
                (
                    "visit_type",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="scheduling.visittype",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, to="access.site"
                    ),
                ),
            ],
            options={"ordering": ("visit_type", "site")},
        ),
        migrations.AddConstraint(
            model_name="confirmationrule",
            constraint=models.UniqueConstraint(
                fields=("visit_type", "site"), name="confirmation_rule_once", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="confirmationrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("minutes_before__gte", 1), ("minutes_before__lte", 20160)),
                name="confirmation_rule_before",
            ),
        ),
        migrations.AddConstraint(
            model_name="confirmationrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("answer_minutes__gte", 1), ("answer_minutes__lte", 20160)),
                name="confirmation_rule_answer",
            ),
        ),
        migrations.AddField(
            model_name="appointment",
            name="unconfirmed_version",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="The plan version about which somebody was asked to call, because nobody "
                "confirmed it.",
            ),
        ),
        migrations.AddIndex(
            model_name="appointment",
            index=models.Index(
                condition=models.Q(
                    ("status", "booked"), ("unconfirmed_version__lt", models.F("plan_version"))
                ),
                fields=["start_at"],
                name="appointment_unconfirmed",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="noticed_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When the waiting list learned that it expired. Nothing else reads it.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True), ("noticed_at__isnull", True)),
                fields=["expires_at"],
                name="hold_unnoticed",
            ),
        ),
        migrations.AddField(
            model_name="freedslot",
            name="hold",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="freed_slots",
                to="scheduling.hold",
            ),
        ),
        migrations.AddField(
            model_name="freedslot",
            name="rest_of",
            field=models.ForeignKey(
                blank=True,
                help_text="What was freed first: this is what somebody who took of it left.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rests",
                to="scheduling.freedslot",
            ),
        ),
        migrations.AddIndex(
            model_name="freedslot",
            index=models.Index(
                condition=models.Q(("status", "open")), fields=["site", "end_at"], name="freed_slot_open"
            ),
        ),
        migrations.RemoveConstraint(model_name="offer", name="offer_once"),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.UniqueConstraint(fields=("slot", "patient", "start_at"), name="offer_once"),
        ),
        migrations.AlterField(
            model_name="waitlistentry",
            name="has_escort",
            field=models.BooleanField(
                default=True,
                help_text="An adult can take the patient home at short notice. Visits after which one needs "
                "that are offered to nobody else.",
            ),
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
    ]
