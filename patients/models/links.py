"""The links in our messages: who may open what until when, and every date of birth that was tried."""

from django.db import models


class PatientLink(models.Model):
    """One opaque address given to one patient for one subject. Only a hash of its token is stored."""

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="links")
    subject_kind = models.CharField(max_length=20, help_text="What it opens: appointment, offer, check_in.")
    subject_id = models.BigIntegerField()
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    message = models.ForeignKey(
        "patients.Message", on_delete=models.CASCADE, null=True, blank=True, related_name="links"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="link_expires_later"
            ),
        )
        indexes = (models.Index(fields=("subject_kind", "subject_id"), name="link_by_subject"),)

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id}"


class IdentityCheck(models.Model):
    """Somebody gave a date of birth on a link. Append-only; wrong ones lock every link of the patient."""

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="identity_checks")
    link = models.ForeignKey(PatientLink, on_delete=models.CASCADE, related_name="identity_checks")
    at = models.DateTimeField()
    passed = models.BooleanField()

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("patient", "-at"), name="identity_check_latest"),)

    def __str__(self) -> str:
        return "passed" if self.passed else "failed"
