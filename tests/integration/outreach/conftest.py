"""What the tests of outreach share: a present outside quiet hours."""

from datetime import UTC, datetime

import pytest


@pytest.fixture
def now() -> datetime:
    """Monday 10:00 in Denver: nobody sleeps."""
    return datetime(2027, 1, 4, 17, 0, tzinfo=UTC)
