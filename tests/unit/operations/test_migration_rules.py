"""Bad migrations are refused, by zdm or by our own rules; good ones pass; what is released is left alone."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import migrations, models
from django.db.migrations.state import ModelState, ProjectState

from clinic.operations import migration_rules

BAD = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("patients", "0001_initial")]
    operations = [{operation}]
"""


def judged(*operations: migrations.operations.base.Operation, atomic: bool = True) -> list[str]:
    """What our own rules say to a migration of an app with one table."""
    state = ProjectState()
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
    ]
    state.add_model(ModelState("clinic", "Chair", fields))
    made = type("Migration", (migrations.Migration,), {"operations": list(operations), "atomic": atomic})
    migration: migrations.Migration = made("0002_new", "clinic")
    return list(migration_rules.judge_migration(migration, state, new=set()))


def nothing(_apps: object, _editor: object) -> None:
    """What a RunPython runs."""


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (
            migrations.AddField("chair", "seats", models.IntegerField(default=1)),
            "NOT NULL without db_default",
        ),
        (migrations.AlterField("chair", "name", models.IntegerField()), "changes its type"),
        (migrations.AlterField("chair", "name", models.CharField(max_length=9)), "changes its type"),
        (migrations.RunSQL("ALTER TABLE chair ALTER COLUMN seats TYPE bigint"), "rewrites or scans"),
        (migrations.RunSQL([("ALTER TABLE chair DROP COLUMN seats", None)]), "breaks the code"),
        (migrations.RunSQL("ALTER TABLE chair ADD CONSTRAINT c CHECK (seats > 0)"), "NOT VALID first"),
        (migrations.RunSQL("ALTER TABLE chair ALTER seats SET NOT NULL"), "scans the table"),
        (
            migrations.SeparateDatabaseAndState(
                database_operations=[migrations.AddField("chair", "seats", models.IntegerField(default=1))]
            ),
            "NOT NULL without db_default",
        ),
    ],
)
def test_what_breaks_or_locks_is_refused(operation: migrations.operations.base.Operation, said: str) -> None:
    [found] = judged(operation)
    assert said in found


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("chair", "seats", models.IntegerField(null=True)),
        migrations.AddField("chair", "seats", models.IntegerField(db_default=1)),
        migrations.AlterField("chair", "name", models.CharField(max_length=20)),
        migrations.AlterField("chair", "name", models.TextField()),
        migrations.RunPython(nothing),
        migrations.RunSQL("ALTER TABLE chair ADD CONSTRAINT c CHECK (seats > 0) NOT VALID"),
        migrations.RunSQL("ALTER TABLE chair VALIDATE CONSTRAINT c"),
    ],
)
def test_what_harms_nobody_passes(operation: migrations.operations.base.Operation) -> None:
    assert judged(operation) == []


def test_filling_rows_has_a_migration_of_its_own() -> None:
    nullable = migrations.AddField("chair", "seats", models.IntegerField(null=True))
    [found] = judged(nullable, migrations.RunPython(nothing))
    assert "a migration of its own" in found
    assert judged(nullable, migrations.RunPython(nothing), atomic=False) == []


def test_a_table_that_the_old_code_does_not_know_may_change() -> None:
    made = migrations.CreateModel("Bed", [("id", models.BigAutoField(primary_key=True))])
    assert judged(made, migrations.AddField("bed", "seats", models.IntegerField(default=1))) == []


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        ('migrations.AddIndex("patient", models.Index(fields=("given_name",), name="x"))', "R001"),
        ('migrations.RemoveField("patient", "given_name")', "R005"),
        ('migrations.RenameField("patient", "given_name", "first_name")', "R011"),
        ('migrations.DeleteModel("Patient")', "R019"),
        (
            'migrations.AddConstraint("patient", models.CheckConstraint(condition=models.Q(id=1), name="y"))',
            "R017",
        ),
        ('migrations.AddField("patient", "d", models.ForeignKey("x.Y", models.CASCADE, null=True))', "R006"),
        ('migrations.AddField("patient", "d", models.IntegerField())', "R010"),
    ],
)
def test_zdm_refuses_what_we_leave_to_it(tmp_path: Path, operation: str, rule: str) -> None:
    path = tmp_path / "migrations/0002_bad.py"
    path.parent.mkdir()
    path.write_text(BAD.format(operation=operation))
    [found] = migration_rules.by_zdm([path])
    assert found.text.startswith(rule)


def test_zdm_passes_an_index_made_beside_the_clinic(tmp_path: Path) -> None:
    path = tmp_path / "migrations/0002_good.py"
    path.parent.mkdir()
    path.write_text(
        BAD.replace("operations =", "atomic = False\n    operations =")
        .replace(
            "import migrations, models",
            "import migrations, models\nfrom django.contrib.postgres.operations import AddIndexConcurrently",
        )
        .format(operation='AddIndexConcurrently("patient", models.Index(fields=("given_name",), name="x"))')
    )
    assert list(migration_rules.by_zdm([path])) == []


def test_every_released_migration_is_still_there() -> None:
    """Whoever ran it has its name in the database."""
    assert migration_rules.released() <= set(migration_rules.ours(below=settings.BASE_DIR))


def test_what_is_not_released_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first migrations of a table with a foreign key to another would not pass as changes."""
    monkeypatch.setattr(migration_rules, "RELEASED", tmp_path / "none.txt")
    with pytest.raises(CommandError, match="Not while Onset runs"):
        call_command("check_migrations")
