"""A link that somebody opened, as the pages see it, and the short-lived proof that its patient is there."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from patients.models import Patient, PatientLink
from patients.services import links

COOKIE = "onset_birth_date_given"
_SALT = "patients.pages.links"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLink:
    """One request on one link. ``identified``: the date of birth was given on it, not long ago."""

    row: PatientLink
    token: str
    now: datetime
    identified: bool

    @property
    def patient(self) -> Patient:
        """Whose link it is, with the site."""
        return self.row.patient

    @property
    def language(self) -> str:
        """``en`` or ``es``."""
        return self.patient.language

    def url(self, step: str = "") -> str:
        """The address of a page of this link; without a step, of its first page."""
        return address(self.token, step)


def address(token: str, step: str = "") -> str:
    """The path of a page."""
    if step:
        return reverse("patient-step", args=[token, step])
    return reverse("patient-page", args=[token])


def opened(request: HttpRequest, token: str, *, now: datetime) -> OpenLink | None:
    """What the token opens for this browser, or None."""
    row = links.find(token=token, now=now)
    if row is None:
        return None
    proof = request.get_signed_cookie(
        COOKIE, default="", salt=_SALT, max_age=settings.BIRTH_DATE_KNOWN_SECONDS
    )
    return OpenLink(row=row, token=token, now=now, identified=proof == _proof(row))


def remember(response: HttpResponse, link: OpenLink) -> None:
    """The date of birth was right: this browser is not asked again on this link for some minutes."""
    response.set_signed_cookie(
        COOKIE,
        _proof(link.row),
        salt=_SALT,
        max_age=settings.BIRTH_DATE_KNOWN_SECONDS,
        path=link.url(),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _proof(row: PatientLink) -> str:
    return f"{row.pk}.{row.patient_id}"
