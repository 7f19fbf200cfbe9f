"""Consent to be reached, per channel and purpose: every yes and no is appended, the latest counts.

``Patient.accepts_email`` and ``accepts_sms`` repeat the latest word on care messages, so that the
outbox can ask one row. Only this module writes them, always together with the consent row.
"""

from collections.abc import Mapping
from datetime import datetime

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import NotFound
from clinic.common.transactions import durable
from clinic.common.versions import require_version
from patients.models import Consent, Patient
from patients.services import outreach

ACCEPTS: Mapping[str, str] = {Consent.Channel.EMAIL: "accepts_email", Consent.Channel.SMS: "accepts_sms"}
"""Channel -> the patient's field that says whether care messages may use it."""

ADDRESS: Mapping[str, str] = {Consent.Channel.EMAIL: "email", Consent.Channel.SMS: "phone"}
"""Channel -> the patient's field that holds the address on it."""


@durable
def record(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    channel: str,
    granted: bool,
    purpose: str = Consent.Purpose.CARE,
    source: str = Consent.Source.STAFF,
    expected_version: int | None = None,
) -> Consent:
    """Append a yes or a no, and let unsent messages follow it.

    Raises NotFound, Forbidden, StaleVersion.
    """
    patient = Patient.objects.visible_to(actor).select_for_update(no_key=True).filter(pk=patient_id).first()
    if patient is None:
        raise NotFound("There is no such patient at your sites.")
    actor.require("patients.write", patient.site_id)
    require_version(patient, expected_version)
    before = in_force(patient)
    consent = append(
        patient=patient,
        actor=actor,
        now=now,
        channel=channel,
        purpose=purpose,
        granted=granted,
        source=source,
    )
    if in_force(patient) != before:
        versions.save(patient, ACCEPTS[channel])
        outreach.contact_changed(patient=patient, now=now)
    return consent


def append(
    *, patient: Patient, actor: Actor, now: datetime, channel: str, purpose: str, granted: bool, source: str
) -> Consent:
    """Append one row and set the patient's field to match, without saving the patient.

    The caller holds the patient's lock, saves the ACCEPTS field and calls outreach.
    """
    latest = Consent.objects.filter(patient=patient).values_list("recorded_at", flat=True).first()
    consent = Consent.objects.create(
        patient=patient,
        channel=channel,
        purpose=purpose,
        granted=granted,
        source=source,
        # The lock decides which word is the last one, not the moment at which a waiting request began.
        recorded_at=max(now, latest) if latest else now,
        recorded_by_id=actor.user_id,
    )
    if purpose == Consent.Purpose.CARE:
        setattr(patient, ACCEPTS[channel], granted)
    return consent


def opening_rows(
    *, patient: Patient, preferences: Mapping[str, bool], actor: Actor, now: datetime, source: str
) -> list[Consent]:
    """The first consents of a new patient, unsaved; sets the patient's fields to match.

    An address that the person gave carries consent to care messages on it, unless they said no.
    """
    rows = []
    for channel, field in ACCEPTS.items():
        granted = preferences.get(channel, True if getattr(patient, ADDRESS[channel]) else None)
        setattr(patient, field, bool(granted))
        if granted is not None:
            rows.append(
                Consent(
                    patient=patient,
                    channel=channel,
                    granted=granted,
                    source=source,
                    recorded_at=now,
                    recorded_by_id=actor.user_id,
                )
            )
    return rows


def wishes(
    *, patient: Patient, changed_addresses: frozenset[str], preferences: Mapping[str, bool]
) -> list[tuple[str, bool, str]]:
    """What a change of details says about consent: (channel, granted, source) to append.

    A stated preference counts when it differs from what is in force. A new address carries consent
    only on a channel on which nobody has said anything yet: a no stays a no until it is taken back.
    """
    spoken = set(
        Consent.objects.filter(patient=patient, purpose=Consent.Purpose.CARE).values_list(
            "channel", flat=True
        )
    )
    found = []
    for channel, field in ACCEPTS.items():
        opens = channel not in spoken and channel in changed_addresses
        stated = preferences.get(channel)
        if stated is not None and (opens or stated != getattr(patient, field)):
            found.append((channel, stated, Consent.Source.STAFF))
        elif stated is None and opens and getattr(patient, ADDRESS[channel]):
            found.append((channel, True, Consent.Source.REGISTRATION))
    return [(str(channel), granted, str(source)) for channel, granted, source in found]


def in_force(patient: Patient) -> dict[str, bool]:
    """Channel -> whether care messages may use it."""
    return {str(channel): bool(getattr(patient, field)) for channel, field in ACCEPTS.items()}
