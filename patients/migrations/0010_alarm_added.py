"""Further critical answers of one sitting join the alarm that is open; its history says so."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('patients', '0009_words'),
    ]

    operations = [
        migrations.AlterField(
            model_name='safetyalarmevent',
            name='kind',
            field=models.CharField(choices=[('opened', 'Opened'), ('added', 'More answers added'), ('escalated', 'Escalated'), ('acknowledged', 'Acknowledged'), ('resolved', 'Resolved'), ('cleared', 'Cleared')], max_length=12),
        ),
    ]
