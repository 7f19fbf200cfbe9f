"""The catalogue rows that ship with Onset: visit types, reminder rules, check-in rules."""

from django.db import migrations

from clinic.common import catalogue


def load(apps, schema_editor):
    VisitType = apps.get_model("scheduling", "VisitType")
    VisitType.objects.bulk_create(VisitType(**row) for row in catalogue.rows("scheduling", "visit_types"))
    ReminderRule = apps.get_model("scheduling", "ReminderRule")
    ReminderRule.objects.bulk_create(
        ReminderRule(**row) for row in catalogue.rows("scheduling", "reminder_rules")
    )
    CheckInRule = apps.get_model("scheduling", "CheckInRule")
    CheckInRule.objects.bulk_create(
        CheckInRule(**{**row, "replaces": row["replaces"] or ""})
        for row in catalogue.rows("scheduling", "check_in_rules")
    )


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0001_initial")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
