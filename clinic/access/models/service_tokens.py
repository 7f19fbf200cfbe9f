"""Tokens of programs: limited to sites and named scopes, expiring, revocable, shown once."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from clinic.access.models.sites import Site
from clinic.access.policy import Actor


class ServiceTokenQuerySet(models.QuerySet["ServiceToken"]):
    """Reusable filters."""

    def visible_to(self, actor: Actor) -> "ServiceTokenQuerySet":
        """Those that reach a site which this person staffs."""
        if actor.sees_every_site:
            return self
        return self.filter(sites__in=actor.sites("staff.write")).distinct()


class ServiceToken(models.Model):
    """One program's access. Its account has no roles and no password; records name it as who acted."""

    name = models.CharField(max_length=60)
    user = models.OneToOneField(
        "access.User", on_delete=models.PROTECT, related_name="service_token", editable=False
    )
    sites = models.ManyToManyField(Site, related_name="service_tokens")
    scopes = ArrayField(models.CharField(max_length=40))
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.BinaryField(max_length=32, unique=True)
    created_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", null=True, editable=False
    )
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = ServiceTokenQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.name
