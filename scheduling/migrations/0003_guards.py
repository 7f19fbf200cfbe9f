"""What must never happen, kept by the database whoever writes.

An allocation's lane stays within its resource's capacity, and the exclusive use of anything but a
person covers all its lanes. FOR SHARE on the resource row makes a change of capacity wait for the
bookings under way, and the other way round. History is append-only.
"""

from django.db import migrations

SQL = """
CREATE FUNCTION onset_allocation_lane() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
    SELECT kind, capacity INTO r FROM scheduling_resource WHERE id = NEW.resource_id FOR SHARE;
    IF NEW.lane > r.capacity THEN
        RAISE EXCEPTION 'lane % is beyond the capacity of resource %', NEW.lane, NEW.resource_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_within_capacity';
    END IF;
    NEW.alone := NEW.lane = 0 AND r.kind NOT IN ('nurse', 'prescriber');
    RETURN NEW;
END $$;
CREATE TRIGGER allocation_lane BEFORE INSERT OR UPDATE OF resource_id, lane, alone ON scheduling_allocation
    FOR EACH ROW EXECUTE FUNCTION onset_allocation_lane();

CREATE FUNCTION onset_resource_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind <> OLD.kind AND EXISTS (SELECT FROM scheduling_allocation WHERE resource_id = NEW.id) THEN
        RAISE EXCEPTION 'resource % has bookings, so its kind stays', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'resource_kind_fixed';
    END IF;
    IF NEW.capacity < OLD.capacity AND EXISTS (
        SELECT FROM scheduling_allocation
        WHERE resource_id = NEW.id AND released_at IS NULL AND lane > NEW.capacity AND end_at > now()
    ) THEN
        RAISE EXCEPTION 'resource % is booked beyond capacity %', NEW.id, NEW.capacity
            USING ERRCODE = 'check_violation', CONSTRAINT = 'resource_capacity_in_use';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER resource_change BEFORE UPDATE OF kind, capacity ON scheduling_resource
    FOR EACH ROW EXECUTE FUNCTION onset_resource_change();

CREATE TRIGGER appointment_event_append_only BEFORE UPDATE ON scheduling_appointmentevent
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
CREATE TRIGGER dose_event_append_only BEFORE UPDATE ON scheduling_doseevent
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
"""
UNDO = """
DROP TRIGGER dose_event_append_only ON scheduling_doseevent;
DROP TRIGGER appointment_event_append_only ON scheduling_appointmentevent;
DROP TRIGGER resource_change ON scheduling_resource;
DROP FUNCTION onset_resource_change();
DROP TRIGGER allocation_lane ON scheduling_allocation;
DROP FUNCTION onset_allocation_lane();
"""


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0002_catalogue"), ("patients", "0003_guards")]
    operations = [migrations.RunSQL(SQL, UNDO)]
