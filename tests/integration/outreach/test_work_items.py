"""Work items: one per cause, stepped through by staff, never without a note at the end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common.errors import Conflict, Forbidden, Invalid, NotFound, StaleVersion
from clinic.common.steps import InvalidTransition
from patients.models import WorkItem
from patients.services import work_items
from tests.factories import PatientFactory, SiteFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def opened(site: Site, now: datetime) -> Callable[..., WorkItem]:
    """Open an item at the site."""

    def make(**changes: Any) -> WorkItem:
        fields: dict[str, Any] = {
            "kind": "unreachable",
            "key": "unreachable:1",
            "severity": "routine",
            "site_id": site.pk,
            "patient": None,
            "summary": "Call the patient.",
            "owner_role": "front_desk",
            "due_at": now + timedelta(hours=4),
            "now": now,
        }
        return work_items.open_item(**fields | changes)

    return make


@pytest.fixture
def actor(actor_at: Callable[..., Actor], site: Site) -> Actor:
    """Front desk at the site."""
    return actor_at(site, "front_desk")


def test_one_cause_one_item(opened: Callable[..., WorkItem], now: datetime) -> None:
    first = opened(patient=PatientFactory.create())
    again = opened(summary="Something else", severity="urgent")
    assert again.pk == first.pk
    assert (again.summary, again.severity) == ("Call the patient.", "routine")


def test_a_resolved_cause_may_come_back(opened: Callable[..., WorkItem], actor: Actor, now: datetime) -> None:
    first = opened()
    work_items.resolve(actor=actor, item_id=first.pk, note="Called.", now=now)
    assert opened().pk != first.pk


def test_seen_given_and_done(
    opened: Callable[..., WorkItem], actor: Actor, site: Site, now: datetime
) -> None:
    item = opened()
    nurse = UserFactory.create(roles={site: ["nurse"]})
    item = work_items.acknowledge(actor=actor, item_id=item.pk, now=now)
    assert (item.status, item.acknowledged_at, item.acknowledged_by_id) == (
        "acknowledged",
        now,
        actor.user_id,
    )
    item = work_items.assign(actor=actor, item_id=item.pk, user_id=nurse.pk)
    assert (item.status, item.assigned_to_id) == ("acknowledged", nurse.pk)
    item = work_items.resolve(actor=actor, item_id=item.pk, note="  Called, will come. ", now=now)
    assert (item.status, item.note, item.resolved_by_id) == ("resolved", "Called, will come.", actor.user_id)
    assert item.version == 4


@pytest.mark.parametrize("verb", ["acknowledge", "assign", "resolve"])
def test_what_is_done_is_done(
    opened: Callable[..., WorkItem], actor: Actor, now: datetime, verb: str
) -> None:
    item = opened()
    work_items.resolve(actor=actor, item_id=item.pk, note="Done.", now=now)
    arguments: dict[str, dict[str, Any]] = {
        "acknowledge": {"now": now},
        "assign": {"user_id": actor.user_id},
        "resolve": {"note": "Again.", "now": now},
    }
    with pytest.raises(InvalidTransition) as raised:
        getattr(work_items, verb)(actor=actor, item_id=item.pk, **arguments[verb])
    assert isinstance(raised.value, Conflict)
    assert raised.value.data == {"state": "resolved", "possible": []}


def test_acknowledged_once(opened: Callable[..., WorkItem], actor: Actor, now: datetime) -> None:
    item = opened()
    work_items.acknowledge(actor=actor, item_id=item.pk, now=now)
    with pytest.raises(InvalidTransition) as raised:
        work_items.acknowledge(actor=actor, item_id=item.pk, now=now)
    assert raised.value.data == {"state": "acknowledged", "possible": ["assign", "resolve"]}


def test_resolving_needs_a_note(opened: Callable[..., WorkItem], actor: Actor, now: datetime) -> None:
    item = opened()
    with pytest.raises(Invalid) as raised:
        work_items.resolve(actor=actor, item_id=item.pk, note=" \n", now=now)
    assert [(error.pointer, error.code) for error in raised.value.errors] == [("/note", "note_required")]
    item.refresh_from_db()
    assert (item.status, item.version) == ("open", 1)


def test_only_staff_of_the_site_can_be_given_it(opened: Callable[..., WorkItem], actor: Actor) -> None:
    item = opened()
    elsewhere = UserFactory.create(roles={SiteFactory.create(): ["nurse"]})
    for user_id in (elsewhere.pk, 999_999):
        with pytest.raises(Invalid) as raised:
            work_items.assign(actor=actor, item_id=item.pk, user_id=user_id)
        assert raised.value.errors[0].pointer == "/assigned_to"


def test_a_stale_version_is_refused(opened: Callable[..., WorkItem], actor: Actor, now: datetime) -> None:
    item = opened()
    with pytest.raises(StaleVersion):
        work_items.acknowledge(actor=actor, item_id=item.pk, expected_version=7, now=now)


def test_other_sites_see_nothing(
    opened: Callable[..., WorkItem], actor_at: Callable[..., Actor], now: datetime
) -> None:
    item = opened()
    stranger = actor_at(SiteFactory.create(), "manager")
    with pytest.raises(NotFound):
        work_items.acknowledge(actor=stranger, item_id=item.pk, now=now)


def test_an_auditor_may_not_act(
    opened: Callable[..., WorkItem], actor_at: Callable[..., Actor], site: Site, now: datetime
) -> None:
    item = opened()
    with pytest.raises((Forbidden, NotFound)):
        work_items.acknowledge(actor=actor_at(site, "auditor"), item_id=item.pk, now=now)


def test_the_system_closes_what_no_longer_needs_anybody(
    opened: Callable[..., WorkItem], now: datetime
) -> None:
    item = opened()
    work_items.close_items([item.key, "unknown"], note="Delivered.", now=now)
    item.refresh_from_db()
    assert (item.status, item.note, item.resolved_by_id, item.version) == ("resolved", "Delivered.", None, 2)
