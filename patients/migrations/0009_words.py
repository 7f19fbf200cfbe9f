"""The words of two-way outreach, for databases that were made before the catalogue had them.

What a clinic has edited stays; a shipped text that changed gets a new version, as an edit would make it.
"""

from django.db import migrations

from clinic.common import catalogue

SHIPPED = "Onset default"


def load(apps, schema_editor):
    MessageTemplate = apps.get_model("patients", "MessageTemplate")
    for row in catalogue.rows("patients", "templates"):
        same = MessageTemplate.objects.filter(
            kind=row["kind"], channel=row["channel"], language=row["language"]
        )
        latest = same.order_by("-version").first()
        if latest is None:
            MessageTemplate.objects.create(**row)
            continue
        in_force = same.filter(active=True).order_by("-version").first()
        words = (row.get("subject", ""), row["body"])
        if in_force is None or in_force.source != SHIPPED or (in_force.subject, in_force.body) == words:
            continue
        same.filter(active=True).update(active=False)
        MessageTemplate.objects.create(**row, version=latest.version + 1)


class Migration(migrations.Migration):
    dependencies = [("patients", "0008_background")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
