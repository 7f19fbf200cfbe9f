"""The Makefile hands on what it is told, and says in one sentence what is missing."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("DATABASE_URL", "REDIS_URL", "PORT", "DATA", "RESET", "TO", "BY")


def make(
    *arguments: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run make in the repository, without what the tests themselves were told."""
    clean = {name: value for name, value in os.environ.items() if name not in NAMES}
    return subprocess.run(
        ["make", *arguments],
        cwd=cwd,
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def shows_environment(tmp_path: Path) -> str:
    """In place of .venv/bin/python: prints its arguments and what it was told."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho \"$@\"\nenv | grep -E '^({'|'.join(NAMES)})=' | sort\nexit 3\n")
    program.chmod(0o755)
    return str(program)


def test_make_alone_lists_every_command() -> None:
    listed = make()
    assert listed.returncode == 0
    for target in ("demo", "clock", "test", "check", "bench-book", "openapi", "install", "clean", "help"):
        assert f"  make {target} " in listed.stdout


@pytest.mark.parametrize("target", ["demo", "clock"])
@pytest.mark.parametrize("as_argument", [True, False])
def test_settings_are_honoured_as_argument_and_as_environment(
    shows_environment: str, target: str, *, as_argument: bool
) -> None:
    told = {"PORT": "8001", "DATA": "var/b", "BY": "7d", "REDIS_URL": "redis://:p%23w@127.0.0.1:1/0"}
    arguments = [target, f"PY={shows_environment}", "-o", ".venv/.stamp"]
    if as_argument:
        shown = make(*arguments, *(f"{name}={value}" for name, value in told.items()))
    else:
        shown = make(*arguments, env=told)
    module = {"demo": "clinic.embedded.demo", "clock": "clinic.embedded.turn"}[target]
    assert shown.stdout.splitlines() == [
        f"-m {module}",
        *sorted(f"{name}={value}" for name, value in told.items()),
    ]
    assert shown.returncode != 0


def test_what_is_not_set_stays_unset(shows_environment: str) -> None:
    shown = make("demo", f"PY={shows_environment}", "-o", ".venv/.stamp")
    assert shown.stdout.splitlines() == ["-m clinic.embedded.demo"]


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (None, "is missing: install Python 3.11 or later"),
        ('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n', "Python 3.9.2 is not supported"),
        ('#!/bin/sh\ncase "$2" in *venv*) exit 1;; esac\n', "Python's venv module is missing: install it"),
        ('#!/bin/sh\n[ "$1" != -m ] || exit 1\n', "could not make a virtual environment"),
    ],
)
def test_an_unfit_machine_is_told_in_one_sentence(tmp_path: Path, python: str | None, sentence: str) -> None:
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    program = tmp_path / "python3"
    if python is not None:
        program.write_text(python)
        program.chmod(0o755)
    ended = make("install", f"PYTHON={program}", cwd=tmp_path)
    assert ended.returncode != 0
    (said,) = (line for line in ended.stderr.splitlines() if not line.startswith("make:"))
    assert said.startswith("onset: ")
    assert sentence in said
