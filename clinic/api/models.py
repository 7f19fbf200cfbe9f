"""Stored replies, so that a POST repeated with the same Idempotency-Key has one effect."""

from django.db import models


class IdempotentReply(models.Model):
    """The reply to one keyed request. It commits together with the request's effect."""

    user = models.ForeignKey("access.User", on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    content_type = models.CharField(max_length=64)
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "key"), name="idempotency_key_once"),)

    def __str__(self) -> str:
        return f"reply {self.pk}"
