"""The rows behind the FHIR resources: what an actor may see of each, with all that showing one needs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Prefetch, QuerySet
from django.db.models.functions import Coalesce

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common.intervals import Interval
from patients.models import Assessment, Patient
from scheduling.models import (
    Allocation,
    Appointment,
    InfusionSession,
    Prescription,
    Resource,
    VisitType,
    VitalReading,
)
from scheduling.selectors.availability import Question, Visit, search

_HELD = Prefetch(
    "allocations",
    queryset=Allocation.objects.filter(released_at=None).select_related("resource"),
    to_attr="held",
)


def patients(actor: Actor) -> QuerySet[Patient]:
    """Of the actor's sites."""
    return Patient.objects.visible_to(actor)


def sites(actor: Actor) -> QuerySet[Site]:
    """The actor's sites."""
    return Site.objects.visible_to(actor)


def resources(actor: Actor) -> QuerySet[Resource]:
    """Of the actor's sites."""
    return Resource.objects.visible_to(actor)


def appointments(actor: Actor) -> QuerySet[Appointment]:
    """With what each holds now, as ``held``."""
    return Appointment.objects.visible_to(actor).select_related("visit_type").prefetch_related(_HELD)


def prescriptions(actor: Actor) -> QuerySet[Prescription]:
    """Of patients whose prescriptions the actor reads."""
    return Prescription.objects.visible_to(actor)


def assessments(actor: Actor) -> QuerySet[Assessment]:
    """With ``corrected_at``, when another took its place, and ``updated_at``, when it last changed."""
    rows = Assessment.objects.visible_to(actor).select_related("instrument")
    corrected = rows.annotate(corrected_at=F("superseded_by__recorded_at"))
    return corrected.annotate(updated_at=Coalesce("corrected_at", "recorded_at"))


def readings(actor: Actor) -> QuerySet[VitalReading]:
    """Vital signs of the sites where the actor reads the infusion day, with ``updated_at``."""
    rows = VitalReading.objects.select_related("session__appointment")
    if not actor.sees_every_site:
        rows = rows.filter(session__appointment__site_id__in=actor.sites("infusion_day.read"))
    return rows.annotate(updated_at=Coalesce("struck_at", "recorded_at"))


def weights(actor: Actor) -> QuerySet[InfusionSession]:
    """Sessions at which a weight was taken, of the same sites."""
    rows = InfusionSession.objects.filter(weight_kg__isnull=False).select_related("appointment")
    if actor.sees_every_site:
        return rows
    return rows.filter(appointment__site_id__in=actor.sites("infusion_day.read"))


def zones(actor: Actor) -> list[str]:
    """The zones of the actor's sites: in each of them a day begins at another moment."""
    return sorted(sites(actor).order_by().values_list("timezone", flat=True).distinct())


@dataclass(frozen=True, slots=True, order=True)
class Free:
    """A time at which a visit of this type can start."""

    start: datetime
    visit_type_id: int


def free(resource: Resource, *, visit_types: list[VisitType], window: Interval, now: datetime) -> list[Free]:
    """Every start in the window at which this resource and all else that the visit needs is free.

    At most five queries for each visit type that needs a resource of this kind, none for the others.
    """
    found: list[Free] = []
    for visit_type in visit_types if resource.active else ():
        if resource.kind not in {need.kind for need in Visit.of(visit_type).requirements}:
            continue
        asked = Question(
            visit_type=visit_type,
            site=resource.site,
            window=window,
            now=now,
            resource_ids=frozenset({resource.pk}),
        )
        found += [Free(start, visit_type.pk) for start in search(asked).starts()]
    return sorted(found)


def bookable(**narrowed: Any) -> list[VisitType]:
    """The visit types that are booked at present."""
    return list(VisitType.objects.filter(active=True, **narrowed).order_by("pk"))
