"""Answers to check-ins: drafts of what is being answered, and when too little effect calls a prescriber."""

import django.db.models.deletion
from django.db import migrations, models

from clinic.common import catalogue


def load(apps, schema_editor):
    EfficacyRule = apps.get_model("scheduling", "EfficacyRule")
    EfficacyRule.objects.bulk_create(
        EfficacyRule(**row) for row in catalogue.rows("scheduling", "efficacy_rules")
    )


class Migration(migrations.Migration):

    dependencies = [
        ('scheduling', '0019_follow_up_rules'),
    ]

    operations = [
        migrations.CreateModel(
            name='CheckInDraft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('answers', models.JSONField(default=dict, help_text='Instrument code to the version that was asked and the answers given.')),
                ('started_at', models.DateTimeField()),
                ('saved_at', models.DateTimeField()),
                ('check_in', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='draft', to='scheduling.checkin')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='EfficacyRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('check_in', models.CharField(help_text='Code of the check-in, such as REV28.', max_length=12)),
                ('instrument', models.CharField(help_text='Code of the questionnaire, such as PHQ-9.', max_length=20)),
                ('better_by_percent', models.PositiveSmallIntegerField(help_text="Of the baseline's score, at least.")),
                ('baseline_at_least', models.PositiveSmallIntegerField(help_text='A baseline below this has too little to fall by, and is not judged.')),
                ('owner_role', models.CharField(choices=[('nurse', 'Nurse'), ('prescriber', 'Prescriber')], default='prescriber', max_length=16)),
                ('within_minutes', models.PositiveIntegerField(help_text='How soon it is reviewed.')),
                ('source', models.CharField(max_length=160)),
                ('mark', models.CharField(max_length=1)),
                ('active', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ('check_in', 'instrument'),
                'constraints': [models.CheckConstraint(condition=models.Q(('baseline_at_least__gte', 1), ('better_by_percent__gte', 1), ('better_by_percent__lte', 100)), name='efficacy_rule_possible'), models.UniqueConstraint(condition=models.Q(('active', True)), fields=('check_in', 'instrument'), name='efficacy_rule_once')],
            },
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
    ]
