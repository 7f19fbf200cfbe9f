"""Migration 0009 on a database that has run for a while: what a clinic edited stays, shipped words are
renewed."""

from importlib import import_module

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from clinic.common import catalogue
from patients.models import MessageTemplate
from patients.selectors.messages import templates

pytestmark = pytest.mark.django_db

load = import_module("patients.migrations.0009_words").load
SHIPPED = {
    (row["kind"], row["channel"], row["language"]): row for row in catalogue.rows("patients", "templates")
}
DAY_BEFORE = {"kind": "day_before", "channel": "sms", "language": "en"}
OLD = "${site}: see you ${when}. Reply STOP to opt out."


def upgrade() -> None:
    """What the migration does, with the models as they were then."""
    state = MigrationExecutor(connection).loader.project_state([("patients", "0008_background")])
    load(state.apps, None)


def story(**which: str) -> list[tuple[int, bool, str, str]]:
    """Version, in force, words and source of one text, oldest first."""
    rows = MessageTemplate.objects.filter(**which).order_by("version")
    return [(row.version, row.active, row.body, row.source) for row in rows]


@pytest.fixture(autouse=True)
def _as_it_was() -> None:
    """Before two-way outreach: fewer kinds, other words."""
    MessageTemplate.objects.filter(kind__startswith="reply_").delete()
    MessageTemplate.objects.filter(kind__startswith="course_").delete()
    MessageTemplate.objects.update(version=1, active=True, source="Onset default")
    MessageTemplate.objects.filter(**DAY_BEFORE).update(body=OLD)


def test_shipped_words_that_nobody_edited_get_a_new_version() -> None:
    upgrade()
    words = SHIPPED["day_before", "sms", "en"]["body"]
    assert story(**DAY_BEFORE) == [(1, False, OLD, "Onset default"), (2, True, words, "Onset default")]


def test_words_that_did_not_change_stay_as_they_are() -> None:
    before = story(kind="confirmation", channel="email", language="en")
    upgrade()
    assert story(kind="confirmation", channel="email", language="en") == before


def test_what_the_clinic_edited_stays_in_force_and_unchanged() -> None:
    MessageTemplate.objects.filter(**DAY_BEFORE).update(active=False)
    MessageTemplate.objects.create(
        **DAY_BEFORE,
        version=2,
        body="${site}: ${when}, door B. STOP to opt out.",
        source="edited in the admin",
    )
    before = story(**DAY_BEFORE)
    upgrade()
    assert story(**DAY_BEFORE) == before
    assert templates(["day_before"])["day_before", "sms", "en"].version == 2


def test_an_edit_made_in_place_of_an_older_shipped_text_counts_from_its_latest_version() -> None:
    MessageTemplate.objects.filter(**DAY_BEFORE).update(active=False)
    MessageTemplate.objects.create(
        **DAY_BEFORE, version=2, body="tried", source="edited in the admin", active=False
    )
    MessageTemplate.objects.create(**DAY_BEFORE, version=3, body=OLD + " ", source="Onset default")
    upgrade()
    assert [(version, active) for version, active, _body, _source in story(**DAY_BEFORE)] == [
        (1, False), (2, False), (3, False), (4, True)
    ]  # fmt: skip


def test_what_was_switched_off_stays_off() -> None:
    MessageTemplate.objects.filter(**DAY_BEFORE).update(active=False)
    upgrade()
    assert [active for _version, active, *_rest in story(**DAY_BEFORE)] == [False]


def test_afterwards_every_kind_is_worded_and_a_second_run_changes_nothing() -> None:
    upgrade()
    in_force = templates({kind for kind, _channel, _language in SHIPPED})
    assert {key: row.body for key, row in in_force.items()} == {
        key: row["body"] for key, row in SHIPPED.items()
    }
    count = MessageTemplate.objects.count()
    upgrade()
    assert MessageTemplate.objects.count() == count
