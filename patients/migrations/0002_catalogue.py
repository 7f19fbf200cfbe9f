"""The catalogue rows that ship with Onset: conditions, message templates, the default contact policy."""

from django.db import migrations

from clinic.common import catalogue


def load(apps, schema_editor):
    Condition = apps.get_model("patients", "Condition")
    ConditionCode = apps.get_model("patients", "ConditionCode")
    for row in catalogue.rows("patients", "conditions"):
        condition = Condition.objects.create(
            code=row["code"],
            name=row["name"],
            synonyms=row["synonyms"],
            source="DOMAIN section 1, founding list",
            mark="S",
        )
        for code in row["icd10cm"]:
            ConditionCode.objects.create(
                condition=condition,
                icd10cm=code,
                valid_from=row.get("valid_from"),
                mark=row.get("marks", {}).get(code, "K"),
            )
    MessageTemplate = apps.get_model("patients", "MessageTemplate")
    MessageTemplate.objects.bulk_create(
        MessageTemplate(**row) for row in catalogue.rows("patients", "templates")
    )
    apps.get_model("patients", "ContactPolicy").objects.create(
        quiet_from="20:00", quiet_until="09:00", source="DOMAIN section 5", mark="D"
    )


class Migration(migrations.Migration):
    dependencies = [("patients", "0001_initial")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
