"""Who may give and take roles at a site."""

from collections.abc import Callable
from datetime import datetime

import pytest

from clinic.access.actors import actor_of
from clinic.access.models import Membership, Site
from clinic.access.policy import SYSTEM, Actor, Role
from clinic.access.services import grant_role, lock_site, revoke_role
from clinic.common.errors import Forbidden, NotFound
from tests.factories import SiteFactory, UserFactory

pytestmark = pytest.mark.django_db
Actors = Callable[..., Actor]


def test_a_manager_gives_and_takes_roles_at_the_own_site(actor_at: Actors, site: Site, now: datetime) -> None:
    manager, person = actor_at(site, "manager"), UserFactory.create()
    for _ in range(2):
        grant_role(actor=manager, now=now, user_id=person.pk, site_id=site.pk, role=Role.NURSE)
    assert list(Membership.objects.filter(user=person).values_list("site", "role")) == [(site.pk, "nurse")]
    assert actor_of(person).may("check_ins.write", site.pk)
    revoke_role(actor=manager, now=now, user_id=person.pk, site_id=site.pk, role=Role.NURSE)
    assert not Membership.objects.filter(user=person).exists()
    with pytest.raises(NotFound):
        revoke_role(actor=manager, now=now, user_id=person.pk, site_id=site.pk, role=Role.NURSE)


def test_nobody_changes_their_own_roles(actor_at: Actors, site: Site, now: datetime) -> None:
    manager = actor_at(site, "manager")
    assert manager.user_id is not None
    for change, role in ((grant_role, Role.PRESCRIBER), (revoke_role, Role.MANAGER)):
        with pytest.raises(Forbidden) as refused:
            change(actor=manager, now=now, user_id=manager.user_id, site_id=site.pk, role=role)
        assert refused.value.code == "own_roles"


@pytest.mark.parametrize("role", ["front_desk", "nurse", "prescriber", "auditor"])
def test_only_managers_of_the_site_may(actor_at: Actors, site: Site, now: datetime, role: str) -> None:
    person, other = UserFactory.create(), SiteFactory.create()
    for actor in (actor_at(site, role), actor_at(other, "manager")):
        with pytest.raises(Forbidden):
            grant_role(actor=actor, now=now, user_id=person.pk, site_id=site.pk, role=Role.NURSE)
    assert not Membership.objects.filter(user=person).exists()


def test_a_closed_account_gets_no_role(site: Site, now: datetime) -> None:
    gone = UserFactory.create(is_active=False)
    for user_id in (gone.pk, 10**12):
        with pytest.raises(NotFound):
            grant_role(actor=SYSTEM, now=now, user_id=user_id, site_id=site.pk, role=Role.NURSE)


def test_a_site_that_is_not_there_cannot_be_locked(db: None) -> None:
    with pytest.raises(NotFound):
        lock_site(site_id=10**12)
