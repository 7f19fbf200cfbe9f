"""Stop signals as plain values: they are blocked and taken one by one with `next_signal`, so there
are no handlers and nothing can be missed between a check and a wait."""

from __future__ import annotations

import enum
import signal
from dataclasses import dataclass

_SENT_BY_KERNEL = 0x80  # SI_KERNEL: the terminal sent it, to the whole foreground process group


class Kind(enum.Enum):
    """Why a wait ended early."""

    CHILD = "child"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """A signal that came. `to_group` is true when the terminal sent it to every process of our group."""

    kind: Kind
    signum: signal.Signals
    to_group: bool


def block() -> frozenset[signal.Signals]:
    """Block SIGCHLD and the stop signals from now on and return the set to wait for. SIGHUP is left
    out where it is ignored, so that `nohup` keeps its meaning."""
    wanted = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.add(signal.SIGHUP)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    return frozenset(wanted)


def next_signal(wanted: frozenset[signal.Signals], *, seconds: float | None) -> Arrived | None:
    """The next signal, waiting for at most `seconds` (None: for ever); None when there was none."""
    info = signal.sigwaitinfo(wanted) if seconds is None else signal.sigtimedwait(wanted, max(seconds, 0.0))
    if info is None:
        return None
    signum = signal.Signals(info.si_signo)
    kind = Kind.CHILD if signum is signal.SIGCHLD else Kind.STOP
    return Arrived(kind=kind, signum=signum, to_group=info.si_code == _SENT_BY_KERNEL)
