"""The Dockerfile and docker-compose.yml as data. Docker does not run here, so tests read what it would do."""

import functools
import json
import re
import shlex
from typing import Any

import yaml

from tests.meta.source import ROOT

OURS = ("migrate", "web", "worker", "beat", "wal", "backup")
_REFERENCE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\}")


@functools.cache
def compose() -> dict[str, Any]:
    """The compose file with its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def services() -> dict[str, dict[str, Any]]:
    """Every service by name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def instructions() -> list[tuple[str, str]]:
    """(instruction, argument) of the Dockerfile, with continued lines joined and comments dropped."""
    lines = [
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            found.append((word.upper(), " ".join(rest.split())))
    return found


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each build stage; each begins with its FROM."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def variables(stage: list[tuple[str, str]], instruction: str = "ENV") -> dict[str, str]:
    """What ENV or ARG sets in a stage."""
    pairs = [pair for word, rest in stage if word == instruction for pair in shlex.split(rest)]
    return dict(pair.split("=", 1) for pair in pairs)


def command_of(service: str) -> list[str]:
    """What the service runs: its own command, or the image's."""
    own = services()[service].get("command")
    if own is not None:
        return [str(word) for word in own]
    default = next(rest for word, rest in stages()[-1] if word == "CMD")
    return [str(word) for word in json.loads(default)]


def health_command_of(service: str) -> list[str]:
    """The words of its health check, ready to be executed; compose's $$ is $."""
    kind, *words = services()[service]["healthcheck"]["test"]
    words = [word.replace("$$", "$") for word in words]
    return words if kind == "CMD" else ["/bin/sh", "-c", *words]


def filled(value: str, given: dict[str, str]) -> str:
    """What compose makes of a value with this .env. Raises KeyError for a required name that is missing."""

    def replace(match: re.Match[str]) -> str:
        name, kind = match["name"], match["kind"]
        if given.get(name):
            return given[name]
        if kind == ":-":
            return str(match["rest"])
        raise KeyError(name)

    return _REFERENCE.sub(replace, value)


def references(text: str) -> dict[str, str]:
    """Names that are taken from .env, and how: ``:?`` required, ``:-`` with a default."""
    return {match["name"]: match["kind"] or "" for match in _REFERENCE.finditer(text)}


def environment_of(service: str, given: dict[str, str]) -> dict[str, str]:
    """The variables a container of this service gets."""
    return {name: filled(value, given) for name, value in services()[service]["environment"].items()}


def example() -> dict[str, str]:
    """What .env.example sets."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
