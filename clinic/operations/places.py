"""What lies in a backup directory: ``base-<when, UTC>`` are whole base backups, ``wal`` is what
pg_receivewal writes. A name that begins with a dot is not whole and counts for nothing."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clinic.operations.errors import Refused

WAL = "wal"
UNFINISHED = ".unfinished"
_NAME = re.compile(r"base-(\d{8}T\d{6}Z)")
_STAMP = "%Y%m%dT%H%M%SZ"
_SEGMENT = re.compile(r"([0-9A-F]{24})(\.partial)?")
_START = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)


@dataclass(frozen=True, order=True)
class BaseBackup:
    """One whole base backup. ``taken_at`` is when it was finished: it restores to that moment or later."""

    taken_at: datetime
    path: Path

    @property
    def major(self) -> int:
        """The major version of the PostgreSQL that made it."""
        return int((self.path / "PG_VERSION").read_text().strip())

    @property
    def first_segment(self) -> str:
        """The WAL file that recovery from this backup begins with. Raises Refused."""
        try:
            found = _START.search((self.path / "backup_label").read_text())
        except OSError:
            found = None
        if found is None:
            raise Refused(f"{self.path} has no backup_label, so it is no base backup.")
        return found[1]


def name_for(taken_at: datetime) -> str:
    """The directory's name of a backup finished at this moment."""
    return f"base-{taken_at.astimezone(UTC).strftime(_STAMP)}"


def base_backups(root: Path) -> list[BaseBackup]:
    """Every whole base backup, the oldest first."""
    found = []
    for path in root.iterdir():
        name = _NAME.fullmatch(path.name)
        if name and (path / "backup_manifest").is_file():
            found.append(BaseBackup(datetime.strptime(name[1], _STAMP).replace(tzinfo=UTC), path))
    return sorted(found)


def choose(root: Path, *, until: datetime | None = None, name: str | None = None) -> BaseBackup:
    """The newest base backup that can be brought to ``until``, or the one of this name. Raises Refused."""
    if not root.is_dir():
        raise Refused(f"{root} is no directory.")
    found = [backup for backup in base_backups(root) if name is None or backup.path.name == name]
    if not found:
        raise Refused(f"{root} holds no base backup{f' named {name}' if name else ''}.")
    if until is not None:
        early = [backup for backup in found if backup.taken_at <= until]
        if not early:
            raise Refused(
                f"No base backup is as old as that: the oldest is of {found[0].taken_at.isoformat()}."
            )
        found = early
    return found[-1]


def superfluous(backups: Sequence[BaseBackup], *, keep: int) -> list[BaseBackup]:
    """Those to remove so that the newest ``keep`` stay; at least one always does."""
    return sorted(backups)[: -max(keep, 1)]


def segments(directory: Path) -> set[str]:
    """The WAL files in a directory, without ``.partial``; a directory that is missing has none."""
    if not directory.is_dir():
        return set()
    return {name[1] for path in directory.iterdir() if (name := _SEGMENT.fullmatch(path.name))}


def segment_number(name: str, *, segment_bytes: int) -> int:
    """Its place in the stream of WAL, whatever its timeline."""
    return int(name[8:16], 16) * (2**32 // segment_bytes) + int(name[16:], 16)


@contextmanager
def claimed(root: Path, purpose: str) -> Iterator[None]:
    """Make the directory, for us alone, and keep others of this ``purpose`` out. Raises Refused."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(root / f".{purpose}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(f"{root} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Refused(f"Another {purpose} uses {root} now: let it end first.") from None
    finally:
        os.close(lock)


def require_room(root: Path, *, needed: int) -> None:
    """Raises Refused when the file system of ``root`` has not this many bytes free."""
    free = shutil.disk_usage(root).free
    if free < needed:
        raise Refused(
            f"{root} has {free // 2**20} MB free, but {needed // 2**20} MB are needed: make room there."
        )
