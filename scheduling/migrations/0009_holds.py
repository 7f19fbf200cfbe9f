"""Holds: a time kept for a patient for some minutes, and how long by default."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinic.common import catalogue


def load(apps, schema_editor):
    HoldPolicy = apps.get_model("scheduling", "HoldPolicy")
    HoldPolicy.objects.bulk_create(HoldPolicy(**row) for row in catalogue.rows("scheduling", "hold_policies"))


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("patients", "0004_message_delivery"),
        ("scheduling", "0008_course_catalogue"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HoldPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minutes", models.PositiveSmallIntegerField(default=10)),
                ("source", models.CharField(max_length=120)),
                ("mark", models.CharField(max_length=1)),
            ],
            options={
                "verbose_name_plural": "hold policies",
            },
        ),
        migrations.AddField(
            model_name="allocation",
            name="expires_at",
            field=models.DateTimeField(blank=True, help_text="Of a hold: when it ends by itself.", null=True),
        ),
        migrations.AlterField(
            model_name="allocation",
            name="appointment",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="allocations",
                to="scheduling.appointment",
            ),
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("start_at", models.DateTimeField(verbose_name="start")),
                ("end_at", models.DateTimeField(verbose_name="end")),
                ("expires_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                (
                    "ended_at",
                    models.DateTimeField(blank=True, help_text="When it was used or given back.", null=True),
                ),
                (
                    "appointment",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hold",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="holds",
                        to="patients.patient",
                    ),
                ),
                ("site", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="access.site")),
                (
                    "visit_type",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="scheduling.visittype"),
                ),
            ],
            options={
                "ordering": ("-expires_at", "-id"),
            },
        ),
        migrations.AddField(
            model_name="allocation",
            name="hold",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="allocations",
                to="scheduling.hold",
            ),
        ),
        migrations.AddIndex(
            model_name="allocation",
            index=models.Index(
                condition=models.Q(("hold__isnull", False)), fields=["hold"], name="allocation_by_hold"
            ),
        ),
        migrations.AddIndex(
            model_name="allocation",
            index=models.Index(
                condition=models.Q(("hold__isnull", False)),
                fields=["resource", "end_at"],
                name="allocation_held",
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("appointment__isnull", False), ("expires_at__isnull", True), ("hold__isnull", True)
                    ),
                    models.Q(
                        ("appointment__isnull", True), ("expires_at__isnull", False), ("hold__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="allocation_one_owner",
            ),
        ),
        migrations.AddField(
            model_name="holdpolicy",
            name="site",
            field=models.OneToOneField(
                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, to="access.site"
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)),
                fields=["patient", "expires_at"],
                name="hold_of_patient",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(fields=["site", "-expires_at"], name="hold_by_site"),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("end_at__gt", models.F("start_at"))), name="hold_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))), name="hold_expires_later"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("appointment__isnull", True), ("ended_at__isnull", False), _connector="OR"
                ),
                name="hold_used_has_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="holdpolicy",
            constraint=models.UniqueConstraint(
                models.Value(1), condition=models.Q(("site__isnull", True)), name="hold_policy_one_default"
            ),
        ),
        migrations.AddConstraint(
            model_name="holdpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("minutes__gte", 1), ("minutes__lte", 60)), name="hold_policy_minutes"
            ),
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
    ]
