"""Clinical background: entries that are never rewritten, screening flags, and their catalogues."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinic.common import catalogue

TERMS = (
    "symptoms",
    "body_sites",
    "pain_origins",
    "factors",
    "treatment_kinds",
    "medicine_classes",
    "concerns",
    "pain_tests",
)
ENTRIES = (
    "symptom",
    "allergy",
    "othermedicine",
    "familyhistory",
    "pregnancy",
    "othercondition",
    "painassessment",
)
FIXED = """
CREATE FUNCTION onset_entry_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE closing text[] := ARRAY['status', 'closed_at', 'closed_by_id', 'closed_reason', 'version'];
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status <> 'current'
        OR to_jsonb(NEW) - closing IS DISTINCT FROM to_jsonb(OLD) - closing THEN
        RAISE EXCEPTION 'entries of % are superseded, never rewritten', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION onset_term_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.kind <> OLD.kind OR NEW.code <> OLD.code THEN
        RAISE EXCEPTION 'codes of the catalogue keep their meaning' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER term_fixed BEFORE UPDATE OR DELETE ON patients_term
    FOR EACH ROW EXECUTE FUNCTION onset_term_fixed();
CREATE TRIGGER painresult_append_only BEFORE UPDATE OR DELETE ON patients_painresult
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
CREATE TRIGGER flagevent_append_only BEFORE UPDATE OR DELETE ON patients_flagevent
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
""" + "".join(
    f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON patients_{table} "
    "FOR EACH ROW EXECUTE FUNCTION onset_entry_fixed();\n"
    for table in ENTRIES
)
UNDO = (
    "".join(f"DROP TRIGGER {table}_fixed ON patients_{table};\n" for table in ENTRIES)
    + "DROP TRIGGER flagevent_append_only ON patients_flagevent;\n"
    + "DROP TRIGGER painresult_append_only ON patients_painresult;\n"
    + "DROP TRIGGER term_fixed ON patients_term;\n"
    + "DROP FUNCTION onset_term_fixed();\nDROP FUNCTION onset_entry_fixed();\n"
)


def load(apps, schema_editor):
    lists = {"Term": TERMS, "FlagKind": ("flag_kinds",), "Washout": ("washouts",)}
    for name, files in lists.items():
        model = apps.get_model("patients", name)
        model.objects.bulk_create(
            model(**row) for file in files for row in catalogue.rows("patients", file)
        )


class Migration(migrations.Migration):

    dependencies = [
        ('patients', '0007_assessments'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Washout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(unique=True)),
                ('from_classes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='The medicine that ends is of one of these classes.', size=None)),
                ('from_words', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Or it has one of these names; a name beats a class.', size=None)),
                ('to_classes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='The medicine that begins is of one of these classes.', size=None)),
                ('days', models.PositiveSmallIntegerField(help_text='Days without the first, before the second.')),
                ('valid_from', models.DateField(blank=True, null=True)),
                ('source', models.CharField(max_length=120)),
                ('mark', models.CharField(max_length=1)),
                ('active', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ('code',),
            },
        ),
        migrations.CreateModel(
            name='FlagKind',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(unique=True)),
                ('name', models.CharField(max_length=120)),
                ('severity', models.CharField(choices=[('absolute', 'absolute contraindication'), ('relative', 'relative contraindication'), ('caution', 'Caution')], max_length=8)),
                ('advice', models.CharField(blank=True, help_text='What to look at before going on.', max_length=300)),
                ('volatile', models.BooleanField(default=False, help_text='Asked again before every session.')),
                ('early_contact', models.BooleanField(default=False, help_text='Somebody with this flag gets the safety check-in after a week, at any age.')),
                ('valid_days', models.PositiveSmallIntegerField(blank=True, help_text='For how many days an entry counts, unless it says so itself.', null=True)),
                ('medicine_classes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Raised by medicines of these classes.', size=None)),
                ('medicine_words', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Raised by medicines with these names.', size=None)),
                ('concerns', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Raised by these other conditions.', size=None)),
                ('allergy_words', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Raised by allergies to these.', size=None)),
                ('pregnancy_states', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Raised by these answers about pregnancy.', size=None)),
                ('valid_from', models.DateField(blank=True, null=True)),
                ('source', models.CharField(max_length=120)),
                ('mark', models.CharField(max_length=1)),
                ('active', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('severity__in', ['absolute', 'relative', 'caution'])), name='flag_kind_severity')],
            },
        ),
        migrations.CreateModel(
            name='PainAssessment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('status', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded'), ('entered_in_error', 'entered in error')], default='current', max_length=16)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('recorded_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=200)),
                ('assessed_on', models.DateField()),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.painassessment')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)s_entries', to='patients.patient')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='patients.painassessment')),
            ],
            options={
                'ordering': ('-id',),
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='PainResult',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('test', models.CharField(max_length=50)),
                ('question', models.CharField(choices=[('pain', 'Is it this pain?'), ('severity', 'How bad is it?'), ('source', 'Where does it come from?')], max_length=8)),
                ('body_sites', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, size=20)),
                ('value', models.DecimalField(blank=True, decimal_places=3, max_digits=10, null=True)),
                ('unit', models.CharField(blank=True, max_length=20)),
                ('finding', models.CharField(blank=True, max_length=500)),
                ('assessment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='results', to='patients.painassessment')),
            ],
            options={
                'ordering': ('number',),
            },
        ),
        migrations.CreateModel(
            name='Pregnancy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('status', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded'), ('entered_in_error', 'entered in error')], default='current', max_length=16)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('recorded_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=200)),
                ('state', models.CharField(choices=[('not_pregnant', 'not pregnant'), ('pregnant', 'Pregnant'), ('possible', 'Possible'), ('not_applicable', 'not applicable'), ('not_said', 'not said')], max_length=14)),
                ('basis', models.CharField(choices=[('said', 'said by the patient'), ('test', 'Test')], default='said', max_length=4)),
                ('as_of_on', models.DateField()),
                ('expires_on', models.DateField(blank=True, help_text='The last day on which it counts.', null=True)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.pregnancy')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)s_entries', to='patients.patient')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='patients.pregnancy')),
            ],
            options={
                'verbose_name_plural': 'pregnancies',
                'ordering': ('-id',),
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ScreeningFlag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('key', models.CharField(editable=False, max_length=240)),
                ('severity', models.CharField(choices=[('absolute', 'absolute contraindication'), ('relative', 'relative contraindication'), ('caution', 'Caution')], max_length=8)),
                ('value', models.CharField(help_text='What was found.', max_length=300)),
                ('source', models.CharField(help_text="Why it matters: the rule's source, or who said so.", max_length=160)),
                ('origin', models.CharField(choices=[('rule', 'raised by a rule'), ('staff', 'raised by staff')], max_length=5)),
                ('status', models.CharField(choices=[('open', 'Open'), ('acknowledged', 'Acknowledged'), ('withdrawn', 'Withdrawn')], default='open', max_length=12)),
                ('raised_at', models.DateTimeField()),
                ('expires_on', models.DateField(blank=True, help_text='The last day on which it counts.', null=True)),
                ('acknowledged_at', models.DateTimeField(blank=True, null=True)),
                ('acknowledged_until', models.DateField(blank=True, help_text='The last day on which the acknowledgement holds.', null=True)),
                ('reason', models.CharField(blank=True, help_text='Why the prescriber goes on.', max_length=300)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('acknowledged_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('kind', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='patients.flagkind')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='flags', to='patients.patient')),
                ('raised_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-raised_at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='FlagEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verb', models.CharField(max_length=12)),
                ('at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('until', models.DateField(blank=True, null=True)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('flag', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='patients.screeningflag')),
            ],
            options={
                'ordering': ('at', 'id'),
            },
        ),
        migrations.CreateModel(
            name='Symptom',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('status', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded'), ('entered_in_error', 'entered in error')], default='current', max_length=16)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('recorded_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=200)),
                ('symptom', models.CharField(max_length=50)),
                ('body_sites', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, size=20)),
                ('radiates_to', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, size=20)),
                ('severity', models.PositiveSmallIntegerField(blank=True, help_text='0 to 10.', null=True)),
                ('origin', models.CharField(blank=True, max_length=50)),
                ('since_on', models.DateField(blank=True, null=True)),
                ('until_on', models.DateField(blank=True, null=True)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.symptom')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)s_entries', to='patients.patient')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='patients.symptom')),
            ],
            options={
                'ordering': ('-id',),
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Term',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('symptom', 'Symptom'), ('body_site', 'Body Site'), ('pain_origin', 'Pain Origin'), ('factor', 'factor in choosing'), ('treatment', 'kind of treatment'), ('medicine_class', 'Medicine Class'), ('concern', 'other condition that matters'), ('pain_test', 'Pain Test')], max_length=16)),
                ('code', models.SlugField()),
                ('name', models.CharField(max_length=160)),
                ('answers', models.JSONField(blank=True, default=list, help_text='Of a pain test: which questions its result may answer.')),
                ('position', models.PositiveSmallIntegerField(default=100)),
                ('valid_from', models.DateField(blank=True, null=True)),
                ('valid_until', models.DateField(blank=True, null=True)),
                ('source', models.CharField(max_length=120)),
                ('mark', models.CharField(help_text='S source read, K to be confirmed, D our default.', max_length=1)),
            ],
            options={
                'ordering': ('kind', 'position', 'name'),
                'constraints': [models.UniqueConstraint(fields=('kind', 'code'), name='term_once')],
            },
        ),
        migrations.CreateModel(
            name='Allergy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('status', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded'), ('entered_in_error', 'entered in error')], default='current', max_length=16)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('recorded_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=200)),
                ('substance', models.CharField(max_length=120)),
                ('reaction', models.CharField(blank=True, max_length=200)),
                ('severity', models.CharField(choices=[('unknown', 'Unknown'), ('mild', 'Mild'), ('moderate', 'Moderate'), ('severe', 'Severe'), ('life_threatening', 'life-threatening')], default='unknown', max_length=16)),
                ('since_on', models.DateField(blank=True, null=True)),
                ('until_on', models.DateField(blank=True, null=True)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.allergy')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)s_entries', to='patients.patient')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='patients.allergy')),
            ],
            options={
                'verbose_name_plural': 'allergies',
                'ordering': ('-id',),
                'abstract': False,
                'indexes': [models.Index(fields=['patient', 'status'], name='allergy_of')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'current')), models.Q(('closed_at__isnull', False), ('status__in', ['superseded', 'entered_in_error'])), _connector='OR'), name='allergy_closed'), models.CheckConstraint(condition=models.Q(('since_on__isnull', True), ('until_on__isnull', True), ('until_on__gte', models.F('since_on')), _connector='OR'), name='allergy_order')],
            },
        ),
        migrations.CreateModel(
            name='FamilyHistory',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('status', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded'), ('entered_in_error', 'entered in error')], default='current', max_length=16)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('recorded_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=200)),
                ('relation', models.CharField(choices=[('mother', 'Mother'), ('father', 'Father'), ('sister', 'Sister'), ('brother', 'Brother'), ('daughter', 'Daughter'), ('son', 'Son'), ('grandparent', 'Grandparent'), ('aunt_or_uncle', 'aunt or uncle'), ('cousin', 'Cousin'), ('other', 'Other')], max_length=13)),
                ('condition', models.CharField(blank=True, help_text='Its code among the conditions.', max_length=50)),
                ('condition_text', models.CharField(blank=True, help_text='What is not in the catalogue.', max_length=120)),
                ('medicine', models.CharField(blank=True, max_length=120)),
                ('response', models.CharField(choices=[('unknown', 'not known'), ('very_well', 'worked very well'), ('somewhat', 'worked somewhat'), ('not', 'did not work'), ('not_tolerated', 'was not tolerated')], default='unknown', max_length=13)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.familyhistory')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)s_entries', to='patients.patient')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='patients.familyhistory')),
            ],
            options={
                'verbose_name_plural': 'family history',
                'ordering': ('-id',),
                'abstract': False,
                'indexes': [models.Index(fields=['patient', 'status'], name='familyhistory_of')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'current')), models.Q(('closed_at__isnull', False), ('status__in', ['superseded', 'entered_in_error'])), _connector='OR'), name='familyhistory_closed')],
            },
        ),
        migrations.CreateModel(
            name='OtherCondition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('status', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded'), ('entered_in_error', 'entered in error')], default='current', max_length=16)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('recorded_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=200)),
                ('concern', models.CharField(help_text='Of the catalogue; decides which flags rise.', max_length=50)),
                ('name', models.CharField(blank=True, help_text='More exactly, in words.', max_length=160)),
                ('code_text', models.CharField(blank=True, max_length=20, verbose_name='diagnosis code')),
                ('since_on', models.DateField(blank=True, null=True)),
                ('until_on', models.DateField(blank=True, null=True)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.othercondition')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)s_entries', to='patients.patient')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='patients.othercondition')),
            ],
            options={
                'ordering': ('-id',),
                'abstract': False,
                'indexes': [models.Index(fields=['patient', 'status'], name='othercondition_of')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'current')), models.Q(('closed_at__isnull', False), ('status__in', ['superseded', 'entered_in_error'])), _connector='OR'), name='othercondition_closed'), models.CheckConstraint(condition=models.Q(('since_on__isnull', True), ('until_on__isnull', True), ('until_on__gte', models.F('since_on')), _connector='OR'), name='other_condition_order')],
            },
        ),
        migrations.CreateModel(
            name='OtherMedicine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('status', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded'), ('entered_in_error', 'entered in error')], default='current', max_length=16)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('recorded_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=200)),
                ('name', models.CharField(max_length=120)),
                ('medicine_class', models.CharField(help_text='Of the catalogue; decides which flags rise.', max_length=50)),
                ('dose', models.CharField(blank=True, help_text='In words, such as 75 mg in the morning.', max_length=120)),
                ('from_on', models.DateField(blank=True, null=True)),
                ('until_on', models.DateField(blank=True, help_text='The last day on which it was taken.', null=True)),
                ('source', models.CharField(choices=[('patient', 'the patient'), ('relative', 'a relative'), ('pharmacy', 'Pharmacy'), ('prescriber', 'another prescriber'), ('record', 'a record or letter')], default='patient', max_length=10)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.othermedicine')),
                ('patient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)s_entries', to='patients.patient')),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='superseded_by', to='patients.othermedicine')),
            ],
            options={
                'ordering': ('-id',),
                'abstract': False,
                'indexes': [models.Index(fields=['patient', 'status'], name='othermedicine_of')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'current')), models.Q(('closed_at__isnull', False), ('status__in', ['superseded', 'entered_in_error'])), _connector='OR'), name='othermedicine_closed'), models.CheckConstraint(condition=models.Q(('from_on__isnull', True), ('until_on__isnull', True), ('until_on__gte', models.F('from_on')), _connector='OR'), name='other_medicine_order')],
            },
        ),
        migrations.AddIndex(
            model_name='painassessment',
            index=models.Index(fields=['patient', 'status'], name='painassessment_of'),
        ),
        migrations.AddConstraint(
            model_name='painassessment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'current')), models.Q(('closed_at__isnull', False), ('status__in', ['superseded', 'entered_in_error'])), _connector='OR'), name='painassessment_closed'),
        ),
        migrations.AddConstraint(
            model_name='painresult',
            constraint=models.UniqueConstraint(fields=('assessment', 'number'), name='pain_result_number'),
        ),
        migrations.AddConstraint(
            model_name='painresult',
            constraint=models.CheckConstraint(condition=models.Q(('value__isnull', False), models.Q(('finding', ''), _negated=True), _connector='OR'), name='pain_result_says_something'),
        ),
        migrations.AddIndex(
            model_name='pregnancy',
            index=models.Index(fields=['patient', 'status'], name='pregnancy_of'),
        ),
        migrations.AddConstraint(
            model_name='pregnancy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'current')), models.Q(('closed_at__isnull', False), ('status__in', ['superseded', 'entered_in_error'])), _connector='OR'), name='pregnancy_closed'),
        ),
        migrations.AddConstraint(
            model_name='pregnancy',
            constraint=models.CheckConstraint(condition=models.Q(('as_of_on__isnull', True), ('expires_on__isnull', True), ('expires_on__gte', models.F('as_of_on')), _connector='OR'), name='pregnancy_order'),
        ),
        migrations.AddIndex(
            model_name='screeningflag',
            index=models.Index(fields=['patient', 'status'], name='flag_of'),
        ),
        migrations.AddConstraint(
            model_name='screeningflag',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'withdrawn'), _negated=True), fields=('patient', 'key'), name='flag_once_per_cause'),
        ),
        migrations.AddConstraint(
            model_name='screeningflag',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'acknowledged'), _negated=True), models.Q(('acknowledged_at__isnull', False), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='flag_acknowledged_with_reason'),
        ),
        migrations.AddConstraint(
            model_name='screeningflag',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'withdrawn'), ('withdrawn_at__isnull', False)), models.Q(models.Q(('status', 'withdrawn'), _negated=True), ('withdrawn_at__isnull', True)), _connector='OR'), name='flag_withdrawn_at'),
        ),
        migrations.AddIndex(
            model_name='symptom',
            index=models.Index(fields=['patient', 'status'], name='symptom_of'),
        ),
        migrations.AddConstraint(
            model_name='symptom',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'current')), models.Q(('closed_at__isnull', False), ('status__in', ['superseded', 'entered_in_error'])), _connector='OR'), name='symptom_closed'),
        ),
        migrations.AddConstraint(
            model_name='symptom',
            constraint=models.CheckConstraint(condition=models.Q(('severity__isnull', True), ('severity__lte', 10), _connector='OR'), name='symptom_severity'),
        ),
        migrations.AddConstraint(
            model_name='symptom',
            constraint=models.CheckConstraint(condition=models.Q(('since_on__isnull', True), ('until_on__isnull', True), ('until_on__gte', models.F('since_on')), _connector='OR'), name='symptom_order'),
        ),
        migrations.RunPython(load, migrations.RunPython.noop),
        migrations.RunSQL(FIXED, UNDO),
    ]
