"""A PostgreSQL that nobody else can reach, on a copy of the data: it replays WAL, lets us look, and stops.
All of its settings are on its command line, which is stronger than any file that came with the data."""

import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from subprocess import Popen
from urllib.parse import quote

import psycopg

from clinic.embedded import privileges
from clinic.embedded.binaries import PostgresInstall, postgres_install
from clinic.embedded.children import Child, log_path, spawn
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.privileges import Mode, Privileges
from clinic.operations import programs
from clinic.operations.errors import Refused

_POLL_SECONDS = 0.1
_STOP_SECONDS = 300
_PORT = 5432
_ALONE = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(_PORT),
    "ssl": "off",
    "hot_standby": "off",
    "archive_mode": "off",
    "synchronous_standby_names": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "shared_preload_libraries": "",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "",
    # Statements and key values hold patient data: none of them reaches a log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What to replay: the WAL of this directory, to its end or to the moment ``until`` (inclusive)."""

    wal: Path
    until: datetime | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What PostgreSQL is told. A segment that was still being received ends in .partial."""
        # %f and %p are PostgreSQL's, so a % of ours is doubled.
        place = shlex.quote(str(self.wal)).replace("%", "%%")
        found = {
            "restore_command": f"cp {place}/%f %p 2>/dev/null || cp {place}/%f.partial %p 2>/dev/null",
            "recovery_target_action": "promote",
            "recovery_target_timeline": "latest",
        }
        if self.until is not None:
            found["recovery_target_time"] = self.until.isoformat(sep=" ")
        return found


@contextmanager
def running(data: Path, recovery: Recovery, *, user: str, database: str) -> Iterator[str]:
    """The URL of a server on ``data`` that has replayed what there is and takes writes. It is stopped, with
    everything on disk, when the context ends. Raises Refused, with PostgreSQL's reason, when it cannot."""
    place = Path(tempfile.mkdtemp(prefix="onset-restore-"))
    try:
        rights = _rights(int((data / "PG_VERSION").read_text()))
        for name, text in (("hba", "local all all trust\n"), ("ident", ""), ("conf", "")):
            (place / name).write_text(text)
        (data / "recovery.signal").touch()
        for given in (place, data):
            privileges.give(given, rights)
        files = {
            "config_file": "conf",
            "hba_file": "hba",
            "ident_file": "ident",
            "unix_socket_directories": "",
        }
        settings = _ALONE | recovery.settings | {name: str(place / last) for name, last in files.items()}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        child = Child(
            name="postgres",
            argv=tuple(rights.argv("postgres", "-D", str(data), *flags)),
            env=_environment(),
            orphan_signal=signal.SIGINT,
            credentials=rights.credentials,
        )
        logs = Path(tempfile.mkdtemp(prefix="log-", dir=place))
        process = spawn(child, logs=logs)
        who, where, what = (quote(part, safe="") for part in (user, str(place), database))
        url = f"postgresql://{who}@{where}:{_PORT}/{what}"
        try:
            _await(url, process, log_path(logs, child.name))
            yield url
        finally:
            _stop(process)
    except EmbeddedError as error:
        raise Refused(str(error)) from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _await(url: str, process: "Popen[bytes]", log: Path) -> None:
    """Recovery takes as long as it takes; only the server's own end is an end."""
    while True:
        if process.poll() is not None:
            said = log.read_text(errors="replace")
            # That it is starting up was said to us.
            fatal = [
                line for line in said.splitlines() if "FATAL" in line and "the database system is" not in line
            ]
            raise Refused(f"PostgreSQL could not recover: {programs.reason(fatal[0] if fatal else said)}")
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if "does not exist" in str(error):
                raise Refused(f"The restored server refuses us: {programs.reason(str(error))}") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _stop(process: "Popen[bytes]") -> None:
    """A fast shutdown: a checkpoint, then the end. One that has ended by itself has said why."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    if process.wait(_STOP_SECONDS) != 0:
        raise Refused(f"The restored PostgreSQL did not stop cleanly (status {process.returncode}).")


def _rights(major: int) -> Privileges:
    """How to run a server of this version here: the embedded one knows how to be run by root."""
    server = programs.find("postgres", major=major)
    try:
        embedded = postgres_install()
    except EmbeddedError:
        embedded = None
    if embedded is not None and embedded.program("postgres") == server:
        return privileges.choose(embedded)
    return Privileges(mode=Mode.PLAIN, install=_Installed(root=server.parent, version=str(major), parts=()))


class _Installed(PostgresInstall):
    """One of the machine's own; it refuses root with a sentence of its own."""

    def program(self, name: str) -> Path:
        return self.root / name


def _environment() -> Mapping[str, str]:
    return programs.environment("")
