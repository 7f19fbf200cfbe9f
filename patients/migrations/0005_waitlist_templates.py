"""The words of waitlist offers, for databases that were made before the catalogue had them."""

from django.db import migrations

from clinic.common import catalogue

KINDS = {"waitlist_offer", "waitlist_gone"}


def load(apps, schema_editor):
    MessageTemplate = apps.get_model("patients", "MessageTemplate")
    for row in catalogue.rows("patients", "templates"):
        if row["kind"] in KINDS:
            key = {name: row[name] for name in ("kind", "channel", "language")}
            MessageTemplate.objects.get_or_create(**key, version=1, defaults=row)


class Migration(migrations.Migration):
    dependencies = [("patients", "0004_message_delivery")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
