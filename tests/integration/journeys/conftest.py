"""What a journey needs: the clinic's clock, the workers, and sinks in which every message really arrives."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clinic.celery import app
from clinic.common import clock as present
from clinic.common import due
from clinic.embedded.mailbox import read
from tests.integration.outreach.conftest import sms, smtp

__all__ = ["sms", "smtp"]
_MOST_ROUNDS = 50


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    """Where the sinks put what they accept."""
    return tmp_path / "mailbox"


@pytest.fixture
def live_until(clock: Callable[[datetime], None], smtp: Any, sms: Any) -> Callable[[datetime], None]:
    """``live_until(moment)``: do all that falls due until then, each at its own moment, as in the demo."""

    smtp.now = sms.now = lambda: present.now()  # noqa: PLW0108 - the clock is turned meanwhile

    def live(moment: datetime) -> None:
        app.loader.import_default_modules()
        reached = None
        while (at := _next(moment)) is not None:
            reached = max(at, reached or at)
            clock(reached)
            _settle(reached)
        clock(moment)
        _settle(moment)

    return live


@pytest.fixture
def arrived(mailbox: Path) -> Callable[[str], list[str]]:
    """``arrived(address)``: the texts or mails at one number or address, oldest first."""

    def look(address: str) -> list[str]:
        return [f"{each.subject}\n{each.body}" for each in read(mailbox) if each.to == address]

    return look


def _next(until: datetime) -> datetime | None:
    moments = [moment for work in due.kinds() if (moment := work.next_due_at()) is not None]
    return min((moment for moment in moments if moment <= until), default=None)


def _settle(now: datetime) -> None:
    """Let the workers look until nothing is due at ``now``."""
    for _round in range(_MOST_ROUNDS):
        waiting = [
            work for work in due.kinds() if (moment := work.next_due_at()) is not None and moment <= now
        ]
        for work in waiting:
            app.tasks[work.task]()
        if not waiting:
            return
    pytest.fail("the workers never come to rest")
