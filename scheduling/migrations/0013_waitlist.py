"""The waitlist: who waits, what was freed, what was offered, and how a site offers by default."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinic.common import catalogue


def load(apps, schema_editor):
    WaitlistPolicy = apps.get_model("scheduling", "WaitlistPolicy")
    WaitlistPolicy.objects.bulk_create(
        WaitlistPolicy(**row) for row in catalogue.rows("scheduling", "waitlist_policies")
    )


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("patients", "0005_waitlist_templates"),
        ("scheduling", "0012_holidays"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FreedSlot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("cause", models.CharField(max_length=20)),
                ("start_at", models.DateTimeField(verbose_name="start")),
                ("end_at", models.DateTimeField(verbose_name="end")),
                (
                    "resource_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("freed_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "Open"), ("taken", "Taken"), ("closed", "Closed")],
                        default="open",
                        max_length=6,
                    ),
                ),
                (
                    "next_action_at",
                    models.DateTimeField(help_text="When a worker looks at it next.", null=True),
                ),
                (
                    "appointment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="freed_slots",
                        to="scheduling.appointment",
                    ),
                ),
                ("site", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="access.site")),
            ],
            options={
                "ordering": ("-freed_at", "-id"),
            },
        ),
        migrations.CreateModel(
            name="WaitlistEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("earliest_at", models.DateTimeField(help_text="The visit begins then or later.")),
                ("latest_at", models.DateTimeField(help_text="The visit begins before then.")),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(),
                        blank=True,
                        default=list,
                        help_text="0 is Monday; empty: any day.",
                        size=None,
                    ),
                ),
                ("earliest_time", models.TimeField(blank=True, null=True)),
                (
                    "latest_time",
                    models.TimeField(blank=True, help_text="The visit begins by then.", null=True),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(default=0, help_text="0 to 9; 9 is asked first."),
                ),
                (
                    "notice_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="How long before the start the patient must hear of it.",
                        null=True,
                    ),
                ),
                (
                    "has_escort",
                    models.BooleanField(default=True, help_text="Somebody can take the patient home."),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "active"), ("booked", "booked"), ("cancelled", "cancelled")],
                        default="active",
                        max_length=9,
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                (
                    "appointment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "course",
                    models.ForeignKey(
                        blank=True,
                        help_text="The course this would be a session of: its gaps are kept.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="waitlist_entries",
                        to="scheduling.course",
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
                        related_name="waitlist_entries",
                        to="patients.patient",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="waitlist_entries",
                        to="access.site",
                    ),
                ),
                (
                    "visit_type",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="scheduling.visittype"),
                ),
            ],
            options={
                "verbose_name_plural": "waitlist entries",
                "ordering": ("-priority", "created_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="Offer",
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
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("offered", "offered"),
                            ("accepted", "accepted"),
                            ("declined", "declined"),
                            ("expired", "expired"),
                            ("superseded", "superseded"),
                        ],
                        default="offered",
                        max_length=10,
                    ),
                ),
                ("offered_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                (
                    "answered_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "appointment",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="offer",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="offers",
                        to="patients.patient",
                    ),
                ),
                (
                    "slot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="offers",
                        to="scheduling.freedslot",
                    ),
                ),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="offers",
                        to="scheduling.waitlistentry",
                    ),
                ),
            ],
            options={
                "ordering": ("-offered_at", "-id"),
            },
        ),
        migrations.CreateModel(
            name="WaitlistPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[("order", "one after another"), ("parallel", "all at once")], max_length=8
                    ),
                ),
                ("answer_minutes", models.PositiveSmallIntegerField(help_text="How long an offer stands.")),
                (
                    "notice_minutes",
                    models.PositiveIntegerField(
                        help_text="What a patient needs before any visit, unless their entry says otherwise."
                    ),
                ),
                (
                    "fasting_minutes",
                    models.PositiveIntegerField(
                        help_text="The same before a visit to which the patient comes fasting."
                    ),
                ),
                (
                    "fasting_floor_minutes",
                    models.PositiveIntegerField(
                        help_text="Whatever an entry says, a visit to which they come fasting is offered this long before."
                    ),
                ),
                ("most_at_once", models.PositiveSmallIntegerField(default=20)),
                ("source", models.CharField(max_length=200)),
                ("mark", models.CharField(max_length=1)),
                (
                    "site",
                    models.OneToOneField(
                        blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, to="access.site"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "waitlist policies",
            },
        ),
        migrations.AddIndex(
            model_name="freedslot",
            index=models.Index(
                condition=models.Q(("next_action_at__isnull", False)),
                fields=["next_action_at", "id"],
                name="freed_slot_queue",
            ),
        ),
        migrations.AddConstraint(
            model_name="freedslot",
            constraint=models.CheckConstraint(
                condition=models.Q(("end_at__gt", models.F("start_at"))), name="freed_slot_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="freedslot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("next_action_at__isnull", False), ("status", "open")),
                    models.Q(("status__in", ["taken", "closed"]), ("next_action_at__isnull", True)),
                    _connector="OR",
                ),
                name="freed_slot_open_is_looked_at",
            ),
        ),
        migrations.AddIndex(
            model_name="waitlistentry",
            index=models.Index(
                condition=models.Q(("status", "active")),
                fields=["site", "latest_at"],
                name="waitlist_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("latest_at__gt", models.F("earliest_at"))), name="waitlist_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__lte", 9)), name="waitlist_priority"
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("weekdays__contained_by", [0, 1, 2, 3, 4, 5, 6])),
                name="waitlist_weekdays",
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "booked", "cancelled"])), name="waitlist_status"
            ),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.UniqueConstraint(fields=("slot", "patient"), name="offer_once"),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "accepted")),
                fields=("slot",),
                name="offer_one_gets_it",
            ),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "offered")),
                fields=("patient",),
                name="offer_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["offered", "accepted", "declined", "expired", "superseded"])
                ),
                name="offer_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("appointment__isnull", False),
                        ("status", "accepted"),
                    ),
                    models.Q(
                        models.Q(("status", "accepted"), _negated=True),
                        ("appointment__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="offer_accepted_is_booked",
            ),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("offered_at"))), name="offer_expires_later"
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistpolicy",
            constraint=models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(("site__isnull", True)),
                name="waitlist_policy_one_default",
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["order", "parallel"])), name="waitlist_policy_mode"
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("answer_minutes__gte", 5), ("answer_minutes__lte", 1440)),
                name="waitlist_policy_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("fasting_floor_minutes__lte", models.F("fasting_minutes"))),
                name="waitlist_policy_fasting",
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("most_at_once__gte", 1), ("most_at_once__lte", 50)),
                name="waitlist_policy_most",
            ),
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
    ]
