"""The rules of messages that came with two-way outreach, for databases made before the catalogue had them."""

from django.db import migrations

from clinic.common import catalogue

KINDS = {"course_confirmation", "hours_before", "cancellation", "course_cancellation"}


def load(apps, schema_editor):
    ReminderRule = apps.get_model("scheduling", "ReminderRule")
    for row in catalogue.rows("scheduling", "reminder_rules"):
        if row["kind"] in KINDS:
            key = {"kind": row["kind"], "visit_type": None, "site": None}
            if not ReminderRule.objects.filter(**key).exists():
                ReminderRule.objects.create(**row)


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0014_event_via")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
