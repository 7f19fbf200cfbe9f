"""What was answered, ordered, measured or logged in a session stays as it was, whoever writes."""

from django.db import migrations

_WHOLE = ("gatecheck", "doseorder")
_PARTS = {
    "vitalreading": "session_id, measured_at, systolic, diastolic, heart_rate, spo2, respiratory_rate,"
    " temperature_c, symptoms, level, findings, recorded_at, by_id",
    "druglogentry": "session_id, site_id, kind, drug, mg, lot, at, note, recorded_at, by_id",
}
"""Of these only the acknowledgement, the witness and the strike come later."""

SQL = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE{columns} ON scheduling_{table}"
    " FOR EACH ROW EXECUTE FUNCTION onset_append_only();\n"
    for table, columns in [
        *((table, "") for table in _WHOLE),
        *((table, f" OF {columns}") for table, columns in _PARTS.items()),
    ]
)
UNDO = "".join(f"DROP TRIGGER {table}_append_only ON scheduling_{table};\n" for table in (*_WHOLE, *_PARTS))


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0024_calendar_feeds")]
    operations = [migrations.RunSQL(SQL, UNDO)]
