"""The process the user started. It forks the supervisor and does nothing but pass signals on and
wait; being the ancestor of everything, it clears up whatever is left even when the supervisor
itself is killed with -9."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable

from clinic.embedded import signals
from clinic.embedded.processes import (
    become_subreaper,
    descendants,
    die_with_parent,
    kill_descendants,
    read_process,
    reap,
    send,
)

# Long enough for PostgreSQL's immediate shutdown, which the kernel asks for when the supervisor dies.
_PATIENCE_SECONDS = 3.0


def guarded(main: Callable[[], int]) -> int:
    """Run `main` in a child process and return its exit code, leaving no process behind however it ends."""
    become_subreaper()
    wanted = signals.block()
    _follow_make()
    guard = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    supervisor = os.fork()
    if supervisor == 0:
        die_with_parent(signal.SIGTERM, parent=guard)
        os._exit(_code_of(main))
    if signal.SIGHUP in wanted:
        _watch_terminal()
    code = _wait_for(supervisor, wanted)
    if code >= 0:
        kill_descendants()
        return code
    with contextlib.suppress(OSError):
        print(f"onset: the supervisor was ended by signal {-code}; stopping what it ran.", file=sys.stderr)
    rest = [process for process in descendants(guard) if process.command != "postgres"]
    send(signal.SIGKILL, rest)
    kill_descendants(patience=_PATIENCE_SECONDS)
    return 1


def _wait_for(supervisor: int, wanted: frozenset[signal.Signals]) -> int:
    while True:
        arrived = signals.next_signal(wanted, seconds=None)
        if arrived is None:
            continue
        if arrived.kind is signals.Kind.STOP and not arrived.to_group:
            os.kill(supervisor, arrived.signum)
        for pid, code in reap() if arrived.kind is signals.Kind.CHILD else ():
            if pid == supervisor:
                return code


def _code_of(main: Callable[[], int]) -> int:
    try:
        return main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's code
        traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()


def _watch_terminal() -> None:
    """Make the closing of our terminal a SIGHUP to ourselves: the kernel sends one to the session's
    leader only, and `make`, when it is the leader, keeps it to itself."""
    terminal = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
    if terminal is None:
        return
    closing = select.poll()
    closing.register(terminal, 0)  # a hang-up is reported always

    def watch() -> None:
        closing.poll()
        os.kill(os.getpid(), signal.SIGHUP)

    threading.Thread(target=watch, name="terminal", daemon=True).start()


def _follow_make() -> None:
    """Stop when `make` is killed: it passes SIGTERM on, but can do nothing about SIGKILL."""
    parent = os.getppid()
    process = read_process(parent)
    if process is not None and process.command in {"make", "gmake"}:
        die_with_parent(signal.SIGTERM, parent=parent)
