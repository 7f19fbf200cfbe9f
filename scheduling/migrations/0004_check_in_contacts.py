"""Check-ins become contacts: when each is made, what is next to do about it, and the policy for the hour.

An answer is never taken back and no check-in is ever deleted, whoever writes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinic.common import catalogue

SQL = """
CREATE FUNCTION onset_check_in_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'check-ins are superseded, never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    RAISE EXCEPTION 'check-in % is settled as %', OLD.id, OLD.status USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER check_in_never_deleted BEFORE DELETE ON scheduling_checkin
    FOR EACH ROW EXECUTE FUNCTION onset_check_in_kept();
CREATE TRIGGER check_in_settled BEFORE UPDATE OF status ON scheduling_checkin
    FOR EACH ROW WHEN (OLD.status IN ('answered', 'superseded', 'cancelled') AND NEW.status <> OLD.status)
    EXECUTE FUNCTION onset_check_in_kept();
"""
UNDO = """
DROP TRIGGER check_in_settled ON scheduling_checkin;
DROP TRIGGER check_in_never_deleted ON scheduling_checkin;
DROP FUNCTION onset_check_in_kept();
"""


def load(apps, schema_editor):
    CheckInPolicy = apps.get_model("scheduling", "CheckInPolicy")
    CheckInPolicy.objects.bulk_create(
        CheckInPolicy(**row) for row in catalogue.rows("scheduling", "check_in_policies")
    )


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("patients", "0004_message_delivery"),
        ("scheduling", "0003_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CheckInPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ask_at", models.TimeField(help_text="On the patient's own clock.")),
                (
                    "merge_within_days",
                    models.PositiveSmallIntegerField(
                        help_text="Check-ins of one patient due at most this many days apart become one contact."
                    ),
                ),
                ("source", models.CharField(max_length=120)),
                ("mark", models.CharField(max_length=1)),
            ],
            options={
                "verbose_name_plural": "check-in policies",
            },
        ),
        migrations.RemoveIndex(
            model_name="checkin",
            name="check_in_open",
        ),
        migrations.AddField(
            model_name="checkin",
            name="anchor_sequence",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Number of the dose event it counts from."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkin",
            name="answered_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="checkin",
            name="answered_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="checkin",
            name="ask_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="When its contact is made; leads only.", null=True
            ),
        ),
        migrations.AddField(
            model_name="checkin",
            name="asked_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When a message went to the patient, at the latest.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="checkin",
            name="day",
            field=models.PositiveSmallIntegerField(default=0, help_text="Days after the anchor."),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkin",
            name="next_action_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When there is next something to do about it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="checkin",
            name="reminded_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="prescription",
            name="next_change_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When an ordered change of dose takes effect.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="prescription",
            name="switched_from",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="switched_to",
                to="scheduling.prescription",
            ),
        ),
        migrations.AlterField(
            model_name="checkin",
            name="answered_at",
            field=models.DateTimeField(blank=True, help_text="When the answer was recorded.", null=True),
        ),
        migrations.AlterField(
            model_name="checkin",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="merged",
                to="scheduling.checkin",
            ),
        ),
        migrations.AddIndex(
            model_name="checkin",
            index=models.Index(
                condition=models.Q(("next_action_at__isnull", False)),
                fields=["next_action_at"],
                name="check_in_next",
            ),
        ),
        migrations.AddIndex(
            model_name="prescription",
            index=models.Index(
                condition=models.Q(("next_change_at__isnull", False)),
                fields=["next_change_at"],
                name="prescription_next_change",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["planned", "sent", "answered", "missed", "superseded", "cancelled"])
                ),
                name="check_in_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answered_on__isnull", False), ("status", "answered")),
                    models.Q(models.Q(("status", "answered"), _negated=True), ("answered_on__isnull", True)),
                    _connector="OR",
                ),
                name="check_in_answered_on",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("next_action_at__isnull", False), ("status__in", ["planned", "sent"])),
                    models.Q(
                        models.Q(("status__in", ["planned", "sent"]), _negated=True),
                        ("next_action_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="check_in_never_forgotten",
            ),
        ),
        migrations.AddConstraint(
            model_name="prescription",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "stopped"])), name="prescription_status"
            ),
        ),
        migrations.AddField(
            model_name="checkinpolicy",
            name="site",
            field=models.OneToOneField(
                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, to="access.site"
            ),
        ),
        migrations.AddConstraint(
            model_name="checkinpolicy",
            constraint=models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(("site__isnull", True)),
                name="check_in_policy_one_default",
            ),
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
        migrations.RunSQL(SQL, UNDO),
    ]
