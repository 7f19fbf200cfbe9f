"""The course templates that ship with Onset."""

from django.db import migrations

from clinic.common import catalogue


def load(apps, schema_editor):
    VisitType = apps.get_model("scheduling", "VisitType")
    CourseTemplate = apps.get_model("scheduling", "CourseTemplate")
    for row in catalogue.rows("scheduling", "course_templates"):
        visit_type = VisitType.objects.get(code=row.pop("visit_type"))
        CourseTemplate.objects.create(visit_type=visit_type, **row)


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0007_courses")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
