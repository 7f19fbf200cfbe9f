"""From a signed-in user to the actor that services and querysets ask."""

from collections import defaultdict

from django.contrib.auth.models import AnonymousUser

from clinic.access.models import Membership, User
from clinic.access.policy import Actor, Role


def actor_of(user: User | AnonymousUser) -> Actor:
    """The roles of a user, read once per request and kept on the user object."""
    if not isinstance(user, User):
        return Actor(user_id=None)
    if user.onset_actor is None:
        roles: dict[int, set[Role]] = defaultdict(set)
        for site_id, role in Membership.objects.filter(user=user).values_list("site_id", "role"):
            roles[site_id].add(Role(role))
        user.onset_actor = Actor(
            user_id=user.pk,
            roles={site: frozenset(held) for site, held in roles.items()},
            sees_every_site=user.is_superuser,
        )
    return user.onset_actor
