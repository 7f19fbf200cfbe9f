"""The environment that our child processes get: the one we were started with, without what `make`
and other programs left in it for their own use, and without empty settings."""

from __future__ import annotations

import os
from pathlib import Path

_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR", "MAKEFILES")
_OURS = ("PORT", "DATA", "RESET", "TO", "BY", "ARGS")
_EMPTY_MEANS_UNSET = ("DATABASE_URL", "REDIS_URL", "ONSET_DATA", "DJANGO_SETTINGS_MODULE")


def initial() -> dict[str, str]:
    """The environment this process was started with, whatever imported modules have done to
    os.environ since."""
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, separator, value in pairs if name and separator}


def for_children() -> dict[str, str]:
    """What children may inherit."""
    inherited = initial()
    for name in (*_MAKE, *_OURS):
        inherited.pop(name, None)
    for name in _EMPTY_MEANS_UNSET:
        if not inherited.get(name):
            inherited.pop(name, None)
    return inherited
