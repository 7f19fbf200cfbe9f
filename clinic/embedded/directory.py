"""The data directory of one demo (DATA): made and marked by us, locked while in use, and the only
thing RESET ever removes."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from clinic.embedded.errors import EmbeddedError
from clinic.embedded.privileges import outside_place
from clinic.embedded.processes import end_processes_in

_MARKER = ".onset-data"
_LOCK = "lock"
_KEPT = {_MARKER, _LOCK}


@contextmanager
def claim(path: Path, *, reset: bool) -> Iterator[Path]:
    """Make the directory if need be and lock it as long as the context lasts; with `reset` empty it first.

    Gives its absolute path. Raises EmbeddedError when another demo uses it, when it holds files that we
    did not make, or when it cannot be written.
    """
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        path = path.resolve()
        if not (path / _MARKER).exists() and {entry.name for entry in path.iterdir()} - _KEPT:
            raise EmbeddedError(
                f"DATA={path} holds files that were not made by `make demo`, so it is left alone: "
                "choose another directory."
            )
        lock = _lock(path)
    except OSError as error:
        raise EmbeddedError(_unusable(path, error)) from error
    with lock:
        try:
            (path / _MARKER).touch(mode=0o600)
            if reset:
                _empty(path)
        except OSError as error:
            raise EmbeddedError(_unusable(path, error)) from error
        yield path


def is_claimed(path: Path) -> bool:
    """Whether a demo runs on this data directory now."""
    try:
        with (path / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _unusable(path: Path, error: OSError) -> str:
    return f"DATA={path} cannot be used: {error.strerror} ({error.filename or path})."


def _lock(path: Path) -> IO[str]:
    lock = os.fdopen(os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise EmbeddedError(
            f"DATA={path} is in use by another demo (process {holder}): "
            "stop that one, or choose another directory with DATA= and another PORT=."
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _empty(path: Path) -> None:
    outside = outside_place(path)
    for place in (path, outside):
        end_processes_in(place / "postgres", command="postgres")
    end_processes_in(path / "redis", command="redis-server")
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name not in _KEPT:
            entry.unlink()
    if outside.is_dir() and not outside.is_symlink():
        shutil.rmtree(outside)
