"""Linux processes as /proc shows them, and the two prctl calls the supervisor rests on. The idea to
know: whoever calls `become_subreaper` inherits every orphan below it, so `kill_descendants` can
promise that nothing is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clinic.embedded.errors import EmbeddedError

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
_POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One line of /proc. `started` is in clock ticks since boot: together with the pid it names a
    process for good."""

    pid: int
    parent: int
    session: int
    started: int
    state: str
    command: str


def read_process(pid: int) -> Process | None:
    """The process with this pid, or None when there is none (any more)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The command stands in brackets and may itself hold spaces and brackets.
    opening, closing = text.index("("), text.rindex(")")
    fields = text[closing + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        state=fields[0],
        command=text[opening + 1 : closing],
    )


def processes() -> Iterator[Process]:
    """Every process of this machine (or container) that is visible to us."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            process = read_process(int(entry.name))
            if process is not None:
                yield process


def descendants(pid: int) -> list[Process]:
    """All living processes below `pid`, parents before their children; zombies are left out."""
    children: dict[int, list[Process]] = defaultdict(list)
    for process in processes():
        children[process.parent].append(process)
    found: list[Process] = []
    queue = [pid]
    while queue:
        for child in children.get(queue.pop(0), []):
            queue.append(child.pid)
            if child.state != "Z":
                found.append(child)
    return found


def session_members(session: int) -> list[Process]:
    """All living processes of one session (a child started by the supervisor leads its own)."""
    return [process for process in processes() if process.session == session and process.state != "Z"]


def processes_in(directory: Path, *, command: str) -> list[Process]:
    """Living processes named `command` whose working directory is `directory`: how a leftover
    server is recognised without trusting a pid file."""
    wanted = directory.resolve()
    found = []
    for process in processes():
        if process.command == command and process.state != "Z":
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process.pid}/cwd").readlink() == wanted:
                    found.append(process)
    return found


def end_processes_in(directory: Path, *, command: str, patience: float = 1.0) -> None:
    """End leftover servers on this directory: those that do not go by themselves within `patience`
    seconds get SIGQUIT, then SIGKILL. Raises EmbeddedError when one survives."""

    def gone() -> bool:
        return not processes_in(directory, command=command)

    if wait_until(gone, seconds=patience):
        return
    for signum in (signal.SIGQUIT, signal.SIGKILL):
        send(signum, processes_in(directory, command=command))
        if wait_until(gone, seconds=3.0):
            return
    raise EmbeddedError(f"An earlier {command} still uses {directory}: end its processes first.")


def send(signum: signal.Signals, targets: list[Process]) -> None:
    """Signal each process, passing over those that are gone or whose pid now belongs to another."""
    for target in targets:
        now = read_process(target.pid)
        if now is not None and now.started == target.started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(target.pid, signum)


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for `condition` for at most `seconds`; return whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def reap() -> list[tuple[int, int]]:
    """Collect every child that has ended: (pid, exit code), the code negative for a signal."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, os.waitstatus_to_exitcode(status)))


def kill_descendants(*, patience: float = 0.0, seconds: float = 5.0) -> bool:
    """Give everything below this process `patience` seconds to go by itself, then kill it; False if
    some outlive that."""

    def none_left() -> bool:
        reap()
        return not descendants(os.getpid())

    def killed() -> bool:
        send(signal.SIGKILL, descendants(os.getpid()))
        return none_left()

    return wait_until(none_left, seconds=patience) or wait_until(killed, seconds=seconds)


def become_subreaper() -> None:
    """Make orphaned grandchildren ours, so that they are reaped and can be found."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent(signum: signal.Signals, *, parent: int) -> None:
    """Ask the kernel for `signum` when our parent process `parent` dies; take it now if it already has."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signum)
