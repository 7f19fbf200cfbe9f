"""An embedded PostgreSQL 18 on a private unix socket. A cluster is made in a temporary directory
and renamed, so it is there whole or not at all; a postmaster that was killed is followed by a new
one once its last backend is gone."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import string
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clinic.embedded import binaries, privileges
from clinic.embedded.children import Child
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.privileges import Privileges
from clinic.embedded.processes import end_processes_in

ROLE = "onset"
PORT = 5432
_SOCKET_NAME = f".s.PGSQL.{PORT}"
_LONGEST_SOCKET_PATH = 90
_AS_THEY_ARE = string.ascii_lowercase + string.digits + "._-"

# No statement, parameter or key value reaches a log: they hold patient data.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}
# For data that is thrown away: a crash of the machine may lose or break it.
_FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """One cluster and how to run it. Make it with `locate`; run `steps`, then `child`."""

    cluster: Path
    sockets: Path
    rights: Privileges
    env: Mapping[str, str]
    fast: bool

    @property
    def url(self) -> str:
        """The DATABASE_URL of the database `onset`."""
        return f"postgresql://{ROLE}@{_as_host(self.sockets)}:{PORT}/{ROLE}"

    def steps(self, *, run: Callable[[Child], None]) -> None:
        """Make the cluster if there is none; `run` runs one child to its end. Raises EmbeddedError."""
        if (self.cluster / "PG_VERSION").exists():
            self._check_version()
            privileges.give(self.cluster, self.rights)
            return
        if self.cluster.exists() and any(self.cluster.iterdir()):
            raise EmbeddedError(
                f"{self.cluster} is not a PostgreSQL cluster: move it away or start over with RESET=1."
            )
        making = self.cluster.with_name(f"{self.cluster.name}.new")
        shutil.rmtree(making, ignore_errors=True)  # left by an interrupted start
        making.mkdir(mode=0o700)
        privileges.give(making, self.rights)
        run(self._task("initdb", self._initdb(making)))
        # Single-user mode: each line is one command, and no server can be reached half-made.
        commands = f"CREATE ROLE {ROLE} LOGIN CREATEDB;\nCREATE DATABASE {ROLE} OWNER {ROLE};\n"
        settings = _flags(self._settings() | {"exit_on_error": "on"})
        argv = self.rights.argv("postgres", "--single", "-j", "-D", str(making), *settings, "postgres")
        run(self._task("initdb", argv, stdin=commands.replace("\n", "\n\n")))
        if self.cluster.exists():
            self.cluster.rmdir()
        making.rename(self.cluster)

    def child(self, *, stage: int = 0) -> Child:
        """The server itself."""
        settings = self._settings() | {"unix_socket_directories": _quoted(self.sockets)}
        return Child(
            name="postgres",
            argv=tuple(self.rights.argv("postgres", "-D", str(self.cluster), *_flags(settings))),
            env=self.env,
            stage=stage,
            ready=self.is_ready,
            ready_seconds=60.0,
            before=self.clear_leftovers,
            stop_signals=(signal.SIGINT, signal.SIGQUIT),
            grace=8.0,
            orphan_signal=signal.SIGQUIT,
            credentials=self.rights.credentials,
        )

    def is_ready(self) -> bool:
        """Whether the server accepts connections: it says so on the last line of postmaster.pid."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"  # noqa: PLR2004 - line 8, as PostgreSQL documents it

    def clear_leftovers(self) -> None:
        """End processes of an earlier server on this cluster and remove its lock files, whose pids
        may meanwhile be somebody else's. Our caller holds the lock on the data directory. Raises
        EmbeddedError."""

        end_processes_in(self.cluster, command="postgres")
        for stale in (self.cluster / "postmaster.pid", self.sockets / f"{_SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)

    def _settings(self) -> dict[str, str]:
        return _SETTINGS | (_FAST_SETTINGS if self.fast else {})

    def _initdb(self, directory: Path) -> list[str]:
        # PostgreSQL's own C.UTF-8 sorts the same everywhere and asks nothing of the machine's locales.
        options = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        options += ["--username=postgres", "--auth=trust"]  # the socket's directory is what keeps others out
        if self.fast:
            options.append("--no-sync")
        return self.rights.argv("initdb", "-D", str(directory), *options)

    def _task(self, name: str, argv: list[str], *, stdin: str = "") -> Child:
        credentials = self.rights.credentials
        return Child(
            name=name,
            argv=tuple(argv),
            env=self.env,
            restart=False,
            credentials=credentials,
            stdin=stdin,
        )

    def _check_version(self) -> None:
        version = (self.cluster / "PG_VERSION").read_text().strip()
        if version != binaries.POSTGRES_MAJOR:
            raise EmbeddedError(
                f"{self.cluster} was made by PostgreSQL {version}, this is {binaries.POSTGRES_MAJOR}: "
                "move it away or start over with RESET=1."
            )


def locate(data: Path, *, env: Mapping[str, str], fast: bool = False) -> Postgres:
    """Decide how and where PostgreSQL runs for the data directory `data` (absolute). `fast` turns
    durability off: for throw-away test data only. Raises EmbeddedError when it cannot run here."""
    rights = privileges.choose(binaries.postgres_install())
    place = privileges.place_for(data, rights)
    for other in {data, privileges.outside_place(data)} - {place}:
        if (other / "postgres" / "PG_VERSION").exists():
            raise EmbeddedError(
                f"The data of this demo is in {other / 'postgres'}, which PostgreSQL run as {rights.mode} "
                "cannot use: start it as the user who made it, or start over with RESET=1."
            )
    clean = {name: value for name, value in env.items() if not name.startswith("PG")}
    return Postgres(
        cluster=place / "postgres",
        sockets=_socket_directory(place, rights),
        rights=rights,
        env=clean | {"LC_ALL": "C"},
        fast=fast,
    )


def _socket_directory(place: Path, rights: Privileges) -> Path:
    """A directory only PostgreSQL's user may enter, with a path short enough for a unix socket: in the
    data directory, else in the temporary directory, under a name that stays the same."""
    name = f"{privileges.outside_place(place).name}-{rights.owner}"
    usable = [
        directory
        for directory in (place / "run", Path(tempfile.gettempdir(), name), Path("/tmp", name))  # noqa: S108
        if len(os.fsencode(directory / _SOCKET_NAME)) < _LONGEST_SOCKET_PATH
    ]
    directory = usable[0]
    directory.mkdir(mode=0o700, exist_ok=True)
    if not directory.is_relative_to(place):
        found = directory.lstat()
        others = found.st_uid not in {os.geteuid(), rights.owner} or found.st_mode & 0o077
        if others or not stat.S_ISDIR(found.st_mode):
            raise EmbeddedError(f"{directory} was not made by us, so it is not used: remove it.")
    privileges.give(directory, rights)
    return directory


def _flags(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _quoted(directory: Path) -> str:
    """For a setting that is a list of directories: a path may hold commas and spaces."""
    return '"' + str(directory).replace('"', '""') + '"'


def _as_host(directory: Path) -> str:
    """The directory as a URL's host. Capitals are escaped too, because URL parsers lower the case
    of a host."""
    return "".join(
        character if character in _AS_THEY_ARE else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in os.fsdecode(directory)
    )
