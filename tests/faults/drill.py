"""A PostgreSQL that keeps enough WAL to be copied, to be killed by the backup drill. It runs in a
directory of its own, and nothing else uses it."""

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from clinic.embedded import environment, postgres
from clinic.embedded.children import Child, spawn
from clinic.embedded.processes import end_processes_in
from tests.faults.stack import until

_COPIED = {"wal_level": "replica", "max_wal_senders": "5", "fsync": "on", "wal_keep_size": "0"}


class Source:
    """One server, started and killed at will."""

    def __init__(self, data: Path) -> None:
        data.mkdir()
        self.logs = data / "log"
        self._postgres = postgres.locate(data, env=environment.for_children())
        self._postgres.steps(run=self._run)
        self.url = self._postgres.url
        self.admin = self.url.replace("//onset@", "//postgres@")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it and wait until it answers."""
        child = self._postgres.child()
        flags = [part for name, value in _COPIED.items() for part in ("-c", f"{name}={value}")]
        ours = Child(
            name="postgres", argv=(*child.argv, *flags), env=child.env, credentials=child.credentials
        )
        self._process = spawn(ours, logs=self.logs)
        until(self._postgres.is_ready, what="the drill's PostgreSQL is ready")

    def query(self, sql: str, *given: Any) -> list[tuple[Any, ...]]:
        """As the server's administrator, each statement for itself."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            cursor = connection.execute(sql, given)
            return cursor.fetchall() if cursor.description else []

    def reload(self) -> None:
        """Read the settings again."""
        self.query("SELECT pg_reload_conf()")

    def burn(self) -> None:
        """kill -9 and every file gone: nothing is left of it but what was kept elsewhere."""
        self.kill()
        shutil.rmtree(self._postgres.cluster)

    def kill(self) -> None:
        """kill -9, and wait for its backends to notice."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
            end_processes_in(self._postgres.cluster, command="postgres", patience=3.0)

    def _run(self, child: Child) -> None:
        done = spawn(child, logs=self.logs)
        assert done.wait(60) == 0, (self.logs / f"{child.name}.log").read_text()
