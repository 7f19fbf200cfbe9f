"""Reads the environment and refuses to start, with one sentence, when it is missing or wrong."""

import os
import re
from dataclasses import dataclass
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_NUMBER = re.compile(r"[0-9]{1,10}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,19}", re.IGNORECASE)
_RATE = re.compile(r"[1-9][0-9]{0,8}/(s|sec|second|m|min|minute|h|hour|d|day)")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


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
            return Path(file_name).read_text(encoding="utf-8").strip()
        except OSError as error:
            refuse(f"{name}_FILE names {file_name}, which cannot be read ({error.strerror}).")
        except UnicodeDecodeError:
            refuse(f"{name}_FILE names {file_name}, which is not text in UTF-8.")
    if default is None:
        refuse(f"{name} is missing. Set it in the environment (docs/configuration.md explains it).")
    return default


def family(prefix: str) -> dict[str, str]:
    """Every text whose name begins like this, by the rest of its name; files as in :func:`text`."""
    named = {name.removesuffix("_FILE") for name in os.environ if name.startswith(prefix)}
    return {name.removeprefix(prefix): text(name, "") for name in sorted(named)}


def number(name: str, default: int, *, low: int = 0, high: int = 2**31 - 1) -> int:
    """A whole number within bounds."""
    value = os.environ.get(name, "") or str(default)
    if not _NUMBER.fullmatch(value) or not low <= int(value) <= high:
        refuse(f"{name} is {value[:20]!r}, but must be a whole number from {low} to {high}.")
    return int(value)


def flag(name: str, *, default: bool) -> bool:
    """A yes or no. Empty means the default, so that a variable passed on empty loosens nothing."""
    value = (os.environ.get(name) or ("1" if default else "0")).lower()
    if value not in _FLAGS:
        refuse(f"{name} is {value[:20]!r}, but must be 1 or 0.")
    return _FLAGS[value]


def names(name: str, default: str | None = None) -> list[str]:
    """A list separated by commas, with at least one entry unless the default is empty."""
    found = [part.strip() for part in text(name, default).split(",") if part.strip()]
    if not found and default is None:
        refuse(f"{name} holds no name. Separate names by commas.")
    return found


@dataclass(frozen=True)
class Proxies:
    """Whose X-Forwarded-For is believed: the last so many hops, or hops within these networks."""

    count: int = 0
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


def proxies(name: str) -> Proxies:
    """A number of proxies, or their addresses and networks separated by commas; none by default."""
    listed = names(name, "")
    if len(listed) == 1 and listed[0].isdecimal():
        return Proxies(count=number(name, 0, high=10))
    try:
        return Proxies(networks=tuple(ip_network(each) for each in listed))
    except ValueError:
        refuse(f"{name} must be a number of proxies, or networks such as 10.0.0.0/8, separated by commas.")


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    """One of a few words."""
    value = text(name, default)
    if value not in allowed:
        refuse(f"{name} is {value[:20]!r}, but must be one of: {', '.join(allowed)}.")
    return value


def rate(name: str, default: str) -> str:
    """So many in so long, such as ``3000/min``."""
    value = text(name, default)
    if not _RATE.fullmatch(value):
        refuse(f"{name} is {value[:20]!r}, but must look like 3000/min (also /second, /hour, /day).")
    return value


def address(name: str, default: str) -> str:
    """A sender: an e-mail address, alone or as ``Name <address>``."""
    value = text(name, default)
    if not value.isprintable() or not _ADDRESS.fullmatch(parseaddr(value)[1]):
        refuse(f"{name} is no e-mail address. Write it as appointments@example.org or Name <address>.")
    return value


def url(name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
    """A URL of one of these schemes. What is refused is not repeated: it may hold a password."""
    value = text(name, default)
    scheme, separator, _rest = value.partition("://")
    if scheme not in schemes or not separator:
        found = f"starts with {scheme}://" if separator and _SCHEME.fullmatch(scheme) else "does not"
        refuse(f"{name} must start with {'://, '.join(schemes)}:// but {found}.")
    try:
        urlsplit(value).port  # noqa: B018 - reading it is the check
    except ValueError:
        refuse(
            f"{name} cannot be read: the port must be a number from 0 to 65535, and special characters "
            "in a password must be percent-encoded."
        )
    return value


def site(name: str, schemes: tuple[str, ...]) -> str:
    """The address under which people find us: scheme and host, without a path."""
    value = url(name, schemes).rstrip("/")
    parts = urlsplit(value)
    if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username:
        refuse(f"{name} must be a scheme and a host only, such as https://onset.example.org.")
    return value
