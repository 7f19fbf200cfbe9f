"""What must never happen, kept by the database: the consent record is append-only; MRNs are counted."""

from django.db import migrations

SQL = """
CREATE FUNCTION onset_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER consent_append_only BEFORE UPDATE ON patients_consent
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
CREATE SEQUENCE patients_mrn_seq;
"""
UNDO = """
DROP SEQUENCE patients_mrn_seq;
DROP TRIGGER consent_append_only ON patients_consent;
DROP FUNCTION onset_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("patients", "0002_catalogue")]
    operations = [migrations.RunSQL(SQL, UNDO)]
