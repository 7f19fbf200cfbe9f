"""Starts children in order, brings back those that die, and stops all of them. One thread and one
blocking call: every turn waits for a signal (SIGCHLD among them) or the next moment something is
due."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clinic.embedded import signals
from clinic.embedded.children import Child, log_path, spawn
from clinic.embedded.errors import EmbeddedError
from clinic.embedded.processes import become_subreaper, kill_descendants, reap, send, session_members

DEATHS_ALLOWED = 5
DEATHS_WINDOW_SECONDS = 60.0
STOP_SECONDS = 8.5
_ESCALATION_SECONDS = 0.7
_PROBE_SECONDS = 0.03
_LONGEST_BACKOFF_SECONDS = 5.0
_COMMAND_GRACE_SECONDS = 20.0


class StopRequested(Exception):
    """A stop signal came; `signum` says which."""

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(signum.name)
        self.signum = signum


@dataclass
class _Running:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    code: int | None = None
    ready: bool = False
    ready_by: float = 0.0
    start_at: float | None = None
    deaths: deque[float] = field(default_factory=deque)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None


def _manner(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"


class Supervisor:
    """Use it in the main thread of a process without other threads.

    `logs` is where children log, `tell` is told in a sentence what happens to them, `changed`
    receives name -> pid after every start and death.
    """

    def __init__(
        self,
        *,
        logs: Path,
        tell: Callable[[str], None],
        changed: Callable[[Mapping[str, int]], None] | None = None,
    ) -> None:
        self._logs = logs
        self._tell = tell
        self._changed = changed
        self._children: dict[str, _Running] = {}
        self._stopping = False
        self._failure: str | None = None
        self._command: str | None = None
        self._command_deadline: tuple[float, signal.Signals] | None = None
        become_subreaper()
        self._wanted = signals.block()

    # Starting

    def launch(self, child: Child) -> None:
        """Start a child without waiting for it. Raises EmbeddedError when its program cannot be started."""
        self._children[child.name] = _Running(child)
        self._start(self._children[child.name])

    def await_ready(self, *names: str) -> None:
        """Wait until these children serve. Raises EmbeddedError when one dies or is too late,
        StopRequested."""
        while True:
            waiting = [self._children[name] for name in names if not self._children[name].ready]
            if not waiting:
                return
            for running in waiting:
                if running.code is not None:
                    raise EmbeddedError(
                        f"{running.child.name} {_manner(running.code)} while starting: {self._why(running)}"
                    )
                if time.monotonic() > running.ready_by:
                    raise EmbeddedError(
                        f"{running.child.name} was not ready within {running.child.ready_seconds:.0f} s: "
                        f"{self._why(running)}"
                    )
            self._turn(limit=_PROBE_SECONDS)

    def start(self, child: Child) -> None:
        """Start a child and wait until it serves. Raises EmbeddedError, StopRequested."""
        self.launch(child)
        self.await_ready(child.name)

    def run_once(self, child: Child, *, seconds: float) -> None:
        """Run a child to its end. Raises EmbeddedError when it fails or takes longer than
        `seconds`, StopRequested."""
        self.launch(child)
        running = self._children[child.name]
        deadline = time.monotonic() + seconds
        while running.code is None:
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{child.name} did not end within {seconds:.0f} s: {self._why(running)}")
            self._turn(limit=deadline - time.monotonic())
        del self._children[child.name]
        if running.code != 0:
            raise EmbeddedError(f"{child.name} {_manner(running.code)}: {self._why(running)}")

    # Watching

    def watch(self) -> None:
        """Keep all children alive. Raises StopRequested on a stop signal, EmbeddedError when one
        keeps dying."""
        while True:
            self._turn(limit=None)

    def run_command(self, child: Child) -> int:
        """Run a command in our terminal while the others are watched; stop signals go to it.
        Returns its exit code.

        Raises StopRequested when it does not end within 20 s of a SIGTERM or SIGHUP.
        """
        self.launch(child)
        self._command = child.name
        running = self._children[child.name]
        while running.code is None:
            if self._command_deadline is not None and time.monotonic() > self._command_deadline[0]:
                raise StopRequested(self._command_deadline[1])
            self._turn(limit=1.0 if self._command_deadline is not None else None)
        return running.code if running.code >= 0 else 128 - running.code

    # Stopping

    def stop(self) -> None:
        """Stop all children, higher stages first, within STOP_SECONDS; further signals change nothing."""
        self._stopping = True
        deadline = time.monotonic() + STOP_SECONDS
        for stage in sorted({running.child.stage for running in self._children.values()}, reverse=True):
            self._stop_together(
                [running for running in self._children.values() if running.child.stage == stage],
                deadline=deadline,
            )
        kill_descendants(seconds=1.0)

    def _stop_together(self, group: list[_Running], *, deadline: float) -> None:
        rounds = max(len(running.child.stop_signals) for running in group) + 1
        for number in range(rounds):
            alive = [running for running in group if running.pid is not None]
            if not alive:
                return
            grace = _ESCALATION_SECONDS if number else max(running.child.grace for running in alive)
            until = time.monotonic() + grace
            for running in alive:
                chosen = running.child.stop_signals
                self._signal(running, chosen[number] if number < len(chosen) else signal.SIGKILL)
            spare = _ESCALATION_SECONDS * (rounds - 1 - number)
            while any(running.pid is not None for running in alive):
                left = min(until, deadline - spare) - time.monotonic()
                if left <= 0:
                    break
                self._turn(limit=left)

    # One turn

    def _turn(self, *, limit: float | None) -> None:
        """Wait for whatever comes first: a signal, something due, or `limit` seconds; then deal with it."""
        arrived = signals.next_signal(self._wanted, seconds=self._pause(limit))
        if arrived is not None and arrived.kind is signals.Kind.STOP:
            self._stop_signal(arrived)
        for pid, code in reap():
            self._ended(pid, code)
        if not self._stopping:
            if self._failure is not None:
                raise EmbeddedError(self._failure)
            self._do_what_is_due()

    def _pause(self, limit: float | None) -> float | None:
        moments = [] if limit is None else [limit]
        for running in self._children.values():
            if running.start_at is not None:
                moments.append(running.start_at - time.monotonic())
            elif running.pid is not None and not running.ready:
                moments.append(_PROBE_SECONDS)
        return min(moments, default=None)

    def _stop_signal(self, arrived: signals.Arrived) -> None:
        if self._stopping:
            return
        running = self._children.get(self._command) if self._command is not None else None
        if running is None or running.pid is None:
            raise StopRequested(arrived.signum)
        if not arrived.to_group:  # else the terminal has sent it to the command as well
            self._signal(running, arrived.signum)
        if arrived.signum is not signal.SIGINT and self._command_deadline is None:
            self._command_deadline = (time.monotonic() + _COMMAND_GRACE_SECONDS, arrived.signum)

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        for running in list(self._children.values()):
            if running.start_at is not None and now >= running.start_at:
                self._start(running)
            elif running.pid is not None and not running.ready:
                running.ready = running.child.ready is None or running.child.ready()
                if not running.ready and running.deaths and now > running.ready_by:
                    self._signal(running, signal.SIGKILL)

    def _start(self, running: _Running) -> None:
        running.start_at = None
        if running.child.before is not None:
            running.child.before()
        running.process = spawn(running.child, logs=self._logs)
        running.code = None
        running.ready = running.child.ready is None
        running.ready_by = time.monotonic() + running.child.ready_seconds
        self._report()

    def _ended(self, pid: int, code: int) -> None:
        running = next((one for one in self._children.values() if one.pid == pid), None)
        if running is None or running.process is None:
            return  # an orphan that we had inherited
        running.process.returncode = code
        running.process, running.code = None, code
        if running.child.logged:
            send(signal.SIGKILL, session_members(pid))
        was_ready, running.ready = running.ready, False
        self._report()
        if self._stopping or not running.child.restart or not (was_ready or running.deaths):
            return
        self._plan_restart(running, code)

    def _plan_restart(self, running: _Running, code: int) -> None:
        now = time.monotonic()
        running.deaths.append(now)
        while running.deaths[0] < now - DEATHS_WINDOW_SECONDS:
            running.deaths.popleft()
        if len(running.deaths) > DEATHS_ALLOWED:
            self._failure = (
                f"{running.child.name} died {len(running.deaths)} times within {DEATHS_WINDOW_SECONDS:.0f} s "
                f"(the last time it {_manner(code)}): {self._why(running)}"
            )
            return
        earlier = len(running.deaths) - 1
        running.start_at = now + (min(0.2 * 2**earlier, _LONGEST_BACKOFF_SECONDS) if earlier else 0.0)
        running.code = None
        self._tell(f"{running.child.name} {_manner(code)}; starting it again.")

    # Small things

    def _signal(self, running: _Running, signum: signal.Signals) -> None:
        if running.pid is not None:
            # Never another's process: an ended child keeps its pid until we have reaped it.
            os.kill(running.pid, signum)

    def _report(self) -> None:
        if self._changed is not None:
            self._changed({name: one.pid for name, one in self._children.items() if one.pid is not None})

    def _why(self, running: _Running) -> str:
        if not running.child.logged:
            return "see above."
        path = log_path(self._logs, running.child.name)
        try:
            with path.open("rb") as log:
                log.seek(max(path.stat().st_size - 4096, 0))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            lines = []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{last[:300]} (see {path})" if last else f"see {path}."
