"""Opening the session of an infusion, and the lock that every write of the day begins with."""

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, Invalid, NotFound
from scheduling.domain.session_stages import Stage, stage_of
from scheduling.domain.transitions import Status
from scheduling.models import Appointment, InfusionSession
from scheduling.models.infusion_rules import INFUSED


def ensure(appointment: Appointment) -> InfusionSession | None:
    """Lock the session of an appointment, made when there is none; None for visits without a treatment."""
    if appointment.visit_type.kind not in INFUSED:
        return None
    InfusionSession.objects.bulk_create([InfusionSession(appointment=appointment)], ignore_conflicts=True)
    session = InfusionSession.objects.select_for_update(no_key=True).get(pk=appointment.pk)
    session.appointment = appointment
    return session


def lock(
    appointment_id: int,
    *,
    actor: Actor,
    permission: str,
    expected_version: int | None = None,
    stages: frozenset[Stage] | None = None,
) -> InfusionSession:
    """Lock a visit's session, with its appointment, visit type, site and patient read.

    It is made when there is none yet. The appointment itself is not locked: its steps lock the session as
    well, so the stage stands. Raises NotFound, Forbidden, Invalid (``not_an_infusion``), StaleVersion, and
    Conflict (``wrong_stage``) when the patient is in none of ``stages``.
    """
    found = (
        Appointment.objects.visible_to(actor)
        .select_related("visit_type", "site", "patient")
        .filter(pk=appointment_id)
        .first()
    )
    if found is None:
        raise NotFound("This appointment does not exist.")
    actor.require(permission, found.site_id)
    session = ensure(found)
    if session is None:
        raise Invalid(
            "This visit has no infusion: it needs no gates, doses or readings.", code="not_an_infusion"
        )
    found.refresh_from_db(fields=["status"])  # it may have changed while the lock was waited for
    versions.require_version(session, expected_version)
    stage = stage_in(session)
    if stages is not None and stage not in stages:
        raise Conflict(
            f"This is not possible now: the patient is {stage}.",
            code="wrong_stage",
            stage=stage.value,
            possible=sorted(each.value for each in stages),
        )
    return session


def stage_in(session: InfusionSession) -> Stage:
    """Where the patient is."""
    return stage_of(
        Status(session.appointment.status),
        infusion_ended_at=session.infusion_ended_at,
        discharged_at=session.discharged_at,
    )
