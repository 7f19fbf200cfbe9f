import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0001_initial'),
        ('scheduling', '0009_holds'),
    ]

    operations = [
        migrations.CreateModel(
            name='Repair',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('start_at', models.DateTimeField(blank=True, null=True, verbose_name='start')),
                ('end_at', models.DateTimeField(blank=True, null=True, verbose_name='end')),
                ('appointment_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, default=list, size=None)),
                ('time_limit_seconds', models.PositiveSmallIntegerField()),
                ('horizon_days', models.PositiveSmallIntegerField()),
                ('requested_at', models.DateTimeField()),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('proposed', 'Proposed'), ('failed', 'Failed'), ('accepted', 'Accepted'), ('discarded', 'Discarded')], default='queued', max_length=9)),
                ('claim', models.UUIDField(blank=True, editable=False, null=True)),
                ('leased_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('failure', models.CharField(blank=True, help_text='A code; see docs/api.md.', max_length=40)),
                ('proposed_at', models.DateTimeField(blank=True, null=True)),
                ('optimal', models.BooleanField(default=False, help_text='Proven that nothing is less disruptive.')),
                ('unplaced', models.PositiveIntegerField(default=0)),
                ('patients_moved', models.PositiveIntegerField(default=0)),
                ('confirmed_moved', models.PositiveIntegerField(default=0)),
                ('to_another_day', models.PositiveIntegerField(default=0)),
                ('minutes_shifted', models.PositiveIntegerField(default=0)),
                ('resources_changed', models.PositiveIntegerField(default=0)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('closure', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to='scheduling.closure')),
                ('requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL)),
                ('resource', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='scheduling.resource')),
                ('settled_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='repairs', to='access.site')),
            ],
            options={
                'ordering': ('-requested_at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='RepairChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('appointment_version', models.PositiveIntegerField()),
                ('sequence', models.PositiveSmallIntegerField(help_text='The order in which accepting carries them out.')),
                ('together', models.PositiveSmallIntegerField(help_text='Changes of one number trade places, so they happen in one transaction or not at all.')),
                ('from_start_at', models.DateTimeField()),
                ('from_resources', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('to_start_at', models.DateTimeField(blank=True, null=True)),
                ('to_resources', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('reason', models.CharField(blank=True, max_length=40)),
                ('outcome', models.CharField(blank=True, choices=[('moved', 'Moved'), ('reassigned', 'Reassigned'), ('unchanged', 'Unchanged'), ('stale', 'Stale'), ('refused', 'Refused')], max_length=10)),
                ('outcome_code', models.CharField(blank=True, max_length=40)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('appointment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='scheduling.appointment')),
                ('repair', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='scheduling.repair')),
            ],
            options={
                'ordering': ('repair_id', 'sequence'),
            },
        ),
        migrations.AddIndex(
            model_name='repair',
            index=models.Index(fields=['site', '-requested_at', '-id'], name='repair_by_site'),
        ),
        migrations.AddIndex(
            model_name='repair',
            index=models.Index(condition=models.Q(('status__in', ['queued', 'running'])), fields=['requested_at'], name='repair_unfinished'),
        ),
        migrations.AddConstraint(
            model_name='repair',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['queued', 'running', 'proposed', 'failed', 'accepted', 'discarded'])), name='repair_status'),
        ),
        migrations.AddConstraint(
            model_name='repair',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('end_at__isnull', True), ('start_at__isnull', True)), ('end_at__gt', models.F('start_at')), _connector='OR'), name='repair_order'),
        ),
        migrations.AddConstraint(
            model_name='repair',
            constraint=models.CheckConstraint(condition=models.Q(('time_limit_seconds__gte', 1), ('time_limit_seconds__lte', 60), ('horizon_days__lte', 14)), name='repair_bounds'),
        ),
        migrations.AddConstraint(
            model_name='repair',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'running'), models.Q(('claim__isnull', True), ('leased_until__isnull', True)), _connector='XOR'), name='repair_leased_while_running'),
        ),
        migrations.AddConstraint(
            model_name='repairchange',
            constraint=models.UniqueConstraint(fields=('repair', 'appointment'), name='repair_change_once'),
        ),
        migrations.AddConstraint(
            model_name='repairchange',
            constraint=models.CheckConstraint(condition=models.Q(('to_start_at__isnull', True), ('reason', ''), _connector='XOR'), name='repair_change_place_or_reason'),
        ),
        migrations.AddConstraint(
            model_name='repairchange',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('outcome', ''), ('settled_at__isnull', True)), models.Q(('outcome__in', ['moved', 'reassigned', 'unchanged', 'stale', 'refused']), ('settled_at__isnull', False)), _connector='OR'), name='repair_change_outcome'),
        ),
    ]
