"""The one place where the application reads the time.

Views, tasks and commands call :func:`now` once and pass the instant down; nothing below them
reads a clock. In demo and test settings the clinic's time can be turned (``make clock``); what
protects access (tokens, replay windows) is measured by :func:`wall`, which never turns.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string


def now() -> datetime:
    """The clinic's time: aware, UTC."""
    return _source(settings.CLOCK)()


def wall() -> datetime:
    """The machine's time: aware, UTC. For security lifetimes only, never for clinic rules."""
    return datetime.now(UTC)


def turned_now() -> datetime:
    """The time of a demo or test system: the machine's, moved by what ``make clock`` stored."""
    return wall() + read_offset(Path(settings.ONSET_DATA) / "clock")


def read_offset(path: Path) -> timedelta:
    """How far the clock in this file is turned; a missing file means not at all."""
    try:
        stored = json.loads(path.read_text())
    except FileNotFoundError:
        return timedelta()
    return timedelta(seconds=float(stored["offset_seconds"]))


def write_offset(path: Path, offset: timedelta) -> None:
    """Turn the clock in this file; readers see the old or the new offset, never half of one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"offset_seconds": offset.total_seconds()}))
    fresh.replace(path)


@cache
def _source(dotted: str) -> Callable[[], datetime]:
    source: Callable[[], datetime] = import_string(dotted)
    return source
