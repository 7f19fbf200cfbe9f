"""What the supervisor is told about a child process, and how one is started: in a session of its
own, logging to a file, and bound to the supervisor's life by the kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from clinic.embedded.errors import EmbeddedError
from clinic.embedded.privileges import Credentials
from clinic.embedded.processes import die_with_parent

LOG_BYTES = 10 * 1024 * 1024
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_DEFAULT_AGAIN = (*_STOPPING, signal.SIGCHLD, signal.SIGPIPE)


@dataclass(frozen=True, kw_only=True)
class Child:
    """One program to run.

    `ready` says whether it serves (None: as soon as it runs); it may take `ready_seconds`. `before`
    runs before each start. To stop it, the `stop_signals` are sent in turn, the first with `grace`
    seconds, then SIGKILL. Children of a higher `stage` stop earlier, those of one stage together.
    `orphan_signal` is what the kernel sends should the supervisor itself be killed. With `logged`
    off it keeps our terminal, process group and input.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path = Path("/")
    stage: int = 0
    ready: Callable[[], bool] | None = None
    ready_seconds: float = 30.0
    restart: bool = True
    before: Callable[[], None] | None = None
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    grace: float = 4.0
    orphan_signal: signal.Signals = signal.SIGKILL
    credentials: Credentials | None = None
    logged: bool = True
    stdin: str = field(default="", repr=False)


def log_path(logs: Path, name: str) -> Path:
    """Where the child of this name logs."""
    return logs / f"{name}.log"


def open_log(logs: Path, name: str) -> IO[bytes]:
    """The log file for appending; a log that has grown past 10 MB is kept once as .log.1 and begun again."""
    path = log_path(logs, name)
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab", buffering=0)


def spawn(child: Child, *, logs: Path) -> subprocess.Popen[bytes]:
    """Start the child. Raises EmbeddedError when its program cannot be started or the log cannot be
    written."""
    supervisor = os.getpid()

    def become() -> None:
        # Runs between fork and exec; the supervisor has a single thread, so Python code is safe here.
        for signum in _DEFAULT_AGAIN:
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        die_with_parent(child.orphan_signal, parent=supervisor)

    try:
        log = open_log(logs, child.name) if child.logged else None
    except OSError as error:
        raise EmbeddedError(
            f"The log of {child.name} cannot be written in {logs}: {error.strerror}."
        ) from error
    given = tempfile.TemporaryFile() if child.stdin else None  # noqa: SIM115 - closed below, the child has its own
    try:
        if given is not None:
            given.write(child.stdin.encode())
            given.seek(0)
        return subprocess.Popen(
            child.argv,
            env=dict(child.env),
            cwd=child.cwd,
            stdin=given or (subprocess.DEVNULL if child.logged else None),
            stdout=log,
            stderr=log,
            start_new_session=child.logged,
            preexec_fn=become,  # noqa: PLW1509 - one thread only
            user=child.credentials.uid if child.credentials else None,
            group=child.credentials.gid if child.credentials else None,
            extra_groups=[] if child.credentials else None,
        )
    except OSError as error:
        raise EmbeddedError(f"{child.name} cannot be started: {child.argv[0]}: {error.strerror}.") from error
    finally:
        for opened in (log, given):
            if opened is not None:
                opened.close()
