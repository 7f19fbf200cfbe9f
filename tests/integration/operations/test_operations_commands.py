"""The commands that people run: what they refuse, with which sentence, and what they say of a database."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from clinic.operations.errors import Refused
from clinic.operations.programs import Server, require_replication
from tests.factories import PatientFactory

NOWHERE = "postgresql://onset:hidden@127.0.0.1:9/onset"


@pytest.mark.django_db
def test_a_database_that_fits_the_code_is_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    PatientFactory.create()
    call_command("check_database")
    said = capsys.readouterr().out
    assert "Its migrations are those of this code." in said
    assert "Every constraint and every index is valid." in said
    assert "patients.Patient: 1 rows" in said


@pytest.mark.django_db
def test_a_constraint_that_was_never_checked_is_found() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE patients_patient ADD CONSTRAINT later CHECK (id > 0) NOT VALID")
    with pytest.raises(CommandError, match=r"Not valid: patients_patient\.later"):
        call_command("check_database")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM django_migrations WHERE app = 'patients'", "older than this code"),
        (
            "INSERT INTO django_migrations (app, name, applied) VALUES ('patients', '9999_x', now())",
            "newer than",
        ),
    ],
)
def test_data_of_another_version_is_found(change: str, said: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(change)
    with pytest.raises(CommandError, match=said):
        call_command("check_database")


@override_settings(BACKUP_DATABASE_URL=NOWHERE)
@pytest.mark.parametrize("command", ["backup", "stream_wal"])
def test_a_server_that_is_away_is_one_sentence_without_the_password(command: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="PostgreSQL cannot be asked") as caught:
        call_command(command, "--to", str(tmp_path))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"wal_level": "minimal"}, "wal_level = replica"),
        ({"may_replicate": False}, "ALTER ROLE onset REPLICATION"),
    ],
)
def test_a_server_that_cannot_be_copied_is_refused(about: dict[str, object], said: str) -> None:
    server = Server(major=18, data_bytes=1, wal_level="replica", may_replicate=True, user="onset")
    require_replication(server)
    with pytest.raises(Refused, match=said):
        require_replication(replace(server, **about))  # type: ignore[arg-type]


def test_keeping_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("backup", "--to", str(tmp_path), "--keep", "0")


def test_a_moment_without_its_offset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--until"):
        call_command(
            "restore", "--from", str(tmp_path), "--to", str(tmp_path / "x"), "--until", "2027-01-04T09:00"
        )


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "base-20270104T020000Z").write_text("a file, not a directory")
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="is no directory"):
        call_command("restore", "--from", str(tmp_path / "file"), "--to", str(tmp_path / "x"))
    with pytest.raises(CommandError, match="holds no base backup"):
        call_command("restore", "--from", str(tmp_path), "--to", str(tmp_path / "x"))


def test_a_directory_without_backups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds no base backup"):
        call_command("restore", "--from", str(tmp_path), "--to", str(tmp_path / "x"))
