"""Every way into the API says who may take it, in words the role table knows."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from clinic.access.policy import PERMISSIONS
from clinic.api.document import DocsView, DocumentView
from clinic.api.permissions import OPEN_TO_STAFF, TablePermission
from clinic.api.sessions import LoginView, LogoutView
from clinic.api.views import OnsetViewSet

API = "api/v1/"
# They check what they need themselves: signing in and out, and the public description of the API.
NOT_IN_THE_TABLE = {LoginView, LogoutView, DocsView, DocumentView}


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, callback) of every route below this resolver."""
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, path)
        elif isinstance(entry, URLPattern):
            yield path, entry.callback


def api_routes() -> list[tuple[str, Any]]:
    return [(path, callback) for path, callback in routes(get_resolver()) if path.startswith(API)]


def actions() -> list[Any]:
    """(view class, action, path) of every action that a route reaches."""
    return [
        pytest.param(callback.cls, action, id=f"{callback.cls.__name__}.{action}")
        for path, callback in api_routes()
        for action in sorted(set(getattr(callback, "actions", {}).values()))
    ]


def test_the_walk_finds_the_api() -> None:
    assert API + "auth/login/" in [path for path, _callback in api_routes()]


def test_every_view_stands_on_ours() -> None:
    strange = [
        path
        for path, callback in api_routes()
        if not issubclass(callback.cls, OnsetViewSet) and callback.cls not in NOT_IN_THE_TABLE
    ]
    assert strange == []


@pytest.mark.parametrize(("view", "action"), actions())
def test_each_action_names_its_permission(view: type[OnsetViewSet], action: str) -> None:
    assert action in view.permissions, f"add {action!r} to {view.__name__}.permissions"
    assert view.permissions[action] in {*PERMISSIONS, OPEN_TO_STAFF}


@pytest.mark.parametrize(("view", "action"), actions())
def test_each_action_asks_the_table(view: type[OnsetViewSet], action: str) -> None:
    handler_overrides = getattr(getattr(view, action), "kwargs", {}).get("permission_classes")
    assert list(handler_overrides or view.permission_classes) == [TablePermission]


def test_no_view_names_an_action_it_lacks() -> None:
    """A misspelt entry would leave the real action without one."""
    reached: dict[type[OnsetViewSet], set[str]] = {}
    for _path, callback in api_routes():
        if issubclass(callback.cls, OnsetViewSet):
            reached.setdefault(callback.cls, set()).update(callback.actions.values())
    idle = {view.__name__: set(view.permissions) - found for view, found in reached.items()}
    assert {name: left for name, left in idle.items() if left} == {}


def test_paths_end_in_a_slash() -> None:
    assert [path for path, _callback in api_routes() if not path.rstrip("$\\Z").endswith("/")] == []
