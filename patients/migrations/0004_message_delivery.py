"""What sending needs: the planned moment apart from the due one, the moment of handing over, where
quiet hours pull a message to."""

import datetime

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("patients", "0003_guards")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="handed_over_at",
            field=models.DateTimeField(
                blank=True, help_text="Committed just before the gateway is called.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("started", "Started"),
                    ("accepted", "Accepted"),
                    ("temporary", "temporary failure"),
                    ("permanent", "permanent failure"),
                    ("unknown", "outcome unknown"),
                    ("not_sent", "never handed over"),
                ],
                default="started",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="planned_at",
            field=models.DateTimeField(
                help_text="What the plan asked for, before quiet hours and retries.", null=True
            ),
        ),
        migrations.RunSQL(
            "UPDATE patients_message SET planned_at = due_at WHERE planned_at IS NULL",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="message",
            name="planned_at",
            field=models.DateTimeField(help_text="What the plan asked for, before quiet hours and retries."),
        ),
        migrations.AlterField(
            model_name="message",
            name="due_at",
            field=models.DateTimeField(help_text="When a worker next looks at it."),
        ),
        migrations.AlterField(
            model_name="message",
            name="reason",
            field=models.CharField(
                blank=True,
                help_text="On a message being sent: it was taken back meanwhile, and why.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="contactpolicy",
            name="pull_to",
            field=models.TimeField(
                default=datetime.time(18, 0),
                help_text="When a message that would fall into the quiet hours goes out before them.",
            ),
        ),
        migrations.AddConstraint(
            model_name="contactpolicy",
            constraint=models.CheckConstraint(
                condition=Q(quiet_from=F("quiet_until"))
                | Q(
                    quiet_from__gt=F("quiet_until"),
                    pull_to__gte=F("quiet_until"),
                    pull_to__lt=F("quiet_from"),
                )
                | Q(
                    Q(pull_to__lt=F("quiet_from")) | Q(pull_to__gte=F("quiet_until")),
                    quiet_from__lt=F("quiet_until"),
                ),
                name="contact_policy_pull_to_is_not_quiet",
            ),
        ),
    ]
