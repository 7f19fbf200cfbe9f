"""`.ci/run` is `make check`, then `make test`. A stand-in `make` writes down how it is called."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.meta.source import ROOT


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A directory for PATH with a `make` that fails when told, and a Chromium that is there already."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "make").write_text(
        '#!/bin/sh\necho "make $*: CI=$CI"\ntest -t 0 && echo terminal\ntest "$1" != "$FAILING"\n'
    )
    (directory / "chromium").write_text("#!/bin/sh\n")
    for tool in directory.iterdir():
        tool.chmod(0o755)
    return directory


def run(tools: Path, cwd: Path, *, failing: str = "") -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "FAILING": failing}
    return subprocess.run(
        [str(ROOT / ".ci/run")], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=30
    )


def test_checks_come_before_tests_from_any_directory(tools: Path, tmp_path: Path) -> None:
    result = run(tools, tmp_path)
    assert result.stdout.splitlines() == ["make check: CI=true", "make test: CI=true"]
    assert (result.returncode, result.stderr) == (0, "")


def test_a_failed_check_is_the_end(tools: Path, tmp_path: Path) -> None:
    result = run(tools, tmp_path, failing="check")
    assert result.stdout.splitlines() == ["make check: CI=true"]
    assert result.returncode != 0


def test_failed_tests_fail_the_run(tools: Path, tmp_path: Path) -> None:
    assert run(tools, tmp_path, failing="test").returncode != 0
