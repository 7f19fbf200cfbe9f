"""Stacks that are started once and shared by the tests of a module."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stack import Stack


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a demo that was started and stopped: migrating and seeding is most of a first start."""
    data = tmp_path_factory.mktemp("prepared") / "data"
    made = Stack(data)
    try:
        made.start()
    finally:
        made.stop()
    return data


@pytest.fixture(scope="module")
def stack(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A demo of its own, stopped at the end; its data stays under pytest's base directory for a look."""
    data = tmp_path_factory.mktemp("stack") / "data"
    subprocess.run(["cp", "-a", prepared, data], check=True)
    running = Stack(data)
    try:
        yield running.start()
    finally:
        running.stop()
