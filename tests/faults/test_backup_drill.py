"""The machine of PostgreSQL burns down. What was acknowledged is in what is restored, to the last commit; a
restore to a moment stops there; a damaged backup, a gap in the WAL and a directory in use are refused."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from clinic.operations import places, restoring, streaming, taking
from clinic.operations.errors import Refused
from tests.faults.drill import Source
from tests.faults.stack import ROOT, until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("backup drill")]
RECEIVE = "import sys; from pathlib import Path; from clinic.operations.streaming import stream; "
RECEIVE += "stream(url=sys.argv[1], root=Path(sys.argv[2]))"
ENOUGH = 30
_NEVER = datetime.min.replace(tzinfo=UTC)


class Writer(threading.Thread):
    """A client that commits row after row and notes, elsewhere, each one that was acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.acknowledged: list[int] = []

    def run(self) -> None:
        with suppress(psycopg.Error), psycopg.connect(self.url, autocommit=True) as connection:
            for number in range(10**9):
                connection.execute("INSERT INTO drill (number) VALUES (%s)", (number,))
                self.acknowledged.append(number)

    def goes_on(self) -> None:
        """Wait for more commits."""
        wanted = len(self.acknowledged) + ENOUGH
        until(lambda: len(self.acknowledged) >= wanted, what="more commits")


@dataclass
class Burnt:
    """What is left of a server: its backups, and what its clients were told."""

    root: Path
    url: str
    acknowledged: list[int] = field(default_factory=list)
    moment: datetime = _NEVER
    before_moment: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def burnt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Burnt]:
    """Base backup under load, WAL received synchronously, then kill -9 and every file deleted."""
    place = tmp_path_factory.mktemp("drill")
    source = Source(place / "source")
    left = Burnt(root=place / "backups", url=source.url)
    receiver = None
    try:
        source.start()
        with pytest.raises(Refused, match="ALTER ROLE onset REPLICATION"):
            taking.take(url=source.url, root=left.root, keep=1, wall=datetime.now(UTC))
        source.query("ALTER ROLE onset REPLICATION")
        receiver = subprocess.Popen([sys.executable, "-c", RECEIVE, source.url, str(left.root)], cwd=ROOT)
        state = (
            "SELECT sync_state FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'"
        )
        until(lambda: source.query(state, streaming.NAME), what="the receiver streams")
        source.query(f"ALTER SYSTEM SET synchronous_standby_names = '{streaming.NAME}'")
        source.reload()
        until(
            lambda: source.query(state, streaming.NAME) == [("sync",)], what="commits wait for the receiver"
        )
        with psycopg.connect(source.url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE drill (number bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"
            )
        writer = Writer(source.url)
        writer.start()
        writer.goes_on()
        taking.take(url=source.url, root=left.root, keep=1, wall=datetime.now(UTC))
        until(lambda: datetime.now(UTC) > places.choose(left.root).taken_at, what="the backup is of the past")
        writer.goes_on()
        left.before_moment = list(writer.acknowledged)
        [(left.moment,)] = source.query("SELECT clock_timestamp()")
        writer.goes_on()
        source.burn()
        writer.join(10)
        left.acknowledged = list(writer.acknowledged)
        receiver.terminate()
        assert receiver.wait(10) == 0, "SIGTERM ends the receiver cleanly"
        yield left
    finally:
        source.kill()
        if receiver is not None and receiver.poll() is None:
            receiver.kill()
            receiver.wait()


def rows(url: str) -> list[tuple[int, datetime]]:
    """What the restored server holds."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT number, at FROM drill ORDER BY number").fetchall()


def copied(burnt: Burnt, place: Path) -> Path:
    """The backups once more, to be damaged."""
    return Path(shutil.copytree(burnt.root, place / "copy"))


def test_every_acknowledged_commit_is_in_what_is_restored(burnt: Burnt, tmp_path: Path) -> None:
    held: list[tuple[int, datetime]] = []
    restored = restoring.restore(
        root=burnt.root, target=tmp_path / "new", url=burnt.url, inside=lambda url: held.extend(rows(url))
    )
    assert len(burnt.acknowledged) > 2 * ENOUGH
    found = [number for number, _ in held]
    assert found[: len(burnt.acknowledged)] == burnt.acknowledged
    # The one that was on its way when the power went may be there or not; none beyond it.
    assert len(found) <= len(burnt.acknowledged) + 1
    assert restored.last_commit is not None
    assert restored.last_commit >= held[-1][1]
    assert not (tmp_path / "new/recovery.signal").exists(), "the next start must not replay again"


def test_a_restore_to_a_moment_stops_there(burnt: Burnt, tmp_path: Path) -> None:
    held: list[tuple[int, datetime]] = []
    restored = restoring.restore(
        root=burnt.root,
        target=tmp_path / "new",
        url=burnt.url,
        until=burnt.moment,
        inside=lambda url: held.extend(rows(url)),
    )
    found = [number for number, _ in held]
    assert found[: len(burnt.before_moment)] == burnt.before_moment
    assert all(at <= burnt.moment for _, at in held)
    assert len(found) < len(burnt.acknowledged)
    assert restored.last_commit is not None
    assert restored.last_commit <= burnt.moment


def test_a_moment_that_was_never_reached_is_refused(burnt: Burnt, tmp_path: Path) -> None:
    later = datetime.now(UTC)
    with pytest.raises(Refused, match="recovery ended before configured recovery target was reached"):
        restoring.restore(root=burnt.root, target=tmp_path / "new", url=burnt.url, until=later)
    assert list((tmp_path / "new").iterdir()) == []


def test_what_fails_our_own_checks_is_refused(
    burnt: Burnt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The server that burnt had none of our tables: check_database, run on what was restored, says so."""
    words = ("restore", "--from", str(burnt.root), "--to", str(tmp_path / "new"), "--check")
    with (
        override_settings(DATABASE_URL=burnt.url),
        pytest.raises(CommandError, match="check_database failed"),
    ):
        call_command(*words)
    assert "The data is older than this code" in capfd.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []


def test_a_directory_in_use_is_refused(burnt: Burnt, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    with pytest.raises(Refused, match="is not empty"):
        restoring.restore(root=burnt.root, target=tmp_path, url=burnt.url)
    assert (tmp_path / "precious").read_text() == "data"


def test_a_truncated_backup_is_refused(burnt: Burnt, tmp_path: Path) -> None:
    root = copied(burnt, tmp_path)
    largest = max(places.choose(root).path.glob("base/*/*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    with pytest.raises(Refused, match="is damaged"):
        restoring.restore(root=root, target=tmp_path / "new", url=burnt.url)
    assert not (tmp_path / "new").exists()


def test_missing_wal_is_refused(burnt: Burnt, tmp_path: Path) -> None:
    """A later file lies there, but not the one before it: what lies between would be lost silently."""
    root = copied(burnt, tmp_path)
    last = max(places.segments(root / places.WAL))
    (root / places.WAL / f"{int(last, 16) + 2:024X}").write_bytes(b"")
    with pytest.raises(Refused, match="WAL is missing between"):
        restoring.restore(root=root, target=tmp_path / "new", url=burnt.url)


def test_damaged_wal_is_not_taken_for_its_end(burnt: Burnt, tmp_path: Path) -> None:
    """More WAL follows the damage, so the end that PostgreSQL sees there is none."""
    root = copied(burnt, tmp_path)
    wal = root / places.WAL
    last = max(places.segments(wal))
    [path] = wal.glob(f"{last}*")
    for further in (1, 2):
        shutil.copy(path, wal / f"{int(last, 16) + further:024X}")
    with pytest.raises(Refused, match="WAL is damaged"):
        restoring.restore(root=root, target=tmp_path / "new", url=burnt.url)
    assert list((tmp_path / "new").iterdir()) == []
