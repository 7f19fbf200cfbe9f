"""From a base backup and WAL to a data directory that a server can be started on. One idea: every doubt
refuses. A backup is verified before it is copied, WAL must be without gaps, and only an empty directory is
written to."""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from clinic.operations import places, private_server, verifying
from clinic.operations.errors import Refused
from clinic.operations.places import BaseBackup


@dataclass(frozen=True, kw_only=True)
class Restored:
    """``last_commit`` is the moment of the last transaction replayed; None when there was none to replay."""

    backup: Path
    last_commit: datetime | None


def restore(
    *,
    root: Path,
    target: Path,
    url: str,
    until: datetime | None = None,
    name: str | None = None,
    inside: Callable[[str], None] = lambda _url: None,
) -> Restored:
    """Make ``target`` the data of ``root`` as of its last commit, or as of ``until``.

    Role and database are those of ``url``. ``inside`` is called with the URL of the restored server while it
    runs on a private socket. On any refusal ``target`` is left empty. Raises Refused.
    """
    backup = places.choose(root, until=until, name=name)
    _require_empty(target)
    wal = (root / places.WAL).absolute()
    newest = _newest_segment(backup, wal)
    verifying.verify(backup.path, major=backup.major)
    size = sum(path.stat().st_size for path in backup.path.rglob("*") if path.is_file())
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    places.require_room(target, needed=size)
    try:
        shutil.copytree(backup.path, target, symlinks=True, dirs_exist_ok=True)
        (target / verifying.MANIFEST).unlink()
        target.chmod(0o700)
        who = conninfo_to_dict(url)
        recovery = private_server.Recovery(wal=wal, until=until)
        user, database = str(who.get("user", "postgres")), str(who.get("dbname", "postgres"))
        with private_server.running(target.absolute(), recovery, user=user, database=database) as restored:
            last_commit = _what_was_replayed(restored, newest=None if until else newest)
            inside(restored)
    except BaseException:
        for entry in target.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        raise
    return Restored(backup=backup.path, last_commit=last_commit)


def _require_empty(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refused(f"{target} is not empty: name a new directory. Nothing is ever restored over data.")


def _newest_segment(backup: BaseBackup, wal: Path) -> int:
    """The number of the last WAL file there is. Raises Refused when one is missing on the way to it."""
    size = _segment_bytes(backup)
    numbered = {
        places.segment_number(name, segment_bytes=size): name
        for name in places.segments(wal) | places.segments(backup.path / "pg_wal")
    }
    first = places.segment_number(backup.first_segment, segment_bytes=size)
    needed = sorted(number for number in numbered if number >= first)
    if not needed or needed[0] != first:
        raise Refused(f"The WAL file {backup.first_segment}, with which this backup begins, is missing.")
    for number, following in itertools.pairwise(needed):
        if following != number + 1:
            raise Refused(
                f"WAL is missing between {numbered[number]} and {numbered[following]}: this backup cannot be "
                "brought to the last commit. Name a later one with --backup."
            )
    return needed[-1]


def _segment_bytes(backup: BaseBackup) -> int:
    """What initdb chose; every WAL file is this long."""
    return max(path.stat().st_size for path in (backup.path / "pg_wal").iterdir() if path.is_file())


def _what_was_replayed(url: str, *, newest: int | None) -> datetime | None:
    """The moment of the last commit. Raises Refused when replaying ended before the ``newest`` WAL file."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pg_last_xact_replay_timestamp(),"
            " div(pg_last_wal_replay_lsn() - '0/0'::pg_lsn,"
            " pg_size_bytes(current_setting('wal_segment_size')))"
        ).fetchone()
    if row is None:
        raise Refused("The restored server does not say what it replayed.")
    last_commit, reached = row
    # One more file is right when the last record had just begun in it.
    if newest is not None and newest > int(reached) + 1:
        raise Refused(
            "WAL is damaged: replaying ended before its last file. Restore to a moment before the damage "
            "with --until."
        )
    return last_commit if isinstance(last_commit, datetime) else None
