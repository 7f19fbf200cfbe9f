"""People who sign in to the admin."""

from collections.abc import Callable

import pytest
from django.test import Client

from clinic.access.models import Site, User
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _clock_stands_still(clock: Callable[..., None]) -> None:
    """Pages read the clinic's time; in these tests it is tests.conftest.NOW."""


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """``staff("nurse", site)``: somebody signed in to the admin with this role at these sites."""

    def make(role: str, *sites: Site) -> Client:
        user: User = UserFactory.create(roles={site: [role] for site in sites})
        return _signed_in(user)

    return make


@pytest.fixture
def superuser(db: None) -> Client:
    """Somebody who sees everything."""
    return _signed_in(UserFactory.create(is_superuser=True))


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    client.user = user  # type: ignore[attr-defined]
    return client
