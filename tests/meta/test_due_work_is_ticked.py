"""What waits for a moment is looked at: settings name it, beat ticks it, a worker knows its task."""

import inspect
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings

from clinic.celery import app
from clinic.common import due

LONGEST_TICK_SECONDS = 60


@pytest.fixture(scope="module", autouse=True)
def every_task_module_is_imported() -> None:
    app.loader.import_default_modules()


def test_some_work_waits() -> None:
    assert len(due.kinds()) == len(settings.DUE_WORK) > 0


@pytest.mark.parametrize("module", ["patients.due", "scheduling.due"])
def test_no_kind_is_forgotten(module: str) -> None:
    written = {
        f"{module}.{name}"
        for name, kind in inspect.getmembers(import_module(module), inspect.isclass)
        if kind.__module__ == module
    }
    assert written == {dotted for dotted in settings.DUE_WORK if dotted.startswith(f"{module}.")}


def test_names_are_different() -> None:
    names = [work.name for work in due.kinds()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("dotted", settings.DUE_WORK)
def test_each_kind_is_ticked_watched_and_done(dotted: str) -> None:
    [work] = [kind for kind in due.kinds() if f"{type(kind).__module__}.{type(kind).__qualname__}" == dotted]
    assert work.name
    assert work.task in app.tasks, "no worker knows this task"
    ticked = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert work.task in ticked, "beat never looks at it"
    assert work.stale_after_seconds > settings.TICK_SECONDS, "readiness would complain between two ticks"


def test_every_tick_is_a_task_of_ours_that_only_says_look_now() -> None:
    schedule: dict[str, dict[str, Any]] = dict(settings.CELERY_BEAT_SCHEDULE)
    for name, entry in schedule.items():
        assert entry["task"] in app.tasks, name
        assert not entry.get("args"), f"{name}: what is due is in the database, not in the tick"
        assert not entry.get("kwargs"), f"{name}: what is due is in the database, not in the tick"
        assert 0 < entry["schedule"] <= LONGEST_TICK_SECONDS, name
        assert entry["options"]["expires"] >= entry["schedule"], f"{name}: old ticks must not pile up"


def test_tasks_survive_a_lost_worker() -> None:
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert ours
    for task in ours:
        assert task.acks_late, task.name
        assert task.reject_on_worker_lost, task.name
        assert task.ignore_result, task.name
