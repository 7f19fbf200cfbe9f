"""An embedded Redis that keeps what it was told (append-only file), on a loopback port with a
random password: the one URL form that Celery's broker, Django's cache and redis-py all understand."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clinic.embedded import binaries
from clinic.embedded.children import Child
from clinic.embedded.ports import LOOPBACK, free_port
from clinic.embedded.processes import end_processes_in

_PROBE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Redis:
    """One Redis and how to run it. Make it with `locate`."""

    directory: Path
    port: int
    password: str = field(repr=False)
    program: Path
    env: Mapping[str, str]
    fast: bool

    @property
    def url(self) -> str:
        """The REDIS_URL of database 0."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def child(self, *, stage: int = 1) -> Child:
        """The server itself."""
        return Child(
            name="redis",
            argv=(str(self.program), str(self._write_configuration())),
            env=self.env,
            stage=stage,
            ready=self.is_ready,
            before=self.clear_leftovers,
            stop_signals=(signal.SIGTERM,),
            grace=1.5,
        )

    def is_ready(self) -> bool:
        """Whether it answers PING (with its data loaded)."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=_PROBE_SECONDS) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - one line for each of the two commands
                    more = connection.recv(1024)
                    if not more:
                        return False
                    answer += more
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def clear_leftovers(self) -> None:
        """End an earlier Redis that still writes to this directory. Raises EmbeddedError."""

        end_processes_in(self.directory, command="redis-server")

    def _write_configuration(self) -> Path:
        """The password goes into a file, because everyone on the machine can read command lines."""
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{_escaped(self.directory)}"',
            "daemonize no",
            f"appendonly {'no' if self.fast else 'yes'}",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
        ]
        path = self.directory / "redis.conf"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")
        return path


def locate(data: Path, *, env: Mapping[str, str], fast: bool = False) -> Redis:
    """Prepare a Redis that keeps its data in `data`/redis (absolute). `fast` writes nothing to
    disk: for throw-away test data only. Raises EmbeddedError."""
    directory = data / "redis"
    directory.mkdir(mode=0o700, exist_ok=True)
    return Redis(
        directory=directory,
        port=free_port(),
        password=secrets.token_urlsafe(24),
        program=binaries.redis_server(),
        env=env,
        fast=fast,
    )


def _escaped(directory: Path) -> str:
    """Inside double quotes in redis.conf."""
    return str(directory).replace("\\", "\\\\").replace('"', '\\"')
