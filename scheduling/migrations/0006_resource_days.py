"""Busy bitmaps per resource and UTC day, kept by triggers on the allocations (docs/adr/0010).

A plane is one bit per five-minute tick of a UTC day, 36 bytes; planes are nested: a tick is in the k-th
when at least k allocations touch it. Adding carries upwards, removing takes from the topmost plane, so
the two undo each other exactly, whatever the order and however many visits touch one tick.
"""

import django.db.models.deletion
from django.db import migrations, models

SQL = """
ALTER TABLE scheduling_resourceday SET (fillfactor = 70);

CREATE FUNCTION onset_planes_add(planes bytea, extra bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    carry bit(288);
    plane bit(288);
    result bytea := '';
BEGIN
    IF extra = '' THEN
        RETURN planes;
    ELSIF planes = '' THEN
        RETURN extra;
    END IF;
    carry := ('x' || encode(extra, 'hex'))::bit(288);
    FOR level IN 0 .. length(planes) / 36 - 1 LOOP
        plane := ('x' || encode(substr(planes, 36 * level + 1, 36), 'hex'))::bit(288);
        result := result || substr(bit_send(plane | carry), 5);  -- bit_send puts the length first
        carry := plane & carry;
    END LOOP;
    RETURN CASE WHEN carry = 0::bit(288) THEN result ELSE result || substr(bit_send(carry), 5) END;
END $$;

CREATE FUNCTION onset_planes_remove(planes bytea, gone bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    due bit(288);
    plane bit(288);
    rest bit(288);
    result bytea := '';
BEGIN
    IF gone = '' THEN
        RETURN planes;
    END IF;
    due := ('x' || encode(gone, 'hex'))::bit(288);
    FOR level IN REVERSE length(planes) / 36 - 1 .. 0 LOOP
        plane := ('x' || encode(substr(planes, 36 * level + 1, 36), 'hex'))::bit(288);
        rest := plane & ~due;
        due := due & ~plane;
        IF result <> '' OR rest <> 0::bit(288) THEN
            result := substr(bit_send(rest), 5) || result;
        END IF;
    END LOOP;
    RETURN result;
END $$;

CREATE AGGREGATE onset_planes_of(bytea) (SFUNC = onset_planes_add, STYPE = bytea, INITCOND = '');

-- The ticks that any part of a stretch of time touches, as one plane for each UTC day.
CREATE FUNCTION onset_touched(since timestamptz, until timestamptz)
RETURNS TABLE (day date, plane bytea) LANGUAGE sql IMMUTABLE AS $$
    SELECT date '1970-01-01' + n,
           substr(bit_send(
               ((~0::bit(288)) << greatest(first - 288 * n, 0))
               & ((~0::bit(288)) >> (288 - least(stop - 288 * n, 288)))
           ), 5)
    FROM (
        SELECT floor(extract(epoch FROM since) / 300)::int AS first,
               ceil(extract(epoch FROM until) / 300)::int AS stop
    ) AS ticks,
    generate_series(floor(first / 288.0)::int, floor((stop - 1) / 288.0)::int) AS n
$$;

-- What the table must hold for these resources: for rebuilding it and for finding drift.
CREATE FUNCTION onset_resource_days(ids bigint[])
RETURNS TABLE (resource_id bigint, day date, exclusive bytea, shared bytea) LANGUAGE sql STABLE AS $$
    SELECT held.resource_id, touched.day,
           coalesce(onset_planes_of(touched.plane) FILTER (WHERE held.use = 'exclusive'), ''),
           coalesce(onset_planes_of(touched.plane) FILTER (WHERE held.use = 'shared'), '')
    FROM scheduling_allocation AS held, onset_touched(held.start_at, held.end_at) AS touched
    WHERE held.resource_id = ANY (ids) AND held.released_at IS NULL AND held.appointment_id IS NOT NULL
    GROUP BY held.resource_id, touched.day
$$;

CREATE FUNCTION onset_resource_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.released_at IS NULL AND OLD.appointment_id IS NOT NULL THEN
        UPDATE scheduling_resourceday AS kept
        SET exclusive = CASE OLD.use
                WHEN 'exclusive' THEN onset_planes_remove(kept.exclusive, gone.plane) ELSE kept.exclusive END,
            shared = CASE OLD.use
                WHEN 'shared' THEN onset_planes_remove(kept.shared, gone.plane) ELSE kept.shared END
        FROM onset_touched(OLD.start_at, OLD.end_at) AS gone
        WHERE kept.resource_id = OLD.resource_id AND kept.day = gone.day;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.released_at IS NULL AND NEW.appointment_id IS NOT NULL THEN
        INSERT INTO scheduling_resourceday AS kept (resource_id, day, exclusive, shared)
        SELECT NEW.resource_id, day,
               CASE NEW.use WHEN 'exclusive' THEN plane ELSE '' END,
               CASE NEW.use WHEN 'shared' THEN plane ELSE '' END
        FROM onset_touched(NEW.start_at, NEW.end_at)
        ON CONFLICT (resource_id, day) DO UPDATE
        SET exclusive = onset_planes_add(kept.exclusive, EXCLUDED.exclusive),
            shared = onset_planes_add(kept.shared, EXCLUDED.shared);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER allocation_resource_day_written
    AFTER INSERT OR DELETE ON scheduling_allocation
    FOR EACH ROW EXECUTE FUNCTION onset_resource_day();
CREATE TRIGGER allocation_resource_day_changed
    AFTER UPDATE OF resource_id, use, start_at, end_at, released_at, appointment_id ON scheduling_allocation
    FOR EACH ROW EXECUTE FUNCTION onset_resource_day();

CREATE FUNCTION onset_resource_days_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM scheduling_resourceday;
    RETURN NULL;
END $$;
CREATE TRIGGER allocation_resource_days_forgotten
    AFTER TRUNCATE ON scheduling_allocation
    FOR EACH STATEMENT EXECUTE FUNCTION onset_resource_days_forget();

INSERT INTO scheduling_resourceday (resource_id, day, exclusive, shared)
SELECT days.* FROM onset_resource_days(ARRAY(SELECT id FROM scheduling_resource)) AS days;
"""
UNDO = """
DROP TRIGGER allocation_resource_days_forgotten ON scheduling_allocation;
DROP TRIGGER allocation_resource_day_changed ON scheduling_allocation;
DROP TRIGGER allocation_resource_day_written ON scheduling_allocation;
DROP FUNCTION onset_resource_days_forget();
DROP FUNCTION onset_resource_day();
DROP FUNCTION onset_resource_days(bigint[]);
DROP FUNCTION onset_touched(timestamptz, timestamptz);
DROP AGGREGATE onset_planes_of(bytea);
DROP FUNCTION onset_planes_remove(bytea, bytea);
DROP FUNCTION onset_planes_add(bytea, bytea);
"""


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0005_ordering")]

    operations = [
        migrations.CreateModel(
            name="ResourceDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "resource_id", "day", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="days",
                        to="scheduling.resource",
                    ),
                ),
                ("day", models.DateField(help_text="In UTC.")),
                ("exclusive", models.BinaryField(default=b"")),
                ("shared", models.BinaryField(default=b"")),
            ],
            options={"ordering": ("resource_id", "day")},
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
