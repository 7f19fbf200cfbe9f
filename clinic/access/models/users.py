"""Staff accounts and the roles a person has at each site."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AbstractUser
from django.db import models

from clinic.access.policy import Actor, Role

if TYPE_CHECKING:
    from clinic.access.models.sign_ins import SignIn


class User(AbstractUser):
    """A member of staff, or the account of a program (its ``service_token``)."""

    onset_sign_in: "SignIn | None" = None
    """By which sign-in this request was recognised; lives as long as the request."""
    onset_actor: Actor | None = None
    """The roles, once they were read for this request."""

    class Meta:
        ordering = ("username",)


class Membership(models.Model):
    """One role of one person at one site."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, role.label) for role in Role])

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("user", "site", "role"), name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="membership_known_role"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} as {self.role} at {self.site}"
