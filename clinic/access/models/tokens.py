"""API tokens: shown once, stored hashed, expiring, revocable."""

from django.db import models


class ApiToken(models.Model):
    """One signed-in program or browser. The token itself is never stored, only its SHA-256."""

    user = models.ForeignKey("access.User", on_delete=models.CASCADE, related_name="api_tokens")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"token {self.pk}"
