"""What the demo and the tests really received: one JSON file per message and recipient, written
whole or not at all. The sinks write here; the mailbox page and the tests read."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

_arrivals = itertools.count()


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One message as one recipient got it. `received_at` is clinic time (aware, UTC); `provider_id`
    is the Message-ID of an e-mail or the sid of an SMS; `calendar` the .ics file that came with it."""

    channel: Literal["email", "sms"]
    to: str
    sender: str
    subject: str
    body: str
    received_at: datetime
    provider_id: str
    calendar: str = ""


def inbox(directory: Path) -> Path:
    """Where, beside the messages to patients, those from patients are kept."""
    return directory / "from-patients"


def deliver(directory: Path, deliveries: Sequence[Delivery]) -> None:
    """Store these deliveries, all or none. Raises OSError (a full disk, say); then nothing counts
    as delivered."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        for delivery in deliveries:
            # The name orders arrivals; the pid keeps two writers apart.
            fresh = directory / f"{time.time_ns():020d}-{next(_arrivals):08d}-{os.getpid()}.new"
            written.append(fresh)
            text = json.dumps(
                asdict(delivery) | {"received_at": delivery.received_at.isoformat()}, ensure_ascii=False
            )
            fresh.write_text(text, encoding="utf-8", errors="backslashreplace")
        for fresh in written:
            fresh.replace(fresh.with_suffix(".json"))
    except OSError:
        for fresh in written:
            fresh.unlink(missing_ok=True)
            fresh.with_suffix(".json").unlink(missing_ok=True)
        raise


def read(directory: Path) -> list[Delivery]:
    """All deliveries, ordered by when they were received (clinic time), then by arrival."""
    found = []
    for path in sorted(directory.glob("*.json")):
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue  # cleared while we were reading
        received_at = datetime.fromisoformat(stored["received_at"]).astimezone(UTC)
        found.append(Delivery(**{**stored, "received_at": received_at}))
    return sorted(found, key=lambda delivery: delivery.received_at)
