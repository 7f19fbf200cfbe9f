"""Who is signed in where, by which credential, and every credential that was tried.

One row per sign-in, whether in a browser or by a token of the API: idle time, lifetime and
revocation are judged by that row on every request, so that ending it ends the sign-in at once.
"""

from django.db import models


class SignIn(models.Model):
    """One signed-in browser or program. Its secret is never stored, only the SHA-256."""

    class Door(models.TextChoices):
        """Which way in; a secret of one opens nothing at the other."""

        BROWSER = "browser", "Browser"
        API = "api", "API token"

    user = models.ForeignKey("access.User", on_delete=models.CASCADE, related_name="sign_ins")
    door = models.CharField(max_length=8, choices=Door.choices, default=Door.API)
    digest = models.BinaryField(max_length=32, unique=True)
    agent = models.CharField(max_length=60, blank=True)
    second_factor = models.BooleanField(default=False)
    password_mark = models.CharField(max_length=64, blank=True, editable=False)
    """What Django's sessions carry too: it no longer fits once the password is another one."""
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"sign-in {self.pk}"


class CredentialTry(models.Model):
    """One password or second factor that was tried. Counted before it is looked at; a success is removed."""

    class Kind(models.TextChoices):
        """What was tried."""

        PASSWORD = "password", "Password"
        CODE = "code", "Second factor"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    account = models.BinaryField(max_length=32)
    """SHA-256 of the name as typed: also of names that nobody has."""
    address = models.BinaryField(max_length=32)
    at = models.DateTimeField(db_index=True)
    forgiven = models.BooleanField(default=False)
    """The right credential came after it: it counts for the address only."""

    class Meta:
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("account", "kind", "-at"), name="credential_try_account"),
            models.Index(fields=("address", "-at"), name="credential_try_address"),
        )

    def __str__(self) -> str:
        return f"{self.kind} tried"


class SecondFactorReset(models.Model):
    """Somebody's second factor was taken away by somebody else. Append-only."""

    user = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="factor_resets")
    by = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="+", null=True)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"reset {self.pk}"
