"""A phone number is found by how it ends, an MRN without its punctuation; both through an index."""

from django.contrib.postgres.indexes import OpClass
from django.db import migrations, models
from django.db.models.functions import Reverse


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0010_alarm_added"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="patient",
            index=models.Index(
                OpClass(Reverse("phone"), name="text_pattern_ops"), name="patient_phone_ending"
            ),
        ),
        migrations.AddIndex(
            model_name="patient",
            index=models.Index(
                models.Func(
                    models.F("mrn"),
                    models.Value("-._/"),
                    models.Value(""),
                    function="translate",
                    output_field=models.CharField(),
                ),
                name="patient_plain_mrn",
            ),
        ),
    ]
