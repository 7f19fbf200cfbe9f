"""What the tests of the contract share: a clinic with one of everything, on a clock that stands still."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from tests.api.contract.expecting import Send, Sender
from tests.api.contract.routes import Route
from tests.api.contract.seed import Clinic, make_clinic


@pytest.fixture
def clinic(db: None, clock: Callable[[datetime], None]) -> Iterator[Clinic]:
    """One of everything, and fresh throttles."""
    cache.clear()
    yield make_clinic()
    cache.clear()


@pytest.fixture
def admin(clinic: Clinic) -> APIClient:
    """May do everything, so that what is wrong with a request is all that stands in its way."""
    return clinic.client("admin")


@pytest.fixture
def sender(clinic: Clinic, admin: APIClient) -> Sender:
    """``sender(body, content_type, **headers)``: sends this to a route, with an If-Match for a PATCH."""
    ids = clinic.ids()

    def make(
        body: str | bytes = "{}", content_type: str = "application/json", query: str = "", **extra: str
    ) -> Send:
        def send(route: Route) -> Any:
            raw: Any = body  # generic() is typed for text, and sends bytes as they are
            headers: Any = {"HTTP_IF_MATCH": "*", **extra} if route.method == "PATCH" else extra
            return admin.generic(
                route.method, route.path(ids) + query, raw, content_type=content_type, **headers
            )

        return send

    return make
