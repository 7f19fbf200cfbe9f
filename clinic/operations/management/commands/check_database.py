"""``manage.py check_database``: is this database whole, and does it fit the code? Reads only."""

from django.apps import apps
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

_AVAILABILITY = "verify_availability"
_INVALID = """
    SELECT conrelid::regclass || '.' || conname FROM pg_constraint WHERE NOT convalidated
    UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
    ORDER BY 1
"""
_AMCHECK = """
    SELECT bt_index_check(index.oid) FROM pg_class index JOIN pg_am ON pg_am.oid = index.relam
    WHERE pg_am.amname = 'btree' AND index.relkind = 'i' AND index.relpersistence = 'p'
"""


class Command(BaseCommand):
    """What `restore --check` runs; it may be run on any database, at any time."""

    help = "Holds the database against the code: migrations, constraints, indexes, stored availability."

    def handle(self, *_args: object, **_options: object) -> None:
        """Raises CommandError at the first thing that is wrong."""
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
        self._migrations()
        self._constraints()
        self._indexes()
        if _AVAILABILITY in get_commands():
            call_command(_AVAILABILITY, stdout=self.stdout)
        for label in ("patients.Patient", "scheduling.Appointment", "patients.Message"):
            self.stdout.write(f"{label}: {apps.get_model(label)._default_manager.count()} rows")  # noqa: SLF001

    def _migrations(self) -> None:
        executor = MigrationExecutor(connection)
        ahead = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations or {})
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if ahead:
            raise CommandError(f"The data is newer than this code: {max(map('.'.join, ahead))} is not known.")
        if plan:
            raise CommandError(
                f"The data is older than this code: run migrate ({len(plan)} to go), then check again."
            )
        self.stdout.write("Its migrations are those of this code.")

    def _constraints(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_INVALID)
            invalid = [str(name) for (name,) in cursor.fetchall()]
        if invalid:
            raise CommandError(f"Not valid: {', '.join(invalid)}.")
        self.stdout.write("Every constraint and every index is valid.")

    def _indexes(self) -> None:
        """By amcheck where the server has it; it is installed for this look only."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck')"
                " FROM pg_roles WHERE rolname = current_user"
            )
            if cursor.fetchone() != (True,):
                return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
            cursor.execute(_AMCHECK)
            self.stdout.write(f"amcheck: {len(cursor.fetchall())} indexes are well-formed.")
            transaction.set_rollback(True)
