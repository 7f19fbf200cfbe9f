"""Measures for managers: what is counted beforehand, how far the counting is, and its policy."""

import django.db.models.deletion
from django.db import migrations, models

from clinic.common import catalogue


def load(apps, schema_editor):
    MeasurePolicy = apps.get_model("scheduling", "MeasurePolicy")
    MeasurePolicy.objects.bulk_create(
        MeasurePolicy(**row) for row in catalogue.rows("scheduling", "measure_policies")
    )


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0001_initial'),
        ('scheduling', '0022_infusion_catalogue'),
    ]

    operations = [
        migrations.CreateModel(
            name='MeasureDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(help_text='On the clocks of the site.')),
                ('measure', models.CharField(max_length=24)),
                ('visit_type', models.CharField(blank=True, help_text='Its code.', max_length=50)),
                ('numerator', models.BigIntegerField()),
                ('denominator', models.BigIntegerField()),
                ('computed_at', models.DateTimeField()),
            ],
            options={
                'ordering': ('site_id', 'day', 'measure', 'visit_type'),
            },
        ),
        migrations.CreateModel(
            name='MeasuredSite',
            fields=[
                ('site', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='measured', serialize=False, to='access.site')),
                ('first_on', models.DateField(blank=True, help_text="Day of the site's first record.", null=True)),
                ('recent_due_at', models.DateTimeField()),
                ('recent_next_on', models.DateField(blank=True, null=True)),
                ('older_due_at', models.DateTimeField()),
                ('older_next_on', models.DateField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='MeasurePolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('late_cancel_hours', models.PositiveSmallIntegerField(help_text='A visit cancelled less than so many hours before its start is cancelled late.')),
                ('outcome_within_days', models.PositiveSmallIntegerField(help_text='How long after the last session of the first series an assessment says how a course ended.')),
                ('recent_days', models.PositiveSmallIntegerField(help_text='So many days, today included, are recent.')),
                ('recent_minutes', models.PositiveSmallIntegerField(help_text='How often recent days are counted anew.')),
                ('older_days', models.PositiveSmallIntegerField(help_text='After how many days the older ones are counted anew, for late answers.')),
                ('source', models.CharField(max_length=160)),
                ('mark', models.CharField(max_length=1)),
            ],
            options={
                'verbose_name_plural': 'measure policies',
            },
        ),
        migrations.AddIndex(
            model_name='checkin',
            index=models.Index(fields=['window_end_on'], name='check_in_by_window'),
        ),
        migrations.AddIndex(
            model_name='offer',
            index=models.Index(condition=models.Q(('status', 'accepted')), fields=['start_at'], name='offer_accepted'),
        ),
        migrations.AddField(
            model_name='measureday',
            name='site',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='access.site'),
        ),
        migrations.AddField(
            model_name='measurepolicy',
            name='site',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, to='access.site'),
        ),
        migrations.AddConstraint(
            model_name='measureday',
            constraint=models.UniqueConstraint(fields=('site', 'day', 'measure', 'visit_type'), name='measure_day_once'),
        ),
        migrations.AddConstraint(
            model_name='measureday',
            constraint=models.CheckConstraint(condition=models.Q(('denominator__gte', 0), ('numerator__gte', 0)), name='measure_day_counts'),
        ),
        migrations.AddConstraint(
            model_name='measurepolicy',
            constraint=models.UniqueConstraint(models.Value(1), condition=models.Q(('site__isnull', True)), name='measure_policy_one_default'),
        ),
        migrations.AddConstraint(
            model_name='measurepolicy',
            constraint=models.CheckConstraint(condition=models.Q(('late_cancel_hours__gte', 1), ('late_cancel_hours__lte', 336)), name='measure_policy_late'),
        ),
        migrations.AddConstraint(
            model_name='measurepolicy',
            constraint=models.CheckConstraint(condition=models.Q(('outcome_within_days__gte', 1), ('outcome_within_days__lte', 180)), name='measure_policy_outcome'),
        ),
        migrations.AddConstraint(
            model_name='measurepolicy',
            constraint=models.CheckConstraint(condition=models.Q(('recent_days__gte', 1), ('recent_days__lte', 400)), name='measure_policy_recent'),
        ),
        migrations.AddConstraint(
            model_name='measurepolicy',
            constraint=models.CheckConstraint(condition=models.Q(('recent_minutes__gte', 5), ('recent_minutes__lte', 1440), ('older_days__gte', 1), ('older_days__lte', 90)), name='measure_policy_how_often'),
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
    ]
