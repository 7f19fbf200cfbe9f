import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0001_initial'),
        ('scheduling', '0011_repairs'),
    ]

    operations = [
        migrations.CreateModel(
            name='SiteHoliday',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('on', models.DateField()),
                ('closure', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='holiday', to='scheduling.closure')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='holidays', to='access.site')),
            ],
            options={
                'ordering': ('site_id', 'on'),
            },
        ),
        migrations.CreateModel(
            name='SiteHolidayCalendar',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('country', models.CharField(help_text='ISO 3166-1, such as US.', max_length=2)),
                ('subdivision', models.CharField(blank=True, help_text='Of ISO 3166-2, such as CO.', max_length=6)),
                ('names', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), blank=True, default=list, size=None)),
                ('site', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='holiday_calendar', to='access.site')),
            ],
            options={
                'ordering': ('site_id',),
            },
        ),
        migrations.AddConstraint(
            model_name='siteholiday',
            constraint=models.UniqueConstraint(fields=('site', 'on'), name='site_holiday_once'),
        ),
    ]
