"""Reads the environment and refuses to start, with one sentence, when it is missing or wrong."""

import os
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def refuse(sentence: str) -> NoReturn:
    """Stop the start. The sentence says which variable is at fault and what to set."""
    raise SystemExit(f"onset: {sentence}")


def text(name: str, default: str | None = None) -> str:
    """A string, also from the file named by ``<name>_FILE`` (for mounted secrets)."""
    value = os.environ.get(name)
    if value:
        return value
    file_name = os.environ.get(f"{name}_FILE")
    if file_name:
        try:
            return Path(file_name).read_text().strip()
        except OSError as error:
            refuse(f"{name}_FILE names {file_name}, which cannot be read ({error.strerror}).")
    if default is None:
        refuse(f"{name} is missing. Set it in the environment (docs/configuration.md explains it).")
    return default


def number(name: str, default: int, *, low: int = 0, high: int = 2**31 - 1) -> int:
    """A whole number within bounds."""
    value = os.environ.get(name, "") or str(default)
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        refuse(f"{name} is {value!r}, but must be a whole number from {low} to {high}.")
    return int(value)


def flag(name: str, *, default: bool) -> bool:
    """A yes or no."""
    value = os.environ.get(name, "1" if default else "0").lower()
    if value not in _FLAGS:
        refuse(f"{name} is {value!r}, but must be 1 or 0.")
    return _FLAGS[value]


def names(name: str, default: str | None = None) -> list[str]:
    """A list separated by commas."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    """One of a few words."""
    value = text(name, default)
    if value not in allowed:
        refuse(f"{name} is {value!r}, but must be one of: {', '.join(allowed)}.")
    return value


def url(name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
    """A URL of one of these schemes."""
    value = text(name, default)
    scheme = value.partition("://")[0]
    if scheme not in schemes or "://" not in value:
        shown = "://, ".join(schemes)
        refuse(f"{name} must start with {shown}:// but starts with {scheme[:20]!r}.")
    try:
        urlsplit(value).port  # noqa: B018 - reading it is the check
    except ValueError:
        refuse(f"{name} has a port that is not a number from 0 to 65535.")
    return value
