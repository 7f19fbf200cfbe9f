"""Names of backups, which of them stay, which one a restore begins with, and what belongs to a whole one."""

import hashlib
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clinic.operations import places, programs, taking, verifying
from clinic.operations.errors import Refused
from clinic.operations.private_server import Recovery

DAY = datetime(2027, 1, 4, 2, 0, tzinfo=UTC)
SEGMENT_BYTES = 16 * 2**20


def backup(root: Path, day: int, *, segment: int = 1) -> Path:
    """A directory that looks like a whole base backup."""
    path = root / places.name_for(DAY + timedelta(days=day))
    path.mkdir(parents=True)
    (path / "backup_manifest").write_text("{}")
    (path / "PG_VERSION").write_text("18\n")
    (path / "backup_label").write_text(f"START WAL LOCATION: 0/2000028 (file {segment:024X})\n")
    return path


def test_only_whole_backups_count_and_the_oldest_comes_first(tmp_path: Path) -> None:
    later, earlier = backup(tmp_path, 1), backup(tmp_path, 0)
    (tmp_path / places.UNFINISHED).mkdir()
    (tmp_path / "base-20270109T020000Z").mkdir()
    (tmp_path / "wal").mkdir()
    assert [found.path for found in places.base_backups(tmp_path)] == [earlier, later]


def test_the_newest_backup_before_the_wanted_moment_is_chosen(tmp_path: Path) -> None:
    monday, tuesday = backup(tmp_path, 0), backup(tmp_path, 1)
    assert places.choose(tmp_path).path == tuesday
    assert places.choose(tmp_path, until=DAY + timedelta(days=1)).path == tuesday
    assert places.choose(tmp_path, until=DAY + timedelta(days=1, seconds=-1)).path == monday
    assert places.choose(tmp_path, name=monday.name).path == monday


def test_a_moment_before_every_backup_is_refused(tmp_path: Path) -> None:
    backup(tmp_path, 0)
    with pytest.raises(Refused, match="oldest is of 2027-01-04"):
        places.choose(tmp_path, until=DAY - timedelta(seconds=1))
    with pytest.raises(Refused, match="no base backup named other"):
        places.choose(tmp_path, name="other")


@pytest.mark.parametrize(("keep", "gone"), [(1, 2), (2, 1), (3, 0), (9, 0), (0, 2), (-1, 2)])
def test_the_newest_stay_and_one_always_does(tmp_path: Path, keep: int, gone: int) -> None:
    for day in range(3):
        backup(tmp_path, day)
    found = places.base_backups(tmp_path)
    assert places.superfluous(found, keep=keep) == found[:gone]


def test_pruning_keeps_the_wal_that_the_oldest_kept_backup_needs(tmp_path: Path) -> None:
    for day, segment in enumerate((2, 5, 8)):
        backup(tmp_path, day, segment=segment)
    wal = tmp_path / places.WAL
    wal.mkdir()
    for number in range(1, 10):
        (wal / f"{number:024X}").touch()
    (wal / f"{10:024X}.partial").touch()
    assert taking.prune(tmp_path, keep=2) == 1
    assert [found.taken_at for found in places.base_backups(tmp_path)] == [
        DAY + timedelta(days=n) for n in (1, 2)
    ]
    assert places.segments(wal) == {f"{number:024X}" for number in range(5, 11)}
    assert not (tmp_path / places.UNFINISHED).exists()


def test_wal_files_are_numbered_across_their_two_halves() -> None:
    names = ["0000000100000000000000FE", "0000000100000000000000FF", "000000020000000100000000"]
    assert [places.segment_number(name, segment_bytes=SEGMENT_BYTES) for name in names] == [254, 255, 256]


def test_a_second_backup_into_the_same_directory_is_refused(tmp_path: Path) -> None:
    with (
        places.claimed(tmp_path, "backup"),
        pytest.raises(Refused, match="Another backup uses"),
        places.claimed(tmp_path, "backup"),
    ):
        pass
    with places.claimed(tmp_path, "backup"):
        pass


def test_too_little_room_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"{2**40} MB are needed"):
        places.require_room(tmp_path, needed=2**60)


def whole(root: Path) -> Path:
    """A backup with a manifest that is true, and no WAL to read."""
    path = backup(root, 0)
    (path / "global").mkdir()
    (path / "global/pg_control").write_bytes(b"x" * 8192)
    files = [
        {"Path": name, "Checksum": hashlib.sha256((path / name).read_bytes()).hexdigest()}
        for name in ("PG_VERSION", "backup_label", "global/pg_control")
    ]
    head = json.dumps({"Files": files, "WAL-Ranges": []})[:-1] + ",\n"
    seal = hashlib.sha256(head.encode()).hexdigest()
    (path / "backup_manifest").write_text(f'{head}"Manifest-Checksum": "{seal}"}}\n')
    return path


def test_a_whole_backup_is_accepted(tmp_path: Path) -> None:
    verifying.verify(whole(tmp_path), major=18)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("echo x >> PG_VERSION", "PG_VERSION has changed"),
        ("truncate -s 4096 global/pg_control", "global/pg_control has changed"),
        ("rm global/pg_control", "global/pg_control is missing"),
        ("touch global/more", "global/more does not belong to it"),
        ("sed -i s/pg_control/pg_contro1/ backup_manifest", "backup_manifest has changed"),
        ("echo > backup_manifest", "cannot be read"),
    ],
)
def test_a_damaged_backup_is_refused(tmp_path: Path, harm: str, said: str) -> None:
    path = whole(tmp_path)
    subprocess.run(["/bin/sh", "-c", harm], cwd=path, check=True)
    with pytest.raises(Refused, match=said):
        verifying.verify(path, major=18)


def test_a_password_travels_in_the_environment() -> None:
    given = programs.environment("postgresql://copier:s%20ecret@db.example:6543/onset?sslmode=require")
    assert {name: value for name, value in given.items() if name.startswith("PG")} == {
        "PGUSER": "copier",
        "PGPASSWORD": "s ecret",
        "PGHOST": "db.example",
        "PGPORT": "6543",
        "PGDATABASE": "onset",
        "PGSSLMODE": "require",
    }


def test_programs_of_another_version_are_passed_over() -> None:
    with pytest.raises(Refused, match="pg_basebackup of PostgreSQL 99 is missing"):
        programs.find("pg_basebackup", major=99)
    assert programs.find("pg_basebackup", major=18).is_file()


def test_odd_characters_of_a_path_reach_neither_shell_nor_postgresql() -> None:
    command = Recovery(wal=Path("/a b/50%/wal")).settings["restore_command"]
    assert command.startswith("cp '/a b/50%%/wal'/%f %p ")
