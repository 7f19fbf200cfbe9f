"""What a running demo leaves in DATA/runtime.json, so that `make clock` and the tests can join it:
where it is, who its processes are, and the settings its children were given."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from clinic.embedded.directory import is_claimed
from clinic.embedded.errors import EmbeddedError

_FILE = "runtime.json"


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A running demo. `environment` holds the settings to add to one's own environment; it has secrets."""

    pid: int
    port: int
    public_url: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    ready: bool
    children: Mapping[str, int]
    environment: Mapping[str, str] = field(repr=False)


def write(data: Path, runtime: Runtime) -> None:
    """Replace the record in one step, readable by its owner only. Raises OSError."""
    fresh = data / f"{_FILE}.new"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(runtime), file, indent=1)
    fresh.replace(data / _FILE)


def forget(data: Path) -> None:
    """Remove the record."""
    (data / _FILE).unlink(missing_ok=True)


def read(data: Path) -> Runtime:
    """The demo that runs on this data directory. Raises EmbeddedError when there is none, or not yet."""
    data = data.absolute()
    if not is_claimed(data):
        raise EmbeddedError(f"No demo is running on DATA={data}: start it with `make demo`.")
    try:
        runtime = Runtime(**json.loads((data / _FILE).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise EmbeddedError(f"The demo on DATA={data} is still starting: try again in a moment.") from error
    if not runtime.ready:
        raise EmbeddedError(f"The demo on DATA={data} is still starting: try again in a moment.")
    return runtime
