"""The protocols, gates, vital-sign schedules and thresholds that ship with Onset."""

from django.db import migrations

from clinic.common import catalogue

_FILES = {
    "dose_protocols": "DoseProtocol",
    "gate_rules": "GateRule",
    "vital_schedules": "VitalSchedule",
    "vital_thresholds": "VitalThreshold",
    "infusion_day_policies": "InfusionDayPolicy",
}


def load(apps, schema_editor):
    types = {row.code: row for row in apps.get_model("scheduling", "VisitType").objects.all()}
    for name, model in _FILES.items():
        rows = apps.get_model("scheduling", model).objects
        for row in catalogue.rows("scheduling", name):
            code = row.pop("visit_type", None)
            rows.create(**row, **({"visit_type": types[code]} if code else {}))


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0021_infusion_day")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
