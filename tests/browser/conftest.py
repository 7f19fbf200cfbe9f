"""Chromium, as the system has it. Without it these tests are skipped, loudly: CI installs it."""

import shutil
from collections.abc import Iterator

import pytest

from tests.browser.driving import CHROMIUM, Chromium


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """One browser for the run."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("NO BROWSER: install Chromium (apt-get install chromium) to run the browser tests")
    browser = Chromium(found)
    yield browser
    browser.close()
