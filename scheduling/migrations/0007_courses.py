"""Courses, their templates and decisions; appointments may be sessions of a course.

The patient's exclusion constraint becomes deferrable: one statement may then move several sessions.
"""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.constraints
import django.db.models.deletion
import scheduling.models.courses
from django.conf import settings
from django.db import migrations, models

SQL = """
CREATE TRIGGER course_event_append_only BEFORE UPDATE ON scheduling_courseevent
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
"""
UNDO = "DROP TRIGGER course_event_append_only ON scheduling_courseevent;"


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0001_initial'),
        ('patients', '0004_message_delivery'),
        ('scheduling', '0006_resource_days'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Course',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('template_version', models.PositiveIntegerField(editable=False)),
                ('stages', models.JSONField(validators=[scheduling.models.courses.validate_stages])),
                ('allowed_weekdays', models.JSONField(blank=True, null=True, validators=[scheduling.models.courses.validate_weekdays])),
                ('sessions_planned', models.PositiveSmallIntegerField(help_text='Sessions meant in all, held or not.')),
                ('status', models.CharField(choices=[('active', 'Active'), ('stopped', 'Stopped')], default='active', max_length=8)),
                ('prescription_note', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField(editable=False)),
            ],
            options={
                'ordering': ('-created_at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='CourseEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verb', models.CharField(max_length=16)),
                ('at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('override_reason', models.CharField(blank=True, help_text='Why gaps or weekdays outside their range were accepted.', max_length=200)),
            ],
            options={
                'ordering': ('at', 'id'),
            },
        ),
        migrations.CreateModel(
            name='CourseTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('code', models.SlugField(unique=True)),
                ('name', models.CharField(max_length=80)),
                ('stages', models.JSONField(help_text='Each stage with its sessions, gaps, source and mark.', validators=[scheduling.models.courses.validate_stages])),
                ('allowed_weekdays', models.JSONField(blank=True, help_text='0 is Monday; empty means any day.', null=True, validators=[scheduling.models.courses.validate_weekdays])),
                ('active', models.BooleanField(default=True)),
                ('source', models.CharField(blank=True, max_length=120)),
                ('mark', models.CharField(default='D', max_length=1)),
            ],
            options={
                'ordering': ('name',),
            },
        ),
        migrations.RemoveConstraint(
            model_name='appointment',
            name='appointment_patient_free',
        ),
        migrations.AddField(
            model_name='appointment',
            name='session_number',
            field=models.PositiveSmallIntegerField(blank=True, editable=False, help_text='Counts the sessions of its course by date; one that will not happen keeps its own.', null=True),
        ),
        migrations.AddField(
            model_name='course',
            name='patient',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='courses', to='patients.patient'),
        ),
        migrations.AddField(
            model_name='course',
            name='site',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='courses', to='access.site'),
        ),
        migrations.AddField(
            model_name='course',
            name='visit_type',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='scheduling.visittype'),
        ),
        migrations.AddField(
            model_name='appointment',
            name='course',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='scheduling.course'),
        ),
        migrations.AddConstraint(
            model_name='appointment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('course__isnull', True), ('session_number__isnull', True)), models.Q(('course__isnull', False), ('session_number__gte', 1)), _connector='OR'), name='appointment_session_of_course'),
        ),
        migrations.AddConstraint(
            model_name='appointment',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('status__in', ['cancelled', 'no_show']), _negated=True), deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(models.Func(models.F('patient'), models.F('patient'), models.Value('[]'), function='int8range', output_field=django.contrib.postgres.fields.ranges.BigIntegerRangeField()), '&&'), (models.Func(models.F('start_at'), models.F('end_at'), function='tstzrange', output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField()), '&&')], name='appointment_patient_free'),
        ),
        migrations.AddField(
            model_name='courseevent',
            name='by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='courseevent',
            name='course',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='scheduling.course'),
        ),
        migrations.AddField(
            model_name='coursetemplate',
            name='visit_type',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='scheduling.visittype'),
        ),
        migrations.AddField(
            model_name='course',
            name='template',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='scheduling.coursetemplate'),
        ),
        migrations.AddIndex(
            model_name='course',
            index=models.Index(fields=['site', '-created_at', '-id'], name='course_by_site'),
        ),
        migrations.AddIndex(
            model_name='course',
            index=models.Index(fields=['patient', '-created_at'], name='course_by_patient'),
        ),
        migrations.AddConstraint(
            model_name='course',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['active', 'stopped'])), name='course_status'),
        ),
        migrations.AddConstraint(
            model_name='course',
            constraint=models.CheckConstraint(condition=models.Q(('sessions_planned__gte', 1)), name='course_has_sessions'),
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
