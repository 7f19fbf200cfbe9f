"""Stacks that are started once and shared by the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A fresh demo, stopped at the end; its data stays under pytest's base directory for a look."""
    data: Path = tmp_path_factory.mktemp("stack") / "data"
    running = Stack(data)
    try:
        yield running.start()
    finally:
        running.stop()
