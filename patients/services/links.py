"""Links for patients: made when a message is composed, and kept only as a hash, so that neither the database
nor a backup of it opens anything."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings

from patients.models import Message, Patient, PatientLink

_TOKEN_BYTES = 16


def issue(
    *,
    patient: Patient,
    subject_kind: str,
    subject_id: int,
    message: Message | None,
    expires_at: datetime,
    now: datetime,
) -> str:
    """A new address that opens this subject for this patient until ``expires_at``. It cannot be looked up."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    PatientLink.objects.create(
        patient=patient,
        subject_kind=subject_kind,
        subject_id=subject_id,
        token_hash=hash_of(token),
        message=message,
        created_at=now,
        expires_at=expires_at,
    )
    return f"{settings.PUBLIC_URL}/p/{token}/"


def sample() -> str:
    """An address as long as a real one, which opens nothing: for previews."""
    return f"{settings.PUBLIC_URL}/p/{'x' * len(secrets.token_urlsafe(_TOKEN_BYTES))}/"


def hash_of(token: str) -> str:
    """How a token is stored. It has 128 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(*, token: str, now: datetime, grace: timedelta = timedelta()) -> PatientLink | None:
    """The link that this token opens, with its patient and their site; None whatever the reason.

    Unknown, expired (more than ``grace`` ago), taken back, or of a patient whose record is closed: one
    query and one answer, so that nobody learns which.
    """
    return (
        PatientLink.objects.select_related("patient__site")
        .filter(
            token_hash=hash_of(token),
            expires_at__gt=now - grace,
            revoked_at=None,
            patient__status=Patient.Status.ACTIVE,
        )
        .first()
    )
