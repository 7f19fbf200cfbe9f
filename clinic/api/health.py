"""/livez: this process answers. /readyz: so do the parts it needs, each named when it does not."""

from collections.abc import Callable

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from clinic.common import clock, due


@never_cache
@require_safe
def livez(_request: HttpRequest) -> JsonResponse:
    """200 while the process can answer at all."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when every part works, else 503; either way each part is listed with its state."""
    parts = {"database": _database(), "redis": _redis()}
    if parts["database"] == "ok":
        parts["migrations"] = _migrations()
        if parts["migrations"] == "ok":
            parts.update(_due_work())
    ready = all(state == "ok" for state in parts.values())
    return JsonResponse(
        {"status": "ok" if ready else "unavailable", "parts": parts}, status=200 if ready else 503
    )


def _state(probe: Callable[[], object]) -> str:
    try:
        probe()
    except (DatabaseError, RedisError) as error:
        return f"down: {type(error).__name__}"
    return "ok"


def _database() -> str:
    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    return _state(ask)


def _redis() -> str:
    return _state(lambda: cache.get("readyz"))


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(pending)} not applied" if pending else "ok"


def _due_work() -> dict[str, str]:
    """Work that stays due for long means that no worker looks at it."""
    return {
        name: f"stalled: oldest due since {since:%Y-%m-%dT%H:%MZ}" if since else "ok"
        for name, since in due.stalled(now=clock.now()).items()
    }
