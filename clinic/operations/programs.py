"""PostgreSQL's own programs, of the version of the server or the data: from PATH, from where Debian keeps
them, or from the embedded package. Passwords reach them by the environment, never by an argument."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.pq import Conninfo

from clinic.embedded import binaries
from clinic.embedded.errors import EmbeddedError
from clinic.operations.errors import Refused

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_CONNECT_SECONDS = 10
_LONGEST_REASON = 300


@dataclass(frozen=True, kw_only=True)
class Server:
    """What a running PostgreSQL says about itself."""

    major: int
    data_bytes: int
    wal_level: str
    may_replicate: bool
    user: str


def find(name: str, *, major: int) -> Path:
    """The program of this name and major version. Raises Refused when there is none."""
    places = [shutil.which(name), f"/usr/lib/postgresql/{major}/bin/{name}", _embedded(name)]
    for place in places:
        if place is not None and os.access(place, os.X_OK) and _major_of(Path(place)) == major:
            return Path(place)
    raise Refused(
        f"{name} of PostgreSQL {major} is missing: install its client programs, or put them in PATH."
    )


def environment(url: str) -> dict[str, str]:
    """Ours, with the connection of ``url`` as libpq's variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    given = {
        option.envvar.decode(): option.val.decode()
        for option in Conninfo.parse(url.encode())
        if option.envvar and option.val
    }
    return inherited | {"LC_ALL": "C"} | given


def run(program: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Run it to its end. Raises Refused with its last line when it fails."""
    done = subprocess.run(  # noqa: S603 - the program was found, the arguments are ours
        [program, *arguments], env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise Refused(f"{program.name} failed: {reason(done.stderr or done.stdout)}")


def reason(said: str) -> str:
    """The last line of what a program said: why it ended."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:_LONGEST_REASON] if lines else "it gave no reason"


def ask(url: str) -> Server:
    """Connect and look. Raises Refused when the server does not answer."""
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
            row = connection.execute(
                "SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database), current_setting('wal_level'),"
                " rolreplication OR rolsuper, current_user FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            version = connection.info.server_version
    except psycopg.Error as error:
        raise Refused(f"PostgreSQL cannot be asked: {reason(str(error))}") from None
    if row is None:
        raise Refused("PostgreSQL does not know the role of this connection.")
    size, wal_level, may_replicate, user = row
    return Server(
        major=version // 10000,
        data_bytes=int(size),
        wal_level=wal_level,
        may_replicate=may_replicate,
        user=user,
    )


def require_replication(server: Server) -> None:
    """Raises Refused when this server, or this role, cannot be copied from."""
    if server.wal_level == "minimal":
        raise Refused("PostgreSQL keeps too little WAL to be copied: set wal_level = replica and restart it.")
    if not server.may_replicate:
        raise Refused(
            f"The role {server.user} may not copy the server: ALTER ROLE {server.user} REPLICATION, or give "
            "BACKUP_DATABASE_URL a role that may."
        )


def _embedded(name: str) -> str | None:
    try:
        return str(binaries.postgres_install().program(name))
    except EmbeddedError:
        return None


def _major_of(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = _VERSION.search(said.stdout)
    return int(found[1]) if found else 0
