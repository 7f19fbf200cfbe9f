"""Registering a patient and changing what we know about them.

Registration at one site is serialised by an advisory lock: two people at the desk who register the
same person at the same moment must not both find that nobody is there yet.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.db import DatabaseError, connection

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, NotFound
from clinic.common.transactions import durable, violated
from clinic.common.versions import require_version
from patients.domain import mrn, names
from patients.models import Consent, Patient
from patients.services import consents, details, outreach

_REACHED_BY = frozenset({"email", "phone", "status", "timezone", "language", "site_id"})
_FAILED_AT = {"email": "email_failed_at", "phone": "phone_failed_at"}
_NAMES = frozenset({"first_name", "last_name", "preferred_name"})

PersonKey = tuple[date, str]
"""Birth date and plain name: equal keys may be one person."""


@durable
def register(
    *,
    actor: Actor,
    now: datetime,
    site_id: int,
    given: Mapping[str, Any],
    contact_preferences: Mapping[str, bool] | None = None,
    confirm_duplicate: bool = False,
) -> Patient:
    """Add a patient with their first consents. ``given`` holds the fields of services.details.RULES.

    Raises Invalid (``invalid_patient``), Forbidden, NotFound (no such site), Conflict
    (``possible_duplicate`` with ``existing`` ids unless ``confirm_duplicate``; ``mrn_taken``).
    """
    site = writable_site(actor, site_id)
    cleaned = details.require_clean(complete(given), now=now)
    lock_registration(site)
    if not confirm_duplicate:
        existing = same_people(site, [person_key(cleaned)]).get(person_key(cleaned), [])
        if existing:
            raise Conflict(
                "A patient with this name and date of birth is already registered here. Use that record, "
                "or send confirm_duplicate: true if this is another person.",
                code="possible_duplicate",
                existing=existing,
            )
    if not cleaned.get("mrn"):
        cleaned["mrn"] = make_mrns(1)[0]
    elif Patient.objects.filter(mrn=cleaned["mrn"]).exists():
        raise mrn_taken()
    patient = build(site=site, cleaned=cleaned, now=now)
    rows = consents.opening_rows(
        patient=patient,
        preferences=contact_preferences or {},
        actor=actor,
        now=now,
        source=Consent.Source.REGISTRATION,
    )
    _insert(patient)
    Consent.objects.bulk_create(rows)
    return patient


@durable
def update(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    expected_version: int | None,
    changes: Mapping[str, Any],
    contact_preferences: Mapping[str, bool] | None = None,
    site_id: int | None = None,
) -> Patient:
    """Change details; consent and unsent messages follow. Nothing to change leaves the version alone.

    Raises NotFound, Forbidden, StaleVersion, Invalid (``invalid_patient``), Conflict (``mrn_taken``).
    """
    patient = Patient.objects.visible_to(actor).select_for_update(no_key=True).filter(pk=patient_id).first()
    if patient is None:
        raise NotFound("There is no such patient at your sites.")
    actor.require("patients.write", patient.site_id)
    require_version(patient, expected_version)
    cleaned = details.require_clean(changes, now=now)
    changed = {field for field, value in cleaned.items() if getattr(patient, field) != value}
    if site_id is not None and site_id != patient.site_id:
        cleaned["site_id"] = writable_site(actor, site_id).pk
        changed.add("site_id")
    if "mrn" in changed and Patient.objects.filter(mrn=cleaned["mrn"]).exists():
        raise mrn_taken()
    for field in changed:
        setattr(patient, field, cleaned[field])
    fields = changed | _follow(patient, changed)
    spoken = consents.wishes(
        patient=patient,
        changed_addresses=frozenset(c for c, f in consents.ADDRESS.items() if f in changed),
        preferences=contact_preferences or {},
    )
    for channel, granted, source in spoken:
        consents.append(
            patient=patient,
            actor=actor,
            now=now,
            channel=channel,
            purpose=Consent.Purpose.CARE,
            granted=granted,
            source=source,
        )
        fields.add(consents.ACCEPTS[channel])
    if fields:
        _write(patient, fields)
    if spoken or changed & _REACHED_BY:
        outreach.contact_changed(patient=patient, now=now)
    return patient


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, with the required fields present so that a missing one is named."""
    return {**dict.fromkeys(details.REQUIRED, ""), **{k: v for k, v in given.items() if k != "mrn" or v}}


def writable_site(actor: Actor, site_id: int) -> Site:
    """The active site. Raises NotFound when it is not the actor's to see, Forbidden by role."""
    site = Site.objects.visible_to(actor).filter(pk=site_id, active=True).first()
    if site is None:
        raise NotFound("There is no such site among yours.", code="unknown_site")
    actor.require("patients.write", site.pk)
    return site


def lock_registration(site: Site) -> None:
    """Hold registration at this site until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"register:{site.pk}"])


def person_key(cleaned: Mapping[str, Any]) -> PersonKey:
    """What makes two registrations look like one person."""
    name = names.same_person_key(first_name=cleaned["first_name"], last_name=cleaned["last_name"])
    return cleaned["date_of_birth"], name


def same_people(site: Site, keys: Iterable[PersonKey]) -> dict[PersonKey, list[int]]:
    """Which of these people the site may already have: key -> patient ids, oldest first."""
    wanted = set(keys)
    born_then = Patient.objects.filter(site=site, date_of_birth__in={born for born, _ in wanted})
    found: dict[PersonKey, list[int]] = {}
    for row in born_then.order_by("id").values("id", "first_name", "last_name", "date_of_birth"):
        key = person_key(row)
        if key in wanted:
            found.setdefault(key, []).append(row["id"])
    return found


def make_mrns(count: int) -> list[str]:
    """Fresh MRNs. The sequence never repeats; a number that somebody typed in is skipped."""
    made: list[str] = []
    while len(made) < count:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval('patients_mrn_seq') FROM generate_series(1, %s)", [count - len(made)]
            )
            fresh = [mrn.made_from(number) for (number,) in cursor.fetchall()]
        taken = set(Patient.objects.filter(mrn__in=fresh).values_list("mrn", flat=True))
        made += [number for number in fresh if number not in taken]
    return made


def build(*, site: Site, cleaned: Mapping[str, Any], now: datetime) -> Patient:
    """The unsaved patient; a time zone that was not given is the site's."""
    patient = Patient(site=site, created_at=now, **{"timezone": site.timezone, **cleaned})
    patient.sort_name = _sort_name(patient)
    return patient


def mrn_taken() -> Conflict:
    """What to say about an MRN that somebody has."""
    return Conflict(
        "Another patient has this MRN. Check it, or leave it out and one is made.",
        code="mrn_taken",
        errors=[FieldError(pointer="/mrn", code="mrn_taken", detail="Another patient has this MRN.")],
    )


def is_mrn_clash(error: DatabaseError) -> bool:
    """Whether a write failed because somebody else took the MRN in the same moment."""
    return "mrn" in (violated(error) or "")


def _sort_name(patient: Patient) -> str:
    return names.sort_name(
        first_name=patient.first_name,
        last_name=patient.last_name,
        preferred_name=patient.preferred_name,
    )


def _follow(patient: Patient, changed: set[str]) -> set[str]:
    """Set what depends on the changed fields; returns the names of what it set."""
    followed = set()
    if changed & _NAMES:
        patient.sort_name = _sort_name(patient)
        followed.add("sort_name")
    for address, failed_at in _FAILED_AT.items():
        if address in changed:
            setattr(patient, failed_at, None)
            followed.add(failed_at)
    return followed


def _insert(patient: Patient) -> None:
    try:
        patient.save(force_insert=True)
    except DatabaseError as error:
        if is_mrn_clash(error):
            raise mrn_taken() from error
        raise


def _write(patient: Patient, fields: set[str]) -> None:
    try:
        versions.save(patient, *sorted(fields))
    except DatabaseError as error:
        if is_mrn_clash(error):
            raise mrn_taken() from error
        raise
