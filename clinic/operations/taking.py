"""Taking a base backup: made under a name that counts for nothing, verified, and only then renamed. Older
ones are pruned last, so that at every moment at least one good backup is there."""

import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from clinic.operations import places, programs, verifying

_ROOM_FACTOR = 1.1


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What was done."""

    path: Path
    megabytes: int
    seconds: float
    pruned: int


def take(*, url: str, root: Path, keep: int, wall: datetime) -> Taken:
    """Copy the server of ``url`` into ``root``, keep the newest ``keep`` backups and the WAL they need.

    ``wall`` is the machine's time at the start; the backup bears the moment at which it was whole. Raises
    Refused.
    """
    began = time.monotonic()
    server = programs.ask(url)
    programs.require_replication(server)
    with places.claimed(root, "backup"):
        making = root / places.UNFINISHED
        shutil.rmtree(making, ignore_errors=True)
        places.require_room(root, needed=int(server.data_bytes * _ROOM_FACTOR))
        try:
            programs.run(
                programs.find("pg_basebackup", major=server.major),
                f"--pgdata={making}",
                "--format=plain",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--manifest-checksums=SHA256",
                "--no-password",
                env=programs.environment(url),
            )
            verifying.verify(making, major=server.major)
            size = sum(path.stat().st_size for path in making.rglob("*") if path.is_file())
            took = time.monotonic() - began
            done = making.rename(root / places.name_for(wall + timedelta(seconds=took + 1)))
        finally:
            shutil.rmtree(making, ignore_errors=True)
        pruned = prune(root, keep=keep)
    return Taken(path=done, megabytes=size // 2**20, seconds=round(took, 1), pruned=pruned)


def prune(root: Path, *, keep: int) -> int:
    """Remove what is superfluous, and WAL older than the oldest backup kept; how many backups went."""
    backups = places.base_backups(root)
    gone = places.superfluous(backups, keep=keep)
    for backup in gone:
        # Out of sight first: half a backup must never look like one.
        shutil.rmtree(backup.path.rename(root / places.UNFINISHED))
    kept = backups[len(gone) :]
    wal = root / places.WAL
    if kept and wal.is_dir():
        oldest = kept[0]
        programs.run(programs.find("pg_archivecleanup", major=oldest.major), str(wal), oldest.first_segment)
    return len(gone)
